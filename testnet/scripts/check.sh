#!/usr/bin/env bash
# Runs the checks of `make test`, `make soak` and `make lint` (and `check.sh scenarios`: the steps of
# `make test` that run programs, without the unit tests), counts what they report and ends with one line
# on standard output: N passed, N failed, N skipped. Everything else goes to standard error and to a log
# file per step. A step that fails makes the whole run fail; later steps run all the same, except when
# the build is broken.
set -uo pipefail
cd "$(dirname "$0")/../.."

mode=${1:-test}
: "${CARGO_TARGET_DIR:=$HOME/.cache/peruri-chain/target}"
export CARGO_TARGET_DIR
bin=$CARGO_TARGET_DIR/debug
logs=target/check/$mode
rm -rf "$logs" && mkdir -p "$logs"

passed=0 failed=0 skipped=0 summary=()

say() { printf '%s\n' "$*" >&2; }

# Adds up what a step's log says. Kinds: `check` (no tests inside: the step itself is one),
# `cargo` (every "test result:" line), `judge` (the last "N passed, N failed" line).
count() {
    local kind=$1 log=$2
    case $kind in
    check) echo "1 0 0" ;;
    cargo)
        awk '/^test result: / {
                for (i = 2; i <= NF; i++) {
                    if ($i ~ /^passed/) p += $(i - 1)
                    if ($i ~ /^failed/) f += $(i - 1)
                    if ($i ~ /^ignored/) s += $(i - 1)
                }
                n++
             }
             END { if (n) print p + 0, f + 0, s + 0; else print 0, 1, 0 }' "$log"
        ;;
    judge)
        awk '/^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ { p = $1; f = $3; s = $5; n++ }
             END { if (n) print p + 0, f + 0, s + 0; else print 0, 1, 0 }' "$log"
        ;;
    esac
}

step() {
    local kind=$1 name=$2
    shift 2
    local log=$logs/$name.log start=$SECONDS rc p f s
    say "==> $name: $*"
    # `cargo test` colours nothing when piped; the log is what gets counted.
    "$@" </dev/null 2>&1 | tee "$log" >&2
    rc=${PIPESTATUS[0]}
    read -r p f s < <(count "$kind" "$log")
    if ((rc != 0)); then
        [[ $kind == check ]] && p=0
        ((f > 0)) || f=1
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    summary+=("$(printf '%-16s %6d passed %4d failed %4d skipped %6d s' "$name" "$p" "$f" "$s" $((SECONDS - start)))")
    return "$rc"
}

skip() {
    say "==> $1: skipped: $2"
    skipped=$((skipped + 1))
    summary+=("$(printf '%-16s skipped: %s' "$1" "$2")")
}

finish() {
    say ""
    ((${#summary[@]})) && printf '%s\n' "${summary[@]}" >&2
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    ((failed == 0 && passed > 0))
    exit
}

# Documentation is checked here only: cargo builds it with other features than tests, so that it
# would compile all dependencies once more.
lint() {
    step check fmt cargo fmt --all --check
    step check clippy cargo clippy --workspace --all-targets --locked -- -D warnings
    step check doc env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
}

# Features are unified over the whole workspace, and binaries, libraries and tests are built in one go,
# so that no dependency is ever compiled twice.
build() {
    step check build cargo build --workspace --bins --tests --locked || finish
}

ethereum_tests() {
    if [[ -d ${PERURI_VECTORS:-}/ef-blockchain ]]; then
        step judge ef-tests "$bin/peruri-ef-tests" "$PERURI_VECTORS/ef-blockchain"
    else
        skip ef-tests "no Ethereum blockchain tests here (PERURI_VECTORS)"
    fi
}

rpc_vectors() {
    if [[ -d ${PERURI_VECTORS:-}/rpc-compat ]]; then
        step judge rpc-compat "$bin/peruri-rpc-compat" "$PERURI_VECTORS/rpc-compat"
    else
        skip rpc-compat "no vectors of the execution API here (PERURI_VECTORS)"
    fi
}

# The consensus core in its simulator. $1 seeds, $2 greatest number of rounds of twins, $3 seconds for each
# seeded bug, $4.. further arguments of that search. A build with seeded bugs must not meet a node, so it
# has a target folder of its own.
consensus() {
    local seeds=$1 rounds=$2 seconds=$3 r
    shift 3
    if [[ -f ${PERURI_VECTORS:-}/ibft2.json ]]; then
        step judge ibft2-vectors "$bin/ibft2-sim" vectors "$PERURI_VECTORS/ibft2.json"
    else
        skip ibft2-vectors "no vectors of IBFT 2.0 here (PERURI_VECTORS)"
    fi
    step judge ibft2-seeds "$bin/ibft2-sim" run --seeds "0..$seeds" --nodes 1,2,3,4,5,6,7,10
    for ((r = 2; r <= rounds; r++)); do
        step judge "ibft2-twins-$r" "$bin/ibft2-sim" twins --nodes 4 --twins 1 --rounds "$r"
    done
    step judge ibft2-scenarios "$bin/ibft2-sim" scenarios
    local seeded=$CARGO_TARGET_DIR/mutants
    step check seeded-bugs env CARGO_TARGET_DIR="$seeded" cargo build --locked -p peruri-ibft2-sim --features mutants &&
        step cargo ibft2-rules env CARGO_TARGET_DIR="$seeded" cargo test --locked -p peruri-ibft2 --features mutants --lib seeded &&
        step judge ibft2-repairs "$seeded/debug/ibft2-sim" scenarios --repairs 60 &&
        step judge ibft2-mutants "$seeded/debug/ibft2-sim" mutants --seconds "$seconds" "$@"
}

# Random and mutated bytes for the decoders. $1 seconds for whole messages, $2 for each kind alone.
fuzz() {
    local whole=$1 each=$2 target seeded=$CARGO_TARGET_DIR/mutants
    step check fuzz-build env CARGO_TARGET_DIR="$seeded" cargo build --locked -p peruri-ibft2 --example fuzz || return
    step judge fuzz-any_message "$seeded/debug/examples/fuzz" --target any_message --seconds "$whole"
    for target in proposal prepare commit round_change signed_payload extra_data; do
        step judge "fuzz-$target" "$seeded/debug/examples/fuzz" --target "$target" --seconds "$each"
    done
}

# $1 crash cycles, $2 power cuts, $3 full disks, $4.. further arguments of the power-cut scenario
scenarios() {
    local crashes=$1 cuts=$2 fillings=$3
    shift 3
    step judge crash "$bin/peruri-crash" --node "$bin/peruri-node" --cycles "$crashes"
    local obstacle
    if obstacle=$("$bin/peruri-power-cut" --probe); then
        step judge power-cut "$bin/peruri-power-cut" --node "$bin/peruri-node" --cuts "$cuts" "$@"
    else
        skip power-cut "$obstacle"
    fi
    if obstacle=$("$bin/peruri-disk-full" --probe); then
        step judge disk-full "$bin/peruri-disk-full" --node "$bin/peruri-node" --rounds "$fillings"
    else
        skip disk-full "$obstacle"
    fi
    step judge flood "$bin/peruri-flood" --node "$bin/peruri-node"
    step judge e2e env PERURI_NODE="$bin/peruri-node" node testnet/e2e/run.js
    step judge pilot-check "$bin/peruri-pilot" --check --node "$bin/peruri-node" --out target/pilot
}

# The activity mirror under faults. $1.. arguments of the scenarios.
mirror() {
    step judge mirror "$bin/peruri-mirror" --node "$bin/peruri-node" "$@"
}

# Networks of several nodes with faults. $1 name of the step, $2.. files and arguments of the scenarios.
networks() {
    local name=$1 obstacle
    shift
    if obstacle=$("$bin/peruri-testnet" chaos --probe "$@"); then
        step judge "$name" "$bin/peruri-testnet" chaos --node "$bin/peruri-node" "$@"
    else
        skip "$name" "$obstacle"
    fi
}

# A crash, partitions, restored data and power cuts, together below four minutes.
few_networks() {
    networks chaos --at-most 50 testnet/scenarios/{01-crashes,03-partitions,07-restored-data,16-power-cut}.toml
}

# Attacks on the connections between nodes, each measured against the same network without it. $1 seconds
# without and under each attack, $2.. ids of the attacks, all if there are none.
attacks() {
    local seconds=$1
    shift
    step judge attacks "$bin/peruri-attacks" --node "$bin/peruri-node" --seconds "$seconds" "$@"
}

# Attacks on the JSON-RPC servers of one node: its answers, its blocks, its memory. $1.. ids of the attacks or
# --full, all of them shortened if there is nothing.
rpc_attacks() {
    step judge rpc-attacks "$bin/peruri-rpc-attacks" --node "$bin/peruri-node" "$@"
}

# A binary whose synced writes are not synced: the power-cut scenario must notice.
unsynced_node() {
    cargo build --workspace --bins --tests --locked --features peruri-node/fault-no-sync &&
        cp --remove-destination "$bin/peruri-node" "$bin/peruri-node-no-sync" &&
        cargo build --workspace --bins --tests --locked
}

case $mode in
lint)
    lint
    ;;
test)
    step check fmt cargo fmt --all --check
    step check clippy cargo clippy --workspace --all-targets --locked -- -D warnings
    build
    step cargo unit cargo test --workspace --locked --no-fail-fast
    ethereum_tests
    rpc_vectors
    consensus 2000 2 5 --list
    scenarios 10 3 1
    mirror
    few_networks
    attacks 10 P1 P5 P8
    rpc_attacks R1 R2 R3 R5 R11 R12 subscribers
    ;;
soak)
    step check unsynced-build unsynced_node || finish
    build
    ethereum_tests
    rpc_vectors
    consensus 20000 3 60
    fuzz 600 60
    step cargo plog-hostile env PERURI_PLOG_CASES=100000 cargo test --workspace --locked --test plog hostile
    scenarios 100 20 10 --must-lose "$bin/peruri-node-no-sync"
    mirror --activities 20000 --faults 200 --stall 60 --pressure 60
    networks chaos testnet/scenarios/*.toml --must-lose "$bin/peruri-node-no-sync"
    networks chaos-long testnet/scenarios/soak/*.toml
    attacks 60
    rpc_attacks --full
    ;;
scenarios)
    build
    ethereum_tests
    rpc_vectors
    consensus 2000 2 5 --list
    scenarios 10 3 1
    few_networks
    attacks 10 P1 P5 P8
    rpc_attacks R1 R2 R3 R5 R11 R12 subscribers
    ;;
*)
    say "unknown mode: $mode (test, soak, lint, scenarios)"
    exit 2
    ;;
esac
finish
