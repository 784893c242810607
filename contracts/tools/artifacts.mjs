#!/usr/bin/env node
// Writes abi/<Name>.json and abi/runtime.json from src/ with the settings of foundry.toml, so that the Rust build needs neither
// npm nor forge. runtime.json is what a chain shows of each contract, with the places that its constructor fills.
// `--check` writes nothing and exits 1 if a file is stale.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const solc = createRequire(import.meta.url)("solc");
const root = path.resolve(import.meta.dirname, "..");

// Contract name to source file.
const CONTRACTS = {
  AccessConditions: "src/AccessConditions.sol",
  ComputeConditions: "src/ComputeConditions.sol",
  DIDRegistry: "src/DIDRegistry.sol",
  DisputeConditions: "src/DisputeConditions.sol",
  PaymentConditions: "src/PaymentConditions.sol",
  ServiceAgreement: "src/ServiceAgreement.sol",
  TestToken: "src/mocks/TestToken.sol",
};

function setting(name) {
  const toml = fs.readFileSync(path.join(root, "foundry.toml"), "utf8");
  const found = toml.match(new RegExp(`^${name} = "?([^"\\n]+)"?$`, "m"));
  if (!found) throw new Error(`foundry.toml does not set ${name}`);
  return found[1];
}

function settings() {
  return {
    remappings: ["@openzeppelin/=node_modules/@openzeppelin/"],
    optimizer: { enabled: setting("optimizer") === "true", runs: Number(setting("optimizer_runs").replaceAll("_", "")) },
    metadata: { bytecodeHash: setting("bytecode_hash"), appendCBOR: true },
    evmVersion: setting("evm_version"),
    viaIR: setting("via_ir") === "true",
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode"] } },
  };
}

function read(file) {
  const full = path.join(root, file);
  return fs.existsSync(full) ? { contents: fs.readFileSync(full, "utf8") } : { error: `not found: ${file}` };
}

function compile() {
  const sources = Object.fromEntries(Object.values(CONTRACTS).map((file) => [file, { content: read(file).contents }]));
  const input = { language: "Solidity", sources, settings: settings() };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
  const errors = (output.errors ?? []).filter((error) => error.severity === "error");
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  return output.contracts;
}

function artifact(contracts, name) {
  const { abi, evm } = contracts[CONTRACTS[name]][name];
  const object = `0x${evm.bytecode.object}`;
  return `${JSON.stringify({ contractName: name, abi, bytecode: { object } }, null, 2)}\n`;
}

function runtime(contracts) {
  const entries = Object.keys(CONTRACTS).map((name) => {
    const { object, immutableReferences } = contracts[CONTRACTS[name]][name].evm.deployedBytecode;
    const immutables = Object.values(immutableReferences ?? {}).flat().map(({ start, length }) => [start, length]);
    return [name, { code: `0x${object}`, immutables: immutables.sort((a, b) => a[0] - b[0]) }];
  });
  return `${JSON.stringify(Object.fromEntries(entries), null, 1)}\n`;
}

const check = process.argv.includes("--check");
const contracts = compile();
const texts = Object.keys(CONTRACTS).map((name) => [name, artifact(contracts, name)]);
for (const [name, text] of [...texts, ["runtime", runtime(contracts)]]) {
  const file = path.join(root, "abi", `${name}.json`);
  const current = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
  if (current === text) continue;
  if (check) {
    console.error(`stale: abi/${name}.json (run: node tools/artifacts.mjs)`);
    process.exitCode = 1;
  } else {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
    console.log(`wrote abi/${name}.json`);
  }
}
