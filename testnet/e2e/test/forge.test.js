// Foundry's forge: create and script, through npm's solc.
import assert from "node:assert/strict";
import { test } from "node:test";
import { account, artifact, client, forge, rpcUrl } from "../lib/env.js";

const me = account(5);
const holder = account(17).address;
const viem = client(me);
const read = (address, functionName, args = []) => viem.readContract({ address, abi: artifact.abi, functionName, args });

test("forge create deploys a contract", async () => {
  const output = await forge([
    "create", "contracts/Token.sol:Token", "--rpc-url", rpcUrl, "--private-key", me.privateKey, "--broadcast", "--json",
    "--constructor-args", "Forged", "FRG", "123",
  ]);
  const { deployedTo } = JSON.parse(output.slice(output.indexOf("{")));
  assert.equal(await read(deployedTo, "name"), "Forged");
  assert.equal(await read(deployedTo, "balanceOf", [me.address]), 123n);
});

test("forge script broadcasts three transactions and waits for their receipts", async () => {
  const before = await viem.getTransactionCount({ address: me.address });
  const output = await forge(
    ["script", "contracts/Deploy.s.sol:Deploy", "--rpc-url", rpcUrl, "--broadcast", "--slow"],
    { PRIVATE_KEY: me.privateKey, HOLDER: holder },
  );
  assert.match(output, /ONCHAIN EXECUTION COMPLETE & SUCCESSFUL/);
  assert.equal(await viem.getTransactionCount({ address: me.address }), before + 3);
  const token = /token: contract Token (0x[0-9a-fA-F]{40})/.exec(output)[1];
  assert.equal(await read(token, "balanceOf", [holder]), 7n * 10n ** 18n);
});
