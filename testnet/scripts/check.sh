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
    scenarios 10 3 1
    ;;
soak)
    step check unsynced-build unsynced_node || finish
    build
    ethereum_tests
    scenarios 100 20 10 --must-lose "$bin/peruri-node-no-sync"
    ;;
scenarios)
    build
    ethereum_tests
    scenarios 10 3 1
    ;;
*)
    say "unknown mode: $mode (test, soak, lint, scenarios)"
    exit 2
    ;;
esac
finish
