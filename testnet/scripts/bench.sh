#!/usr/bin/env bash
# Builds for release, runs the criterion benches and the rows beside anvil, bare revm and revme, prints
# the table. ROWS and ROUNDS: rows of the harness (its own default: all) and interleaved rounds; BENCHES=skip
# leaves criterion out, BENCHES=state runs one of its programs.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${CARGO_TARGET_DIR:=$HOME/.cache/peruri-chain/target}"
export CARGO_TARGET_DIR
out=target/bench
mkdir -p "$out"

# One build of programs and benches: features are resolved once, nothing is compiled twice.
build=(cargo build --release --locked -p peruri-node -p peruri-benches -p peruri-plog -p peruri-ef-tests --bins --benches)
"${build[@]}" >&2
programs=$("${build[@]}" --message-format=json 2>/dev/null | node -e '
    for (const line of require("fs").readFileSync(0, "utf8").split("\n").filter(Boolean)) {
        const { target, executable } = JSON.parse(line);
        if (executable && target.kind.includes("bench")) console.log(target.name, executable);
    }')
if [[ ${BENCHES:-} != skip ]]; then
    while read -r name program; do
        [[ -z ${BENCHES:-} || $BENCHES == "$name" ]] || continue
        echo "==> bench $name" >&2
        "$program" --bench >&2 </dev/null
    done <<<"$programs"
fi
# Peer of T17: a program of its own, which `cargo install revme --version 43.0.3` brings.
revme=${REVME:-$(command -v revme || true)}
vectors=${PERURI_VECTORS:-}/ef-blockchain
"$CARGO_TARGET_DIR/release/peruri-bench" \
    --node "$CARGO_TARGET_DIR/release/peruri-node" \
    --anvil testnet/e2e/node_modules/.bin/anvil \
    --criterion "$CARGO_TARGET_DIR/criterion" \
    --ef-tests "$CARGO_TARGET_DIR/release/peruri-ef-tests" \
    ${revme:+--revme "$revme"} $([[ -d $vectors ]] && echo "--vectors $vectors") \
    ${ROWS:+--rows "$ROWS"} --rounds "${ROUNDS:-5}" --out "$out"
