#!/usr/bin/env bash
# Builds for release, runs the criterion benches and the rows beside anvil and bare revm, prints the
# table. ROWS, ROUNDS: rows of the harness and interleaved rounds; BENCHES=skip leaves criterion out.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${CARGO_TARGET_DIR:=$HOME/.cache/peruri-chain/target}"
export CARGO_TARGET_DIR
out=target/bench
mkdir -p "$out"

cargo build --release --locked -p peruri-node -p peruri-benches -p peruri-testnet --bins >&2
if [[ ${BENCHES:-} != skip ]]; then
    cargo bench --locked -p peruri-benches >&2
fi
"$CARGO_TARGET_DIR/release/peruri-bench" \
    --node "$CARGO_TARGET_DIR/release/peruri-node" \
    --anvil testnet/e2e/node_modules/.bin/anvil \
    --criterion "$CARGO_TARGET_DIR/criterion" \
    --rows "${ROWS:-T1,T3,T15}" --rounds "${ROUNDS:-5}" --out "$out"
