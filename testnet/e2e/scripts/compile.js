// Writes the checked-in artifacts: what Rust programs and tests deploy without a compiler.
import { writeFileSync } from "node:fs";
import { artifactFile, compile, contracts } from "../lib/solc.js";

for (const name of contracts.keys()) {
  const path = artifactFile(name);
  writeFileSync(path, `${JSON.stringify(compile(name), null, 2)}\n`);
  console.error(`wrote ${path}`);
}
