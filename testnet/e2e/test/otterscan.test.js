// The requests of the block explorer Otterscan, page by page and in its order, about transactions that are known.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Contract, Interface } from "ethers";
import { encodeFunctionData, getAddress, getContractAddress, toHex } from "viem";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { artifact, built, client, deployAll, isPeruri, newcomer, rpcUrl } from "../lib/env.js";
import { otterscan, pageSize, reason, traceTree } from "../lib/otterscan.js";

const options = { skip: isPeruri ? false : "anvil answers otherwise than Erigon, which Otterscan is made for" };

const explorer = otterscan(rpcUrl);
const { provider, send } = explorer;
const salt = toHex(9, { size: 32 });
const holder = privateKeyToAddress(generatePrivateKey());
let me;
let viem;
let factory, token, badge;
/** All that the account has to do with, oldest first: receipts by what they are. */
const known = {};

/** Sends what may be executed only after the one before it; waits for all. */
async function sendAll(requests) {
  const hashes = [];
  for (const request of requests) hashes.push(await viem.sendTransaction({ gas: 400_000n, ...request }));
  return Promise.all(hashes.map((hash) => viem.waitForTransactionReceipt({ hash })));
}

before(async () => {
  const fresh = await newcomer();
  me = fresh.account;
  viem = client(me);
  const artifacts = [await built("Factory"), artifact, await built("Badge")];
  const deployed = await deployAll(viem, [[artifacts[0]], [artifact, ["Shown", "SHN", 1_000n]], [artifacts[2]]]);
  [factory, token, badge] = deployed.map(({ address }, i) => ({ address: getAddress(address), abi: artifacts[i].abi }));
  const call = (contract, functionName, args, value) => ({
    to: contract.address, data: encodeFunctionData({ abi: contract.abi, functionName, args }), value,
  });
  const calls = await sendAll([
    call(factory, "open", [], 5n),
    call(factory, "openAt", [salt], 7n),
    call(token, "transfer", [holder, 77n]),
    call(factory, "refuse", ["closed today"]),
    call(token, "transfer", [holder, 5_000n]),
  ]);
  const fees = [{ type: "legacy" }, { type: "eip2930", accessList: [] }, { type: "eip1559" }];
  known.transfers = await sendAll(Array.from({ length: 12 }, (_, i) => ({ to: holder, value: 1n, gas: 21_000n, ...fees[i % 3] })));
  known.funding = fresh.receipt;
  [known.factory, known.token, known.badge] = deployed.map(({ receipt }) => receipt);
  [known.open, known.openAt, known.transfer, known.refused, known.tooMuch] = calls;
});

after(() => provider.destroy());

/** Hashes of the known transactions from the newest to the oldest. */
function history() {
  const { transfers, ...single } = known;
  const place = ({ blockNumber, transactionIndex }) => Number(blockNumber) * 10_000 + transactionIndex;
  return [...Object.values(single), ...transfers].sort((a, b) => place(b) - place(a)).map((receipt) => receipt.transactionHash);
}

const hashes = (rows) => rows.map(({ transaction }) => transaction.hash);
const lower = (...addresses) => addresses.map((address) => address.toLowerCase());

const { EXPLORER_ORIGIN } = process.env;
const withOrigin = { skip: EXPLORER_ORIGIN ? false : "the node under test is not known to allow the explorer's page" };

test("start: the browser may ask from the explorer's page, not from another", withOrigin, async () => {
  const request = { jsonrpc: "2.0", id: 1, method: "ots_getApiLevel", params: [] };
  const ask = (origin, fields) => fetch(rpcUrl, { ...fields, headers: { origin, "content-type": "application/json", ...fields.headers } });
  const asked = { "access-control-request-method": "POST", "access-control-request-headers": "content-type" };
  const preflight = await ask(EXPLORER_ORIGIN, { method: "OPTIONS", headers: asked });
  const answer = await ask(EXPLORER_ORIGIN, { method: "POST", body: JSON.stringify(request) });
  for (const { status, headers } of [preflight, answer]) {
    assert.deepEqual([status, headers.get("access-control-allow-origin")], [200, EXPLORER_ORIGIN]);
  }
  assert.match(preflight.headers.get("access-control-allow-headers"), /content-type|\*/i);
  assert.equal((await answer.json()).result, 8);
  const other = await ask("http://other.example", { method: "POST", body: JSON.stringify(request) });
  assert.equal(other.headers.get("access-control-allow-origin"), null);
});

test("start: the chain, its head and the level of the interface", options, async () => {
  const [number, level, { chainId }] = await Promise.all([
    provider.getBlockNumber(), send("ots_getApiLevel"), provider.getNetwork(),
  ]);
  assert.ok(level >= 8, `${level}`);
  assert.equal(chainId, BigInt(viem.chain.id));
  assert.ok(number >= Number(known.transfers.at(-1).blockNumber));
});

test("start: the probe for a header, and the newest one", options, async () => {
  const probe = await send("erigon_getHeaderByNumber", "latest");
  const number = await provider.getBlockNumber();
  const header = explorer.readHeader(await send("erigon_getHeaderByNumber", number));
  assert.equal(header.hash, (await provider.getBlock(number)).hash);
  assert.ok(Number(probe.number) <= number);
});

test("block page: header, number of transactions and the fees paid", options, async () => {
  const { blockNumber, blockHash } = known.transfer;
  const block = await explorer.block(Number(blockNumber));
  const receipts = await send("eth_getBlockReceipts", toHex(blockNumber));
  assert.equal(block.header.hash, blockHash);
  assert.equal(block.transactionCount, receipts.length);
  const paid = receipts.map(({ gasUsed, effectiveGasPrice }) => BigInt(gasUsed) * BigInt(effectiveGasPrice));
  assert.equal(block.fees, paid.reduce((sum, fee) => sum + fee));
  assert.equal(block.reward, 0n);
  assert.equal(block.header.gasUsed, receipts.reduce((sum, { gasUsed }) => sum + BigInt(gasUsed), 0n));
  const standard = await send("eth_getBlockByNumber", toHex(blockNumber), false);
  for (const field of ["stateRoot", "receiptsRoot", "parentHash", "miner", "extraData", "size", "sha3Uncles"]) {
    assert.equal(block.raw[field], standard[field], field);
  }
  const byHash = await explorer.block(blockHash);
  assert.deepEqual(byHash.raw, block.raw);
  assert.equal((await explorer.block(0)).header.number, 0);
  assert.equal(await explorer.block(2 ** 40), null);
});

test("block's transactions: pages from the last to the first, without logs and calldata", options, async () => {
  const { blockNumber } = known.transfers.at(-1);
  const { transactions } = await viem.getBlock({ blockNumber });
  const seen = [];
  for (let page = 0; seen.length < transactions.length; page++) {
    const { total, rows } = await explorer.blockTransactions(Number(blockNumber), page);
    assert.equal(total, transactions.length);
    assert.equal(rows.length, Math.min(pageSize, total - page * pageSize));
    seen.push(...rows);
  }
  assert.deepEqual(hashes(seen), transactions.toReversed());
  for (const { transaction, receipt, rawReceipt } of seen) {
    assert.equal(receipt.hash, transaction.hash);
    assert.equal(rawReceipt.logs, null);
  }
  const ofCall = await explorer.blockTransactions(Number(known.transfer.blockNumber), 0);
  const call = ofCall.rows.find(({ transaction }) => transaction.hash === known.transfer.transactionHash);
  assert.equal(call.transaction.data, "0xa9059cbb");
});

/** What the transaction page asks at once. */
async function transactionPage({ transactionHash: hash }) {
  const [transaction, receipt] = await Promise.all([provider.getTransaction(hash), provider.getTransactionReceipt(hash)]);
  const [block, operations, error, count] = await Promise.all([
    explorer.block(receipt.blockNumber), send("ots_getInternalOperations", hash), send("ots_getTransactionError", hash),
    provider.getTransactionCount(transaction.from),
  ]);
  return { transaction, receipt, block, operations, error, count, trace: traceTree(await send("ots_traceTransaction", hash)) };
}

test("transaction page: a token's transfer with its log, its state and its neighbours", options, async () => {
  const { transaction, receipt, block, operations, error, count, trace } = await transactionPage(known.transfer);
  assert.equal(receipt.status, 1);
  assert.equal(transaction.blockNumber, block.header.number);
  assert.ok((await receipt.confirmations()) >= 1);
  assert.deepEqual([operations, error], [[], "0x"]);
  const { args } = new Interface(token.abi).parseLog(receipt.logs[0]);
  assert.deepEqual([...args], [me.address, holder, 77n]);
  const [from, to] = lower(me.address, token.address);
  assert.deepEqual(trace, [{ type: "CALL", from, to, value: 0n, children: [] }]);
  const beside = (nonce) => send("ots_getTransactionBySenderAndNonce", me.address, nonce);
  assert.equal(await beside(transaction.nonce), transaction.hash);
  assert.equal(await beside(transaction.nonce - 1), known.openAt.transactionHash);
  assert.equal(await beside(transaction.nonce + 1), known.refused.transactionHash);
  assert.equal(await beside(count - 1), known.transfers.at(-1).transactionHash);
  assert.equal(await beside(count), null);
});

test("transaction page: a creation that creates", options, async () => {
  const { receipt, operations, trace } = await transactionPage(known.factory);
  assert.equal(receipt.contractAddress, factory.address);
  const inner = getContractAddress({ from: factory.address, nonce: 1n });
  const [from, to, wallet] = lower(me.address, factory.address, inner);
  assert.deepEqual(operations, [{ type: 2, from: to, to: wallet, value: "0x0" }]);
  const child = { type: "CREATE", from: to, to: wallet, value: 0n, children: [] };
  assert.deepEqual(trace, [{ type: "CREATE", from, to, value: 0n, children: [child] }]);
});

for (const [name, type, operation, value] of [["open", "CREATE", 2, 5n], ["openAt", "CREATE2", 3, 7n]]) {
  test(`transaction page: ${type} and a transfer inside a call`, options, async () => {
    const { receipt, operations, trace } = await transactionPage(known[name]);
    const opened = new Interface(factory.abi).parseLog(receipt.logs[0]).args.wallet;
    const implementation = getContractAddress({ from: factory.address, nonce: 1n });
    const [from, to, wallet, code] = lower(me.address, factory.address, opened, implementation);
    assert.deepEqual(operations, [
      { type: operation, from: to, to: wallet, value: "0x0" },
      { type: 0, from: to, to: wallet, value: toHex(value) },
    ]);
    const delegated = { type: "DELEGATECALL", from: wallet, to: code, value: null, children: [] };
    const created = { type, from: to, to: wallet, value: 0n, children: [] };
    const paid = { type: "CALL", from: to, to: wallet, value, children: [delegated] };
    assert.deepEqual(trace, [{ type: "CALL", from, to, value, children: [created, paid] }]);
  });
}

test("transaction page: a revert with a text, and where it happened", options, async () => {
  const { receipt, error } = await transactionPage(known.refused);
  assert.equal(receipt.status, 0);
  assert.deepEqual([...reason(error).args], ["closed today"]);
  const { vmTrace } = await send("trace_replayTransaction", receipt.hash, ["vmTrace"]);
  assert.equal(vmTrace.ops.at(-1).op, "REVERT");
  assert.equal(vmTrace.code, await send("eth_getCode", factory.address, "latest"));
});

test("transaction page: a revert with a custom error", options, async () => {
  const { error } = await transactionPage(known.tooMuch);
  const { name, args } = reason(error, token.abi);
  assert.deepEqual([name, ...args], ["ERC20InsufficientBalance", me.address, 923n, 5_000n]);
});

test("transaction page: whether an address had code before the block", options, async () => {
  const { blockNumber } = known.factory;
  assert.equal(await send("ots_hasCode", factory.address, Number(blockNumber) - 1), false);
  assert.equal(await send("ots_hasCode", factory.address, Number(blockNumber)), true);
});

test("state tab: what a transaction changed", options, async () => {
  const { stateDiff } = await send("trace_replayTransaction", known.transfer.transactionHash, ["stateDiff"]);
  const [sender, contract] = lower(me.address, token.address);
  const { "*": nonce } = stateDiff[sender].nonce;
  assert.equal(BigInt(nonce.to), BigInt(nonce.from) + 1n);
  const written = Object.values(stateDiff[contract].storage).flatMap(Object.values);
  // A slot that was empty is new ("+") or changed ("*").
  const words = written.map((value) => BigInt(value.to ?? value));
  assert.deepEqual(words.sort((a, b) => Number(a - b)), [77n, 923n]);
});

test("address page: contract or not, who created it, what it holds", options, async () => {
  const clone = new Interface(factory.abi).parseLog(known.open.logs[0]).args.wallet;
  for (const [address, hasCode, balance, creator] of [
    [factory.address, true, 0n, { hash: known.factory.transactionHash, creator: me.address.toLowerCase() }],
    [clone, true, 5n, { hash: known.open.transactionHash, creator: factory.address.toLowerCase() }],
    [holder, false, 12n, null],
  ]) {
    const [code, has, held, made] = await Promise.all([
      send("eth_getCode", address, "latest"), send("ots_hasCode", address, "latest"), provider.getBalance(address),
      send("ots_getContractCreator", address),
    ]);
    assert.equal(has, hasCode, address);
    assert.equal(code !== "0x", hasCode, address);
    assert.equal(held, balance, address);
    assert.deepEqual(made, creator, address);
  }
});

/** All pages in a direction, from the first or the last page on. */
async function allPages(direction, address) {
  const older = direction === "Before";
  const pages = [await explorer.search(direction, address, 0)];
  while (!(older ? pages.at(-1).lastPage : pages.at(-1).firstPage)) {
    const { rows } = pages.at(-1);
    assert.ok(rows.length >= pageSize);
    const edge = older ? rows.at(-1) : rows[0];
    pages.push(await explorer.search(direction, address, edge.transaction.blockNumber));
  }
  return older ? pages : pages.reverse();
}

for (const direction of ["Before", "After"]) {
  test(`address page: all of an account's transactions, page by page (${direction})`, options, async () => {
    const pages = await allPages(direction, me.address);
    assert.deepEqual(pages.flatMap(({ rows }) => hashes(rows)), history());
    assert.ok(pages.length > 1);
    assert.deepEqual(pages.map(({ firstPage }) => firstPage), pages.map((_, i) => i === 0));
    assert.deepEqual(pages.map(({ lastPage }) => lastPage), pages.map((_, i) => i === pages.length - 1));
    for (const { transaction, rawReceipt } of pages.flatMap(({ rows }) => rows)) {
      assert.equal(rawReceipt.transactionHash, transaction.hash);
      assert.equal(Number(rawReceipt.timestamp), (await provider.getBlock(transaction.blockNumber)).timestamp);
    }
  });
}

test("address page: receipts of a search are whole", options, async () => {
  const { rows } = await explorer.search("Before", me.address, 0);
  for (const { rawReceipt } of rows) {
    const { logs } = explorer.readReceipt(rawReceipt);
    assert.deepEqual(logs, (await provider.getTransactionReceipt(rawReceipt.transactionHash)).logs);
  }
});

test("address page: a contract is found by calls, a wallet by what happened inside a transaction", options, async () => {
  const [called] = await allPages("Before", factory.address);
  const succeeded = called.rows.filter(({ rawReceipt }) => rawReceipt.status === "0x1");
  const expected = [known.openAt, known.open, known.factory].map((receipt) => receipt.transactionHash);
  assert.deepEqual(hashes(succeeded), expected);
  const wallet = await new Contract(factory.address, factory.abi, provider).walletAt(salt);
  assert.deepEqual(hashes((await explorer.search("Before", wallet, 0)).rows), [known.openAt.transactionHash]);
});

test("token page: name, symbol, decimals, balance and interfaces by eth_call", options, async () => {
  const erc20 = new Contract(token.address, token.abi, provider);
  const metadata = await Promise.all([erc20.name(), erc20.symbol(), erc20.decimals(), erc20.balanceOf(holder)]);
  assert.deepEqual(metadata, ["Shown", "SHN", 18n, 77n]);
  const erc721 = new Contract(badge.address, badge.abi, provider);
  assert.equal(await erc721.supportsInterface("0x80ac58cd"), true);
  // No token: a contract that refuses the question, and an account that answers nothing.
  const probe = (address) => new Contract(address, badge.abi, provider).supportsInterface("0x80ac58cd");
  await assert.rejects(probe(token.address), { code: "CALL_EXCEPTION" });
  await assert.rejects(probe(holder), { code: "BAD_DATA" });
});
