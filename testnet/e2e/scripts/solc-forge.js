#!/usr/bin/env node
// What forge calls in place of a native solc: `--version` and `--standard-json` over npm's solc.
import { readFileSync } from "node:fs";
import { solc } from "../lib/solc.js";

const args = process.argv.slice(2);
if (args.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else if (args.includes("--standard-json")) {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
} else {
  console.error(`solc-forge: only --version and --standard-json, got: ${args.join(" ")}`);
  process.exit(2);
}
