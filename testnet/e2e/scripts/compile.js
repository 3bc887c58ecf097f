// Writes testnet/artifacts/*.json: what the Rust scenarios deploy without a compiler.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { artifacts, compile } from "../lib/solc.js";

for (const name of ["Token"]) {
  const path = join(artifacts, `${name}.json`);
  writeFileSync(path, `${JSON.stringify(compile(name), null, 2)}\n`);
  console.error(`wrote ${path}`);
}
