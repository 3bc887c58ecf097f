// The checked-in artifacts are what npm's solc and OpenZeppelin give today, and what forge builds.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { artifact, forge } from "../lib/env.js";
import { artifactFile, compile, contracts, root } from "../lib/solc.js";

for (const name of contracts.keys()) {
  test(`the checked-in artifact of ${name} is current (npm run build)`, () => {
    assert.deepEqual(JSON.parse(readFileSync(artifactFile(name), "utf8")), compile(name));
  });
}

test("forge builds the same bytecode through npm's solc", async () => {
  await forge(["build", "--force", "--skip", "script"]);
  const built = JSON.parse(readFileSync(resolve(root, "out/Token.sol/Token.json"), "utf8"));
  assert.equal(built.bytecode.object, artifact.bytecode);
});
