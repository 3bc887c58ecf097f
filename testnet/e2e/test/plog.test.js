// The transparency log: receipts against another implementation of RFC 9162, its words and events
// through Ethereum's own methods.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { before, test } from "node:test";
import { promisify } from "node:util";
import { RLP } from "@ethereumjs/rlp";
import { bytesToHex, encodeFunctionData, parseAbi, parseAbiItem } from "viem";
import { account, client, isPeruri, rpc, rpcUrl } from "../lib/env.js";
import { verified } from "../lib/mpt.js";

const log = `0x${Buffer.from("activity").toString("hex").padEnd(64, "0")}`;
const address = "0x00000000000000000000000000000000504c4f47";
// H(log, 3) and the slot after it: size with the last block, and the root.
const head = 0xaff547a1fb089d2187fc6f747f1d602a7c0fb05e28562d3c46ad45b7e876fa46n;
const abi = parseAbi([
  "function append(bytes32 logId, uint32 sourceId, uint64 firstSeq, bytes entries) returns (uint64, uint64, bytes32)",
]);
const appended = parseAbiItem(
  "event Appended(bytes32 indexed logId, uint32 indexed sourceId, uint64 firstSeq, uint64 firstIndex, uint64 newSize, bytes32 batchRoot, bytes32 root)",
);
const count = 1000;
const batch = 250;
// The source that run.js writes into the genesis file.
const source = account(30);
const viem = client(source);
const python = resolve(import.meta.dirname, "../python/venv/bin/python");
const missing = existsSync(python) ? false : "no virtual environment with pymerkle (testnet/scripts/deps.sh e2e says why)";
const absent = isPeruri && !(await rpc("plog_listLogs")).error ? false : "the node under test has no log";
const receipts = [];

/** An entry of source 1: 140 bytes. */
function entry(seq) {
  const bytes = Buffer.alloc(140);
  bytes.write("PLG1", 0);
  bytes.writeUInt8(1, 4);
  bytes.writeUInt16BE(1, 6);
  bytes.writeUInt32BE(1, 8);
  bytes.writeBigUInt64BE(BigInt(seq), 12);
  bytes.writeBigUInt64BE(BigInt(Date.now()), 20);
  randomBytes(16).copy(bytes, 28);
  createHash("sha256").update(`user ${seq % 100}`).digest().copy(bytes, 44);
  randomBytes(32).copy(bytes, 76);
  return bytes;
}

before(async () => {
  if (absent) return;
  for (let first = 1; first <= count; first += batch) {
    const entries = Buffer.concat(Array.from({ length: batch }, (_, i) => entry(first + i)));
    const args = [log, 1, BigInt(first), bytesToHex(entries)];
    const hash = await viem.sendTransaction({ to: address, data: encodeFunctionData({ abi, args }) });
    const receipt = await viem.waitForTransactionReceipt({ hash });
    assert.equal(receipt.status, "success");
    receipts.push(receipt);
  }
});

test("1,000 receipts lead to the root, by hashlib and by pymerkle", { skip: absent || missing }, async (t) => {
  const script = resolve(import.meta.dirname, "../python/verify_receipts.py");
  const { stdout } = await promisify(execFile)(python, [script, rpcUrl, log, `${count}`]);
  t.diagnostic(stdout.trim());
  assert.match(stdout, /^1000 receipts lead to the root 0x[0-9a-f]{64} of 1000 entries/);
});

test("eth_getProof proves size and root of the log", { skip: absent }, async () => {
  const slots = [head, head + 1n].map((slot) => `0x${slot.toString(16)}`);
  const { blockNumber } = receipts.at(-1);
  const [proof, block] = await Promise.all([
    viem.getProof({ address, storageKeys: slots, blockNumber }),
    viem.getBlock({ blockNumber }),
  ]);
  const fields = RLP.decode(await verified(block.stateRoot, address, proof.accountProof));
  assert.equal(bytesToHex(fields[2]), proof.storageHash);
  const words = [];
  for (const [i, item] of proof.storageProof.entries()) {
    words.push(BigInt(bytesToHex(RLP.decode(await verified(proof.storageHash, slots[i], item.proof)))));
  }
  const { result } = await rpc("plog_getLog", [log]);
  assert.equal(words[0], BigInt(count) | (blockNumber << 64n));
  assert.equal(words[1], BigInt(result.root));
});

test("eth_getLogs finds the appends by topic", { skip: absent }, async () => {
  const logs = await viem.getLogs({ address, event: appended, args: { logId: log, sourceId: 1 }, fromBlock: 0n });
  assert.deepEqual(logs.map((it) => it.args.firstSeq), [1n, 251n, 501n, 751n]);
  assert.equal(logs.at(-1).args.newSize, BigInt(count));
  assert.deepEqual(logs.map((it) => it.transactionHash), receipts.map((it) => it.transactionHash));
});

test("a trace shows the call", { skip: absent }, async () => {
  const { transactionHash, gasUsed } = receipts[0];
  const { error, result } = await rpc("debug_traceTransaction", [transactionHash, { tracer: "callTracer" }]);
  assert.equal(error, undefined);
  assert.equal(result.to, address);
  assert.equal(BigInt(result.gasUsed), gasUsed);
});
