// A node as the block explorer Otterscan asks it, page by page; ethers reads the answers and refuses those that lack a field.
import { Interface, JsonRpcProvider } from "ethers";

/** Transactions on a page; Otterscan's are 25, few make several pages of 5. */
export const pageSize = 5;

/** The provider that Otterscan makes: the chain does not change, requests of one moment go as a batch. */
export function otterscan(url) {
  const provider = new JsonRpcProvider(url, undefined, { staticNetwork: true, cacheTimeout: -1 });
  const send = (method, ...params) => provider.send(method, params);
  return { provider, send, ...pages(provider, send) };
}

function pages(provider, send) {
  const readTransaction = (raw) => provider._wrapTransactionResponse(raw, provider._network);
  const readHeader = (raw) => provider._wrapBlock({ ...raw, transactions: [] }, provider._network);
  const readReceipt = (raw) => provider._wrapTransactionReceipt(raw, provider._network);

  /** The block page: by hash or by number. */
  async function block(id) {
    const details = await send(typeof id === "string" ? "ots_getBlockDetailsByHash" : "ots_getBlockDetails", id);
    if (details === null) return null;
    const { block: raw, issuance, totalFees } = details;
    const header = readHeader(raw);
    return { header, raw, transactionCount: raw.transactionCount, reward: BigInt(issuance.blockReward), fees: BigInt(totalFees) };
  }

  /** A page of a block's transactions, newest first. Logs are left out of the receipts. */
  async function blockTransactions(number, page) {
    const { fullblock, receipts } = await send("ots_getBlockTransactions", number, page, pageSize);
    const rows = fullblock.transactions.map((raw, i) => ({
      transaction: readTransaction(raw), receipt: readReceipt({ ...receipts[i], logs: [] }), rawReceipt: receipts[i],
    }));
    return { total: fullblock.transactionCount, rows: rows.reverse() };
  }

  /** A page of an account's transactions before or after a block, newest first. */
  async function search(direction, address, number) {
    const { txs, receipts, firstPage, lastPage } = await send(`ots_searchTransactions${direction}`, address, number, pageSize);
    const rows = txs.map((raw, i) => ({ transaction: readTransaction(raw), rawReceipt: receipts[i] }));
    return { rows, firstPage, lastPage };
  }

  return { readHeader, readReceipt, block, blockTransactions, search };
}

/** The tree that Otterscan draws: entries of `ots_traceTransaction` stand in the order of execution with their depths. */
export function traceTree(entries) {
  const root = { children: [] };
  const path = [root];
  for (const { type, depth, from, to, value } of entries) {
    const node = { type, from, to, value: value === null ? null : BigInt(value), children: [] };
    path[depth].children.push(node);
    path.length = depth + 1;
    path.push(node);
  }
  return root.children;
}

/** The reason of a revert, as text or as the custom error of an ABI. */
export function reason(data, abi = []) {
  return new Interface(["error Error(string)", ...abi]).parseError(data);
}
