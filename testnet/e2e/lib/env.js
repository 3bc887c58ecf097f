// What every test needs: where the node is, who pays, and the tools from npm.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import {
  createPublicClient, createWalletClient, defineChain, http, parseEther, publicActions,
} from "viem";
import { generatePrivateKey, mnemonicToAccount, privateKeyToAccount } from "viem/accounts";

const root = resolve(import.meta.dirname, "..");

export const rpcUrl = process.env.RPC_URL;
export const wsUrl = process.env.WS_URL;
assert(rpcUrl && wsUrl, "RPC_URL and WS_URL are set by run.js");

/** True when a real peruri-node answers, false for the development stand-in. */
export const isPeruri = process.env.E2E_TARGET !== "anvil";

export const artifact = JSON.parse(readFileSync(resolve(root, "../artifacts/Token.json"), "utf8"));

/** The development accounts; each test file takes one of its own, so that nonces never collide. */
export function account(index) {
  const account = mnemonicToAccount("test test test test test test test test test test test junk", {
    addressIndex: index,
  });
  const privateKey = `0x${Buffer.from(account.getHdKey().privateKey).toString("hex")}`;
  return Object.assign(account, { privateKey });
}

const bootstrap = createPublicClient({ transport: http(rpcUrl) });
const id = await bootstrap.getChainId();

export const chain = defineChain({
  id,
  name: "under test",
  nativeCurrency: { name: "coin", symbol: "COIN", decimals: 18 },
  rpcUrls: { default: { http: [rpcUrl], webSocket: [wsUrl] } },
});

/** A viem client that reads and signs as `account`. */
export function client(account) {
  return createWalletClient({ account, chain, transport: http(rpcUrl), pollingInterval: 100 })
    .extend(publicActions);
}

/** A fresh account that got 10 coins from the first development account: all it ever sends is known. */
export async function newcomer() {
  const privateKey = generatePrivateKey();
  const fresh = Object.assign(privateKeyToAccount(privateKey), { privateKey });
  const bank = client(account(0));
  const hash = await bank.sendTransaction({ to: fresh.address, value: parseEther("10") });
  const receipt = await bank.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  return { account: fresh, receipt };
}

/** A raw JSON-RPC call: the whole answer, errors included. */
export async function rpc(method, params = []) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  return post(body);
}

/** Posts any body; returns the HTTP status and the answer. */
export async function post(body, headers = { "content-type": "application/json" }) {
  const response = await fetch(rpcUrl, { method: "POST", headers, body });
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    answer = undefined;
  }
  return { status: response.status, text, ...(Array.isArray(answer) ? { batch: answer } : answer) };
}

const run = promisify(execFile);

/** Path of a Foundry tool: npm's where it exists for this platform, else the one on the path. */
export function tool(name) {
  const npm = join(root, "node_modules/.bin", name);
  return existsSync(npm) ? npm : name;
}

/** Runs `cast`; returns its trimmed standard output. */
export async function cast(...args) {
  return foundry("cast", args);
}

/** Runs `forge` in testnet/, where foundry.toml lies. */
export async function forge(args, env = {}) {
  return foundry("forge", args, env);
}

let building;

/** What forge makes of a contract of contracts/ here, or of one that they use. */
export async function built(name, file = name) {
  await (building ??= forge(["build", "e2e/contracts"]));
  const { abi, bytecode, deployedBytecode } = JSON.parse(readFileSync(join(root, `out/${file}.sol/${name}.json`), "utf8"));
  const { object, immutableReferences } = deployedBytecode;
  return { abi, bytecode: bytecode.object, deployedBytecode: object, immutables: Object.values(immutableReferences ?? {}).flat() };
}

async function foundry(name, args, env = {}) {
  const options = {
    cwd: resolve(root, ".."),
    env: { ...process.env, ETH_RPC_URL: rpcUrl, NO_COLOR: "1", FOUNDRY_DISABLE_NIGHTLY_WARNING: "1", ...env },
    maxBuffer: 64 << 20,
  };
  const { stdout } = await run(tool(name), args, options);
  return stdout.trim();
}

/** Deploys contracts, each with its arguments, as `wallet` (a `client(..)`): all are sent before any is waited for. */
export async function deployAll(wallet, contracts) {
  const hashes = [];
  for (const [{ abi, bytecode }, args = []] of contracts) hashes.push(await wallet.deployContract({ abi, bytecode, args }));
  return Promise.all(hashes.map(async (hash) => {
    const receipt = await wallet.waitForTransactionReceipt({ hash });
    assert.equal(receipt.status, "success");
    return { address: receipt.contractAddress, receipt };
  }));
}

/** Deploys the token. */
export async function deployToken(wallet, name = "Test Token", symbol = "TT", supply = 10n ** 24n) {
  const [token] = await deployAll(wallet, [[artifact, [name, symbol, supply]]]);
  return token;
}

/** Resolves with the first value for which `take` was called, or fails after `seconds`. */
export function within(seconds, what, start) {
  return new Promise((accept, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} did not happen in ${seconds} s`)), seconds * 1000);
    const take = (value) => {
      clearTimeout(timer);
      accept(value);
    };
    Promise.resolve(start(take)).catch((error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}
