// Foundry's cast: what an operator types.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { keccak256 } from "viem";
import { account, artifact, cast, chain, client, deployToken } from "../lib/env.js";

const me = account(4);
const other = account(16).address;
const signed = ["--private-key", me.privateKey];
let token;

before(async () => {
  const { address } = await deployToken(client(me), "Cast Token", "CAST");
  token = address;
});

const json = async (...args) => JSON.parse(await cast(...args, "--json"));

test("chain, client, block and gas price", async () => {
  assert.equal(Number(await cast("chain-id")), chain.id);
  assert.notEqual(await cast("client"), "");
  const number = Number(await cast("block-number"));
  assert.ok(number > 0);
  const block = await json("block", `${number}`);
  assert.equal(Number(block.number), number);
  assert.equal(await cast("block", `${number}`, "--field", "hash"), block.hash);
  assert.ok(Number(await cast("gas-price")) >= 0);
  assert.ok(Number(await cast("base-fee")) >= 0);
  const seconds = Number(block.timestamp);
  assert.equal(await cast("find-block", `${seconds}`), `${number}`);
  assert.equal(Date.parse(await cast("age", `${number}`)), seconds * 1000);
});

test("send moves coins", async () => {
  const before = BigInt(await cast("balance", other));
  const receipt = await json("send", other, "--value", "3gwei", ...signed);
  assert.equal(receipt.status, "0x1");
  assert.equal(BigInt(await cast("balance", other)), before + 3_000_000_000n);
  const transaction = await json("tx", receipt.transactionHash);
  assert.equal(transaction.hash, receipt.transactionHash);
  const again = await json("receipt", receipt.transactionHash);
  assert.equal(again.blockHash, receipt.blockHash);
  assert.equal(await cast("receipt", receipt.transactionHash, "gasUsed"), "21000");
  const raw = await cast("tx", receipt.transactionHash, "--raw");
  assert.equal(keccak256(raw), receipt.transactionHash);
  const earlier = `${Number(receipt.blockNumber) - 1}`;
  assert.equal(BigInt(await cast("balance", other, "--block", earlier)), before);
  const block = await json("block", receipt.blockHash, "--full");
  assert.ok(block.transactions.some(({ hash, value }) => hash === receipt.transactionHash && value === "0xb2d05e00"));
});

test("send calls a contract; call, logs and storage show it", async () => {
  const receipt = await json("send", token, "transfer(address,uint256)", other, "77", ...signed);
  assert.equal(receipt.status, "0x1");
  assert.match(await cast("call", token, "balanceOf(address)(uint256)", other), /^77\b/);
  const logs = await json("logs", "--from-block", `${Number(receipt.blockNumber)}`, "--address", token, "Transfer(address,address,uint256)");
  assert.equal(logs.length, 1);
  assert.equal(BigInt(logs[0].data), 77n);
  const topics = (from, to) => json("logs", "--from-block", "1", "--address", token, "Transfer(address indexed,address indexed,uint256)", from, to);
  assert.deepEqual(await topics("", other), logs);
  assert.deepEqual(await topics(other, ""), []);
  assert.match(await cast("erc20", "balance", token, other), /^77\b/);
  // OpenZeppelin keeps the supply in slot 2.
  assert.equal(BigInt(await cast("storage", token, "2")), 10n ** 24n);
});

test("send --create deploys", async () => {
  const receipt = await json("send", ...signed, "--create", artifact.bytecode, "constructor(string,string,uint256)", "Made by cast", "MBC", "5");
  assert.equal(receipt.status, "0x1");
  const code = await cast("code", receipt.contractAddress);
  assert.equal(code, artifact.deployedBytecode);
  assert.equal(await cast("codesize", receipt.contractAddress), `${(code.length - 2) / 2}`);
  assert.equal(await cast("codehash", receipt.contractAddress), keccak256(code));
});

test("estimate, access-list and nonce", async () => {
  const gas = Number(await cast("estimate", token, "transfer(address,uint256)", other, "1", "--from", me.address));
  assert.ok(gas > 21_000 && gas < 100_000, `${gas}`);
  const creation = ["--create", artifact.bytecode, "constructor(string,string,uint256)", "Estimated", "EST", "5"];
  assert.ok(Number(await cast("estimate", "--from", me.address, ...creation)) > 500_000);
  const { accessList } = await json("access-list", token, "balanceOf(address)", other);
  const slot = await cast("index", "address", other, "0");
  assert.deepEqual(accessList, [{ address: token, storageKeys: [slot] }]);
  assert.equal(await cast("nonce", me.address), `${await client(me).getTransactionCount({ address: me.address })}`);
});

test("mktx and publish: signed here, sent later", async () => {
  const raw = await cast("mktx", other, "--value", "1", ...signed);
  const published = await cast("publish", raw);
  assert.match(published, /0x[0-9a-f]{64}/);
  assert.match(await cast("tx-pool", "status"), /"pending": "0x[0-9a-f]+",\s+"queued": "0x[0-9a-f]+"/);
});

test("proof returns account and storage proofs", async () => {
  const proof = await json("proof", token, "0x2");
  assert.ok(proof.accountProof.length > 0);
  assert.equal(BigInt(proof.storageProof[0].value), 10n ** 24n);
  assert.equal(proof.codeHash, await cast("codehash", token));
  assert.equal(proof.storageHash, await cast("storage-root", token));
});

test("a revert is shown with its error", async () => {
  const attempt = cast("call", token, "mint(address,uint256)", other, "1", "--from", other);
  await assert.rejects(attempt, (error) => {
    assert.match(error.stderr, /revert/i);
    return true;
  });
});

test("rpc passes raw methods through", async () => {
  assert.equal(Number(JSON.parse(await cast("rpc", "eth_chainId"))), chain.id);
  assert.match(JSON.parse(await cast("rpc", "web3_sha3", "0x")), /^0xc5d2460186f7233c/);
});
