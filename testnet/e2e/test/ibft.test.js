// What makes it an IBFT 2.0 chain, seen from outside: headers, tags, node information.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RLP } from "@ethereumjs/rlp";
import { bytesToHex } from "viem";
import { account, client, isPeruri, rpc } from "../lib/env.js";

const options = { skip: isPeruri ? false : "anvil seals no IBFT blocks" };
const viem = client(account(0));
const mixHash = "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365";

async function header(number) {
  return (await rpc("eth_getBlockByNumber", [`0x${number.toString(16)}`, false])).result;
}

async function blockAfterGenesis() {
  while ((await viem.getBlockNumber()) < 3n) await new Promise((accept) => setTimeout(accept, 100));
  return header(3);
}

test("every header carries the IBFT mark, one validator and its seal", options, async () => {
  const block = await blockAfterGenesis();
  assert.equal(block.mixHash, mixHash);
  assert.equal(block.difficulty, "0x1");
  assert.equal(block.nonce, "0x0000000000000000");
  const [vanity, validators, vote, round, seals] = RLP.decode(block.extraData);
  assert.equal(vanity.length, 32);
  assert.deepEqual(validators.map((one) => bytesToHex(one)), [block.miner]);
  assert.equal(vote.length, 0);
  assert.equal(bytesToHex(round), "0x00000000");
  assert.deepEqual(seals.map((seal) => seal.length), [65]);
});

test("each block names its parent and is at least a period later", options, async () => {
  const block = await blockAfterGenesis();
  const parent = await header(2);
  assert.equal(block.parentHash, parent.hash);
  assert.ok(Number(block.timestamp) >= Number(parent.timestamp) + 1);
});

test("latest, safe and finalized are one block", options, async () => {
  const [latest, safe, finalized] = await Promise.all(
    ["latest", "safe", "finalized"].map((tag) => viem.getBlock({ blockTag: tag })),
  );
  assert.ok(safe.number - latest.number <= 1n && finalized.number - latest.number <= 1n);
  assert.ok(safe.number >= latest.number && finalized.number >= latest.number);
});

test("pending is the block to come", options, async () => {
  const pending = await viem.getBlock({ blockTag: "pending" });
  const head = await viem.getBlockNumber();
  assert.ok(pending.number > head - 1n && pending.number <= head + 1n);
});

test("no account is unlocked, nothing is syncing, the client has a name", options, async () => {
  assert.deepEqual((await rpc("eth_accounts")).result, []);
  assert.equal((await rpc("eth_syncing")).result, false);
  assert.match((await rpc("web3_clientVersion")).result, /peruri/i);
  assert.equal((await rpc("net_version")).result, `${viem.chain.id}`);
  assert.ok((await rpc("rpc_modules")).result.eth);
});
