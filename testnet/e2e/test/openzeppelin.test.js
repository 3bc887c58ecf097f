// OpenZeppelin 5 beyond the plain token: permits, roles, minimal proxies, upgrades, transient storage.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { encodeFunctionData, getAddress, getContract, keccak256, parseSignature, stringToHex, toHex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { built, chain, client, deployAll, newcomer } from "../lib/env.js";

let me;
let viem;
let proxyArtifact;
let credit, badge, factory, vault, secondVault, thief;

const stranger = () => privateKeyToAccount(generatePrivateKey());
const at = (address, abi) => getContract({ address, abi, client: viem });

before(async () => {
  me = (await newcomer()).account;
  viem = client(me);
  const contracts = [
    [await built("Credit"), [1_000n]], [await built("Badge")], [await built("Factory")],
    [await built("Vault")], [await built("VaultV2", "Vault")], [await built("Thief", "Vault")],
  ];
  const deployed = await deployAll(viem, contracts);
  [credit, badge, factory, vault, secondVault, thief] = deployed.map(({ address }, i) => at(address, contracts[i][0].abi));
  proxyArtifact = await built("ERC1967Proxy");
});

/** Waits for transactions that were sent one after the other. */
async function done(...hashes) {
  const receipts = await Promise.all(hashes.map((hash) => viem.waitForTransactionReceipt({ hash })));
  for (const receipt of receipts) assert.equal(receipt.status, "success");
  return receipts.at(-1);
}

test("ERC-2612: a permit of an account without coins is an allowance, once", async () => {
  const owner = stranger();
  const domain = { name: "Credit", version: "1", chainId: chain.id, verifyingContract: credit.address };
  const [, name, version, chainId] = await credit.read.eip712Domain();
  assert.deepEqual({ name, version, chainId }, { name: "Credit", version: "1", chainId: BigInt(chain.id) });
  const { timestamp } = await viem.getBlock();
  const message = { owner: owner.address, spender: me.address, value: 40n, nonce: 0n, deadline: timestamp + 3600n };
  const types = {
    Permit: [
      { name: "owner", type: "address" }, { name: "spender", type: "address" }, { name: "value", type: "uint256" },
      { name: "nonce", type: "uint256" }, { name: "deadline", type: "uint256" },
    ],
  };
  const permit = async (fields) => {
    const { r, s, v } = parseSignature(await owner.signTypedData({ domain, types, primaryType: "Permit", message: fields }));
    return [fields.owner, fields.spender, fields.value, fields.deadline, Number(v), r, s];
  };
  await done(await credit.write.permit(await permit(message)));
  assert.equal(await credit.read.allowance([owner.address, me.address]), 40n);
  assert.equal(await credit.read.nonces([owner.address]), 1n);
  await assert.rejects(credit.simulate.permit(await permit(message)), /ERC2612InvalidSigner/);
  const late = { ...message, nonce: 1n, deadline: timestamp - 1n };
  await assert.rejects(credit.simulate.permit(await permit(late)), /ERC2612ExpiredSignature/);
});

test("ERC-721 and roles: who has the role awards, and interfaces are told", async () => {
  const minter = keccak256(stringToHex("MINTER"));
  const { address: holder } = stranger();
  await assert.rejects(badge.simulate.award([holder, 1n]), /AccessControlUnauthorizedAccount/);
  const role = await badge.write.grantRole([minter, me.address]);
  const receipt = await done(role, await badge.write.award([holder, 1n], { gas: 200_000n }));
  assert.equal(await badge.read.ownerOf([1n]), holder);
  const [event] = await badge.getEvents.Transfer({ to: holder }, { fromBlock: receipt.blockNumber });
  assert.equal(event.args.tokenId, 1n);
  await assert.rejects(badge.simulate.award([badge.address, 2n]), /ERC721InvalidReceiver/);
  // ERC-165, ERC-721, access control; not ERC-1155.
  const ids = ["0x01ffc9a7", "0x80ac58cd", "0x7965db0b", "0xd9b67a26"];
  const told = await Promise.all(ids.map((id) => badge.read.supportsInterface([id])));
  assert.deepEqual(told, [true, true, true, false]);
});

test("ERC-1167: minimal proxies by CREATE2 lie where they were foretold", async () => {
  const salt = toHex(1, { size: 32 });
  const wallet = await factory.read.walletAt([salt]);
  await done(await factory.write.openAt([salt], { value: 5n }));
  assert.equal(await viem.getBalance({ address: wallet }), 5n);
  const implementation = (await factory.read.implementation()).slice(2).toLowerCase();
  assert.equal(await viem.getCode({ address: wallet }), `0x363d3d373d3d3d363d73${implementation}5af43d82803e903d91602b57fd5bf3`);
  await assert.rejects(factory.simulate.openAt([salt]), /FailedDeployment/);
});

test("ERC-1967 and UUPS: the keeper upgrades, state stays", async () => {
  await assert.rejects(vault.simulate.initialize([me.address]), /InvalidInitialization/);
  const initialize = encodeFunctionData({ abi: vault.abi, functionName: "initialize", args: [me.address] });
  const [{ address }] = await deployAll(viem, [[proxyArtifact, [vault.address, initialize]]]);
  const proxy = at(address, vault.abi);
  assert.equal(await proxy.read.version(), 1n);
  const upgrade = [secondVault.address, "0x"];
  await assert.rejects(proxy.simulate.upgradeToAndCall(upgrade, { account: stranger().address }), /NotKeeper/);
  await done(await proxy.write.upgradeToAndCall(upgrade));
  assert.equal(await proxy.read.version(), 2n);
  assert.equal(await proxy.read.keeper(), me.address);
  const slot = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";
  const word = await viem.getStorageAt({ address, slot });
  assert.equal(getAddress(`0x${word.slice(26)}`), getAddress(secondVault.address));
});

test("EIP-1153: the guard in transient storage stops a second entry; the next transaction finds it clear", async () => {
  const { address } = stranger();
  const gas = 100_000n;
  const sent = await viem.sendTransaction({ to: vault.address, value: 10n });
  const twice = [await vault.write.pay([address, 1n], { gas }), await vault.write.pay([address, 1n], { gas })];
  await done(sent, ...twice);
  assert.equal(await viem.getBalance({ address }), 2n);
  const rob = at(thief.address, [...thief.abi, ...vault.abi]).simulate.rob([vault.address]);
  await assert.rejects(rob, /ReentrancyGuardReentrantCall/);
});
