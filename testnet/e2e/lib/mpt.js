// Merkle proofs of eth_getProof, verified by an independent library (EthereumJS).
import assert from "node:assert/strict";
import { MerklePatriciaTrie, verifyMPTWithMerkleProof } from "@ethereumjs/mpt";
import { hexToBytes, keccak256 } from "viem";

const emptyRoot = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";

/** Verifies one Merkle proof; returns the value, or null where the proof shows absence. */
export async function verified(root, key, proof) {
  if (root === emptyRoot) {
    // An empty trie is proven by nothing, or by its one empty node.
    assert.ok(proof.length === 0 || (proof.length === 1 && proof[0] === "0x80"), `${proof}`);
    return null;
  }
  const nodes = proof.map((node) => hexToBytes(node));
  return verifyMPTWithMerkleProof(new MerklePatriciaTrie(), hexToBytes(root), hexToBytes(keccak256(key)), nodes);
}
