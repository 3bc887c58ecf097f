// Foundry's forge, through npm's solc: create, script with broadcast, and that the chain has the code that was built.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { getContractAddress } from "viem";
import { account, artifact, built, cast, chain, client, forge, rpcUrl } from "../lib/env.js";
import { root } from "../lib/solc.js";

const me = account(5);
const holder = account(17).address;
const viem = client(me);
const read = (address, functionName, args = []) => viem.readContract({ address, abi: artifact.abi, functionName, args });

async function create(contract, ...constructorArgs) {
  const values = constructorArgs.length > 0 ? ["--constructor-args", ...constructorArgs] : [];
  const output = await forge([
    "create", contract, "--rpc-url", rpcUrl, "--private-key", me.privateKey, "--broadcast", "--json", ...values,
  ]);
  return JSON.parse(output.slice(output.indexOf("{")));
}

/** Runs the script; returns its output and the record that forge keeps of what it broadcast. */
async function script(...options) {
  const output = await forge(
    ["script", "contracts/Deploy.s.sol:Deploy", "--rpc-url", rpcUrl, "--broadcast", ...options],
    { PRIVATE_KEY: me.privateKey, HOLDER: holder },
  );
  assert.match(output, /ONCHAIN EXECUTION COMPLETE & SUCCESSFUL/);
  const file = join(root, `broadcast/Deploy.s.sol/${chain.id}/run-latest.json`);
  return { output, record: JSON.parse(readFileSync(file, "utf8")) };
}

/** Code with the places blank into which the constructor wrote immutable values. */
function blank(code, immutables) {
  const bytes = Buffer.from(code.slice(2), "hex");
  for (const { start, length } of immutables) bytes.fill(0, start, start + length);
  return `0x${bytes.toString("hex")}`;
}

test("forge create deploys a contract; its code is what was built", async () => {
  const { deployedTo, deployer, transactionHash } = await create("contracts/Token.sol:Token", "Forged", "FRG", "123");
  assert.equal(await read(deployedTo, "name"), "Forged");
  assert.equal(await read(deployedTo, "balanceOf", [me.address]), 123n);
  assert.equal(await cast("code", deployedTo), artifact.deployedBytecode);
  const { contractAddress, from } = await viem.getTransactionReceipt({ hash: transactionHash });
  assert.deepEqual([contractAddress, from], [deployedTo, deployer].map((address) => address.toLowerCase()));
});

test("forge create with immutables: they are all that differs from what was built", async () => {
  const { deployedTo } = await create("e2e/contracts/Factory.sol:Factory");
  const { deployedBytecode, immutables } = await built("Factory");
  const code = await cast("code", deployedTo);
  assert.notEqual(code, deployedBytecode);
  assert.equal(blank(code, immutables), deployedBytecode);
  const implementation = getContractAddress({ from: deployedTo, nonce: 1n });
  const [{ start, length }] = immutables;
  assert.equal(`0x${code.slice(2 + 2 * start, 2 + 2 * (start + length))}`, `0x${implementation.slice(2).toLowerCase().padStart(64, "0")}`);
});

for (const [how, options] of [["one by one", ["--slow"]], ["all at once", []]]) {
  test(`forge script broadcasts three transactions ${how} and keeps their receipts`, async () => {
    const nonce = await viem.getTransactionCount({ address: me.address });
    const before = await viem.getBalance({ address: me.address });
    const { output, record } = await script(...options);
    const token = /token: contract Token (0x[0-9a-fA-F]{40})/.exec(output)[1];
    assert.deepEqual([record.chain, record.pending], [chain.id, []]);
    assert.deepEqual(record.transactions.map(({ function: called }) => called), [null, "mint(address,uint256)", "transfer(address,uint256)"]);
    assert.deepEqual(record.transactions.map(({ transaction }) => Number(transaction.nonce)), [nonce, nonce + 1, nonce + 2]);
    assert.equal(record.receipts.length, 3);
    let paid = 0n;
    for (const { hash } of record.transactions) {
      const kept = record.receipts.find(({ transactionHash }) => transactionHash === hash);
      const receipt = await viem.getTransactionReceipt({ hash });
      assert.equal(receipt.status, "success");
      assert.deepEqual([kept.status, kept.blockHash, BigInt(kept.gasUsed)], ["0x1", receipt.blockHash, receipt.gasUsed]);
      paid += receipt.gasUsed * receipt.effectiveGasPrice;
    }
    assert.equal(await viem.getBalance({ address: me.address }), before - paid);
    assert.equal(await read(token, "balanceOf", [holder]), 7n * 10n ** 18n);
    assert.equal(await cast("code", token), artifact.deployedBytecode);
  });
}
