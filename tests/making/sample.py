"""The run that the vectors are about: three data sets, a bundle, outputs of which some are withheld.

All keys are public and worth nothing.
"""

from tests.making.signing import address_of, ed25519_public, sign
from tests.making.writing import hexed
from tests.verifier import eip712, log, manifest
from tests.verifier.blake3 import blake3, derive

RUN_KEY, DATASET_KEYS = b"\x33" * 32, [b"\x22" * 32, b"\x23" * 32, b"\x24" * 32]
PROVIDER, CONSUMER, AUDITOR = b"\x51" * 32, b"\x52" * 32, b"\x54" * 32
LOG_SEED = b"\x55" * 32
ORIGIN = "provider.example/log"
AGREEMENT = b"\xa1" * 32
CONTRACT = bytes.fromhex("5b38da6a701c568545dcfcb03fcb875f56beddc4")
DOMAIN = {"chainId": 1337, "verifyingContract": CONTRACT}
PROFILE = derive(manifest.v1("profile"), b'{"profile":"example/1"}\n')
RUN_INFO = (
    '{"software":"brizo 0.1.0","engine":"wasmtime 48.0.8","target":"x86_64-linux",'
    '"startedAt":"1767225605","runUs":"1532","cachedModule":false}'
)
DATA_SETS = {
    "cohort": {f"part-{n}.csv": f"id,age\n{n},{30 + n}\n".encode() for n in range(5)},
    "köln": {"karte/straßen.csv": b"1,2\n"},
    "reference": {"a/scale.csv": b"1,2,3\n", "b/scale.csv": b"4,5,6\n"},
}
BUNDLE = {".runtime/lib.zip": b"PK\5\6" + bytes(18), "main.py": b"print(1)\n", "util/helper.py": b"X = 1\n"}
ARGS = ["python", "/data/algorithm/main.py", "/data/inputs", "/data/outputs", "--column", "age"]
ENV = [["INPUTS", "/data/inputs"], ["LANG", "C"], ["OUTPUTS", "/data/outputs"]]
OUTPUTS = {
    ("file", "mean.json"): b'{"mean":35.5}\n',
    ("file", "plots/age.svg"): b"<svg/>\n",
    ("file", "plots/rows.csv"): b"withheld\n",
    ("file", "tables/secret.csv"): b"yes\n",
    ("file", "zero"): b"",
    ("directory", "plots"): b"",
    ("directory", "tables"): b"",
    ("stream", "stderr"): b"",
    ("stream", "stdout"): b"done\n",
}
WITHHELD = (("file", "plots/rows.csv"), ("file", "tables/secret.csv"), ("directory", "tables"))


def entry(kind, path, content):
    """An entry of a manifest."""
    return {"kind": kind, "path": path, "size": len(content), "digest": blake3(content)}


def as_json(values):
    """Fields of a struct in the forms of the document: bytes in hex, 64-bit numbers as strings."""
    short = ("status", "exitCode", "trapCode", "kind")
    shown = {}
    for name, value in values.items():
        if isinstance(value, bytes):
            shown[name] = hexed(value)
        elif isinstance(value, dict):
            shown[name] = as_json(value)
        else:
            shown[name] = value if name in short or isinstance(value, str) else str(value)
    return shown


class Sample:
    """The run, with everything that stands behind its roots."""

    def __init__(self, run_index=0, profile=PROFILE):
        self.data_sets = [
            manifest.ordered([entry("file", path, content) for path, content in files.items()])
            for files in DATA_SETS.values()
        ]
        self.mount_paths = list(DATA_SETS)
        self.input_leaves = [
            [manifest.leaf(one, key) for one in entries] for entries, key in zip(self.data_sets, DATASET_KEYS)
        ]
        self.input_roots = [manifest.root(leaves) for leaves in self.input_leaves]
        self.bundle = manifest.ordered([entry("file", path, content) for path, content in BUNDLE.items()])
        self.algorithm_leaves = [manifest.leaf(one, RUN_KEY) for one in self.bundle]
        self.invocation = manifest.invocation_entries(ARGS, ENV)
        self.invocation_leaves = [manifest.leaf(one, RUN_KEY) for one in self.invocation]
        self.spec = self._spec(run_index, profile)
        self.spec_hash = eip712.hash_struct("JobSpec", self.spec)
        self.outputs_key = manifest.outputs_key(self.spec_hash, RUN_KEY, DATASET_KEYS)
        self.outputs = manifest.ordered([entry(*place, content) for place, content in OUTPUTS.items()])
        self.output_leaves = [manifest.leaf(one, self.outputs_key) for one in self.outputs]
        self.outcome = {
            "status": 0,
            "exitCode": 0,
            "trapCode": 0,
            "fuelUsed": 123456,
            "outputBytes": sum(one["size"] for one in self.outputs),
            "outputsRoot": manifest.root(self.output_leaves),
        }
        self.outcome_hash = eip712.hash_struct("Outcome", self.outcome)
        self.claim_hash = eip712.claim_hash(self.spec_hash, self.outcome_hash)
        self.statement = {
            "claimHash": self.claim_hash,
            "agreementId": AGREEMENT,
            "provider": address_of(PROVIDER),
            "kind": 0,
            "runInfoDigest": derive(manifest.v1("run info"), RUN_INFO.encode()),
            "issuedAt": 1767225610,
        }
        self.attestation_digest = eip712.digest(DOMAIN, eip712.hash_struct("ReceiptAttestation", self.statement))

    def _spec(self, run_index, profile):
        return {
            "profile": profile,
            "agreementId": AGREEMENT,
            "runIndex": run_index,
            "moduleDigest": blake3(b"\0asm\1\0\0\0"),
            "algorithmRoot": manifest.root(self.algorithm_leaves),
            "invocationRoot": manifest.root(self.invocation_leaves),
            "inputsRoot": manifest.inputs_root(list(zip(self.mount_paths, self.input_roots))),
            "randomSeed": b"\x44" * 32,
            "clockStart": 1767225600000000000,
            "clockStep": 1000000,
            "fuelLimit": 1000000000,
            "memoryLimit": 67108864,
            "stackLimit": 65536,
            "outputLimit": 1048576,
            "filesLimit": 100,
            "blindCommit": derive(manifest.v1("blind"), RUN_KEY),
        }

    def log_entry(self, logged_at):
        """The log entry of this receipt."""
        return log.make_entry(
            1, 0, self.spec["runIndex"], logged_at, AGREEMENT, self.claim_hash, self.attestation_digest
        )

    def _output(self, one, leaf):
        if (one["kind"], one["path"]) in WITHHELD:
            return {"leaf": hexed(leaf)}
        salt = manifest.salt(self.outputs_key, one["kind"], one["path"])
        return {
            "leaf": hexed(leaf),
            "kind": one["kind"],
            "path": one["path"],
            **as_json({"size": one["size"], "digest": one["digest"], "salt": salt}),
        }

    def receipt(self, member=None):
        """The receipt as JSON; `member` is its `log`."""
        order = eip712.order_hash(AGREEMENT, self.spec["runIndex"], self.spec_hash)
        inputs = [
            {"path": path, "root": hexed(root), "leaves": [hexed(leaf) for leaf in leaves]}
            for path, root, leaves in zip(self.mount_paths, self.input_roots, self.input_leaves)
        ]
        document = {
            "format": "brizo-receipt/1",
            "kind": "re-executable",
            "claimHash": hexed(self.claim_hash),
            "claim": {"spec": as_json(self.spec), "outcome": as_json(self.outcome)},
            "consent": {
                "domain": as_json(DOMAIN),
                "consumer": hexed(address_of(CONSUMER)),
                "signature": hexed(sign(CONSUMER, eip712.digest(DOMAIN, order))),
            },
            "attestation": {
                "domain": as_json(DOMAIN),
                "statement": as_json(self.statement),
                "signature": hexed(sign(PROVIDER, self.attestation_digest)),
            },
            "runInfo": RUN_INFO,
            "opening": {
                "invocation": {"args": ARGS, "env": ENV},
                "algorithm": [hexed(leaf) for leaf in self.algorithm_leaves],
                "inputs": inputs,
                "outputs": [self._output(one, leaf) for one, leaf in zip(self.outputs, self.output_leaves)],
            },
        }
        return document | ({"log": member} if member else {})


LOG_PUBLIC = ed25519_public(LOG_SEED)
