// Compiles the contracts with npm's solc: one place for the settings, so that the checked-in artifact,
// the test that it is current, and forge's wrapper agree.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
export const solc = require("solc");

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const repository = resolve(root, "../..");

/** Every contract with a checked-in artifact: its source and the artifact's folder, in the repository. */
export const contracts = new Map([
  ["Token", { source: "testnet/contracts/Token.sol", artifacts: "testnet/artifacts" }],
  ["IPlog", { source: "contracts/src/IPlog.sol", artifacts: "contracts/artifacts" }],
  ["PlogGovernance", { source: "contracts/src/PlogGovernance.sol", artifacts: "contracts/artifacts" }],
  ["PlogCaller", { source: "contracts/test/PlogCaller.sol", artifacts: "contracts/artifacts" }],
]);

/** The file of a contract's artifact. */
export const artifactFile = (name) => join(repository, contracts.get(name).artifacts, `${name}.json`);

/** Settings fixed here: bytecode must not depend on a compiler's defaults or on where the checkout lies. */
export const settings = {
  optimizer: { enabled: true, runs: 200 },
  evmVersion: "prague",
  metadata: { bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

/** Compiles a contract of `contracts` and returns its artifact. */
export function compile(name) {
  const source = join(repository, contracts.get(name).source);
  const input = {
    language: "Solidity",
    sources: { [`${name}.sol`]: { content: readFileSync(source, "utf8") } },
    settings,
  };
  let library = false;
  const findImport = (path) => {
    library ||= path.startsWith("@openzeppelin/");
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
    ...(library ? { library: `@openzeppelin/contracts ${openzeppelin}` } : {}),
    settings: { optimizer: settings.optimizer, evmVersion: settings.evmVersion, metadata: settings.metadata },
    abi: contract.abi,
    bytecode: `0x${contract.evm.bytecode.object}`,
    deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
  };
}
