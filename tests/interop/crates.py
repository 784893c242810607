"""RO-Crate: read with rocrate, judged with the validator of the RO-Crate community (roc-validator)."""

import hashlib
import json
import shutil
import sys
from importlib import resources
from urllib.parse import unquote

from rocrate.rocrate import ROCrate
from rocrate_validator import services
from rocrate_validator.utils.http import HttpRequester

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
# Contents behind digests of tests/vectors/receipt/ok-full, as docs/RECEIPT.md gives them.
CONTENTS = {"outputs/mean.json": b'{"mean":35.5}\n'}
# Recommendations that a receipt cannot follow: it knows no web address of a module, a provider or a consumer, no author and no publisher.
EXPECTED_REMARKS = (
    "The Application SHOULD have a url",
    "The SoftwareApplication id SHOULD be an absolute URI",
    "The organization SHOULD have a URL",
    "representing the `author`",
    "`publisher` property",
)


class _Answer:
    """A web page that is at hand."""

    def __init__(self, body):
        self.status_code = 200 if body else 504
        self.content = body
        self.text = body.decode()
        self.headers = {"Content-Type": "application/ld+json"}
        self.ok = bool(body)
        self.url = CONTEXT
        self.links = {}

    def json(self):
        """The page as JSON."""
        return json.loads(self.content)

    def raise_for_status(self):
        """Nothing is asked that is not at hand."""
        if not self.ok:
            raise OSError("no network in this check")


class _Offline:
    """Answers for one address with the context that rocrate brings, and for no other."""

    def __init__(self):
        self.context = resources.files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()
        if json.loads(self.context)["@id"] != CONTEXT:
            sys.exit(f"this version of rocrate does not bring {CONTEXT}")

    def get(self, url, **_):
        """The context, or nothing."""
        return _Answer(self.context if url.rstrip("/") == CONTEXT else b"")

    head = get


def serve_context_offline():
    """The validator asks the web for the context of RO-Crate 1.1; it gets that of the package `rocrate`."""
    offline = _Offline()
    HttpRequester.initialize_cache = classmethod(lambda cls, **_: None)
    requester = HttpRequester()
    requester.session = offline


def make(brizo, receipt, folder):
    """A crate: receipt, metadata and the outputs, with made-up content where the vectors have none."""
    folder.mkdir()
    shutil.copy(receipt, folder / "receipt.json")
    (folder / "ro-crate-metadata.json").write_bytes(brizo.export(folder / "receipt.json", "ro-crate", *brizo.opened(receipt)))
    metadata = json.loads((folder / "ro-crate-metadata.json").read_text())
    for part in metadata["@graph"]:
        if part["@type"] == "File" and part["@id"].startswith("outputs/"):
            path = folder / unquote(part["@id"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(CONTENTS.get(part["@id"], b"x"))
    return metadata


def judge(folder, severity):
    """The validator's issues under the profile of process runs, which includes RO-Crate 1.1."""
    settings = services.ValidationSettings(
        rocrate_uri=str(folder),
        profile_identifier="process-run-crate",
        requirement_severity=severity,
        no_cache=True,
        skip_availability_check=True,
    )
    return services.validate(settings).get_issues()


def check(brizo, receipt, folder):
    """Reads and judges one crate, and compares it with the receipt."""
    make(brizo, receipt, folder)
    document = json.loads(receipt.read_text())
    issues = judge(folder, "RECOMMENDED")
    signed = "attestation" in document
    remarks = EXPECTED_REMARKS if signed else (*EXPECTED_REMARKS, "SHOULD have an agent")
    bad = [it for it in issues if it.severity.name == "REQUIRED"
           or not any(remark in str(it.message) for remark in remarks)]
    if bad:
        sys.exit(f"{folder.name}: " + "; ".join(f"{it.severity.name}: {it.message}" for it in bad))
    crate = ROCrate(folder)
    run = crate.get("#run")
    objects = run["object"] if isinstance(run["object"], list) else [run["object"]]
    shown = [it for it in document["opening"]["outputs"] if "digest" in it and it["kind"] != "directory"]
    results = [it for it in run["result"] if "contentSize" in it.properties()]
    expected = sorted((it["size"], "urn:brizo:blake3:" + it["digest"][2:]) for it in shown)
    good = document["claim"]["outcome"]["status"] == 0 and document["claim"]["outcome"]["exitCode"] == 0
    facts = [
        (sorted((it["contentSize"], it["identifier"]) for it in results), expected),
        (crate.get("#receipt-hash")["value"], document["claimHash"]),
        (crate.get("receipt.json")["sha256"], hashlib.sha256(receipt.read_bytes()).hexdigest()),
        (run["instrument"].id, "urn:brizo:blake3:" + document["claim"]["spec"]["moduleDigest"][2:]),
        (run["actionStatus"].endswith("CompletedActionStatus"), good),
        (crate.get("#withheld-outputs")["value"], str(sum("digest" not in it for it in document["opening"]["outputs"]))),
        (len(objects), len({it["root"] for it in document["opening"]["inputs"]})
         + len(document["opening"]["invocation"]["args"])),
    ]
    for found, wanted in facts:
        if found != wanted:
            sys.exit(f"{folder.name}: the crate has {found}, the receipt {wanted}")


def refuses(brizo, receipt, folder):
    """The validator refuses crates that lack what the profile demands; brizo refuses other bytes than the receipt's."""
    metadata = make(brizo, receipt, folder)
    cases = {"no instrument": ("#run", "instrument"), "no profile": ("./", "conformsTo"), "no licence": ("./", "license")}
    for name, (node, field) in cases.items():
        broken = json.loads(json.dumps(metadata))
        for entity in broken["@graph"]:
            if entity["@id"] == node:
                del entity[field]
        (folder / "ro-crate-metadata.json").write_text(json.dumps(broken))
        if not judge(folder, "REQUIRED"):
            sys.exit(f"the validator accepts a crate with {name}")
    outputs = folder / "outputs"
    hashed = json.loads(brizo.export(receipt, "ro-crate", "--outputs", outputs))
    found = {it["@id"]: it.get("sha256") for it in hashed["@graph"]}
    if found["outputs/mean.json"] != hashlib.sha256(CONTENTS["outputs/mean.json"]).hexdigest():
        sys.exit(f"SHA-256 of an output: {found['outputs/mean.json']}")
    (outputs / "mean.json").write_bytes(b"{}")
    if brizo.run(receipt, "ro-crate", "--outputs", outputs).returncode != 17:
        sys.exit("other bytes than the receipt's were exported")
