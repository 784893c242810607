-- A database of schema version 8 with one settled job, which names a viewer, and one transaction that is owed.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE agreement (
    id               TEXT PRIMARY KEY,
    did              TEXT NOT NULL REFERENCES dataset (did),
    consumer         TEXT NOT NULL,
    terms            TEXT NOT NULL,          -- JSON of money::Terms
    grant_deadline_s INTEGER NOT NULL,
    algorithm        BLOB,                   -- BLAKE3 of the uploaded module
    algorithm_did    TEXT,
    algorithm_facts  TEXT,                   -- JSON of what inspection found
    locked           INTEGER NOT NULL DEFAULT 0,
    granted          INTEGER NOT NULL DEFAULT 0,
    created_s        INTEGER NOT NULL
, locked_block INTEGER, runs_deleted INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "agreement" VALUES('3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71','did:op:ca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502','0x70997970C51812dc3A010C7d01b50e0d17dc79C8','{"token":"0x0165878a594ca255338adfa4d48449f69242eb8f","price":"1000000","base":"1000","fuelPrice":"7","outputPrice":"1000000"}',1795381332,X'1A02E51C2B6A12061DA5C37562BCB864A902AE5EB836DC79AFD3E75416119997',NULL,'[210189,1114112,[],false,null]',1,1,1795294932,NULL,0);
INSERT INTO "agreement" VALUES('f41bb0f1cba28f86ea76e2ae48f401ecfe4c51d63662825ae97b598fc171b072','did:op:ca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502','0x70997970C51812dc3A010C7d01b50e0d17dc79C8','{"token":"0x0165878a594ca255338adfa4d48449f69242eb8f","price":"1000000","base":"1000","fuelPrice":"7","outputPrice":"1000000"}',1795381332,X'1A02E51C2B6A12061DA5C37562BCB864A902AE5EB836DC79AFD3E75416119997',NULL,'[210189,1114112,[],false,null]',1,0,1795294932,NULL,0);
CREATE TABLE block_seen (
    number INTEGER PRIMARY KEY,
    hash   BLOB NOT NULL
) STRICT;
CREATE TABLE chain_tx (
    sender TEXT NOT NULL,
    nonce  INTEGER NOT NULL,
    sent   TEXT NOT NULL,                    -- JSON of chain::Sent
    PRIMARY KEY (sender, nonce)
) STRICT, WITHOUT ROWID;
CREATE TABLE cursor (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    block INTEGER NOT NULL
) STRICT;
INSERT INTO "cursor" VALUES(1,20);
CREATE TABLE dataset (
    did           TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    root          BLOB NOT NULL,             -- manifest root under the dataset key
    dataset_key   BLOB NOT NULL,             -- secret: salts the manifest
    manifest      TEXT NOT NULL,             -- JSON list of entries
    policy        TEXT NOT NULL,             -- TOML manifest of the policy
    rules         TEXT NOT NULL,             -- Cedar rules of the policy
    ddo           TEXT NOT NULL,             -- JSON document served to consumers
    created_s     INTEGER NOT NULL
) STRICT;
INSERT INTO "dataset" VALUES('did:op:ca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502','Penguins',X'B9B5006C5050D567D01B520F82FDDC52A77E89498D62CA0D33A43A33501EDE91',X'F40E628E7AAEE92D8CBF0E0D16237C84C5C48A2455DF1F11DA83E5B88F625E85','[{"kind":"file","path":"README.md","size":"290","digest":"0x953a8feb6407a6e61bf8f2702598b6d7535cf44c2684bf08596fd6c3b40b94da"},{"kind":"file","path":"penguins.csv","size":"15241","digest":"0x72d19d16d298e8de71a8a31961254cfc5b7a04e1980824c442738d378ddc1029"},{"kind":"file","path":"seattle-weather.csv","size":"48219","digest":"0x5ab33524895371f73dfaa43a52669c57de6a63f8d7c301345aafad0359a28666"}]','name = "test"
description = "the examples over the penguins"
[[algorithms]]
digest = "0xba611a56193686bd25519c4f8990e9a9e62cc92f98f602706fff0f2a725f9083"
name = "column_stats"
[[algorithms]]
digest = "0x1a02e51c2b6a12061da5c37562bcb864a902ae5eb836dc79afd3e75416119997"
name = "group_aggregate"
[[algorithms]]
digest = "0x00c6b25d1b14d3f7993f4509708294ce99b684346038adcc1bc0b52d4db6680e"
name = "hostile"
[[algorithms]]
digest = "0x63867c17aaeedebdbacc5c97f88fe056bc575c358d6d571c8647432b6f4e8c46"
name = "import-sock"
[[algorithms]]
digest = "0x7632df19df0b5cea580320cd803fda4504db257cea2185439746150d8901aa21"
name = "keeps-a-secret"
[[algorithms]]
digest = "0xb217d7a11b099f68f7b93528d8b3e6145d8063717be586bee8ea0fb2dd6405a7"
name = "group_aggregate component"
[[algorithms]]
digest = "0x49c609bbaac8caa092c9fb92e668d2bacaafed9d987dcb4a123337a2076e8b55"
name = "what the parrot says"
[[runtimes]]
digest = "0x36c7ebccb10f3e708409cefdc7aa3f2118f9e31ec479db34583efb6580d39e63"
name = "parrot"
[ceilings]
fuel = 20_000_000_000
memory_bytes = 268435456
output_bytes = 1048576
output_files = 100
wall_clock_s = 120
algorithm_bytes = 1000000
[consumers]
any = true
[outputs]
declared = ["*.csv", "*.json"]
streams = ["stdout"]
file_bytes_max = 1048576
[price]
token = "0x0165878A594ca255338adfa4d48449f69242Eb8F"
max = "1000000"
base = "1000"
fuel_per_million = "7"
output_per_million = "1000000"
','// Open statistics. Two rules permit; every other rule forbids, so that a refusal can name its reason. A forbid beats
// every permit, whatever their order; the order only decides which of several reasons is shown first.

@id("run")
@reason("Whoever passes every rule below may run an approved algorithm.")
permit (principal, action == Action::"run", resource);

@id("release")
@reason("What passes every rule below may leave.")
permit (principal, action == Action::"release", resource);

// Asked again at release: permission that ended during a run has ended.
@id("not-expired")
@reason("The data owner''s permission has ended.")
@hint("ask the data owner to renew the policy (valid_until in its manifest)")
@code("policy_expired")
forbid (principal, action, resource)
when { resource has valid_until_s && context.now_s >= resource.valid_until_s };

// Asked again at release, like every rule that names no action.
@id("consumer-listed")
@reason("The data owner''s policy does not admit this consumer.")
@hint("ask the data owner to add your address to the policy''s list")
@code("not_listed")
forbid (principal, action, resource)
unless { resource.any_consumer || resource.consumers.contains(principal) };

// A name can be reused and a version can be replaced; the digest is that of the bytes that were read. Asked
// again at release.
@id("algorithm-approved")
@reason("The data owner has not approved this algorithm; approval is for the digest of its exact bytes.")
@hint("send the module to the data owner; `brizo check ALGO.wasm` prints the digest to approve")
@code("not_approved")
forbid (principal, action, resource)
unless { resource.algorithms.contains(context.algorithm.digest) };

// Stubbed imports only fail when called, so they are no danger to the data. But a statistic needs no sockets, and a
// module that asks for them was built for another purpose, or by a tool that hides what the author meant.
@id("no-stubbed-imports")
@reason("The algorithm imports interfaces that this profile refuses, such as sockets.")
@hint("build the algorithm without them; `brizo check ALGO.wasm` lists them")
@code("imports_refused")
forbid (principal, action == Action::"run", resource)
unless { context.algorithm.imports_refused.isEmpty() };

// A run that was cut off may have written half a table, and where a trap happens can depend on a single record.
@id("finished-runs-only")
@reason("Only outputs of a run that came to its own end may leave.")
@hint("mend the algorithm, or order more fuel or memory, and run it again")
@code("output_withheld")
forbid (principal, action == Action::"release", resource)
unless { context.status == Status::"exit" };

// What was not announced cannot have been considered, so it stays.
@id("declared-files-only")
@reason("The file is not among the outputs that the policy declares.")
@hint("let the algorithm write only files that the policy''s [outputs] declares")
@code("output_withheld")
forbid (principal, action == Action::"release", resource)
when { context.output.kind == OutputKind::"file" }
unless { context.output.declared };

// Standard error carries panics and stack traces, which quote the data they failed on. The name stands here as well,
// so that a slip in the manifest''s list does not let it out.
@id("stdout-only")
@reason("Of the streams, only standard output may leave: error messages tend to quote the data.")
@hint("print results on standard output, or develop against mock data to see the errors")
@code("output_withheld")
forbid (principal, action == Action::"release", resource)
when { context.output.kind == OutputKind::"stream" }
unless { context.output.path == "stdout" && context.output.declared };
','{
  "@context": "https://w3id.org/future-method/v1",
  "id": "did:op:ca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502",
  "publicKey": [
    {
      "id": "did:op:ca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502#keys-1",
      "type": "EthereumECDSAKey",
      "owner": "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    }
  ],
  "service": [
    {
      "type": "Computing",
      "serviceDefinitionId": "0",
      "initializeEndpoint": "http://127.0.0.1:16663/api/v1/brizo/services/computing/initialize",
      "uploadEndpoint": "http://127.0.0.1:16663/api/v1/brizo/services/computing/upload",
      "serviceEndpoint": "http://127.0.0.1:16663/api/v1/brizo/services/computing/exec",
      "templateId": "0xad7c5bef027816a800da1736444fb58a807ef4c9603b7848673f7e3a68eb14a5",
      "provider": {
        "type": "Brizo",
        "description": "the examples over the penguins",
        "environment": {
          "flavour": "wasi/wasmtime:48"
        }
      },
      "serviceAgreementContract": {
        "contractName": "ServiceAgreement",
        "fulfillmentOperator": 0,
        "events": [
          {
            "name": "ExecuteAgreement",
            "actorType": "consumer",
            "handler": {
              "moduleName": "compute",
              "functionName": "submitAlgorithm",
              "version": "0.1"
            }
          }
        ]
      },
      "conditions": [
        {
          "name": "fulfillAlgorithmUpload",
          "index": 0,
          "contractName": "ComputeConditions",
          "functionName": "fulfillAlgorithmUpload",
          "conditionKey": "0x7aba160bd9a00d942a196a06edb5c01082fc5875022182cea8f4e04d47cfe46d",
          "timeout": 0,
          "isTerminalCondition": 0,
          "dependencies": [],
          "parameters": [
            {
              "name": "assetId",
              "type": "bytes32",
              "value": "0xca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502"
            }
          ],
          "events": [
            {
              "name": "FulfillUpload",
              "actorType": "consumer",
              "handler": {
                "moduleName": "payment",
                "functionName": "lockPayment",
                "version": "0.1"
              }
            }
          ]
        },
        {
          "name": "lockPayment",
          "index": 1,
          "contractName": "PaymentConditions",
          "functionName": "lockPayment",
          "conditionKey": "0x6f544e6c33abd0ea5d9131518fef31a645dcc0cc03ee294353e78c846b8c1afa",
          "timeout": 0,
          "isTerminalCondition": 0,
          "dependencies": [],
          "parameters": [
            {
              "name": "assetId",
              "type": "bytes32",
              "value": "0xca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502"
            },
            {
              "name": "price",
              "type": "uint256",
              "value": "1000000"
            },
            {
              "name": "token",
              "type": "address",
              "value": "0x0165878a594ca255338adfa4d48449f69242eb8f"
            },
            {
              "name": "base",
              "type": "uint256",
              "value": "1000"
            },
            {
              "name": "fuelPrice",
              "type": "uint256",
              "value": "7"
            },
            {
              "name": "outputPrice",
              "type": "uint256",
              "value": "1000000"
            }
          ],
          "events": [
            {
              "name": "PaymentLocked",
              "actorType": "publisher",
              "handler": {
                "moduleName": "compute",
                "functionName": "authorizeComputation",
                "version": "0.1"
              }
            }
          ]
        },
        {
          "name": "authorizeComputation",
          "index": 2,
          "contractName": "ComputeConditions",
          "functionName": "authorizeComputation",
          "conditionKey": "0x4b5f8764c8f562cdc012b960e09db37db2d460364ea2920b41c6cc74d13fe225",
          "timeout": 0,
          "isTerminalCondition": 0,
          "dependencies": [
            {
              "name": "fulfillAlgorithmUpload",
              "timeout": 0
            },
            {
              "name": "lockPayment",
              "timeout": 0
            }
          ],
          "parameters": [
            {
              "name": "assetId",
              "type": "bytes32",
              "value": "0xca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502"
            }
          ],
          "events": [
            {
              "name": "ComputeGranted",
              "actorType": "consumer",
              "handler": {
                "moduleName": "compute",
                "functionName": "execute",
                "version": "0.1"
              }
            }
          ]
        },
        {
          "name": "grantAccess",
          "index": 3,
          "contractName": "AccessConditions",
          "functionName": "grantAccess",
          "conditionKey": "0xc22c32adb0cd09812f35781ee34593c1cfb7a0bde9c64de0e634c6087ed79c50",
          "timeout": 86400,
          "isTerminalCondition": 0,
          "dependencies": [
            {
              "name": "authorizeComputation",
              "timeout": 0
            }
          ],
          "parameters": [
            {
              "name": "assetId",
              "type": "bytes32",
              "value": "0xca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502"
            }
          ],
          "events": [
            {
              "name": "AccessGranted",
              "actorType": "publisher",
              "handler": {
                "moduleName": "payment",
                "functionName": "releasePayment",
                "version": "0.1"
              }
            }
          ]
        },
        {
          "name": "releasePayment",
          "index": 4,
          "contractName": "PaymentConditions",
          "functionName": "releasePayment",
          "conditionKey": "0x083486ece7cda4a4f8d79a4fbb821d752f4d7b4c034a48632b4f70068d66b398",
          "timeout": 0,
          "isTerminalCondition": 1,
          "dependencies": [
            {
              "name": "lockPayment",
              "timeout": 0
            },
            {
              "name": "grantAccess",
              "timeout": 0
            }
          ],
          "parameters": [
            {
              "name": "assetId",
              "type": "bytes32",
              "value": "0xca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502"
            },
            {
              "name": "price",
              "type": "uint256",
              "value": "1000000"
            }
          ],
          "events": [
            {
              "name": "PaymentReleased",
              "actorType": "publisher",
              "handler": {
                "moduleName": "serviceAgreement",
                "functionName": "fulfillAgreement",
                "version": "0.1"
              }
            }
          ]
        },
        {
          "name": "refundPayment",
          "index": 5,
          "contractName": "PaymentConditions",
          "functionName": "refundPayment",
          "conditionKey": "0x16fd6beb86798f08e6331fff9d212018a03a716168c4f83daef341d9f959291c",
          "timeout": 0,
          "isTerminalCondition": 1,
          "dependencies": [
            {
              "name": "lockPayment",
              "timeout": 0
            },
            {
              "name": "grantAccess",
              "timeout": 86400
            }
          ],
          "parameters": [
            {
              "name": "assetId",
              "type": "bytes32",
              "value": "0xca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502"
            },
            {
              "name": "price",
              "type": "uint256",
              "value": "1000000"
            }
          ],
          "events": [
            {
              "name": "PaymentRefund",
              "actorType": "consumer",
              "handler": {
                "moduleName": "serviceAgreement",
                "functionName": "terminateAgreement",
                "version": "0.1"
              }
            }
          ]
        }
      ],
      "brizo": {
        "publisher": "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
        "chainId": 31337,
        "serviceAgreement": "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512",
        "profile": "0x8796d7338aaad2568ca4e19c3bb49dae291c4552eb2a1785da7c60ed6847617c",
        "componentProfile": "0x076a803be2ade3a2f20d783631515d909c30cdbcd206e6d7b67ee5e8efce133a",
        "inputsRoot": "0x053c9cba8be9274494ac610c4667e1bf3bd3e34a84de24ffb1e27884e352d0e1",
        "terms": {
          "token": "0x0165878a594ca255338adfa4d48449f69242eb8f",
          "price": "1000000",
          "base": "1000",
          "fuelPrice": "7",
          "outputPrice": "1000000"
        },
        "lockTimeoutS": 0,
        "grantTimeoutS": 86400,
        "ceilings": {
          "fuel": 20000000000,
          "memoryBytes": 268435456,
          "outputBytes": 1048576,
          "outputFiles": 100,
          "algorithmBytes": 1000000
        }
      }
    },
    {
      "type": "Metadata",
      "serviceDefinitionId": "1",
      "serviceEndpoint": "http://127.0.0.1:16663/api/v1/assets/did:op:ca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502",
      "metadata": {
        "base": {
          "name": "Penguins",
          "type": "dataset",
          "description": "the examples over the penguins",
          "files": 3,
          "size": "63750"
        }
      }
    }
  ]
}',1795294931);
CREATE TABLE history (
    id    INTEGER PRIMARY KEY,
    job   TEXT NOT NULL REFERENCES job (id),
    at_s  INTEGER NOT NULL,
    text  TEXT NOT NULL
) STRICT;
INSERT INTO "history" VALUES(1,'3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0',1795294932,'admitted; waits for a worker');
INSERT INTO "history" VALUES(2,'3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0',1795294932,'preparing, attempt 1');
INSERT INTO "history" VALUES(3,'3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0',1795294932,'running');
INSERT INTO "history" VALUES(4,'3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0',1795294932,'exit 0; receipt 0x78d1b51d2c0b39c6b4f8f3019916ecacc8d3c37c6b6021e2410141db0368ca6c; publishing');
INSERT INTO "history" VALUES(5,'3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0',1795294932,'settled: 1271 paid, 998729 refunded');
CREATE TABLE idempotency (
    caller    TEXT NOT NULL,
    key       TEXT NOT NULL,
    body      BLOB NOT NULL,                 -- keccak-256 of path and body
    expires_s INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE job (
    id             TEXT PRIMARY KEY,
    agreement      TEXT NOT NULL REFERENCES agreement (id),
    run_index      INTEGER NOT NULL,
    state          TEXT NOT NULL,
    end            TEXT,                     -- how it ended, once it has
    problem        TEXT,                     -- sentence for a person, where something went wrong on our side
    spec           TEXT NOT NULL,            -- JSON of the job spec
    spec_signature BLOB NOT NULL,
    run_key        BLOB NOT NULL,            -- secret of the consumer: salts outputs and invocation
    invocation     TEXT NOT NULL,            -- JSON
    attempt        INTEGER NOT NULL DEFAULT 0,
    lease_owner    TEXT,                     -- worker that holds it
    lease_until_s  INTEGER,
    receipt_hash   BLOB,
    outcome        TEXT,                     -- JSON
    receipt        TEXT,                     -- the receipt document
    paid           TEXT,                     -- sum released, once settled
    refunded       TEXT,
    created_s      INTEGER NOT NULL, ordered_by    TEXT NOT NULL DEFAULT '', priority      INTEGER NOT NULL DEFAULT 0, memory_bytes  INTEGER NOT NULL DEFAULT 0, start_by_s    INTEGER NOT NULL DEFAULT 0, state_until_s INTEGER, not_before_s  INTEGER NOT NULL DEFAULT 0, failures      INTEGER NOT NULL DEFAULT 0, crashes       INTEGER NOT NULL DEFAULT 0, passed        INTEGER NOT NULL DEFAULT 0, ended_s       INTEGER, settled_block INTEGER,
    UNIQUE (agreement, run_index)
) STRICT;
INSERT INTO "job" VALUES('3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0','3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71',0,'settled','finished',NULL,'{"profile":"0x8796d7338aaad2568ca4e19c3bb49dae291c4552eb2a1785da7c60ed6847617c","agreementId":"0x3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71","runIndex":"0","moduleDigest":"0x1a02e51c2b6a12061da5c37562bcb864a902ae5eb836dc79afd3e75416119997","algorithmRoot":"0x7c88be06030d1b2301daacc0145506ed41cc3dd367782654c580f4a8fd926948","invocationRoot":"0x27ee776f56d810022df42adb2da239bea2ab4cb61e17d9c3245bd97f4d595269","inputsRoot":"0x053c9cba8be9274494ac610c4667e1bf3bd3e34a84de24ffb1e27884e352d0e1","randomSeed":"0x0303030303030303030303030303030303030303030303030303030303030303","clockStart":"0","clockStep":"1000","fuelLimit":"200000000","memoryLimit":"67108864","stackLimit":"8388608","outputLimit":"1048576","filesLimit":"50","blindCommit":"0xa7b52b6ffdda4c9ba32f493b84c584b2e9e2b3a0a6b6e89470ae3ca534501c59"}',X'973DCB888E5D576EDFC8F5C2D42FC4CA476D0759784CF69B1EE3D9BACFA6E0750029390578C47B734258C58BD0AD0311455C69D6B964AE01C9C646F0F96A34F21C',X'0707070707070707070707070707070707070707070707070707070707070707','{"args":["algorithm","/data/inputs","/data/outputs","--by","species","--value","body_mass_g","--file","penguins.csv"],"env":[["DIDS","[\"did:op:ca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502\"]"],["INPUTS","/data/inputs"],["LOGS","/data/logs"],["OUTPUTS","/data/outputs"],["VOLUME","/data"]]}',1,NULL,NULL,X'78D1B51D2C0B39C6B4F8F3019916ECACC8D3C37C6B6021E2410141DB0368CA6C','{"status":0,"exitCode":0,"trapCode":0,"fuelUsed":"3347852","outputBytes":"248","outputsRoot":"0x15abb6c46ac1ec2ad0a3c53b490e33b625267f89766fd9e790fc369c297768b7"}','{
  "format": "brizo-receipt/1",
  "kind": "re-executable",
  "claimHash": "0x78d1b51d2c0b39c6b4f8f3019916ecacc8d3c37c6b6021e2410141db0368ca6c",
  "claim": {
    "spec": {
      "profile": "0x8796d7338aaad2568ca4e19c3bb49dae291c4552eb2a1785da7c60ed6847617c",
      "agreementId": "0x3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71",
      "runIndex": "0",
      "moduleDigest": "0x1a02e51c2b6a12061da5c37562bcb864a902ae5eb836dc79afd3e75416119997",
      "algorithmRoot": "0x7c88be06030d1b2301daacc0145506ed41cc3dd367782654c580f4a8fd926948",
      "invocationRoot": "0x27ee776f56d810022df42adb2da239bea2ab4cb61e17d9c3245bd97f4d595269",
      "inputsRoot": "0x053c9cba8be9274494ac610c4667e1bf3bd3e34a84de24ffb1e27884e352d0e1",
      "randomSeed": "0x0303030303030303030303030303030303030303030303030303030303030303",
      "clockStart": "0",
      "clockStep": "1000",
      "fuelLimit": "200000000",
      "memoryLimit": "67108864",
      "stackLimit": "8388608",
      "outputLimit": "1048576",
      "filesLimit": "50",
      "blindCommit": "0xa7b52b6ffdda4c9ba32f493b84c584b2e9e2b3a0a6b6e89470ae3ca534501c59"
    },
    "outcome": {
      "status": 0,
      "exitCode": 0,
      "trapCode": 0,
      "fuelUsed": "3347852",
      "outputBytes": "248",
      "outputsRoot": "0x15abb6c46ac1ec2ad0a3c53b490e33b625267f89766fd9e790fc369c297768b7"
    }
  },
  "consent": {
    "domain": {
      "chainId": "31337",
      "verifyingContract": "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512"
    },
    "consumer": "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
    "signature": "0x973dcb888e5d576edfc8f5c2d42fc4ca476d0759784cf69b1ee3d9bacfa6e0750029390578c47b734258c58bd0ad0311455c69d6b964ae01c9c646f0f96a34f21c"
  },
  "attestation": {
    "domain": {
      "chainId": "31337",
      "verifyingContract": "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512"
    },
    "statement": {
      "claimHash": "0x78d1b51d2c0b39c6b4f8f3019916ecacc8d3c37c6b6021e2410141db0368ca6c",
      "agreementId": "0x3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71",
      "provider": "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
      "kind": 0,
      "runInfoDigest": "0xfd57a2036e8e9b427c4db0d1329b51fa3fe7e61e882ab514c68e3dee4d863391",
      "issuedAt": "1795294932"
    },
    "signature": "0x192f627372673c93b33988fee289ab49d6193e9e7f12bed4ae56e5e9bcd92eae32793bc5f85ee302284eb360e86b282797165e506d1cb5219db5553a380604b01c"
  },
  "runInfo": "{\"software\":\"brizo 0.1.0\",\"engine\":\"wasmtime 48.0.8\",\"target\":\"x86_64-linux\",\"startedAt\":\"1795294932\",\"runUs\":\"1566\",\"cachedModule\":false}",
  "opening": {
    "invocation": {
      "args": [
        "algorithm",
        "/data/inputs",
        "/data/outputs",
        "--by",
        "species",
        "--value",
        "body_mass_g",
        "--file",
        "penguins.csv"
      ],
      "env": [
        [
          "DIDS",
          "[\"did:op:ca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502\"]"
        ],
        [
          "INPUTS",
          "/data/inputs"
        ],
        [
          "LOGS",
          "/data/logs"
        ],
        [
          "OUTPUTS",
          "/data/outputs"
        ],
        [
          "VOLUME",
          "/data"
        ]
      ]
    },
    "inputs": [
      {
        "path": "",
        "did": "did:op:ca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502",
        "root": "0xb9b5006c5050d567d01b520f82fddc52a77e89498d62ca0d33a43a33501ede91",
        "leaves": [
          "0x4f316bbbdf3ec0ee46a16f55b7989458f7ddbc374d8b1f39506722f732fcb41e",
          "0x822b357a3b37437581f3ffeb136b4fd7ed147f7769bfe33e22d0b03145946b71",
          "0x004f57fb6798be913ff6dcccbcdee24bb9943ebfa4ecf4cb7ffa5e323bfb5314"
        ]
      }
    ],
    "outputs": [
      {
        "leaf": "0xe1e6889e0204e02b55ea3b63713d4297636e43579b9e7f4fcdc395549baeb332",
        "kind": "file",
        "path": "groups.csv",
        "size": "172",
        "digest": "0x8c86eb247d4c9d96ce26e69e2e7ccd1da5bc19e344fb6858cdbe4b2a5ff564cb",
        "salt": "0xbdbd38627473b69d20481aaaf0b3a57f69c37c392d4f30ee55200b61fa6d651b"
      },
      {
        "leaf": "0xa0a7687a60e6c0ead8f8c7f226539a81f1d340245e02826a9e8a0037c37e309c"
      },
      {
        "leaf": "0xea7e9155da0e61890e326f2eccaf4e05fd46a7d96acba5d99401d5a0bc73f93d",
        "kind": "stream",
        "path": "stdout",
        "size": "76",
        "digest": "0x0ca0dc33642d8d6e5d72e3dc44096efe1e95c7ee414dcc506099744c3828ee85",
        "salt": "0x9d5ba96751c7b1e534d09a528b4aa1fe45ee3bda2276f9bab5d70b2bd403aee6"
      }
    ]
  }
}
','1271','998729',1795294932,'0x70997970C51812dc3A010C7d01b50e0d17dc79C8',0,68157440,1795381332,NULL,0,0,0,0,1795294932,19);
CREATE TABLE job_party (
    job     TEXT NOT NULL,
    address TEXT NOT NULL,
    role    TEXT NOT NULL,                   -- viewer or auditor
    PRIMARY KEY (job, address)
) STRICT, WITHOUT ROWID;
INSERT INTO "job_party" VALUES('3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0','0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC','viewer');
CREATE TABLE log_entry (
    seq       INTEGER PRIMARY KEY,
    entry     BLOB NOT NULL CHECK (length(entry) = 116),
    once      TEXT UNIQUE,               -- what must not be logged twice
    job       TEXT,                      -- job it is about; a refused order has no row there
    nonce     BLOB,                      -- opens the entry's statement, with `detail`
    detail    TEXT
) STRICT;
INSERT INTO "log_entry" VALUES(0,X'010300010000000000000000000000006B0206D43837162EAC4DF78683F8ADB2F4E3C62785ADEC439C6AAF94B7A69E5957F2DA71DAD92B16EADF1D321823C52B148CEDE56775C4C6B279F46250ABFCCF5B44A9FAA6CFB8AC7E2480FCE541781B4CF120372B0B1743B11DC20C4FD99E0768BAEAC4',NULL,'3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0',X'8798987365A64668C096AB88E306D10BE3268DD6A87E5C813F8CE1F8C42DEEA9','permitted: 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 computes on did:op:ca49e46a317d857622d3a4de5c5980e2c0aa4cdc2773880779bed4912096e502');
INSERT INTO "log_entry" VALUES(1,X'010100000000000000000000000000006B0206D43837162EAC4DF78683F8ADB2F4E3C62785ADEC439C6AAF94B7A69E5957F2DA7178D1B51D2C0B39C6B4F8F3019916ECACC8D3C37C6B6021E2410141DB0368CA6C1F649192070331C1BF7A88C92CD2EAA136F431162B6158C9465E6916B41920D0','receipt/3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0','3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0',NULL,NULL);
CREATE TABLE nonce (
    caller    TEXT NOT NULL,
    nonce     BLOB NOT NULL,
    expires_s INTEGER NOT NULL,
    PRIMARY KEY (caller, nonce)
) STRICT, WITHOUT ROWID;
CREATE TABLE "outbox" (
    id        INTEGER PRIMARY KEY,
    agreement TEXT NOT NULL,                 -- that of the job; an authorisation goes with its agreement
    job       TEXT REFERENCES job (id),
    step      TEXT NOT NULL,                 -- authorize, register, grant, release
    state     TEXT NOT NULL DEFAULT 'waiting', -- waiting, done, dead
    attempts  INTEGER NOT NULL DEFAULT 0,
    next_s    INTEGER NOT NULL DEFAULT 0,
    tx        TEXT,
    problem   TEXT, unanswered INTEGER NOT NULL DEFAULT 0,
    UNIQUE (job, step)
) STRICT;
INSERT INTO "outbox" VALUES(1,'3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71',NULL,'authorize','done',0,0,'0x3683237d202cdc8619274d4f621adfb0f6e72cd3a23c3307c64c927a5fd95067',NULL,0);
INSERT INTO "outbox" VALUES(2,'3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71','3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0','register','done',0,0,'0x3a02a0a4062a7b6dcc07c26c2b90d81e956ce1caf598be35723eb49486ffd0f5',NULL,0);
INSERT INTO "outbox" VALUES(3,'3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71','3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0','grant','done',0,0,'0x8fadedcf28cf9a49d99d55ed3c72ae799cdafb41d12b63cd42a7dc8fc3e0b1f2',NULL,0);
INSERT INTO "outbox" VALUES(4,'3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71','3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0','release','done',0,0,'0xed088d367bf9f900ccaaffa50d9fca4f7cd2cc765ac2beff08f90e57a85f361e',NULL,0);
INSERT INTO "outbox" VALUES(5,'f41bb0f1cba28f86ea76e2ae48f401ecfe4c51d63662825ae97b598fc171b072',NULL,'authorize','waiting',2,1795383695,NULL,'the chain''s node does not answer: 127.0.0.1:1 does not answer: error sending request for url (127.0.0.1:1): client error (Connect): tcp connect error: Connection refused (os error 111)',0);
CREATE TABLE output (
    job      TEXT NOT NULL REFERENCES job (id),
    kind     TEXT NOT NULL,                  -- file, directory or stream
    path     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    digest   BLOB NOT NULL,
    withheld TEXT,                           -- JSON of the refusal; NULL when it may leave
    PRIMARY KEY (job, kind, path)
) STRICT, WITHOUT ROWID;
INSERT INTO "output" VALUES('3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0','file','groups.csv',172,X'8C86EB247D4C9D96CE26E69E2E7CCD1DA5BC19E344FB6858CDBE4B2A5FF564CB',NULL);
INSERT INTO "output" VALUES('3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0','stream','stderr',0,X'AF1349B9F5F9A1A6A0404DEA36DCC9499BCB25C9ADC112B7CC9A93CAE41F3262','{"code":"output_withheld","rule":"stdout-only","text":"Of the streams, only standard output may leave: error messages tend to quote the data.","hint":"print results on standard output, or develop against mock data to see the errors"}');
INSERT INTO "output" VALUES('3837162eac4df78683f8adb2f4e3c62785adec439c6aaf94b7a69e5957f2da71-0','stream','stdout',76,X'0CA0DC33642D8D6E5D72E3DC44096EFE1E95C7EE414DCC506099744C3828EE85',NULL);
CREATE TABLE refinery_schema_history(
             version int4 PRIMARY KEY,
             name VARCHAR(255),
             applied_on VARCHAR(255),
             checksum VARCHAR(255));
INSERT INTO "refinery_schema_history" VALUES(1,'first','2026-11-21T21:02:11.929275415Z','16268115531279207186');
INSERT INTO "refinery_schema_history" VALUES(2,'log','2026-11-21T21:02:11.929281263Z','10215458442581312106');
INSERT INTO "refinery_schema_history" VALUES(3,'chain','2026-11-21T22:07:09.256524418Z','4966999983683155776');
INSERT INTO "refinery_schema_history" VALUES(4,'queue','2026-11-21T22:18:07.525456215Z','13354855897053461186');
INSERT INTO "refinery_schema_history" VALUES(5,'api','2026-11-21T22:40:11.000000000Z','3922670287879125131');
INSERT INTO "refinery_schema_history" VALUES(6,'settled_block','2026-11-22T08:00:00.000000000Z','7807494948997027917');
INSERT INTO "refinery_schema_history" VALUES(7,'outbox_steps','2026-11-22T19:30:00.000000000Z','3381490594893293394');
INSERT INTO "refinery_schema_history" VALUES(8,'refused_steps','2026-11-22T21:45:00.000000000Z','13949680847841864669');
CREATE TABLE served (
    consumer TEXT PRIMARY KEY,
    turn     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX nonce_expires ON nonce (expires_s);
CREATE INDEX history_job ON history (job, id);
CREATE INDEX log_entry_job ON log_entry (job);
CREATE INDEX job_waiting ON job (ordered_by, created_s) WHERE state = 'queued';
CREATE INDEX job_held ON job (ordered_by) WHERE state IN ('preparing', 'running');
CREATE INDEX job_aside ON job (start_by_s) WHERE state IN ('queued', 'quarantined');
CREATE INDEX job_publishing ON job (state_until_s) WHERE state = 'publishing';
CREATE INDEX job_ended ON job (ended_s) WHERE ended_s IS NOT NULL;
CREATE INDEX job_consumer ON job (ordered_by, created_s);
CREATE INDEX agreement_consumer ON agreement (consumer);
CREATE INDEX agreement_deadline ON agreement (grant_deadline_s);
CREATE INDEX served_turn ON served (turn);
CREATE INDEX job_party_address ON job_party (address);
CREATE INDEX idempotency_expires ON idempotency (expires_s);
CREATE INDEX job_settled_block ON job (settled_block) WHERE state = 'settled';
CREATE UNIQUE INDEX outbox_authorize ON outbox (agreement) WHERE step = 'authorize';
CREATE INDEX outbox_waiting ON outbox (agreement, id) WHERE state = 'waiting';
COMMIT;
