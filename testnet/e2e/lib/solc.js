// Compiles the contracts with npm's solc: one place for the settings, so that the checked-in artifact,
// the test that it is current, and forge's wrapper agree.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
export const solc = require("solc");

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
export const contracts = resolve(root, "../contracts");
export const artifacts = resolve(root, "../artifacts");

/** Settings fixed here: bytecode must not depend on a compiler's defaults or on where the checkout lies. */
export const settings = {
  optimizer: { enabled: true, runs: 200 },
  evmVersion: "prague",
  metadata: { bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

/** Compiles `name`.sol and returns the artifact of the contract of that name. */
export function compile(name) {
  const input = {
    language: "Solidity",
    sources: { [`${name}.sol`]: { content: readFileSync(join(contracts, `${name}.sol`), "utf8") } },
    settings,
  };
  const findImport = (path) => {
    try {
      return { contents: readFileSync(join(root, "node_modules", path), "utf8") };
    } catch (error) {
      return { error: String(error) };
    }
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
  const errors = (output.errors ?? []).filter((e) => e.severity === "error");
  if (errors.length > 0) throw new Error(errors.map((e) => e.formattedMessage).join("\n"));
  const contract = output.contracts[`${name}.sol`][name];
  const openzeppelin = require("@openzeppelin/contracts/package.json").version;
  return {
    contract: name,
    compiler: `solc ${solc.version().split(".Emscripten")[0]}`,
    library: `@openzeppelin/contracts ${openzeppelin}`,
    settings: { optimizer: settings.optimizer, evmVersion: settings.evmVersion, metadata: settings.metadata },
    abi: contract.abi,
    bytecode: `0x${contract.evm.bytecode.object}`,
    deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
  };
}
