// Bad input: the JSON-RPC standard's codes, and a node that goes on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { account, chain, client, isPeruri, post, rpc } from "../lib/env.js";

const options = { skip: isPeruri ? false : "a promise of peruri-node's" };
const request = (id, method = "eth_blockNumber", params = []) => ({ jsonrpc: "2.0", id, method, params });

test("a method or namespace that is not offered: -32601", options, async () => {
  for (const method of ["eth_noSuchMethod", "personal_listAccounts", "miner_start", "engine_newPayloadV4"]) {
    assert.equal((await rpc(method)).error.code, -32601, method);
  }
});

test("wrong parameters: -32602", options, async () => {
  for (const [method, params] of [
    ["eth_getBalance", ["0x12", "latest"]],
    ["eth_getBlockByNumber", ["earlier", false]],
    ["eth_call", [{ to: 5 }, "latest"]],
    ["eth_sendRawTransaction", []],
  ]) {
    assert.equal((await rpc(method, params)).error.code, -32602, method);
  }
});

test("no JSON: -32700; no request: -32600", options, async () => {
  assert.equal((await post("{ this is no JSON")).error.code, -32700);
  assert.equal((await post(`{"id": 1, "foo": "bar"}`)).error.code, -32600);
});

test("raw transactions that are none, or of another chain, are refused by name", options, async () => {
  const me = account(9);
  const wallet = client(me);
  const nonce = await wallet.getTransactionCount({ address: me.address });
  const fields = { to: me.address, gas: 21000n, maxFeePerGas: 0n, maxPriorityFeePerGas: 0n, nonce, type: "eip1559" };
  const foreign = await me.signTransaction({ ...fields, chainId: chain.id + 1 });
  const right = await me.signTransaction({ ...fields, chainId: chain.id });
  for (const raw of ["0x", "0x02", "0xdeadbeef", right.slice(0, -2), `${right}00`, foreign]) {
    const { error } = await rpc("eth_sendRawTransaction", [raw]);
    assert.ok(error && error.code < 0 && error.message.length > 0, raw);
  }
  assert.match((await rpc("eth_sendRawTransaction", [foreign])).error.message, /chain/i);
  assert.equal(await wallet.getTransactionCount({ address: me.address, blockTag: "pending" }), nonce);
});

test("a batch of 100 is answered in order, one of 101 is refused", options, async () => {
  const batch = (length) => JSON.stringify(Array.from({ length }, (_, id) => request(id)));
  const answered = await post(batch(100));
  assert.deepEqual(answered.batch.map((answer) => answer.id), Array.from({ length: 100 }, (_, id) => id));
  const refused = await post(batch(101));
  assert.ok(refused.error?.code < 0 || refused.batch?.[0]?.error, refused.text);
});

test("a body over 2 MiB is refused", options, async () => {
  // The server may answer and close before everything was sent: the client then sees a broken pipe.
  const large = JSON.stringify(request(1, "web3_sha3", [`0x${"00".repeat(1_100_000)}`]));
  const refused = await post(large).catch((error) => ({ status: 413, error }));
  assert.ok(refused.status === 413 || refused.error, `${refused.status}`);
});

test("a range of blocks that is upside down or too wide is refused", options, async () => {
  assert.ok((await rpc("eth_getLogs", [{ fromBlock: "0x2", toBlock: "0x1" }])).error);
});

test("the node goes on after all of this", async () => {
  const head = Number((await rpc("eth_blockNumber")).result);
  const end = Date.now() + 30_000;
  while (Number((await rpc("eth_blockNumber")).result) === head) {
    assert.ok(Date.now() < end, "no further block");
    await new Promise((accept) => setTimeout(accept, 100));
  }
});
