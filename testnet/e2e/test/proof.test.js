// eth_getProof, verified against the header's state root by an independent library (EthereumJS).
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { RLP } from "@ethereumjs/rlp";
import { bytesToHex, hexToBytes, keccak256 } from "viem";
import { account, artifact, client, deployToken } from "../lib/env.js";
import { verified } from "../lib/mpt.js";

const me = account(8);
const other = account(20).address;
const viem = client(me);
let token;
let deployedAt;
let changedAt;

before(async () => {
  const deployed = await deployToken(viem, "Proof", "PRF");
  token = deployed.address;
  deployedAt = deployed.receipt.blockNumber;
  const hash = await viem.writeContract({ address: token, abi: artifact.abi, functionName: "transfer", args: [other, 9n] });
  changedAt = (await viem.waitForTransactionReceipt({ hash })).blockNumber;
});

async function check(address, slots, blockNumber) {
  const [proof, block] = await Promise.all([
    viem.getProof({ address, storageKeys: slots, blockNumber }),
    viem.getBlock({ blockNumber }),
  ]);
  const value = await verified(block.stateRoot, address, proof.accountProof);
  if (value !== null) {
    const fields = RLP.decode(value).map((field) => bytesToHex(field));
    const number = (hex) => (hex === "0x" ? 0n : BigInt(hex));
    assert.equal(number(fields[0]), BigInt(proof.nonce));
    assert.equal(number(fields[1]), proof.balance);
    assert.equal(fields[2], proof.storageHash);
    assert.equal(fields[3], proof.codeHash);
  }
  for (const [i, entry] of proof.storageProof.entries()) {
    const slot = await verified(proof.storageHash, slots[i], entry.proof);
    const stored = slot === null ? 0n : BigInt(bytesToHex(RLP.decode(slot)));
    assert.equal(stored, entry.value);
  }
  return { proof, present: value !== null };
}

const slot = (n) => `0x${n.toString(16).padStart(64, "0")}`;
const balanceSlot = (holder) => keccak256(`0x${holder.slice(2).padStart(64, "0")}${slot(0).slice(2)}`);

test("an account's proof leads to the state root", async () => {
  const { proof, present } = await check(me.address, [], changedAt);
  assert.ok(present);
  assert.equal(proof.balance, await viem.getBalance({ address: me.address, blockNumber: changedAt }));
});

test("a contract's storage proofs lead to its storage root", async () => {
  const { proof } = await check(token, [slot(2), balanceSlot(other), balanceSlot(me.address)], changedAt);
  assert.equal(proof.storageProof[0].value, 10n ** 24n);
  assert.equal(proof.storageProof[1].value, 9n);
});

test("an absent slot and an absent account are proven absent", async () => {
  const { proof } = await check(token, [slot(123456)], changedAt);
  assert.equal(proof.storageProof[0].value, 0n);
  const nobody = `0x${keccak256("0x1234").slice(2, 42)}`;
  const absent = await check(nobody, [slot(0)], changedAt);
  assert.equal(absent.present, false);
});

test("a historical proof leads to that block's root", async () => {
  const { proof } = await check(token, [balanceSlot(other)], deployedAt);
  assert.equal(proof.storageProof[0].value, 0n);
  const before = await check(token, [], deployedAt - 1n);
  assert.equal(before.present, false);
});

test("a forged proof does not verify", async () => {
  const { proof } = await check(token, [slot(2)], changedAt);
  const forged = [...proof.storageProof[0].proof];
  const last = hexToBytes(forged.pop());
  last[last.length - 1] ^= 1;
  forged.push(bytesToHex(last));
  await assert.rejects(verified(proof.storageHash, slot(2), forged));
});
