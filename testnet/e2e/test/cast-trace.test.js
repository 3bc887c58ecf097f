// Foundry's cast as a debugger: it executes transactions again by itself, or asks the node for their traces.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { account, cast, client, deployToken } from "../lib/env.js";

const me = account(4);
const other = account(21).address;
const send = ["--private-key", me.privateKey, "--gas-limit", "100000", "--json"];
let token;
let moved;
let failed;

before(async () => {
  token = (await deployToken(client(me), "Traced", "TRC", 5_000n)).address;
  const transfer = async (amount) => JSON.parse(await cast("send", token, "transfer(address,uint256)", other, amount, ...send));
  moved = await transfer("77");
  failed = await transfer("9999");
  assert.deepEqual([moved.status, failed.status], ["0x1", "0x0"]);
});

for (const how of [[], ["--quick"]]) {
  test(`run executes a transaction again with the gas that it used${how.map((flag) => ` (${flag})`)}`, async () => {
    const output = await cast("run", moved.transactionHash, ...how);
    assert.match(output, /emit Transfer\(/);
    assert.match(output, /\[Return\] true/);
    assert.match(output, /Transaction successfully executed/);
    assert.match(output, new RegExp(`Gas used: ${Number(moved.gasUsed)}\\b`));
  });
}

test("run shows why a transaction failed", async () => {
  const output = await cast("run", failed.transactionHash);
  // ERC20InsufficientBalance(sender, 4923, 9999)
  assert.match(output, /\[Revert\].*e450d38c.*133b.*270f/);
  assert.match(output, new RegExp(`Gas used: ${Number(failed.gasUsed)}\\b`));
});

test("call --trace executes on the node's state", async () => {
  const output = await cast("call", token, "balanceOf(address)(uint256)", other, "--trace");
  assert.match(output, /\[Return\] 77/);
});

test("trace asks trace_transaction", async () => {
  const [trace, ...more] = JSON.parse(await cast("trace", moved.transactionHash));
  assert.deepEqual(more, []);
  assert.equal(trace.action.to, token.toLowerCase());
  assert.equal(BigInt(trace.result.output), 1n);
  const [revert] = JSON.parse(await cast("trace", failed.transactionHash));
  assert.match(revert.error, /revert/i);
});

test("rpc passes debug_traceTransaction through, with its tracers", async () => {
  const trace = async (options) => JSON.parse(await cast("rpc", "debug_traceTransaction", moved.transactionHash, JSON.stringify(options)));
  const call = await trace({ tracer: "callTracer", tracerConfig: { withLog: true } });
  assert.deepEqual([call.type, call.to, call.gasUsed], ["CALL", token.toLowerCase(), moved.gasUsed]);
  assert.equal(BigInt(call.logs[0].data), 77n);
  const steps = await trace({});
  assert.deepEqual([steps.failed, steps.gas], [false, Number(moved.gasUsed)]);
  assert.equal(steps.structLogs.at(-1).op, "RETURN");
  const state = await trace({ tracer: "prestateTracer", tracerConfig: { diffMode: true } });
  const [slots] = Object.values(state.post[token.toLowerCase()]);
  assert.deepEqual(Object.values(slots).map(BigInt).sort((a, b) => Number(a - b)), [77n, 4_923n]);
});
