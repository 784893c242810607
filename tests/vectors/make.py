# Makes the vectors beside this file from docs/RECEIPT.md: an implementation of the format that shares no code with
# the Rust one. Type strings and derive contexts are read from the document itself.
#
#   python3 -m venv /tmp/vectors && /tmp/vectors/bin/pip install -r tests/vectors/requirements.txt
#   /tmp/vectors/bin/python tests/vectors/make.py            writes receipt/, manifest/ and primitive/ anew
#   /tmp/vectors/bin/python tests/vectors/make.py --check    compares with what is there, writes nothing
#   /tmp/vectors/bin/python tests/vectors/make.py --example  prints the worked example of the document
"""Test vectors of the receipt format."""

import copy
import json
import pathlib
import re
import shutil
import sys

from blake3 import blake3
from Crypto.Hash import keccak as _keccak
from eth_keys import keys

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = (HERE.parent.parent / "docs/RECEIPT.md").read_text()

# Hashes (§3)


def keccak(data):
    return _keccak.new(digest_bits=256, data=data).digest()


def context(name):
    text = f"brizo 2026 v1 {name}"
    assert f"| `{text}` |" in DOCUMENT, text
    return text


def derive(name, data, length=32):
    return blake3(data, derive_key_context=context(name)).digest(length=length)


def content_digest(data):
    return blake3(data).digest()


TYPES = dict(re.findall(r"^((?:[A-Z][A-Za-z0-9]+))(\([a-z0-9A-Z ,]+\))$", DOCUMENT, re.M))
MEMBERS = {name: [m.split(" ") for m in body[1:-1].split(",")] for name, body in TYPES.items()}
assert len(TYPES) == 8, TYPES.keys()


def type_hash(name):
    referenced = sorted({kind for kind, _ in MEMBERS[name] if kind in TYPES})
    return keccak("".join(t + TYPES[t] for t in [name, *referenced]).encode())


def word(kind, value):
    if kind in TYPES:
        return struct_hash(kind, value)
    if kind == "bytes32":
        assert len(value) == 32
        return value
    if kind == "address":
        assert len(value) == 20
        return bytes(12) + value
    if kind == "string":
        return keccak(value.encode())
    bits = int(kind.removeprefix("uint"))
    assert 0 <= value < 1 << bits
    return value.to_bytes(32, "big")


def struct_hash(name, value):
    return keccak(type_hash(name) + b"".join(word(kind, value[field]) for kind, field in MEMBERS[name]))


def domain_separator(domain):
    return struct_hash("EIP712Domain", {"name": "Brizo", "version": "1", **domain})


def digest(domain, hashed):
    return keccak(b"\x19\x01" + domain_separator(domain) + hashed)


# Manifests (§4)

KINDS = {"file": 1, "directory": 2, "stream": 3, "mount": 4, "argument": 5, "variable": 6}
OPEN = bytes(32)


class Refused(Exception):
    pass


def check_path(path):
    if len(path.encode()) > 4096:
        raise Refused("longer than 4096 bytes")
    if "\0" in path or "\\" in path:
        raise Refused("NUL or backslash")
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise Refused("empty component, `.` or `..`")
        if len(part.encode()) > 255:
            raise Refused("component over 255 bytes")


def entry(kind, path, content=b""):
    return {"kind": kind, "path": path, "size": len(content), "digest": content_digest(content)}


def rank(e):
    return KINDS[e["kind"]], e["path"].encode()


def ordered(entries):
    entries = sorted(entries, key=rank)
    for e in entries:
        kind, path = e["kind"], e["path"]
        if kind in ("file", "directory"):
            check_path(path)
        elif len(path.encode()) > 4096:
            raise Refused("longer than 4096 bytes")
        if kind == "directory" and (e["size"], e["digest"]) != (0, content_digest(b"")):
            raise Refused("folder with content")
        if kind == "stream" and path not in ("stdin", "stdout", "stderr"):
            raise Refused("no stream")
        if kind == "variable" and (not path or "=" in path or "\0" in path):
            raise Refused("no name of a variable")
    for a, b in zip(entries, entries[1:]):
        if (a["kind"], a["path"]) == (b["kind"], b["path"]):
            raise Refused("stands twice")
    files = {e["path"] for e in entries if e["kind"] == "file"}
    for e in entries:
        if e["kind"] == "directory" and e["path"] in files:
            raise Refused("file and folder")
        if e["kind"] in ("file", "directory"):
            parts = e["path"].split("/")
            if any("/".join(parts[:n]) in files for n in range(1, len(parts))):
                raise Refused("inside a file")
    return entries


def raw_leaf(kind, path, commitment):
    path = path.encode()
    return derive("manifest leaf", bytes([kind]) + len(path).to_bytes(4, "big") + path + commitment)


def salt_of(e, key):
    return derive("manifest salt", key + bytes([KINDS[e["kind"]]]) + e["path"].encode())


def commitment_of(e, key):
    return derive("manifest content", salt_of(e, key) + e["size"].to_bytes(8, "big") + e["digest"])


def leaf_of(e, key):
    return raw_leaf(KINDS[e["kind"]], e["path"], commitment_of(e, key))


def top(leaves):
    if not leaves:
        return bytes(32)
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return derive("manifest node", top(leaves[:k]) + top(leaves[k:]))


def root_of(leaves):
    return derive("manifest root", len(leaves).to_bytes(8, "big") + top(leaves))


def leaves_of(entries, key):
    return [leaf_of(e, key) for e in ordered(entries)]


def check_invocation(invocation):
    names = [name for name, _ in invocation["env"]]
    if any(a.encode() >= b.encode() for a, b in zip(names, names[1:])):
        raise Refused("not sorted, or twice")
    if any("\0" in text for text in [*invocation["args"], *(value for _, value in invocation["env"])]):
        raise Refused("NUL")
    ordered(invocation_entries(invocation))


def invocation_entries(invocation):
    args = [entry("argument", f"{i:08}", a.encode()) for i, a in enumerate(invocation["args"])]
    return args + [entry("variable", name, value.encode()) for name, value in invocation["env"]]


def check_mounts(mounts):
    paths = [m["path"] for m in mounts]
    for path in paths:
        if path:
            check_path(path)
    if any(a.encode() >= b.encode() for a, b in zip(paths, paths[1:])):
        raise Refused("order")
    if any(a != b and (not a or b.startswith(a + "/")) for a in paths for b in paths):
        raise Refused("one inside another")


def outputs_key(spec_hash, run_key, dataset_keys):
    return derive("outputs key", spec_hash + run_key + b"".join(dataset_keys))


def check_outputs(outputs, output_bytes, files_limit):
    """§9.2, steps 4 to 6: `outputs` has None in the place of what is withheld."""
    entries = [e for e in outputs if e]
    if ordered(entries) != entries:
        raise Refused("order")
    if len(outputs) < 2 or len(outputs) - 2 > files_limit:
        raise Refused("count")
    for e, name in zip(outputs[-2:], ("stderr", "stdout")):
        if e and (e["kind"], e["path"]) != ("stream", name):
            raise Refused("streams")
    if any(e and e["kind"] not in ("file", "directory") for e in outputs[:-2]):
        raise Refused("kind")
    folders = {e["path"] for e in entries if e["kind"] == "directory"}
    for e in entries:
        if e["kind"] != "stream" and "/" in e["path"] and e["path"].rpartition("/")[0] not in folders:
            raise Refused("folder not shown")
    shown = sum(e["size"] for e in entries)
    if shown > output_bytes or (shown < output_bytes and len(entries) == len(outputs)):
        raise Refused("outputBytes")


def inputs_root(mounts):
    return root_of([raw_leaf(4, m["path"], m["root"]) for m in mounts])


# Signatures (§7)

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def sign(secret, hashed):
    signature = keys.PrivateKey(secret).sign_msg_hash(hashed)
    assert signature.s <= ORDER // 2
    return signature.r.to_bytes(32, "big") + signature.s.to_bytes(32, "big") + bytes([27 + signature.v])


def address(secret):
    return keys.PrivateKey(secret).public_key.to_canonical_address()


# The document (§6)


def hexa(data):
    return "0x" + data.hex()


def shown(kind, value):
    """A field of a struct as JSON shows it."""
    if kind == "uint64":
        return str(value)
    return value if isinstance(value, int) else hexa(value)


def shown_entry(e):
    return {**e, "size": str(e["size"]), "digest": hexa(e["digest"])}


def shown_struct(name, value):
    return {field: shown(kind, value[field]) for kind, field in MEMBERS[name]}


def shown_domain(domain):
    return {"chainId": str(domain["chainId"]), "verifyingContract": hexa(domain["verifyingContract"])}


def text_of(document):
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


BUNDLE = [("main.py", b"print(1)\n"), ("lib/helpers.py", b"")]
PROFILE = b'{"profile":"example/1"}\n'
MODULE = b"\0asm\x01\0\0\0"
RUN_KEY = bytes([0x33]) * 32
DATASET_KEYS = [bytes([0x22]) * 32, bytes([0x23]) * 32]
PROVIDER = bytes([0x51]) * 32
CONSUMER = bytes([0x52]) * 32
STRANGER = bytes([0x53]) * 32
DOMAIN = {"chainId": 1337, "verifyingContract": bytes.fromhex("5b38da6a701c568545dcfcb03fcb875f56beddc4")}
LOCAL = {"chainId": 0, "verifyingContract": bytes(20)}
AGREEMENT = bytes([0xA1]) * 32

INVOCATION = {
    "args": ["algorithm", "/data/inputs", "/data/outputs", "--column", "age"],
    "env": [["INPUTS", "/data/inputs"], ["LANG", "C"], ["OUTPUTS", "/data/outputs"], ["VOLUME", "/data"]],
}
DATASETS = [
    ("cohort", "did:op:0123456789abcdef", [("a.csv", b"id,age\n1,30\n"), ("b.csv", b"id,age\n2,41\n"), ("meta/notes.txt", b"two tables\n")]),
    ("reference", None, [("scale.csv", b"1,2,3\n")]),
]
OUTPUTS = [
    (entry("file", "mean.json", b'{"mean":35.5}\n'), True),
    (entry("file", "tables/secret.csv", b"yes\n"), False),
    (entry("directory", "tables"), True),
    (entry("stream", "stderr", b""), True),
    (entry("stream", "stdout", b"done\n"), True),
]
RUN_INFO = (
    '{"software":"brizo 0.1.0","engine":"wasmtime 48.0.8","target":"x86_64-linux",'
    '"startedAt":"1767225605","runUs":"1532","cachedModule":false}'
)


class Case:
    """A receipt in parts: change some, then `build` hashes and signs the rest. A lax one may break the rules of lists."""

    def __init__(self):
        self.lax = False
        self.key = RUN_KEY
        self.dataset_keys = DATASET_KEYS
        self.outputs_key = None
        self.kind = "re-executable"
        self.signed_kind = None
        self.invocation = copy.deepcopy(INVOCATION)
        self.bundle = []
        self.datasets = copy.deepcopy(DATASETS)
        self.outputs = copy.deepcopy(OUTPUTS)
        self.run_info = RUN_INFO
        self.domain = DOMAIN
        self.provider = PROVIDER
        self.consumer = CONSUMER
        self.spec = {
            "agreementId": AGREEMENT,
            "runIndex": 0,
            "randomSeed": bytes([0x44]) * 32,
            "clockStart": 1767225600000000000,
            "clockStep": 1000000,
            "fuelLimit": 1000000000,
            "memoryLimit": 67108864,
            "stackLimit": 0,
            "outputLimit": 1048576,
            "filesLimit": 100,
        }
        self.outcome = {"status": 0, "exitCode": 0, "trapCode": 0, "fuelUsed": 123456}
        self.issued_at = 1767225610

    def build(self):
        self.mounts = []
        # One key for each mount; where there are more mounts, the keys are taken again from the first.
        self.mount_keys = [self.dataset_keys[i % len(self.dataset_keys)] for i in range(len(self.datasets))]
        for (path, did, files), key in zip(self.datasets, self.mount_keys):
            leaves = leaves_of([entry("file", name, content) for name, content in files], key)
            mount = {"path": path, "did": did, "root": root_of(leaves), "leaves": leaves}
            self.mounts.append(mount)
        self.entries = [e for e, _ in self.outputs]
        self.called = invocation_entries(self.invocation)
        if not self.lax:
            self.entries = ordered(self.entries)
            check_mounts(self.mounts)
            check_invocation(self.invocation)
        files = ordered([entry("file", path, content) for path, content in self.bundle])
        self.algorithm = leaves_of(files, self.key)
        released = {(e["kind"], e["path"]) for e, released in self.outputs if released}
        self.invocation_leaves = [leaf_of(e, self.key) for e in sorted(self.called, key=rank)]
        self.spec = {
            "profile": derive("profile", PROFILE),
            "moduleDigest": content_digest(MODULE),
            "algorithmRoot": root_of(self.algorithm),
            "invocationRoot": root_of(self.invocation_leaves),
            "inputsRoot": inputs_root(self.mounts),
            "blindCommit": derive("blind", self.key),
            **self.spec,
        }
        self.outputs_key = self.outputs_key or outputs_key(struct_hash("JobSpec", self.spec), self.key, self.mount_keys)
        self.output_leaves = [leaf_of(e, self.outputs_key) for e in self.entries]
        self.outcome = {
            "outputBytes": sum(e["size"] for e in self.entries),
            "outputsRoot": root_of(self.output_leaves),
            **self.outcome,
        }
        listed = [e if (e["kind"], e["path"]) in released else None for e in self.entries]
        if not self.lax:
            check_outputs(listed, sum(e["size"] for e in self.entries), self.spec["filesLimit"])
        self.rehash()
        self.document = {
            "format": "brizo-receipt/1",
            "kind": self.kind,
            "claimHash": hexa(self.claim_hash),
            "claim": {"spec": shown_struct("JobSpec", self.spec), "outcome": shown_struct("Outcome", self.outcome)},
        }
        if self.consumer:
            self.document["consent"] = {
                "domain": shown_domain(self.domain),
                "consumer": hexa(address(self.consumer)),
                "signature": hexa(sign(self.consumer, self.order_digest)),
            }
        if self.provider:
            self.document["attestation"] = {
                "domain": shown_domain(self.domain),
                "statement": shown_struct("ReceiptAttestation", self.statement),
                "signature": hexa(sign(self.provider, self.attestation_digest)),
            }
        self.document["runInfo"] = self.run_info
        inputs = []
        for m in self.mounts:
            did = {} if m["did"] is None else {"did": m["did"]}
            inputs.append({"path": m["path"], **did, "root": hexa(m["root"]), "leaves": [hexa(x) for x in m["leaves"]]})
        outputs = []
        for e, leaf in zip(listed, self.output_leaves):
            opened = {**shown_entry(e), "salt": hexa(salt_of(e, self.outputs_key))} if e else {}
            outputs.append({"leaf": hexa(leaf), **opened})
        algorithm = {"algorithm": [hexa(leaf) for leaf in self.algorithm]} if self.algorithm else {}
        self.document["opening"] = {"invocation": self.invocation, **algorithm, "inputs": inputs, "outputs": outputs}
        return self

    def rehash(self):
        self.spec_hash = struct_hash("JobSpec", self.spec)
        self.outcome_hash = struct_hash("Outcome", self.outcome)
        self.claim_hash = struct_hash("ExecutionClaim", {"spec": self.spec, "outcome": self.outcome})
        assert self.claim_hash == keccak(type_hash("ExecutionClaim") + self.spec_hash + self.outcome_hash)
        order = {"serviceAgreementId": self.spec["agreementId"], "runIndex": self.spec["runIndex"], "spec": self.spec}
        self.order_hash = struct_hash("JobOrder", order)
        self.order_digest = digest(self.domain, self.order_hash)
        self.run_info_digest = derive("run info", self.run_info.encode())
        self.statement = {
            "claimHash": self.claim_hash,
            "agreementId": self.spec["agreementId"],
            "provider": address(self.provider or PROVIDER),
            "kind": self.signed_kind if self.signed_kind is not None else ["re-executable", "attested"].index(self.kind),
            "runInfoDigest": self.run_info_digest,
            "issuedAt": self.issued_at,
        }
        self.attestation_digest = digest(self.domain, struct_hash("ReceiptAttestation", self.statement))

    def values(self):
        """The lines of an `expect` file for a good receipt."""
        lines = {
            "specHash": self.spec_hash,
            "outcomeHash": self.outcome_hash,
            "claimHash": self.claim_hash,
            "inputsRoot": self.spec["inputsRoot"],
            "outputsRoot": self.outcome["outputsRoot"],
            "invocationRoot": self.spec["invocationRoot"],
            "blindCommit": self.spec["blindCommit"],
            "runInfoDigest": self.run_info_digest,
            "outputsKey": self.outputs_key,
        }
        if self.consumer:
            lines |= {"domainSeparator": domain_separator(self.domain), "orderDigest": self.order_digest}
        if self.provider:
            lines["domainSeparator"] = domain_separator(self.domain)
            lines["attestationDigest"] = self.attestation_digest
        return {name: hexa(value) for name, value in lines.items()}


FILES = {}


def edit(document, place, value):
    """A copy with one place changed, `claim/spec/fuelLimit`; a function makes the new value of the old one."""
    document = copy.deepcopy(document)
    *way, last = [int(step) if step.isdigit() else step for step in place.split("/")]
    here = document
    for step in way:
        here = here[step]
    here[last] = value(here[last]) if callable(value) else value
    return document


def put_case(name, about, body, code="ok", lines=None):
    """One folder: the receipt, and what must come of it."""
    body = body if isinstance(body, bytes) else (body if isinstance(body, str) else text_of(body)).encode()
    expect = "\n".join([code, f"about: {about}", *(f"{key}: {value}" for key, value in (lines or {}).items())])
    assert f"receipt/{name}/expect" not in FILES, name
    FILES[f"receipt/{name}/receipt.json"] = body
    FILES[f"receipt/{name}/expect"] = (expect + "\n").encode()


def keys_of(case):
    """Both sides' keys, as an `expect` file names them."""
    mounts = {"datasetKeys": " ".join(hexa(key) for key in case.mount_keys)} if case.mounts else {}
    return {"runKey": hexa(case.key), **mounts}


def good(name, about, case, more=None, body=None):
    signature = "reached" if case.provider else "not attempted"
    lines = {"signature": signature, **case.values(), **keys_of(case), **(more or {})}
    put_case(name, about, body or case.document, lines=lines)


def make(**changes):
    case = Case()
    for part, value in changes.items():
        if part in ("spec", "outcome"):
            getattr(case, part).update(value)
        else:
            setattr(case, part, value)
    return case.build()


EXPECT_ALL = {
    "expect-claimHash": hexa(make().claim_hash),
    "expect-agreementId": hexa(AGREEMENT),
    "expect-runIndex": "0",
    "expect-provider": hexa(address(PROVIDER)),
    "expect-consumer": hexa(address(CONSUMER)),
    "expect-chainId": "1337",
    "expect-verifyingContract": hexa(DOMAIN["verifyingContract"]),
}


# RECEIPT.md section 18.
CONTAINERS = bytes.fromhex("881045ba6ceb607c672424cef8a2851458f33bae77bcaf0095f9fbb34cf6a9ce")


def good_cases():
    good("ok-full", "two data sets, a withheld output, both signatures, every expectation", make(), EXPECT_ALL)
    local = dict(domain=LOCAL, consumer=None, key=OPEN, dataset_keys=[OPEN])
    good("ok-local-unsigned", "a local run: no agreement, no keys, no signatures", make(**local, provider=None, spec={"agreementId": bytes(32)}))
    good("ok-local-signed", "a local run that its host signed, under chain 0 and the zero address", make(**local, spec={"agreementId": bytes(32)}))
    good("ok-attested", "made in a container: nobody can recompute it", make(kind="attested"))
    container = {"profile": CONTAINERS, "moduleDigest": bytes([0x66]) * 32, "fuelLimit": 60_000_000}
    good("ok-container", "an image, two seconds begun of sixty", make(kind="attested", spec=container, outcome={"fuelUsed": 2_000_000}))
    killed = {"status": 3, "trapCode": 12, "fuelUsed": 1_000_000}
    good("ok-container-memory", "a container killed for its memory", make(kind="attested", spec=container, outcome=killed))
    good("ok-container-time", "a container whose time was up", make(kind="attested", spec=container, outcome={"status": 2, "fuelUsed": 60_000_000}))
    put_case("kind-container", "a container's receipt that says it can be re-executed", make(spec=container, outcome={"fuelUsed": 2_000_000}).document, "receipt_contradiction")
    good("ok-bundle", "a bundle of two files at /data/algorithm", make(bundle=BUNDLE))
    good("ok-uncaught-exception", "an exception that nothing caught", make(outcome={"status": 1, "trapCode": 10}))
    good("ok-later-run", "run 7 under its agreement", make(spec={"runIndex": 7}))
    good("ok-exit-code", "the largest exit code", make(outcome={"exitCode": 2**32 - 1}))
    limit = 1000000000
    good("ok-trap", "a division by zero costs the whole limit", make(outcome={"status": 1, "trapCode": 3, "fuelUsed": limit}))
    good("ok-out-of-fuel", "nothing left", make(outcome={"status": 2, "fuelUsed": limit}))
    good("ok-stack-limit", "deeper than ordered", make(outcome={"status": 4, "fuelUsed": 5}, spec={"stackLimit": 1}))
    good("ok-memory-limit", "a trap after a refused growth", make(outcome={"status": 3, "trapCode": 1, "fuelUsed": limit}))
    full = [(entry("file", "big", bytes(100)), True), (entry("stream", "stdout"), True), (entry("stream", "stderr"), True)]
    good("ok-output-limit", "output bytes equal to their limit", make(outcome={"status": 5}, outputs=full, spec={"outputLimit": 100}))
    good("ok-no-inputs", "no data set: the root of the empty list", make(datasets=[]))
    good("ok-one-mount", "one data set at /data/inputs itself", make(datasets=[("", None, [("a.csv", b"1\n")])]))
    many = [(path, None, [("x", path.encode())]) for path in ("a", "a.b", "a.b.c/d", "ab", "b/a", "ä")]
    good("ok-many-mounts", "paths that begin alike, but none lies inside another", make(datasets=many))
    good("ok-files-limit", "as many files and folders as ordered; streams do not count", make(spec={"filesLimit": 3}))
    good("ok-no-files", "nothing but the streams, where no file was ordered", make(outputs=OUTPUTS[3:], spec={"filesLimit": 0}))
    good("ok-all-withheld", "nothing but leaves", make(outputs=[(e, False) for e, _ in OUTPUTS]))
    good("ok-all-withheld-streams", "nothing but two leaves, where no file was ordered", make(outputs=[(e, False) for e, _ in OUTPUTS[3:]], spec={"filesLimit": 0}))
    good("ok-withheld-empty", "a withheld file of no bytes: the shown ones make the whole sum", make(outputs=[(entry("file", "a"), False), *OUTPUTS[3:]]))
    good("ok-withheld-folder", "nothing but an empty folder is withheld", make(outputs=[(entry("file", "b", b"12"), True), (entry("directory", "a"), False), *OUTPUTS[3:]]))
    good("ok-withheld-in-folder", "a file and its folder are withheld: nobody can ask where it lies", make(outputs=[(entry("file", "a/b", b"12"), False), (entry("directory", "a"), False), *OUTPUTS[3:]]))
    good("ok-withheld-below-shown", "a folder is shown for the sake of one of its two files", make(outputs=[(entry("file", "a/b", b"12"), False), (entry("file", "a/c", b"34"), True), (entry("directory", "a"), True), *OUTPUTS[3:]]))
    good("ok-withheld-stream", "a withheld stream: the shown ones make less than the sum", make(outputs=[*OUTPUTS[3:4], (OUTPUTS[4][0], False)]))
    good("ok-withheld-stderr", "standard error is withheld, standard output is not", make(outputs=[*OUTPUTS[:3], (entry("stream", "stderr", b"line 7: 42"), False), OUTPUTS[4]]))
    good("ok-withheld-limit", "withheld entries are as many files and folders as ordered", make(outputs=[*[(entry("file", f"{n}"), False) for n in range(3)], *OUTPUTS[3:]], spec={"filesLimit": 3}))
    deep = [(entry("directory", "/".join("abcd"[:n])), True) for n in range(1, 5)]
    good("ok-folders-deep", "every folder on the way is listed, the last one is empty", make(outputs=[(entry("file", "a/b/c/f", b"1"), True), *deep, *OUTPUTS[3:]]))
    good("ok-folders", "a folder beside a file whose name begins alike", make(outputs=[(entry("directory", "a"), True), (entry("file", "a/b", b"1"), True), (entry("file", "a.b", b"2"), True), *OUTPUTS[3:]]))
    nothing = {"args": [], "env": []}
    good("ok-empty-invocation", "no argument, no variable", make(invocation=nothing))
    odd = {"args": ["", "=", "a\nb", "ä"], "env": [["A", ""], ["A B", "x=y"], ["a", "1"], ["Ä", "2"]]}
    good("ok-odd-invocation", "names in the order of their bytes, empty texts, values with =", make(invocation=odd))
    good("ok-local-attested", "made in a container, unsigned: the kind is a hint", make(**local, provider=None, kind="attested", spec={"agreementId": bytes(32)}))
    good("ok-no-attestation", "a consent alone; nobody signed the outcome", make(provider=None), {k: v for k, v in EXPECT_ALL.items() if k != "expect-provider"})
    good("ok-no-attestation-forged", "the same consent beside another outcome, which anybody can write", make(provider=None, outcome={"exitCode": 77, "fuelUsed": 1}))
    good("ok-no-consent", "an attestation alone", make(consumer=None), {k: v for k, v in EXPECT_ALL.items() if k != "expect-consumer"})
    spaced = json.dumps(dict(reversed(json.loads(RUN_INFO).items())), indent=1) + " "
    good("ok-run-info-layout", "run info is JSON: white space and the order of fields are free, but hashed", make(run_info=spaced))
    names = ["ä/ß.csv", "Z", "a", "a b", "a..b", "日本", "😀", '"quoted"', "tab\tnew\nline\x1f\x7f"]
    odd = [(entry("file", name, name.encode()), True) for name in names] + [(entry("directory", "ä"), True), *OUTPUTS[3:]]
    good("ok-odd-paths", "order by bytes, no normalisation, characters that JSON escapes", make(outputs=odd))
    most = {n: 2**64 - 1 for n in ("runIndex", "clockStart", "clockStep", "fuelLimit", "memoryLimit", "outputLimit", "filesLimit")}
    good("ok-largest-numbers", "2^64-1 everywhere", make(spec=most, outcome={"fuelUsed": 2**64 - 1}, issued_at=2**64 - 1))
    case = make()
    turned = json.dumps(dict(reversed(case.document.items())), separators=(" ,", "\t: ")) + "\r\n\n"
    good("ok-other-layout", "white space and the order of fields are free", case, body=turned)
    escaped = text_of(case.document).replace('"exitCode"', '"\\u0065xitCode"').replace("did:op", "did\\u003aop")
    empty = make().document
    empty["opening"]["algorithm"] = []
    good("ok-algorithm-empty", "no leaves of a bundle, written as an empty list", make(), body=text_of(empty))
    good("ok-escapes", "escapes inside JSON strings are free", case, body=escaped)


def cut_off(text, refuse):
    """Files that end too early, and some that only look so."""
    def cut(name, about, body):
        refuse(f"bad-{name}", about, body, "receipt_truncated")

    def until(what):
        return text[: text.index(what) + len(what)]

    cut("empty", "no bytes", b"")
    cut("cut-off", "the last brace is missing", text.rstrip()[:-1])
    cut("cut-off-in-half", "the first half of the file", text[: len(text) // 2])
    cut("cut-off-first-byte", "the first byte alone", text[:1])
    cut("cut-off-before-value", "the end behind a colon", until('"claimHash":'))
    cut("cut-off-in-text", "the end inside a text", until('"brizo-rec'))
    cut("cut-off-in-number", "the end inside a number", until('"status": 0'))
    cut("cut-off-after-minus", "the end behind a sign", until('"status": ') + "-")
    cut("cut-off-after-point", "the end behind a decimal point", until('"status": ') + "0.")
    cut("cut-off-in-word", "the end inside a word of JSON", until('"status": ') + "nul")
    cut("cut-off-in-list", "the end behind a comma of a list", until('"args": [') + '"a",')
    cut("cut-off-in-escape", "the end inside an escape", until('"args": [') + '"\\u00')
    cut("cut-off-in-pair", "the end between the halves of a pair", until('"args": [') + '"\\ud83d')
    cut("cut-off-in-character", "the end inside a character of two bytes", (until('"args": [') + '"').encode() + b"\xc3")
    cut("cut-off-double-field", "a field twice, then the end", text[:1] + '"format": "", ' + until('"claimHash":')[1:])
    cut("cut-off-large-number", "the end behind a number that is larger than any that is read", until('"status": ') + "1e999")
    cut("cut-off-deep", "the end behind 127 levels of lists and objects", until('"args": [') + "[" * 123)
    refuse("bad-deep-then-end", "128 levels, then the end: one more than there may be", until('"args": [') + "[" * 124)
    refuse("bad-number-then-end", "a second decimal point, then the end", until('"status": ') + "1.5.")
    refuse("bad-comma-then-end", "two commas, then the end: what is wrong before the end counts", until('"args": [') + '"a",,')
    refuse("bad-half-pair-then-end", "half of a pair, a letter, then the end", until('"args": [') + '"\\ud83dx')
    refuse("bad-half-character-behind", "half a character behind the object", text.encode() + b"\xc3")


def bad_text():
    """Files that are not receipts."""
    base = make().document
    text = text_of(base)

    def refuse(name, about, body, code="receipt_malformed", lines=None):
        put_case(name, about, body, code, lines)

    def changed(place, value):
        return edit(base, place, value)

    cut_off(text, refuse)
    refuse("bad-too-large", "a byte more than 128 MiB", text, "receipt_too_large", {"padded": 134_217_729})
    refuse("bad-trailing-bytes", "a second value after the object", text + "{}")
    refuse("bad-byte-order-mark", "UTF-8 with a mark", b"\xef\xbb\xbf" + text.encode())
    refuse("bad-utf8", "a byte that is not UTF-8", text.encode().replace(b"did:op", b"did\xffop"))
    refuse("bad-unknown-field", "a field at the top", {**base, "note": "x"})
    refuse("bad-unknown-field-deep", "a field in the spec", changed("claim/spec/filesMax", "1"))
    refuse("bad-missing-field", "no clockStep", changed("claim/spec", lambda spec: {k: v for k, v in spec.items() if k != "clockStep"}))
    refuse("bad-double-field", "claimHash twice, with the same value", text.replace('  "claim": {', f'  "claimHash": "{base["claimHash"]}",\n  "claim": {{', 1))
    refuse("bad-double-field-deep", "fuelUsed twice, with two values", text.replace('"fuelUsed": "123456"', '"fuelUsed": "1",\n      "fuelUsed": "123456"'))
    refuse("bad-double-field-escaped", "exitCode twice, once in escapes", text.replace('"exitCode": 0', '"exitCode": 0,\n      "\\u0065xitCode": 0'))
    refuse("bad-number-for-string", "fuelLimit as a JSON number", changed("claim/spec/fuelLimit", 1000000000))
    refuse("bad-string-for-number", "status as a string", changed("claim/outcome/status", "0"))
    refuse("bad-fraction", "exitCode 0.0", text.replace('"exitCode": 0', '"exitCode": 0.0'))
    refuse("bad-minus-zero", "exitCode -0", text.replace('"exitCode": 0', '"exitCode": -0'))
    refuse("bad-exponent", "exitCode 0e0", text.replace('"exitCode": 0', '"exitCode": 0e0'))
    refuse("bad-status-256", "status does not fit eight bits", changed("claim/outcome/status", 256))
    refuse("bad-leading-zero", "fuelUsed 0123456", changed("claim/outcome/fuelUsed", "0123456"))
    refuse("bad-two-zeros", "runIndex 00", changed("claim/spec/runIndex", "00"))
    refuse("bad-plus", "fuelUsed +123456", changed("claim/outcome/fuelUsed", "+123456"))
    refuse("bad-space-in-number", "fuelUsed with a space", changed("claim/outcome/fuelUsed", "123456 "))
    refuse("bad-empty-number", "an empty string", changed("claim/outcome/fuelUsed", ""))
    refuse("bad-other-digits", "Arabic-Indic digits", changed("claim/outcome/fuelUsed", "١٢٣"))
    refuse("bad-number-too-large", "2^64", changed("claim/spec/fuelLimit", str(2**64)))
    many = changed("opening/invocation/args", [""] * 65537)
    refuse("bad-arguments-too-many", "65 537 arguments, written without white space", json.dumps(many, separators=(",", ":"), ensure_ascii=False))
    refuse("bad-output-size-number", "the size of an output as a JSON number", changed("opening/outputs/0/size", 14))
    refuse("bad-output-size-null", "a withheld size as null", changed("opening/outputs/1", lambda o: {**o, "size": None}))
    refuse("bad-output-salt-null", "a withheld salt as null", changed("opening/outputs/1", lambda o: {**o, "salt": None}))
    refuse("bad-output-salt-short", "a salt of 31 bytes", changed("opening/outputs/0/salt", lambda s: s[:-2]))
    refuse("bad-output-empty", "an output without anything", changed("opening/outputs/1", {}))
    refuse("bad-output-without-leaf", "a shown output without its leaf", changed("opening/outputs/0", lambda o: {k: v for k, v in o.items() if k != "leaf"}))
    for field in ("kind", "path", "size", "digest", "salt"):
        refuse(f"bad-output-without-{field}", f"a shown output without its {field}", changed("opening/outputs/0", lambda o: {k: v for k, v in o.items() if k != field}))
        refuse(f"bad-output-withheld-{field}", f"a withheld output with its {field}", changed("opening/outputs/1", lambda o: {**o, field: base["opening"]["outputs"][0][field]}))
    refuse("bad-output-withheld-old", "a withheld output with kind and path", changed("opening/outputs/1", lambda o: {"kind": "file", "path": "tables/secret.csv", **o}))
    upper = "0x" + base["claim"]["spec"]["inputsRoot"][2:].upper()
    refuse("bad-upper-case-hash", "hex in capitals", changed("claim/spec/inputsRoot", upper))
    refuse("bad-upper-case-prefix", "0X", changed("claim/spec/inputsRoot", "0X" + upper[2:].lower()))
    refuse("bad-no-prefix", "hex without 0x", changed("claim/spec/inputsRoot", upper[2:].lower()))
    refuse("bad-short-hash", "31 bytes", changed("claim/spec/inputsRoot", upper[:-2].lower()))
    leaf = base["opening"]["inputs"][0]["leaves"][0]
    for name, about, other in (
        ("upper-case", "in capitals", "0x" + leaf[2:].upper()), ("no-prefix", "without 0x", leaf[2:]), ("short", "of 31 bytes", leaf[:-2]),
        ("long", "of 33 bytes", leaf + "00"), ("letters", "with a letter that is no digit", leaf[:-1] + "g"), ("number", "as a number", 7), ("null", "as null", None),
        ("as-list", "as a list of bytes", [0x44] * 32),
    ):
        refuse(f"bad-leaf-{name}", f"a leaf of a data set {about}", changed("opening/inputs/0/leaves/0", other))
    refuse("bad-leaves-object", "leaves as an object", changed("opening/inputs/0/leaves", {}))
    refuse("bad-leaves-double", "the leaves of a data set twice", text.replace('"leaves": [', '"leaves": [],\n        "leaves": [', 1))
    refuse("bad-leaves-elsewhere", "a field that would be skipped if it stood in a data set", {**base, "leaves": ["x"]})
    refuse("bad-algorithm-leaf", "a leaf of a bundle in capitals", changed("opening/algorithm", ["0x" + leaf[2:].upper()]))
    refuse("bad-algorithm-null", "null instead of an absent list", changed("opening/algorithm", None))
    refuse("bad-hash-as-list", "a hash as a list of bytes", changed("claim/spec/randomSeed", [0x44] * 32))
    refuse("bad-address-checksum", "an address with its checksum in capitals", changed("consent/domain/verifyingContract", "0x5B38Da6a701c568545dCfcB03FcB875f56beddC4"))
    refuse("bad-short-signature", "64 bytes", changed("consent/signature", base["consent"]["signature"][:-2]))
    refuse("bad-format", "another version", changed("format", "brizo-receipt/2"))
    refuse("bad-kind", "a kind that does not exist", changed("kind", "re_executable"))
    refuse("bad-kind-as-object", "a kind as an object", changed("kind", {"re-executable": None}))
    refuse("bad-null-consent", "null instead of an absent field", changed("consent", None))
    refuse("bad-null-did", "null instead of an absent did", changed("opening/inputs/1", lambda mount: {**mount, "did": None}))
    refuse("bad-struct-as-list", "the outcome as a list of its values", changed("claim/outcome", list(base["claim"]["outcome"].values())))
    swapped = {"spec": base["claim"]["outcome"], "outcome": base["claim"]["spec"]}
    refuse("bad-spec-and-outcome-swapped", "each under the other's name", changed("claim", swapped))
    refuse("bad-output-kind", "a kind that no manifest has", changed("opening/outputs/0/kind", "symlink"))
    refuse("bad-signed-kind-text", "the statement's kind in words", changed("attestation/statement/kind", "re-executable"))
    refuse("bad-signed-kind-string", "the statement's kind as a string", changed("attestation/statement/kind", "0"))
    refuse("bad-signed-kind-256", "the statement's kind does not fit eight bits", changed("attestation/statement/kind", 256))
    refuse("bad-signed-kind-missing", "a statement without kind", changed("attestation/statement", lambda s: {k: v for k, v in s.items() if k != "kind"}))

    info = json.loads(RUN_INFO)
    for name, about, text in [
        ("empty", "no text", ""),
        ("words", "no JSON", "brizo 0.1.0"),
        ("unknown-field", "a field that run info does not have", json.dumps({**info, "host": "x"})),
        ("missing-field", "no cachedModule", json.dumps({k: v for k, v in info.items() if k != "cachedModule"})),
        ("double-field", "target twice", RUN_INFO.replace('"target"', '"target":"x","target"')),
        ("number", "runUs as a JSON number", RUN_INFO.replace('"1532"', "1532")),
        ("leading-zero", "runUs 01532", RUN_INFO.replace("1532", "01532")),
        ("null", "null for a text", json.dumps({**info, "engine": None})),
        ("trailing", "a second value", RUN_INFO + "{}"),
        ("list", "a list of its values", json.dumps(list(info.values()))),
        ("list-of-object", "an object in a list", f"[{RUN_INFO}]"),
        ("string", "a JSON string of the text", json.dumps(RUN_INFO)),
        ("null-alone", "null", "null"),
        ("space-before", "a space before the object", " " + RUN_INFO),
        ("byte-order-mark", "a mark before the object", "\ufeff" + RUN_INFO),
    ]:
        refuse(f"run-info-{name}", f"run info: {about}; hashed and signed like a good one", make(run_info=text).document)


def contradictions():
    def refuse(name, about, **changes):
        case = make(**changes)
        put_case(name, about, case.document, "receipt_contradiction")

    refuse("claim-status-undefined", "status 6", outcome={"status": 6})
    refuse("claim-trap-code-with-exit", "an exit with a trap code", outcome={"trapCode": 1})
    refuse("claim-trap-code-with-out-of-fuel", "out of fuel with a trap code", outcome={"status": 2, "trapCode": 1})
    refuse("claim-trap-without-code", "a trap without a code", outcome={"status": 1})
    refuse("claim-trap-code-undefined", "trap code 13", outcome={"status": 1, "trapCode": 13})
    refuse("claim-memory-limit-without-code", "memory limit is a trap too", outcome={"status": 3})
    refuse("claim-exit-code-with-trap", "a trap with an exit code", outcome={"status": 1, "trapCode": 1, "exitCode": 1})
    refuse("claim-exit-code-with-output-limit", "an output limit with an exit code", outcome={"status": 5, "exitCode": 1})
    refuse("claim-fuel-above-limit", "one unit more than ordered", outcome={"fuelUsed": 1000000001})
    refuse("claim-out-of-fuel-with-fuel-left", "out of fuel with one unit left", outcome={"status": 2, "fuelUsed": 999999999})
    refuse("claim-out-of-fuel-above-limit", "out of fuel with one unit too many", outcome={"status": 2, "fuelUsed": 1000000001})
    refuse("claim-stack-limit-unlimited", "a stack limit where none was ordered", outcome={"status": 4})
    refuse("claim-output-above-limit", "one byte more than ordered", outcome={"outputBytes": 1048577})


def lists():
    """Lists that break a rule, with roots, hashes and signatures like good ones."""

    def refuse(name, about, where, code="receipt_contradiction", change=None, **parts):
        document = make(lax=True, **parts).document
        put_case(name, about, change(document) if change else document, code, {"where": where})

    def mounts(*paths):
        return [(path, None, [("x", path.encode())]) for path in paths]

    refuse("list-inputs-order", "mounts in another order than by path", "opening.inputs", datasets=DATASETS[::-1])
    refuse("list-inputs-order-case", "upper case comes before lower case", "opening.inputs", datasets=mounts("a", "B"))
    refuse("list-inputs-twice", "a mount twice", "opening.inputs", datasets=[*DATASETS, DATASETS[1]])
    refuse("list-inputs-inside", "a mount inside another", "opening.inputs", datasets=mounts("a", "a/b"))
    refuse("list-inputs-inside-apart", "a mount inside another, a third one between them", "opening.inputs", datasets=mounts("a", "a.b", "a/b/c"))
    refuse("list-inputs-inside-deep", "a mount three levels inside another", "opening.inputs", datasets=mounts("a", "a/b/c/d", "b"))
    refuse("list-inputs-inside-last", "a mount inside another, many between them", "opening.inputs", datasets=mounts("a", *(f"a-{n:02}" for n in range(40)), "a/b"))
    refuse("list-inputs-inside-all-deep", "a deep mount beside one at /data/inputs itself", "opening.inputs", datasets=mounts("", "a/b/c"))
    refuse("list-inputs-inside-all", "a mount beside one at /data/inputs itself", "opening.inputs", datasets=mounts("", "a"))
    for name, path in [("parent", "../a"), ("parent-inside", "a/../b"), ("absolute", "/a"), ("end", "a/"), ("dot", "."), ("double", "a//b"), ("backslash", "a\\b"), ("nul", "a\0"), ("component", "x" * 256)]:
        refuse(f"list-inputs-path-{name}", "a mount's path that §4.2 does not allow", "path", "bad_manifest", datasets=mounts(path))

    streams = OUTPUTS[3:]
    files = [(entry("file", name, name.encode()), True) for name in "ab"]
    refuse("list-outputs-order", "two files in another order", "opening.outputs", outputs=files[::-1] + streams)
    refuse("list-outputs-order-kinds", "a folder before a file", "opening.outputs", outputs=[(entry("directory", "d"), True), *files, *streams])
    refuse("list-outputs-order-streams", "stdout before stderr", "opening.outputs", outputs=files + streams[::-1])
    refuse("list-outputs-twice", "a file twice", "opening.outputs", outputs=files[:1] * 2 + streams)
    refuse("list-outputs-stream-twice", "stdout twice", "opening.outputs", outputs=files + streams[1:] * 2)
    refuse("list-outputs-no-stdout", "stdout is missing", "both streams", outputs=files + streams[:1])
    refuse("list-outputs-no-stderr", "stderr is missing", "both streams", outputs=files + streams[1:])
    refuse("list-outputs-empty", "no entry at all", "both streams", outputs=[])
    for name in ("stdin", "stdlog", "", "Stdout"):
        refuse(f"list-outputs-stream-{name.lower() or 'nameless'}{'-case' if name == 'Stdout' else ''}", "a stream that no run has", "opening.outputs", outputs=files + streams + [(entry("stream", name), True)])
    for kind in ("mount", "argument", "variable"):
        refuse(f"list-outputs-{kind}", "a kind that is no output", "opening.outputs", outputs=files + streams + [(entry(kind, "z"), True)])
    for kind in ("file", "directory"):
        for name, path in [("parent", "../../etc/passwd"), ("absolute", "/etc/passwd"), ("empty", ""), ("backslash", "..\\a"), ("nul", "a\0b"), ("long", "/".join(["x" * 255] * 16) + "/x")]:
            refuse(f"list-outputs-{kind}-{name}", f"a {kind}'s path that §4.2 does not allow", "path", "bad_manifest", outputs=[(entry(kind, path), True), *streams])
    secret = [(entry("file", "secret", b"7"), False)]
    refuse("list-outputs-one", "one withheld entry alone", "both streams", outputs=secret)
    refuse("list-outputs-withheld-no-stdout", "stdout is missing, something is withheld", "both streams", outputs=[*secret, *streams[:1]])
    refuse("list-outputs-withheld-no-stderr", "stderr is missing, something is withheld", "both streams", outputs=[*secret, *files, *streams[1:]])
    refuse("list-outputs-withheld-no-streams", "both streams are missing, something is withheld", "both streams", outputs=[*secret, *files])
    refuse("list-outputs-withheld-file-last", "a file where stderr must be, a withheld stdout", "both streams", outputs=[*files, (streams[1][0], False)])
    refuse("list-outputs-withheld-stdout-early", "stdout comes before what is withheld", "both streams", outputs=[*files, streams[1], (streams[0][0], False)])
    refuse("list-outputs-withheld-stream-early", "a stream before the last two entries", "both streams", outputs=[streams[1], *secret, (streams[0][0], False)])
    refuse("list-outputs-withheld-order", "two shown files in another order, a withheld one between them", "opening.outputs", outputs=[files[1], *secret, files[0], *streams])
    refuse("list-outputs-withheld-twice", "a file twice, a withheld one between them", "opening.outputs", outputs=[files[1], *secret, files[1], *streams])
    refuse("list-outputs-files-limit-withheld", "everything withheld, and one more than ordered", "filesLimit", spec={"filesLimit": 2}, outputs=[(e, False) for e, _ in OUTPUTS])
    refuse("list-outputs-files-limit", "one file or folder more than ordered", "filesLimit", spec={"filesLimit": 2})
    refuse("list-outputs-files-limit-zero", "an empty folder where nothing was ordered", "filesLimit", spec={"filesLimit": 0}, outputs=[(entry("directory", "d"), True), *streams])


def trees():
    """Outputs that are no tree, or not a whole one (§4.7), with roots, hashes and signatures like good ones."""

    def refuse(name, about, where, *outputs, **parts):
        outputs = sorted(outputs, key=lambda o: rank(o[0]))
        document = make(lax=True, outputs=[*outputs, *OUTPUTS[3:]], **parts).document
        put_case(f"tree-{name}", about, document, "bad_manifest", {"where": where})

    def file(path, released=True):
        return entry("file", path, b"1"), released

    def folder(path, released=True, **changes):
        return {**entry("directory", path), **changes}, released

    refuse("file-and-folder", "a path that is a file and a folder", "both a file and a folder", file("a"), folder("a"))
    refuse("inside-file", "a file inside a file", 'inside the file "a"', file("a"), file("a/b"))
    refuse("inside-file-apart", "a file inside a file, another one between them", 'inside the file "a"', file("a"), file("a.b"), file("a/b"))
    refuse("inside-file-deep", "a folder three levels inside a file", 'inside the file "a"', file("a"), folder("a/b/c/d"))
    refuse("inside-file-withheld", "a file inside a withheld file", 'in "a", which is not shown', file("a", released=False), file("a/b"))
    refuse("folder-with-size", "a folder of one byte, which the sum counts", "is a folder with content", folder("a", size=1))
    refuse("folder-with-digest", "a folder with the digest of a byte", "is a folder with content", folder("a", digest=content_digest(b"1")))
    refuse("folder-that-was-a-file", "a file with content called a folder", "is a folder with content", folder("a", size=1, digest=content_digest(b"1")))
    refuse("unlisted", "a file in a folder that is not listed", 'in "a", which is not shown', file("a/b"))
    refuse("unlisted-withheld", "a file is shown, its folder is withheld", 'in "a", which is not shown', file("a/b"), folder("a", released=False))
    refuse("unlisted-withheld-above", "a folder is shown, the one above it is withheld", 'in "a", which is not shown', folder("a/b"), folder("a", released=False))
    refuse("unlisted-renamed", "a folder listed under another name", 'in "tables", which is not shown', file("tables/secret.csv"), folder("table"))
    refuse("unlisted-begins-alike", "names that begin alike are other folders", 'in "a", which is not shown', file("a/b"), folder("a.b"), folder("ab"), file("a0"))
    refuse("unlisted-case", "upper and lower case are different folders", 'in "a", which is not shown', file("a/b"), folder("A"))
    refuse("unlisted-between", "a folder on the way is not listed", 'in "a/b", which is not shown', file("a/b/c"), folder("a"))
    refuse("unlisted-first", "the first folder on the way is not listed", 'in "a", which is not shown', file("a/b/c"), folder("a/b"))
    refuse("unlisted-of-folder", "an empty folder in a folder that is not listed", 'in "a", which is not shown', folder("a/b"))
    refuse("unlisted-before-sum", "the tree is looked at before the sum", 'in "a", which is not shown', file("a/b"), outcome={"outputBytes": 0})


def sums():
    """`outputBytes` that the list contradicts (§9.2), with hashes and signatures like good ones."""

    def refuse(name, about, output_bytes, *files, folders=(), streams=OUTPUTS[3:], **parts):
        document = make(lax=True, outputs=[*files, *folders, *streams], outcome={"outputBytes": output_bytes}, **parts).document
        put_case(f"sum-{name}", about, document, "receipt_contradiction", {"where": "outputBytes"})

    def file(path, size, released=True):
        return {**entry("file", path, b"x"), "size": size}, released

    a, b = file("a", 10), file("b", 20)
    refuse("too-large", "one byte more than the list, everything shown", 36, a, b)
    refuse("too-small", "one byte less than the list", 34, a, b)
    refuse("zero", "nothing, although something is listed", 0, a, b)
    refuse("most", "the whole limit, everything shown", 1048576, a, b)
    refuse("without-streams", "the files alone, without what stdout holds", 30, a, b)
    refuse("nothing-listed", "one byte, although only empty streams are listed", 1, streams=[OUTPUTS[3], (entry("stream", "stdout"), True)])
    refuse("withheld-too-small", "less than what is shown, one file withheld", 14, a, file("b", 20, False))
    refuse("withheld-zero", "nothing, one file withheld, one shown", 0, a, file("b", 20, False))
    refuse("withheld-stream-too-small", "less than what is shown, stdout withheld", 9, a, streams=[OUTPUTS[3], (OUTPUTS[4][0], False)])
    refuse("folder-withheld-too-small", "less than what is shown, a folder withheld", 14, a, folders=[(entry("directory", "d"), False)])
    half = 2**63
    most = {"outputLimit": 2**64 - 1}
    refuse("wraps", "sizes that make 2^64 and a bit: the sum does not wrap", 5, file("a", half), file("b", half), spec=most)
    refuse("wraps-withheld", "the same beside a withheld file", 2**64 - 1, file("a", half), file("b", half), file("c", 1, False), spec=most)
    put_case("sum-size-changed", "the size of a file changed after hashing, everything shown", edit(make(outputs=[(e, True) for e, _ in OUTPUTS]).document, "opening/outputs/0/size", "15"), "receipt_contradiction", {"where": "outputBytes"})
    guess = shown_entry(entry("file", "tables/secret.csv", b"no\n"))
    shown = edit(make().document, "opening/outputs/1", lambda o: {**o, **guess, "salt": hexa(bytes(32))})
    put_case("sum-withheld-shown", "a withheld output shown with a made-up content of another length", shown, "receipt_contradiction", {"where": "outputBytes", "runKey": hexa(RUN_KEY)})


def flip(text):
    """Another hex digit at the end."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


BAD_INVOCATIONS = [
    ("variables-order", "variables out of order", {"args": [], "env": [["B", ""], ["A", ""]]}),
    ("variables-order-case", "lower case before upper case", {"args": [], "env": [["a", ""], ["B", ""]]}),
    ("variables-order-prefix", "a longer name before its beginning", {"args": [], "env": [["AB", ""], ["A", ""]]}),
    ("variable-twice", "a variable twice", {"args": [], "env": [["A", "1"], ["A", "2"]]}),
    ("variable-nameless", "an empty name", {"args": [], "env": [["", "x"]]}),
    ("variable-equals", "a name with =", {"args": [], "env": [["A=B", "x"]]}),
    ("variable-nul", "a name with a NUL", {"args": [], "env": [["A\0", "x"]]}),
    ("variable-long", "a name over 4096 bytes", {"args": [], "env": [["A" * 4097, "x"]]}),
    ("variable-value-nul", "a value with a NUL", {"args": [], "env": [["A", "x\0y"]]}),
    ("argument-nul", "an argument with a NUL", {"args": ["algorithm", "a\0b"], "env": []}),
]


def mismatches():
    def refuse(name, about, where, change, case=None):
        document = change((case or make()).document)
        put_case(name, about, document, "hash_mismatch", {"where": where})

    def at(place, value):
        return lambda document: edit(document, place, value)

    refuse("hash-claim", "claimHash changed", "claimHash", at("claimHash", flip))
    for field in ("profile", "randomSeed", "blindCommit"):
        refuse(f"hash-claim-{field}", f"{field} changed after hashing", "claimHash", at(f"claim/spec/{field}", flip))
    refuse("hash-claim-outcome", "fuelUsed changed after hashing", "claimHash", at("claim/outcome/fuelUsed", "123455"))
    case = make()
    wrong = keccak(type_hash("ExecutionClaim") + case.outcome_hash + case.spec_hash)
    refuse("hash-claim-halves-swapped", "outcomeHash before specHash", "claimHash", at("claimHash", hexa(wrong)))
    wrong = keccak(keccak(b"ExecutionClaim(JobSpec spec,Outcome outcome)") + case.spec_hash + case.outcome_hash)
    refuse("hash-claim-short-type", "type hash without the referenced types", "claimHash", at("claimHash", hexa(wrong)))

    # The claim is made over a wrong root and hashed and signed like a good one.
    leaves = [raw_leaf(4, m["path"], m["root"]) for m in case.mounts]
    wrong = make(spec={"inputsRoot": root_of(leaves[::-1])})
    refuse("hash-inputs-order", "a root over the mounts in another order", "inputsRoot", lambda document: document, wrong)
    wrong = make(spec={"inputsRoot": top(leaves)})
    refuse("hash-inputs-without-count", "the top of the tree instead of its root", "inputsRoot", lambda document: document, wrong)
    with_bundle = make(bundle=BUNDLE)
    refuse("hash-algorithm-missing", "the leaves of the bundle left out", "algorithmRoot", lambda document: {**document, "opening": {key: value for key, value in document["opening"].items() if key != "algorithm"}}, with_bundle)
    refuse("hash-algorithm-leaf", "a leaf of the bundle changed", "algorithmRoot", at("opening/algorithm/1", flip), with_bundle)
    refuse("hash-algorithm-invented", "leaves of a bundle where there was none", "algorithmRoot", lambda document: {**document, "opening": {**document["opening"], "algorithm": with_bundle.document["opening"]["algorithm"]}})
    refuse("hash-inputs-mount-path", "a mount under another path", "inputsRoot", at("opening/inputs/0/path", "cohort2"))
    refuse("hash-inputs-mount-root", "another root of a mount", "inputsRoot", at("opening/inputs/0/root", flip))
    refuse("hash-inputs-mount-missing", "a mount left out", "inputsRoot", at("opening/inputs", lambda l: l[:-1]))
    refuse("hash-mount-leaf", "a leaf of a mount changed", 'opening.inputs "cohort".root', at("opening/inputs/0/leaves/2", flip))
    refuse("hash-mount-leaves-swapped", "two leaves of a mount swapped", 'opening.inputs "cohort".root', at("opening/inputs/0/leaves", lambda l: l[::-1]))
    refuse("hash-mount-leaf-missing", "a leaf of a mount left out", 'opening.inputs "cohort".root', at("opening/inputs/0/leaves", lambda l: l[:-1]))
    nodes = case.mounts[0]["leaves"]
    pair = [hexa(derive("manifest node", nodes[0] + nodes[1])), hexa(nodes[2])]
    refuse("hash-mount-node-as-leaf", "an inner node in place of its two leaves", 'opening.inputs "cohort".root', at("opening/inputs/0/leaves", pair))
    refuse("hash-outputs-leaf", "a leaf of an output changed", "outputsRoot", at("opening/outputs/0/leaf", flip))
    refuse("hash-outputs-missing", "an output left out", "outputsRoot", at("opening/outputs", lambda l: l[1:]))
    extra = {"leaf": "0x" + "00" * 32}
    refuse("hash-outputs-more", "an output put in", "outputsRoot", at("opening/outputs", lambda l: [*l[:3], extra, *l[3:]]))
    turned = case.output_leaves[1::-1] + case.output_leaves[2:]
    wrong = make(outcome={"outputsRoot": root_of(turned)})
    refuse("hash-outputs-order", "a root over the outputs in another order", "outputsRoot", lambda document: document, wrong)
    other = make(spec={"runIndex": 1}).document["attestation"]
    put_case("replay-attestation", "the good attestation of another run of the same agreement", edit(case.document, "attestation", other), "replayed_statement", {"where": "claimHash"})
    other = make(spec={"agreementId": bytes([0xB2]) * 32}).document["attestation"]
    put_case("replay-attestation-other-agreement", "the good attestation of a run under another agreement", edit(case.document, "attestation", other), "replayed_statement", {"where": "claimHash"})
    put_case("replay-claim-changed", "another claim hash in the attestation", edit(case.document, "attestation/statement/claimHash", flip), "replayed_statement", {"where": "claimHash"})
    put_case("replay-agreement-changed", "another agreement in the attestation", edit(case.document, "attestation/statement/agreementId", flip), "replayed_statement", {"where": "agreementId"})
    refuse("hash-attestation-run-info", "another digest of the run info", "attestation.statement.runInfoDigest", at("attestation/statement/runInfoDigest", flip))
    refuse("hash-run-info-byte", "one byte of the run info changed", "attestation.statement.runInfoDigest", at("runInfo", lambda t: t.replace("1532", "1533")))
    refuse("hash-run-info-space", "the same run info, written with a space", "attestation.statement.runInfoDigest", at("runInfo", lambda t: t.replace(",", ", ", 1)))

    # Only the run key can tell.
    document = make().document
    put_case("key-wrong", "another run key", document, "wrong_key", {"where": "blindCommit", "runKey": hexa(flip_key(RUN_KEY))})
    for name, about, change in [
        ("key-argument", "an argument changed", at("opening/invocation/args/4", "name")),
        ("key-arguments-swapped", "two arguments swapped", at("opening/invocation/args", lambda l: l[::-1])),
        ("key-variable", "the value of a variable changed", at("opening/invocation/env/1", ["LANG", "D"])),
        ("key-variable-name", "the name of a variable changed", at("opening/invocation/env/1", ["LANGUAGE", "C"])),
        ("key-argument-missing", "the last argument left out", at("opening/invocation/args", lambda l: l[:-1])),
        ("key-argument-more", "an empty argument put in", at("opening/invocation/args", lambda l: [*l, ""])),
        ("key-variable-missing", "a variable left out", at("opening/invocation/env", lambda l: l[:-1])),
    ]:
        document = change(make().document)
        put_case(name, about, document, "hash_mismatch", {"where": "invocationRoot", "runKey": hexa(RUN_KEY)})

    # The claim is made over a list that breaks §4.5; its root is right.
    for name, about, invocation in BAD_INVOCATIONS:
        document = make(lax=True, invocation=invocation).document
        put_case(f"key-{name}", about, document, "bad_manifest", {"runKey": hexa(RUN_KEY)})
    document = edit(make().document, "opening/invocation/env", lambda env: env[::-1])
    put_case("key-variables-turned", "variables turned round after hashing: the root would be the same", document, "bad_manifest", {"runKey": hexa(RUN_KEY)})

    empty = dict(outputs=[(entry("file", "a"), True), *OUTPUTS[3:]])
    folder = dict(outputs=[*OUTPUTS[:2], (entry("directory", "empty"), True), *OUTPUTS[2:]])
    # The salt of each output that is shown is in the document, so nobody needs a key.
    guess = {**shown_entry(entry("file", "tables/secret.csv", b"no!\n")), "salt": hexa(salt_of(entry("file", "tables/secret.csv"), RUN_KEY))}
    for name, about, change, case in [
        ("size", "the size of an output changed", at("opening/outputs/0/size", "15"), None),
        ("digest", "the digest of an output changed", at("opening/outputs/0/digest", flip), None),
        ("path", "the name of an output changed", at("opening/outputs/0/path", "mean.jsom"), None),
        ("salt", "the salt of an output changed", at("opening/outputs/0/salt", flip), None),
        ("salt-of-another", "the salt of another output", at("opening/outputs/0/salt", make().document["opening"]["outputs"][4]["salt"]), None),
        ("stream", "the size of a stream changed", at("opening/outputs/4/size", "6"), None),
        ("shown", "a withheld output shown with a made-up content of the same length", at("opening/outputs/1", lambda o: {**o, **guess}), None),
        ("folder", "an empty folder named otherwise", at("opening/outputs/2/path", "empti"), make(**folder)),
        ("kind", "an empty file called a folder", at("opening/outputs/0/kind", "directory"), make(**empty)),
        ("leaves-swapped", "two leaves swapped, the root over them is right", swapped_leaves, make(outcome={"outputsRoot": root_of(turned)})),
    ]:
        refuse(f"hash-output-{name}", about, "leaf of opening.outputs", change, case)

    # Only who has both sides' keys can tell that the salts are not theirs.
    other = make(spec={"runIndex": 1})
    hashed = make().spec_hash
    for name, about, key in [
        ("open", "no key at all", OPEN),
        ("run-key", "the run key, which the consumer has", RUN_KEY),
        ("dataset-key", "the key of the first data set", DATASET_KEYS[0]),
        ("one-dataset-key", "an outputs key that leaves out the second data set", outputs_key(hashed, RUN_KEY, DATASET_KEYS[:1])),
        ("keys-turned", "an outputs key with the dataset keys in another order", outputs_key(hashed, RUN_KEY, DATASET_KEYS[::-1])),
        ("other-run", "the outputs key of another run", other.outputs_key),
    ]:
        case = make(outputs_key=key)
        put_case(f"key-outputs-{name}", f"outputs salted with {about}", case.document, "wrong_key", {"where": "salt of opening.outputs", **keys_of(case)})
    case = make(datasets=[], outputs_key=OPEN)
    put_case("key-outputs-no-inputs", "no data set, so the run key alone gives the outputs key; no key was used", case.document, "wrong_key", {"where": "salt of opening.outputs", **keys_of(case)})
    case = make()
    for name, about, keys in [("wrong", "another key of the second data set", [DATASET_KEYS[0], OPEN]), ("turned", "the dataset keys in another order", DATASET_KEYS[::-1])]:
        lines = {"where": "salt of opening.outputs", "runKey": hexa(RUN_KEY), "datasetKeys": " ".join(hexa(key) for key in keys)}
        put_case(f"key-dataset-{name}", about, case.document, "wrong_key", lines)


def swapped_leaves(document):
    outputs = document["opening"]["outputs"]
    outputs[0]["leaf"], outputs[1]["leaf"] = outputs[1]["leaf"], outputs[0]["leaf"]
    return document


def flip_key(key):
    return key[:-1] + bytes([key[-1] ^ 1])


def signatures():
    def refuse(name, about, code, where, document, more=None):
        put_case(name, about, document, code, {"where": where, **(more or {})})

    def with_signature(part, change):
        document = copy.deepcopy(make().document)
        old = bytes.fromhex(document[part]["signature"][2:])
        document[part]["signature"] = hexa(change(old))
        return document

    def high_s(signature):
        s = ORDER - int.from_bytes(signature[32:64], "big")
        return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])

    for part, who in (("attestation", "provider"), ("consent", "consumer")):
        def bad(name, about, change, code="bad_signature", part=part, who=who):
            refuse(f"sign-{who}-{name}", about, code, who, with_signature(part, change))

        bad("high-s", "the other form of the same signature", high_s, "high_s_signature")
        bad("high-s-largest", "s = 2^256 - 1", lambda s: s[:32] + b"\xff" * 32 + s[64:], "high_s_signature")
        bad("high-s-least", "s = half of the order and one more", lambda s: s[:32] + (ORDER // 2 + 1).to_bytes(32, "big") + s[64:], "high_s_signature")
        bad("v-0-or-1", "v without the 27", lambda s: s[:64] + bytes([s[64] - 27]))
    for v in (26, 29, 37, 255):
        refuse(f"sign-provider-v-{v}", f"v = {v}", "bad_signature", "provider", with_signature("attestation", lambda s, v=v: s[:64] + bytes([v])))
    refuse("sign-provider-zero", "r = s = 0", "bad_signature", "provider", with_signature("attestation", lambda s: bytes(64) + b"\x1b"))
    refuse("sign-provider-r-order", "r = the curve's order", "bad_signature", "provider", with_signature("attestation", lambda s: ORDER.to_bytes(32, "big") + s[32:]))
    refuse("sign-provider-other-v", "27 and 28 exchanged", "wrong_signer", "provider", with_signature("attestation", lambda s: s[:64] + bytes([55 - s[64]])))

    case = make()
    refuse("sign-provider-stranger", "the provider's statement, signed by somebody else", "wrong_signer", "provider", with_signature("attestation", lambda _: sign(STRANGER, case.attestation_digest)))
    refuse("sign-consumer-stranger", "the order, signed by somebody else", "wrong_signer", "consumer", with_signature("consent", lambda _: sign(STRANGER, case.order_digest)))
    refuse("sign-exchanged", "the consumer's signature in the provider's place", "swapped_signature", "provider", with_signature("attestation", lambda _: sign(CONSUMER, case.order_digest)))
    refuse("sign-exchanged-back", "the provider's signature in the consumer's place", "swapped_signature", "consumer", with_signature("consent", lambda _: sign(PROVIDER, case.attestation_digest)))
    refuse("sign-both-by-consumer", "the attestation signed by the consumer, which is no exchange", "wrong_signer", "provider", with_signature("attestation", lambda _: sign(CONSUMER, case.attestation_digest)))
    refuse("sign-without-domain", "the struct hash itself was signed", "wrong_signer", "consumer", with_signature("consent", lambda _: sign(CONSUMER, case.order_hash)))
    other = make(spec={"fuelLimit": 2000000000})
    refuse("sign-consumer-other-spec", "consent to another spec", "wrong_signer", "consumer", with_signature("consent", lambda _: sign(CONSUMER, other.order_digest)))
    order = {"serviceAgreementId": bytes([0xB2]) * 32, "runIndex": 0, "spec": case.spec}
    refuse("sign-consumer-other-agreement", "the same spec, ordered under another agreement", "wrong_signer", "consumer", with_signature("consent", lambda _: sign(CONSUMER, digest(DOMAIN, struct_hash("JobOrder", order)))))
    order = {"serviceAgreementId": AGREEMENT, "runIndex": 1, "spec": case.spec}
    refuse("sign-consumer-other-run", "the same spec, ordered as another run", "wrong_signer", "consumer", with_signature("consent", lambda _: sign(CONSUMER, digest(DOMAIN, struct_hash("JobOrder", order)))))

    def at(place, value):
        return edit(case.document, place, value)

    both = edit(at("kind", "attested"), "attestation/statement/kind", 1)
    refuse("sign-provider-kind", "both kinds changed after signing", "wrong_signer", "provider", both)
    refuse("sign-provider-issued-at", "issuedAt changed after signing", "wrong_signer", "provider", at("attestation/statement/issuedAt", "1767225611"))
    refuse("sign-provider-named", "another provider named after signing", "wrong_signer", "provider", at("attestation/statement/provider", hexa(address(STRANGER))))
    refuse("sign-provider-chain", "another chain written after signing", "wrong_signer", "provider", at("attestation/domain/chainId", "1"))
    refuse("sign-consumer-contract", "another contract written after signing", "wrong_signer", "consumer", at("consent/domain/verifyingContract", hexa(bytes(20))))

    stranger = hexa(address(STRANGER))
    for name, code, about, where, changes in [
        ("claim-hash", "unexpected_receipt", "a valid receipt, but for another hash", "claim hash", {"expect-claimHash": flip(hexa(case.claim_hash))}),
        ("agreement", "wrong_job", "a valid receipt of another agreement", "agreement", {"expect-agreementId": hexa(bytes([0xB2]) * 32)}),
        ("provider", "unexpected_signer", "a valid receipt of another provider", "provider", {"expect-provider": stranger}),
        ("consumer", "unexpected_signer", "a valid receipt of another consumer", "consumer", {"expect-consumer": stranger}),
        ("chain", "wrong_chain", "a valid receipt from another chain", "deployment", {"expect-chainId": "1"}),
        ("contract", "wrong_contract", "a valid receipt from another contract", "deployment", {"expect-verifyingContract": hexa(bytes(20))}),
        ("other-run", "wrong_job", "a valid receipt of another run of the agreement", "number of the run", {"expect-runIndex": "1"}),
        ("other-job-before-hash", "wrong_job", "another agreement and another hash: which job it is of says more", "agreement", {"expect-agreementId": hexa(bytes([0xB2]) * 32), "expect-claimHash": flip(hexa(case.claim_hash))}),
        ("chain-before-contract", "wrong_chain", "another chain and another contract", "chain", {"expect-chainId": "1", "expect-verifyingContract": hexa(bytes(20))}),
    ]:
        refuse(f"expect-{name}", about, code, where, case.document, {**EXPECT_ALL, **changes})
    refuse("expect-domain-of-consent-alone", "consent under another chain than expected, no attestation", "wrong_chain", "deployment", make(provider=None).document, {"expect-chainId": "1", "expect-verifyingContract": EXPECT_ALL["expect-verifyingContract"]})

    # What is expected, but missing; and a consent without an attestation.
    for who, part in (("provider", "attestation"), ("consumer", "consent")):
        stripped = {k: v for k, v in case.document.items() if k != part}
        expected = {f"expect-{who}": EXPECT_ALL[f"expect-{who}"]}
        refuse(f"expect-{who}-but-no-{part}", f"the {part} was taken away", "unexpected_signer", who, stripped, expected)
        bare = {k: v for k, v in case.document.items() if k not in ("consent", "attestation")}
        refuse(f"expect-{who}-but-unsigned", "both signatures were taken away", "unexpected_signer", who, bare, expected)
    alone = make(provider=None).document
    refuse("sign-consumer-alone-zero", "no attestation, r = s = 0 in the consent", "bad_signature", "consumer", edit(alone, "consent/signature", "0x" + "00" * 64 + "1b"))
    refuse("sign-consumer-alone-stranger", "no attestation, an order signed by somebody else", "wrong_signer", "consumer", edit(alone, "consent/signature", hexa(sign(STRANGER, case.order_digest))))
    refuse("sign-consumer-alone-other-spec", "no attestation, consent to another spec", "wrong_signer", "consumer", edit(alone, "consent/signature", hexa(sign(CONSUMER, other.order_digest))))
    refuse("expect-consumer-alone", "no attestation, a consent of another consumer", "unexpected_signer", "consumer", alone, {"expect-consumer": stranger})

    mixed = copy.deepcopy(case.document)
    mixed["consent"] = make(domain={**DOMAIN, "verifyingContract": bytes(20)}).document["consent"]
    refuse("sign-two-contracts", "consent and attestation under two contracts, nothing expected", "wrong_contract", "deployment", mixed)
    mixed["consent"] = make(domain=LOCAL).document["consent"]
    refuse("sign-local-consent", "a consent for a local run, an attestation for a chain", "wrong_chain", "deployment", mixed)
    mixed["consent"] = make(domain={**DOMAIN, "chainId": 1}).document["consent"]
    refuse("sign-two-chains", "consent and attestation under two chains, nothing expected", "wrong_chain", "deployment", mixed)
    refuse("expect-chain-of-consent", "consent under another chain than the attestation", "wrong_chain", "deployment", mixed, EXPECT_ALL)


# The published profiles under which runs can be repeated, from tests/vectors/profile.
REPEATABLE = ("brizo-wasm-1", "brizo-wasm-1-8796d733", "brizo-wasm-component-1")


def kinds():
    for name in REPEATABLE:
        profile = derive("profile", (HERE / "profile" / f"{name}.json").read_bytes())
        put_case(f"kind-attested-{name}", "a run that can be repeated, passed off as one that cannot", make(kind="attested", spec={"profile": profile}).document, "receipt_contradiction", {"where": "kind"})
        good(f"ok-{name}", "a receipt under a published profile", make(spec={"profile": profile}), EXPECT_ALL | {"expect-claimHash": hexa(make(spec={"profile": profile}).claim_hash)})

    def refuse(name, about, document):
        put_case(name, about, document, "receipt_contradiction", {"where": "kind"})

    refuse("kind-changed", "an attested receipt passed off as re-executable", edit(make(kind="attested").document, "kind", "re-executable"))
    refuse("kind-changed-back", "a re-executable receipt passed off as attested", edit(make().document, "kind", "attested"))
    refuse("kind-signed-undefined", "the provider signed kind 2", make(signed_kind=2).document)
    unexpected = {"where": "kind", "expect-claimHash": "0x" + "00" * 32}
    put_case("kind-before-expectation", "the kind is looked at before what the caller expects", edit(make().document, "kind", "attested"), "receipt_contradiction", unexpected)
    refuse("kind-without-consent", "an attestation alone, the kind changed", edit(make(consumer=None).document, "kind", "attested"))
    refuse("kind-signed-otherwise", "the provider signed attested, the document says re-executable", make(signed_kind=1).document)


def put_json(path, value):
    FILES[path] = text_of(value).encode()


def manifests():
    def put(name, about, entries, key=RUN_KEY):
        put_json(f"manifest/{name}.json", {
            "about": about,
            "key": hexa(key),
            "entries": [shown_entry(e) for e in entries],
            "order": [[e["kind"], e["path"]] for e in ordered(entries)],
            "leaves": [hexa(leaf) for leaf in leaves_of(entries, key)],
            "root": hexa(root_of(leaves_of(entries, key))),
        })

    for n in (0, 1, 2, 3, 5, 8):
        put(f"n{n}", f"{n} entries", [entry("file", f"f{i}", b"x" * i) for i in range(n)])
    put("open-key", "the key of 32 zero bytes", [entry("file", f"f{i}", b"x" * i) for i in range(3)], OPEN)
    paths = {"directory": "folder", "argument": "00000000"}
    put("kinds", "each kind, four of them under the same path", [entry(kind, paths.get(kind, "stdout"), b"") for kind in reversed(KINDS)])
    put("streams", "all streams", [entry("stream", name, name.encode()) for name in ("stdout", "stdin", "stderr")])
    put("folders", "names that begin alike, folders with and without entries of their own", [entry("directory", "a"), entry("file", "a/b"), entry("file", "a.b"), entry("directory", "a.b.c/d"), entry("file", "ab/c/d")])
    names = ["b", "a/b", "a.b", "a0", "a b", "B", "ä", "z", "\U0001f600", "\uffff", "a\u0308"]
    put("order", "bytes decide: no case folding, no normalisation, not UTF-16", [entry("file", n, n.encode()) for n in names])
    put("largest", "a size of 2^64-1", [{**entry("file", "huge", b""), "size": 2**64 - 1}])
    paths = {
        "accepted": ["a", "a/b.csv", "ä/ß", ".hidden", "a..b", "...", " ", "a\nb", "x" * 255, "/".join(["x" * 255] * 16)],
        "refused": ["", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/../b", "a\\b", "a\0b", "x" * 256, "ä" * 128, "/".join(["x" * 255] * 16) + "/", "x/" * 2048 + "x"],
    }
    for path in paths["accepted"]:
        check_path(path)
    for path in paths["refused"]:
        try:
            check_path(path)
        except Refused:
            continue
        raise AssertionError(path)
    put_json("manifest/paths.json", paths)
    full = entry("file", "", b"1")
    for name, about, entries in [
        ("twice", "a path twice", [entry("file", "a", b"1"), entry("file", "b", b"2"), entry("file", "a", b"3")]),
        ("folder-twice", "a folder twice", [entry("directory", "a"), entry("directory", "a")]),
        ("variable-twice", "a variable twice", [entry("variable", "A", b"1"), entry("variable", "A", b"2")]),
        ("file-and-folder", "a path that is a file and a folder", [entry("file", "a"), entry("directory", "a")]),
        ("inside-file", "a file inside a file", [entry("file", "a/b"), entry("file", "a")]),
        ("inside-file-deep", "a folder three levels inside a file", [entry("file", "a/b"), entry("directory", "a/b/c/d/e")]),
        ("inside-file-apart", "a file inside a file, others between them", [entry("file", "a"), entry("file", "a.b"), entry("file", "a/b")]),
        ("folder-with-size", "a folder of one byte", [{**entry("directory", "a"), "size": 1}]),
        ("folder-with-digest", "a folder with the digest of a byte", [{**entry("directory", "a"), "digest": full["digest"]}]),
        ("stream-unknown", "a stream that does not exist", [entry("stream", "stdlog")]),
        ("stream-nameless", "a stream without a name", [entry("stream", "")]),
        ("variable-nameless", "a variable without a name", [entry("variable", "")]),
        ("variable-equals", "a name with =", [entry("variable", "A=")]),
        ("variable-nul", "a name with a NUL", [entry("variable", "A\0B")]),
        ("variable-long", "a name over 4096 bytes", [entry("variable", "A" * 4097)]),
        ("file-path", "a file outside", [entry("file", "../a")]),
        ("folder-path", "the top folder itself", [entry("directory", "")]),
    ]:
        try:
            ordered(entries)
        except Refused:
            put_json(f"manifest/refused-{name}.json", {"about": about, "entries": [shown_entry(e) for e in entries], "error": "bad_manifest"})
        else:
            raise AssertionError(name)
    for name, _, invocation in BAD_INVOCATIONS:
        try:
            check_invocation(invocation)
        except Refused:
            continue
        raise AssertionError(name)
    put_json("manifest/invocations.json", {
        "accepted": [INVOCATION, {"args": [], "env": []}, {"args": [""], "env": [["A", "="], ["A B", ""], ["a", ""], ["ä", ""]]}],
        "refused": [{"about": about, **invocation} for _, about, invocation in BAD_INVOCATIONS],
    })
    leaves = [bytes([i]) * 32 for i in range(17)]
    put_json("manifest/tree.json", {
        "about": "leaf i is the byte i, 32 times; roots[n] is over the first n leaves",
        "roots": [hexa(root_of(leaves[:n])) for n in range(18)],
    })
    case = make()
    put_json("manifest/invocation.json", {
        "runKey": hexa(RUN_KEY),
        **case.invocation,
        "leaves": [hexa(leaf) for leaf in case.invocation_leaves],
        "root": hexa(case.spec["invocationRoot"]),
    })
    put_json("manifest/mounts.json", {
        "mounts": [{"path": m["path"], "root": hexa(m["root"]), "leaf": hexa(raw_leaf(4, m["path"], m["root"]))} for m in case.mounts]
        + [{"path": "", "root": hexa(bytes(32)), "leaf": hexa(raw_leaf(4, "", bytes(32)))}],
        "inputsRootOfFirstTwo": hexa(inputs_root(case.mounts)),
    })


def clock(start, step, events):
    """§5; returns each event with what the guest sees."""
    most, elapsed, seen = 2**64 - 1, 0, []
    for event in events:
        kind, length = (event, None) if isinstance(event, str) else event
        if kind == "sleep":
            elapsed = min(most, elapsed + length)
            seen.append({"event": kind, "nanoseconds": str(length)})
            continue
        value = {"wall": min(most, start + elapsed), "stamp": min(most, start + elapsed), "monotonic": elapsed, "resolution": max(1, step)}[kind]
        seen.append({"event": kind, "value": str(value)})
        if kind in ("wall", "monotonic"):
            elapsed = min(most, elapsed + step)
    return {"clockStart": str(start), "clockStep": str(step), "events": seen}


def primitives():
    seeds = [bytes(32), bytes([0x44]) * 32, bytes(range(32))]
    put_json("primitive/random.json", [{"randomSeed": hexa(s), "first80": hexa(derive("random", s, 80))} for s in seeds])
    most = 2**64 - 1
    put_json("primitive/clock.json", [
        clock(1767225600000000000, 1000000, ["resolution", "wall", "monotonic", "stamp", "stamp", "wall", ("sleep", 500), "monotonic", "wall"]),
        clock(5, 0, ["resolution", "wall", "monotonic", ("sleep", 7), "wall", "monotonic"]),
        clock(most - 1, most, ["wall", "wall", "monotonic", ("sleep", most), "stamp", "monotonic"]),
    ])
    several = [(RUN_KEY, []), (RUN_KEY, DATASET_KEYS), (OPEN, [OPEN]), (RUN_KEY, DATASET_KEYS[::-1])]
    put_json("primitive/outputs-key.json", [
        {"specHash": hexa(bytes([0x11]) * 32), "runKey": hexa(run), "datasetKeys": [hexa(k) for k in mounts], "outputsKey": hexa(outputs_key(bytes([0x11]) * 32, run, mounts))}
        for run, mounts in several
    ])
    put_json("primitive/blind.json", [{"runKey": hexa(k), "blindCommit": hexa(derive("blind", k))} for k in (bytes(32), RUN_KEY)])
    documents = [b"", PROFILE]
    put_json("primitive/profile.json", [{"document": d.decode(), "profile": hexa(derive("profile", d))} for d in documents])
    put_json("primitive/content.json", [{"bytes": hexa(b), "blake3": hexa(content_digest(b)), "keccak256": hexa(keccak(b))} for b in (b"", b"abc", MODULE)])
    put_json("primitive/domain.json", [{**shown_domain(d), "domainSeparator": hexa(domain_separator(d))} for d in (LOCAL, DOMAIN, {**DOMAIN, "chainId": 2**64 - 1})])
    signed = keccak(b"a digest")
    put_json("primitive/sign.json", [{"secretKey": hexa(k), "address": hexa(address(k)), "digest": hexa(signed), "signature": hexa(sign(k, signed))} for k in (PROVIDER, CONSUMER, STRANGER)])
    # keccak of the field's name in each bytes32, 1000 + position in each integer: the contracts' tests have the same.
    spec = {f: keccak(f.encode()) if k == "bytes32" else 1000 + i for i, (k, f) in enumerate(MEMBERS["JobSpec"])}
    outcome = {"status": 1, "exitCode": 2, "trapCode": 3, "fuelUsed": 4, "outputBytes": 5, "outputsRoot": keccak(b"outputsRoot")}
    upload = {"serviceAgreementId": AGREEMENT, "checksum": keccak(MODULE)}
    statement = {"claimHash": keccak(b"claimHash"), "agreementId": AGREEMENT, "provider": address(PROVIDER), "kind": 1, "runInfoDigest": keccak(b"runInfoDigest"), "issuedAt": 9}
    put_json("primitive/eip712.json", {
        "domain": shown_domain(DOMAIN),
        "spec": shown_struct("JobSpec", spec),
        "specHash": hexa(struct_hash("JobSpec", spec)),
        "orderDigest": hexa(digest(DOMAIN, struct_hash("JobOrder", {"serviceAgreementId": spec["agreementId"], "runIndex": spec["runIndex"], "spec": spec}))),
        "outcome": shown_struct("Outcome", outcome),
        "outcomeHash": hexa(struct_hash("Outcome", outcome)),
        "claimHash": hexa(struct_hash("ExecutionClaim", {"spec": spec, "outcome": outcome})),
        "upload": shown_struct("AlgorithmUpload", upload),
        "uploadDigest": hexa(digest(DOMAIN, struct_hash("AlgorithmUpload", upload))),
        "statement": shown_struct("ReceiptAttestation", statement),
        "attestationDigest": hexa(digest(DOMAIN, struct_hash("ReceiptAttestation", statement))),
    })


def example():
    case = make()
    out = []

    def table(title, rows):
        out.append(f"{title}\n\n| what | value |\n|---|---|")
        out.extend(f"| {name} | `{value if isinstance(value, str) else hexa(value)}` |" for name, value in rows)
        out.append("")

    table("**Given.** Keys, digests of content, and texts:", [
        ("run key", RUN_KEY), ("dataset key of `cohort`", DATASET_KEYS[0]), ("dataset key of `reference`", DATASET_KEYS[1]),
        ("provider's secret key", PROVIDER), ("consumer's secret key", CONSUMER),
        ("profile document, with a newline at the end", PROFILE.decode().strip()),
        ("`spec.profile`", case.spec["profile"]),
        ("module's bytes", MODULE), ("`spec.moduleDigest`", case.spec["moduleDigest"]),
        ("`spec.algorithmRoot`: root of no leaves", case.spec["algorithmRoot"]),
        ("`spec.blindCommit`", case.spec["blindCommit"]),
    ])
    e = entry("file", "a.csv", DATASETS[0][2][0][1])
    l = case.mounts[0]["leaves"]
    m = [raw_leaf(4, m["path"], m["root"]) for m in case.mounts]
    table("**Inputs.** Data set `cohort` has three files: `a.csv` holds `id,age\\n1,30\\n`, `b.csv` holds `id,age\\n2,41\\n`, `meta/notes.txt` holds `two tables\\n`. Data set `reference` has one, `scale.csv`, with `1,2,3\\n`.", [
        ("`a.csv`: digest", e["digest"]), ("`a.csv`: salt", salt_of(e, DATASET_KEYS[0])),
        ("`a.csv`: commitment", commitment_of(e, DATASET_KEYS[0])),
        ("`a.csv`: leaf", l[0]), ("`b.csv`: leaf", l[1]), ("`meta/notes.txt`: leaf", l[2]),
        ("node over the first two", derive("manifest node", l[0] + l[1])), ("top", top(l)), ("root of `cohort`", case.mounts[0]["root"]),
        ("`scale.csv`: leaf, also top", case.mounts[1]["leaves"][0]), ("root of `reference`", case.mounts[1]["root"]),
        ("mount leaf of `cohort`", m[0]), ("mount leaf of `reference`", m[1]), ("`spec.inputsRoot`", case.spec["inputsRoot"]),
    ])
    names = [f"`{e['path']}`" for e in ordered(invocation_entries(INVOCATION))]
    table("**Invocation.** Five arguments, four variables; variables are ordered by name:", [
        *zip([f"leaf of {n}" for n in names], case.invocation_leaves), ("`spec.invocationRoot`", case.spec["invocationRoot"]),
    ])
    table("**Outputs.** `mean.json` holds `{\"mean\":35.5}\\n`; `tables/secret.csv` holds `yes\\n` and is withheld; `stdout` holds `done\\n`:", [
        ("outputs key", case.outputs_key), ("salt of `mean.json`", salt_of(case.entries[0], case.outputs_key)),
        *[(f"leaf of `{e['path']}`", leaf) for e, leaf in zip(case.entries, case.output_leaves)],
        ("top", top(case.output_leaves)), ("`outcome.outputsRoot`", case.outcome["outputsRoot"]),
    ])
    table("**Claim:**", [
        *[(f"type hash of `{t}`", type_hash(t)) for t in ("JobSpec", "Outcome", "ExecutionClaim", "JobOrder", "ReceiptAttestation", "EIP712Domain")],
        ("`specHash`", case.spec_hash), ("`outcomeHash`", case.outcome_hash), ("`claimHash`, the receipt hash", case.claim_hash),
    ])
    table("**Signatures:**", [
        ("`domainSeparator` of chain 1337", domain_separator(DOMAIN)), ("`orderHash`", case.order_hash), ("`orderDigest`", case.order_digest),
        ("consumer's address", address(CONSUMER)), ("consumer's signature", sign(CONSUMER, case.order_digest)),
        ("`runInfoDigest`", case.run_info_digest), ("`attestationDigest`", case.attestation_digest),
        ("provider's address", address(PROVIDER)), ("provider's signature", sign(PROVIDER, case.attestation_digest)),
    ])
    return "\n".join(out)


def main(arguments):
    assert keccak(b"").hex().startswith("c5d246") and content_digest(b"").hex().startswith("af1349b9")
    if arguments == ["--example"]:
        print(example())
        return 0
    for part in (good_cases, bad_text, contradictions, lists, trees, sums, mismatches, signatures, kinds, manifests, primitives):
        part()
    folders = ("receipt", "manifest", "primitive")
    if arguments == ["--check"]:
        there = {str(p.relative_to(HERE)): p.read_bytes() for f in folders for p in (HERE / f).rglob("*") if p.is_file()}
        wrong = sorted(name for name in there.keys() | FILES.keys() if there.get(name) != FILES.get(name))
        print("\n".join(wrong) or "the vectors are what this script makes")
        return 1 if wrong else 0
    assert not arguments, arguments
    for folder in folders:
        shutil.rmtree(HERE / folder, ignore_errors=True)
    for name, content in FILES.items():
        (HERE / name).parent.mkdir(parents=True, exist_ok=True)
        (HERE / name).write_bytes(content)
    print(f"{sum(name.endswith('/expect') for name in FILES)} receipts, {len(FILES)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
