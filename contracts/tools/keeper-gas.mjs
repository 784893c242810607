#!/usr/bin/env node
// Gas of the compute flow of oceanprotocol/keeper-contracts v0.13.2, for the comparison in GAS.md.
//   node tools/keeper-gas.mjs KEEPER OPENZEPPELIN_ETH ZOS_LIB RPC
// KEEPER is a checkout of the tag; the next two are the unpacked npm packages openzeppelin-eth@2.2.0 and zos-lib@2.4.3;
// RPC is an anvil with --hardfork cancun --code-size-limit 50000. solc@0.5.6 and ethers@6 must be where node finds them.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const [keeper, openzeppelin, zos, rpc] = process.argv.slice(2);
const require = createRequire(path.resolve("package.json"));
const { ethers } = require("ethers");

const SOURCES = [
  "OceanToken.sol",
  "agreements/AgreementStoreManager.sol",
  "conditions/ComputeExecutionCondition.sol",
  "conditions/ConditionStoreManager.sol",
  "conditions/LockRewardCondition.sol",
  "conditions/rewards/EscrowReward.sol",
  "libraries/EpochLibrary.sol",
  "registry/DIDRegistry.sol",
  "templates/TemplateStoreManager.sol",
];

function read(name) {
  const roots = { "openzeppelin-eth/": openzeppelin, "zos-lib/": zos, "keeper/": path.join(keeper, "contracts") };
  const prefix = Object.keys(roots).find((start) => name.startsWith(start));
  const file = prefix && path.join(roots[prefix], name.slice(prefix.length));
  return file && fs.existsSync(file) ? { contents: fs.readFileSync(file, "utf8") } : { error: `not found: ${name}` };
}

function compile() {
  const sources = Object.fromEntries(SOURCES.map((file) => [`keeper/${file}`, { content: read(`keeper/${file}`).contents }]));
  const optimizer = { enabled: true, runs: 200 };
  const outputSelection = { "*": { "*": ["abi", "evm.bytecode"] } };
  const input = { language: "Solidity", sources, settings: { optimizer, outputSelection } };
  const output = JSON.parse(require("solc").compile(JSON.stringify(input), read));
  const errors = (output.errors ?? []).filter((error) => error.severity === "error");
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  return Object.assign({}, ...Object.values(output.contracts));
}

const contracts = compile();
const provider = new ethers.JsonRpcProvider(rpc, undefined, { cacheTimeout: -1 });
const phrase = "test test test test test test test test test test test junk";
const account = (i) => ethers.HDNodeWallet.fromPhrase(phrase, undefined, `m/44'/60'/0'/0/${i}`).connect(provider);
const [owner, publisher, consumer] = [0, 1, 2].map((i) => new ethers.NonceManager(account(i)));
const [ownerAt, publisherAt, consumerAt] = await Promise.all([owner, publisher, consumer].map((who) => who.getAddress()));
const mined = async (sent) => (await sent).wait();

async function deploy(name, libraries = {}) {
  const { abi, evm } = contracts[name];
  let code = evm.bytecode.object;
  for (const links of Object.values(evm.bytecode.linkReferences)) {
    for (const [library, places] of Object.entries(links)) {
      const at = libraries[library].target.slice(2);
      for (const { start } of places) code = code.slice(0, start * 2) + at + code.slice(start * 2 + 40);
    }
  }
  const contract = await new ethers.ContractFactory(abi, `0x${code}`, owner).deploy();
  return contract.waitForDeployment();
}

async function setUp() {
  const token = await deploy("OceanToken");
  await mined(token["initialize(address,address)"](publisherAt, ownerAt));
  const registry = await deploy("DIDRegistry", { DIDRegistryLibrary: await deploy("DIDRegistryLibrary") });
  await mined(registry["initialize(address)"](ownerAt));
  const store = await deploy("ConditionStoreManager", { EpochLibrary: await deploy("EpochLibrary") });
  const templates = await deploy("TemplateStoreManager");
  await mined(templates["initialize(address)"](ownerAt));
  const library = { AgreementStoreLibrary: await deploy("AgreementStoreLibrary") };
  const agreements = await deploy("AgreementStoreManager", library);
  await mined(
    agreements["initialize(address,address,address,address)"](ownerAt, store.target, templates.target, registry.target),
  );
  await mined(store["initialize(address)"](agreements.target));
  const conditions = {};
  for (const [name, last] of [["LockRewardCondition", token], ["EscrowReward", token], ["ComputeExecutionCondition", agreements]]) {
    conditions[name] = await deploy(name);
    await mined(conditions[name]["initialize(address,address,address)"](ownerAt, store.target, last.target));
  }
  return { token, registry, templates, agreements, conditions };
}

async function approveTemplate({ templates, conditions }) {
  for (const actor of ["provider", "consumer"]) await mined(templates.registerTemplateActorType(actor));
  const actors = await Promise.all(["provider", "consumer"].map((actor) => templates.getTemplateActorTypeId(actor)));
  const types = ["LockRewardCondition", "ComputeExecutionCondition", "EscrowReward"].map((name) => conditions[name].target);
  const propose = templates["proposeTemplate(address,address[],bytes32[],string)"];
  const proposed = await mined(propose(templates.target, types, actors, "EscrowComputeExecutionTemplate"));
  const event = proposed.logs.map((log) => templates.interface.parseLog(log)).find((log) => log?.name === "TemplateProposed");
  await mined(templates["approveTemplate(bytes32)"](event.args[0]));
  return event.args[0];
}

// The same length as the provider's real URLs.
const url = `https://provider.example/api/v1/jobs/0x${"a".repeat(64)}-0/outputs`;

async function agreement(world, template, round) {
  const { token, registry, agreements, conditions } = world;
  const [lock, compute, escrow] = ["LockRewardCondition", "ComputeExecutionCondition", "EscrowReward"].map((n) => conditions[n]);
  const [did, id, derived] = ["did", "agreement", "derived"].map((text) => ethers.id(text + round));
  const price = 10n ** 18n;
  const register = "registerAttribute(bytes32,bytes32,address[],string)";
  await mined(registry.connect(publisher)[register](did, ethers.id("ddo"), [], url));
  await mined(token.mint(consumerAt, price));
  const lockId = await lock.generateId(id, await lock.hashValues(escrow.target, price));
  const computeId = await compute.generateId(id, await compute.hashValues(did, consumerAt));
  const escrowValues = await escrow.hashValues(price, publisherAt, consumerAt, lockId, computeId);
  const ids = [lockId, computeId, await escrow.generateId(id, escrowValues)];
  const create = "createAgreement(bytes32,bytes32,bytes32,bytes32[],uint256[],uint256[],address[])";
  const sent = {
    createAgreement: () =>
      agreements.connect(publisher)[create](id, did, template, ids, [0, 0, 0], [0, 100, 0], [publisherAt, consumerAt]),
    approve: () => token.connect(consumer).approve(lock.target, price),
    "LockReward.fulfill": () => lock.connect(consumer).fulfill(id, escrow.target, price),
    "ComputeExecution.fulfill": () => compute.connect(publisher).fulfill(id, did, consumerAt),
    "registerAttribute (result)": () => registry.connect(publisher)[register](derived, ethers.id("result"), [], url),
    transferDIDOwnership: () => registry.connect(publisher).transferDIDOwnership(derived, consumerAt),
    "EscrowReward.fulfill": () =>
      escrow.connect(publisher).fulfill(id, price, publisherAt, consumerAt, lockId, computeId),
  };
  let sum = 0n;
  for (const [name, send] of Object.entries(sent)) {
    const { gasUsed } = await mined(send());
    sum += gasUsed;
    console.log(`${name}\t${gasUsed}`);
  }
  console.log(`sum\t${sum}`);
}

const world = await setUp();
const template = await approveTemplate(world);
for (const round of [1, 2]) await agreement(world, template, round);
process.exit(0);
