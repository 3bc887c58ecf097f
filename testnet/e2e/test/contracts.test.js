// The contracts of contracts/: their own tests by forge, which also builds what is checked in.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { forge } from "../lib/env.js";
import { artifactFile, root } from "../lib/solc.js";

const folder = resolve(root, "../../contracts");

test("forge's tests of the contracts pass", async () => {
  const output = await forge(["test", "--root", folder]);
  assert.match(output, /Suite result: ok\. [1-9]\d* passed; 0 failed; 0 skipped/);
});

test("forge builds the same bytecode of the governance contract", async () => {
  await forge(["build", "--root", folder, "--force"]);
  const built = JSON.parse(readFileSync(resolve(folder, "out/PlogGovernance.sol/PlogGovernance.json"), "utf8"));
  const artifact = JSON.parse(readFileSync(artifactFile("PlogGovernance"), "utf8"));
  assert.equal(built.deployedBytecode.object, artifact.deployedBytecode);
});
