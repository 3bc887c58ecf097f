// viem: deploy, call, logs, errors, filters, fees, blocks.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { getContract, keccak256, parseEther, parseEventLogs, parseGwei } from "viem";
import { account, artifact, client, deployToken } from "../lib/env.js";

const me = account(1);
const other = account(11).address;
const viem = client(me);
let token;
let deployed;

before(async () => {
  deployed = await deployToken(viem, "Viem Token", "VIEM");
  token = getContract({ address: deployed.address, abi: artifact.abi, client: viem });
});

test("a transfer moves its value and is found by hash, block and index", async () => {
  const before = await viem.getBalance({ address: other });
  const hash = await viem.sendTransaction({ to: other, value: parseEther("0.5") });
  const receipt = await viem.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  assert.equal(receipt.gasUsed, 21000n);
  assert.equal(await viem.getBalance({ address: other }), before + parseEther("0.5"));
  const transaction = await viem.getTransaction({ hash });
  assert.equal(transaction.from.toLowerCase(), me.address.toLowerCase());
  const block = await viem.getBlock({ blockNumber: receipt.blockNumber, includeTransactions: true });
  assert.equal(block.transactions[receipt.transactionIndex].hash, hash);
  const byIndex = await viem.getTransaction({ blockHash: block.hash, index: receipt.transactionIndex });
  assert.equal(byIndex.hash, hash);
  assert.ok(block.gasUsed >= 21000n);
});

test("a deployed contract has code, name and supply", async () => {
  const code = await viem.getCode({ address: token.address });
  assert.equal(code.length, artifact.deployedBytecode.length);
  assert.equal(await token.read.name(), "Viem Token");
  assert.equal(await token.read.totalSupply(), 10n ** 24n);
  assert.equal(await token.read.owner(), me.address);
});

test("a token transfer emits an event that logs and filters find", async () => {
  const filter = await viem.createContractEventFilter({
    abi: artifact.abi, address: token.address, eventName: "Transfer", args: { to: other },
  });
  const hash = await token.write.transfer([other, 25n]);
  const receipt = await viem.waitForTransactionReceipt({ hash });
  const [event] = parseEventLogs({ abi: artifact.abi, logs: receipt.logs });
  assert.deepEqual(event.args, { from: me.address, to: other, value: 25n });
  const logs = await viem.getContractEvents({
    abi: artifact.abi, address: token.address, eventName: "Transfer", args: { to: other },
    fromBlock: deployed.receipt.blockNumber, toBlock: "latest",
  });
  assert.equal(logs.length, 1);
  assert.equal(logs[0].transactionHash, hash);
  assert.equal(logs[0].blockNumber, receipt.blockNumber);
  const changes = await viem.getFilterChanges({ filter });
  assert.deepEqual(changes.map((log) => log.transactionHash), [hash]);
  assert.equal(await viem.uninstallFilter({ filter }), true);
});

test("logs by block hash and by topic alternatives", async () => {
  const hash = await token.write.mint([other, 5n]);
  const receipt = await viem.waitForTransactionReceipt({ hash });
  const byHash = await viem.getLogs({ blockHash: receipt.blockHash, address: token.address });
  assert.equal(byHash.length, 1);
  const topic = keccak256(new TextEncoder().encode("Transfer(address,address,uint256)"));
  const raw = await viem.request({
    method: "eth_getLogs",
    params: [{ address: [token.address, other], topics: [[topic, `0x${"00".repeat(32)}`]], blockHash: receipt.blockHash }],
  });
  assert.equal(raw.length, 1);
});

test("a revert carries its custom error, by call and by estimate", async () => {
  const stranger = account(12);
  const attempt = viem.simulateContract({
    address: token.address, abi: artifact.abi, functionName: "transfer", args: [other, 1n], account: stranger.address,
  });
  await assert.rejects(attempt, (error) => {
    assert.match(error.message, /ERC20InsufficientBalance/);
    return true;
  });
  const estimate = viem.estimateContractGas({
    address: token.address, abi: artifact.abi, functionName: "mint", args: [other, 1n], account: stranger.address,
  });
  await assert.rejects(estimate, /OwnableUnauthorizedAccount/);
});

test("a failed transaction has a receipt with status reverted", async () => {
  const hash = await viem.writeContract({
    address: token.address, abi: artifact.abi, functionName: "transfer", args: [other, 10n ** 30n], gas: 100_000n,
  });
  const receipt = await viem.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "reverted");
  assert.deepEqual(receipt.logs, []);
});

test("an estimate suffices and is not far above what is used", async () => {
  const gas = await token.estimateGas.transfer([other, 1n]);
  const hash = await token.write.transfer([other, 1n], { gas });
  const receipt = await viem.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  assert.ok(gas >= receipt.gasUsed && gas < receipt.gasUsed * 2n, `${gas} for ${receipt.gasUsed}`);
});

test("legacy, access-list and dynamic-fee transactions are all taken", async () => {
  const accessList = [{ address: token.address, storageKeys: [`0x${"00".repeat(32)}`] }];
  for (const fields of [
    { type: "legacy", gasPrice: parseGwei("2") },
    { type: "eip2930", gasPrice: parseGwei("2"), accessList },
    { type: "eip1559", maxFeePerGas: parseGwei("2"), maxPriorityFeePerGas: 0n, accessList },
  ]) {
    const hash = await viem.sendTransaction({ to: other, value: 1n, ...fields });
    const receipt = await viem.waitForTransactionReceipt({ hash });
    assert.equal(receipt.type, fields.type);
    assert.equal(receipt.status, "success");
  }
});

test("a set-code transaction (EIP-7702) delegates the account", async () => {
  const delegate = account(13);
  const authorization = await delegate.signAuthorization({
    address: token.address, chainId: viem.chain.id, nonce: await viem.getTransactionCount({ address: delegate.address }),
  });
  const hash = await viem.sendTransaction({ to: delegate.address, authorizationList: [authorization] , gas: 200_000n, data: "0x18160ddd" });
  const receipt = await viem.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  const code = await viem.getCode({ address: delegate.address });
  assert.equal(code, `0xef0100${token.address.slice(2).toLowerCase()}`);
});

test("createAccessList names the storage that a call touches", async () => {
  const data = "0x70a08231" + me.address.slice(2).padStart(64, "0");
  const { accessList, gasUsed } = await viem.createAccessList({ to: token.address, data });
  assert.ok(gasUsed > 21000n);
  assert.equal(accessList.length, 1);
  assert.equal(accessList[0].address.toLowerCase(), token.address.toLowerCase());
  assert.equal(accessList[0].storageKeys.length, 1);
});

test("feeHistory, gasPrice and block receipts have the standard's form", async () => {
  const history = await viem.getFeeHistory({ blockCount: 4, rewardPercentiles: [25, 75] });
  assert.ok(history.baseFeePerGas.length === history.gasUsedRatio.length + 1);
  assert.ok((await viem.getGasPrice()) >= 0n);
  const hash = await viem.sendTransaction({ to: other, value: 1n });
  const { blockHash } = await viem.waitForTransactionReceipt({ hash });
  const receipts = await viem.request({ method: "eth_getBlockReceipts", params: [blockHash] });
  assert.ok(receipts.some((receipt) => receipt.transactionHash === hash));
});

test("eth_call with state overrides sees the override", async () => {
  const code = "0x602a60005260206000f3"; // returns 42
  const { data } = await viem.call({ to: other, stateOverride: [{ address: other, code }] });
  assert.equal(BigInt(data), 42n);
});

test("blocks are simulated: state goes on, transfers are logs", async () => {
  const transfer = { to: token.address, abi: artifact.abi, functionName: "transfer", args: [other, 3n] };
  const balance = { to: token.address, abi: artifact.abi, functionName: "balanceOf", args: [other] };
  const before = await token.read.balanceOf([other]);
  const [first, second] = await viem.simulateBlocks({
    traceTransfers: true,
    blocks: [
      { calls: [{ account: me.address, to: other, value: 7n }, { account: me.address, ...transfer }] },
      { calls: [{ account: me.address, ...balance }] },
    ],
  });
  assert.deepEqual(first.calls.map((call) => call.status), ["success", "success"]);
  assert.equal(BigInt(first.calls[0].logs[0].data), 7n);
  assert.equal(second.calls[0].result, before + 3n);
  assert.equal(second.parentHash, first.hash);
  assert.equal(await token.read.balanceOf([other]), before);
});

test("a sender may wait for the receipt", async () => {
  const receipt = await viem.sendTransactionSync({ to: other, value: 1n });
  assert.equal(receipt.status, "success");
  assert.ok(receipt.blockNumber <= (await viem.getBlockNumber({ cacheTime: 0 })));
});

test("many transactions of one sender keep their order", async () => {
  let nonce = await viem.getTransactionCount({ address: me.address });
  const hashes = [];
  for (let i = 0; i < 20; i++) hashes.push(await viem.sendTransaction({ to: other, value: 1n, nonce: nonce++, gas: 21000n }));
  const receipts = await Promise.all(hashes.map((hash) => viem.waitForTransactionReceipt({ hash })));
  assert.ok(receipts.every((receipt) => receipt.status === "success"));
  const order = receipts.map((receipt) => receipt.blockNumber * 1_000_000n + BigInt(receipt.transactionIndex));
  assert.deepEqual(order, [...order].sort((a, b) => (a < b ? -1 : 1)));
});
