// Historical state: every block's own answer, not the head's.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { account, artifact, client, deployToken } from "../lib/env.js";

const me = account(7);
const other = account(19).address;
const viem = client(me);
const amounts = [5n, 11n, 2n];
let token;
let created;
const blocks = [];

before(async () => {
  const deployed = await deployToken(viem, "History", "HIS");
  token = deployed.address;
  created = deployed.receipt.blockNumber;
  for (const amount of amounts) {
    const hash = await viem.writeContract({ address: token, abi: artifact.abi, functionName: "transfer", args: [other, amount] });
    const receipt = await viem.waitForTransactionReceipt({ hash });
    const value = await viem.sendTransaction({ to: other, value: amount, gas: 21000n });
    const second = await viem.waitForTransactionReceipt({ hash: value });
    blocks.push(receipt.blockNumber > second.blockNumber ? receipt.blockNumber : second.blockNumber);
  }
});

const sums = amounts.map((_, i) => amounts.slice(0, i + 1).reduce((a, b) => a + b));

test("balances at each block", async () => {
  const start = await viem.getBalance({ address: other, blockNumber: created });
  for (const [i, blockNumber] of blocks.entries()) {
    assert.equal(await viem.getBalance({ address: other, blockNumber }), start + sums[i]);
  }
});

test("calls at each block", async () => {
  for (const [i, blockNumber] of blocks.entries()) {
    const balance = await viem.readContract({ address: token, abi: artifact.abi, functionName: "balanceOf", args: [other], blockNumber });
    assert.equal(balance, sums[i]);
  }
});

test("nonces, code and storage before and after the creation", async () => {
  const before = created - 1n;
  assert.equal(await viem.getCode({ address: token, blockNumber: before }), undefined);
  assert.equal((await viem.getCode({ address: token, blockNumber: created })).length, artifact.deployedBytecode.length);
  assert.equal(BigInt(await viem.getStorageAt({ address: token, slot: "0x2", blockNumber: before })), 0n);
  assert.equal(BigInt(await viem.getStorageAt({ address: token, slot: "0x2", blockNumber: created })), 10n ** 24n);
  const nonce = await viem.getTransactionCount({ address: me.address, blockNumber: created });
  assert.equal(nonce, (await viem.getTransactionCount({ address: me.address, blockNumber: before })) + 1);
});

test("state by block hash (EIP-1898)", async () => {
  const { hash } = await viem.getBlock({ blockNumber: blocks[0] });
  const balance = await viem.request({ method: "eth_getBalance", params: [other, { blockHash: hash }] });
  assert.equal(BigInt(balance), await viem.getBalance({ address: other, blockNumber: blocks[0] }));
});

test("a block that is not there yet is an error, not the head's answer", async () => {
  const future = (await viem.getBlockNumber()) + 1_000n;
  await assert.rejects(viem.getBalance({ address: other, blockNumber: future }));
});
