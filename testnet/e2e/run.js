// Runs the end-to-end tests against a peruri-node of their own (PERURI_NODE, or the development build),
// or against RPC_URL and WS_URL where they are set. Last line: N passed, N failed[, N skipped].
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { mnemonicToAccount } from "viem/accounts";

const folder = mkdtempSync(join(tmpdir(), "peruri-e2e-"));
const here = import.meta.dirname;

function freePort() {
  return new Promise((accept, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => accept(port));
    });
  });
}

async function answers(url) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });
  try {
    const headers = { "content-type": "application/json" };
    return (await fetch(url, { method: "POST", headers, body })).ok;
  } catch {
    return false;
  }
}

/** Starts a process that serves JSON-RPC and waits for its first answer. */
async function start(program, args, url) {
  const log = openSync(join(folder, "node.log"), "a");
  const child = spawn(program, args, { stdio: ["ignore", log, log] });
  let ended;
  child.on("error", (error) => (ended = error.message));
  child.on("exit", (code, signal) => (ended ??= `exit ${code ?? signal}`));
  for (let tries = 0; tries < 600; tries++) {
    if (ended !== undefined) break;
    if (await answers(url)) return child;
    await sleep(100);
  }
  console.error(readFileSync(join(folder, "node.log"), "utf8").split("\n").slice(-30).join("\n"));
  throw new Error(`${program} does not answer (${ended ?? "timeout"})`);
}

/** Source of the transparency log: the account that plog.test.js uses, number 30 of the mnemonic. */
const source = mnemonicToAccount("test test test test test test test test test test test junk", { addressIndex: 30 });

/** Source of the activity mirror, which has a log of its own: number 31. */
const mirror = mnemonicToAccount("test test test test test test test test test test test junk", { addressIndex: 31 });

/** Key of the dev preset's validator (crates: `DEV_VALIDATOR_KEY`). */
const validatorKey = "0x8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63";

/** Where the block explorer's page comes from. */
const explorer = "http://localhost:5100";

const logId = (name) => `0x${Buffer.from(name).toString("hex").padEnd(64, "0")}`;

/** The dev preset with two transparency logs, and a data folder with its validator's key and a mirror. */
function chainWithLog() {
  const genesis = JSON.parse(readFileSync(join(here, "../../chainspec/res/dev.json"), "utf8"));
  const [id, mirrored] = [logId("activity"), logId("mirror")];
  genesis.config.plog = {
    governance: source.address,
    logs: [{ id, mode: 0 }, { id: mirrored, mode: 0 }],
    sources: [{ id: 1, signer: source.address }, { id: 2, signer: mirror.address }],
    writers: [{ log: id, source: 1 }, { log: mirrored, source: 2 }],
  };
  for (const { address } of [source, mirror]) genesis.alloc[address] = { balance: "1000000000000000000000" };
  const chain = join(folder, "genesis.json");
  writeFileSync(chain, JSON.stringify(genesis));
  const data = join(folder, "data");
  mkdirSync(data);
  const secret = (name, key) => writeFileSync(join(data, name), `${key}\n`, { mode: 0o600 });
  secret("key", validatorKey);
  secret("source-2", Buffer.from(mirror.getHdKey().privateKey).toString("hex"));
  secret("subject", "07".repeat(32));
  writeFileSync(join(data, "peruri.toml"), `[activity]
log = "${mirrored}"
source = 2
source_key = ${JSON.stringify(join(data, "source-2"))}
subject_key = ${JSON.stringify(join(data, "subject"))}
[[activity.schema]]
type = "id.peruri.attendance.v1"
entry = 1
schema = 1
`);
  return { chain, data };
}

async function target() {
  if (process.env.RPC_URL) return { rpc: process.env.RPC_URL, ws: process.env.WS_URL };
  const [http, ws, authrpc, metrics] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const url = `http://127.0.0.1:${http}`;
  if (process.env.E2E_TARGET === "anvil") {
    const child = await start(join(here, "node_modules/.bin/anvil"), ["--port", `${http}`, "--block-time", "1", "--steps-tracing"], url);
    return { child, rpc: url, ws: `ws://127.0.0.1:${http}` };
  }
  const target = process.env.CARGO_TARGET_DIR ?? join(homedir(), ".cache/peruri-chain/target");
  const program = process.env.PERURI_NODE ?? join(target, "debug/peruri-node");
  const { chain, data } = chainWithLog();
  const args = [
    "node", "--dev", "--chain", chain, "--datadir", data, "--http", "--http.port", `${http}`,
    "--http.corsdomain", explorer, "--ws", "--ws.port", `${ws}`, "--authrpc.port", `${authrpc}`, "--metrics", `127.0.0.1:${metrics}`,
  ];
  const env = { AUTH_URL: `http://127.0.0.1:${authrpc}`, JWT_FILE: join(data, "jwt.hex"), EXPLORER_ORIGIN: explorer };
  return { child: await start(program, args, url), rpc: url, ws: `ws://127.0.0.1:${ws}`, env };
}

/** Runs the test files; the readable report goes to standard error, the counts are read from TAP. */
function test(env) {
  const tap = join(folder, "report.tap");
  const wanted = process.argv.slice(2);
  const files = readdirSync(join(here, "test"))
    .filter((name) => name.endsWith(".test.js"))
    .filter((name) => wanted.length === 0 || wanted.some((word) => name.includes(word)))
    .map((name) => join(here, "test", name));
  const args = [
    "--test", "--test-concurrency=1", "--test-timeout=180000",
    "--test-reporter=spec", "--test-reporter-destination=stderr",
    "--test-reporter=tap", `--test-reporter-destination=${tap}`, ...files,
  ];
  return new Promise((accept, reject) => {
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", 2, 2] });
    child.on("error", reject);
    child.on("exit", () => {
      const counts = new Map();
      for (const line of readFileSync(tap, "utf8").split("\n")) {
        const match = /^# (pass|fail|cancelled|skipped) (\d+)$/.exec(line);
        if (match) counts.set(match[1], Number(match[2]));
      }
      const of = (name) => counts.get(name) ?? 0;
      accept({ passed: of("pass"), failed: of("fail") + of("cancelled"), skipped: of("skipped") });
    });
  });
}

let failure = 1;
let child;
try {
  const node = await target();
  child = node.child;
  const counts = await test({ ...process.env, RPC_URL: node.rpc, WS_URL: node.ws, ...node.env });
  failure = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
} catch (error) {
  console.error(error);
  console.log("0 passed, 1 failed");
} finally {
  if (child && child.exitCode === null) {
    const gone = new Promise((accept) => child.on("exit", accept));
    child.kill("SIGTERM");
    await gone;
  }
  if (failure === 0) rmSync(folder, { recursive: true, force: true });
  else console.error(`files kept in ${folder}`);
}
process.exit(failure);
