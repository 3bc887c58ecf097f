// The PHP client of docs/activity.md against the mirror of a running node.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { rpc, rpcUrl } from "../lib/env.js";

const run = promisify(execFile);
const folder = resolve(import.meta.dirname, "../../../examples/php");
/** Longest run of a script. */
const limits = { timeout: 60_000 };
const { AUTH_URL, JWT_FILE } = process.env;
const type = "id.peruri.attendance.v1";

function obstacle() {
  if (!AUTH_URL) return "the node under test has no activity mirror";
  const modules = spawnSync("php", ["-m"], { encoding: "utf8" });
  if (modules.error) return "php is not installed (make deps)";
  return modules.stdout.includes("curl") ? false : "php has no curl (make deps)";
}

const skip = obstacle();
if (skip) console.error(`skipped: ${skip}`);

/** Waits until the mirror has begun: it compares itself with the chain first. */
async function accepting() {
  for (let tries = 0; tries < 300; tries++) {
    const { result } = await rpc("activity_getQueue");
    if (result?.accepting) return;
    await new Promise((accept) => setTimeout(accept, 100));
  }
  assert.fail("the mirror does not accept");
}

test("the example hands in three activities and sees them final", { skip }, async () => {
  await accepting();
  const args = [join(folder, "attendance.php"), AUTH_URL, rpcUrl, JWT_FILE, type];
  const { stdout } = await run("php", args, limits);
  const lines = stdout.trim().split("\n");
  const told = lines.slice(0, 4).map((line) => /^(?:accepted|again) +(\S+) as number (\d+)$/.exec(line));
  const final = lines.slice(4).map((line) => /^included (\S+) in block (\d+), leaf (\d+)$/.exec(line));
  assert.equal(final.length, 3, stdout);
  assert.deepEqual(told[0].slice(1), told[1].slice(1), "a repeat has the same number");
  const ids = [told[0], told[2], told[3]].map((match) => match[1]);
  assert.deepEqual(final.map((match) => match[1]), ids);
  const { result } = await rpc("activity_getStatus", [ids]);
  assert.deepEqual(result.map((status) => status.status), ["included", "included", "included"]);
  assert.deepEqual(result.map((status) => `${status.leafIndex}`), final.map((match) => match[3]));
});

/** Runs PHP with a client `$client`, an activity `$activity` and a function that shows an error. */
async function php(code, secretFile = JWT_FILE) {
  const prelude = `require '${folder}/ActivityClient.php';
    $client = new ActivityClient('${AUTH_URL}', '${rpcUrl}', '${secretFile}');
    $activity = ActivityClient::activity('${type}', 1767225600000, 'P-1', '{}');
    function refused(callable $call): array {
        try { $call(); } catch (ActivityError $error) { return [$error->getCode(), $error->data]; }
        return [0, []];
    }`;
  const { stdout } = await run("php", ["-r", `${prelude} echo json_encode((function () use ($client, $activity) { ${code} })());`], limits);
  return JSON.parse(stdout);
}

test("errors arrive with their code and data", { skip }, async () => {
  await accepting();
  const conflict = await php(`
    $first = $client->track($activity);
    $error = refused(function () use ($client, $activity) { $client->track(['userId' => 'P-2'] + $activity); });
    return [$first['sourceSeq'], $error];`);
  assert.deepEqual(conflict[1], [-32011, { sourceSeq: conflict[0], field: "subject" }]);
  const malformed = await php(`
    return refused(function () use ($client, $activity) { $client->track(['salt' => '0x00'] + $activity); });`);
  assert.equal(malformed[0], -32602);
  assert.equal(malformed[1].field, "salt");
  const batch = await php(`
    $bad = ['activityId' => 'A'] + $activity;
    $good = ['activityId' => ActivityClient::uuid()] + $activity;
    return $client->submitBatch([$bad, $good]);`);
  assert.equal(batch[0].error.code, -32602);
  assert.equal(batch[0].error.data.field, "activityId");
  assert.ok(batch[1].sourceSeq > conflict[0]);
});

test("a token made with another secret is refused", { skip }, async () => {
  const other = `${JWT_FILE}.other`;
  writeFileSync(other, "11".repeat(32));
  const refused = await php(
    "return refused(function () use ($client, $activity) { $client->track($activity); });", other,
  );
  assert.equal(refused[0], -32001);
});
