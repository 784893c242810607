"""Goes through `tests/vectors/` and compares the answers with what each case expects (RECEIPT.md section 12)."""

import json
from pathlib import Path

from . import disclosure, primitives, profiles, trees, verdict
from .check import Request, verify
from .errors import Refused
from .known import known
from .live import from_folder
from .log import read_key

ABOUT = ("about", "where", "runKey", "datasetKeys", "logKey", "anchors", "padded")
TIERS = ("signature", "log", "opening")


def read_expect(path):
    """The first line of an `expect` file, and its `name: value` lines."""
    code, *lines = path.read_text(encoding="utf-8").splitlines()
    return code, dict(line.split(": ", 1) for line in lines)


def unhex(text):
    """Bytes of `0x…`."""
    return bytes.fromhex(text.removeprefix("0x"))


def expectations(names):
    """What the caller expects, from the `expect-…` lines."""
    found = {}
    for name in ("claimHash", "agreementId", "provider", "consumer", "auditor"):
        if f"expect-{name}" in names:
            found[name] = unhex(names[f"expect-{name}"])
    if "expect-runIndex" in names:
        found["runIndex"] = int(names["expect-runIndex"])
    if "expect-chainId" in names:
        contract = unhex(names["expect-verifyingContract"])
        found["domain"] = {"chainId": int(names["expect-chainId"]), "verifyingContract": contract}
    return found


def differences(names, values):
    """Names whose value is not the one that came out."""
    wrong = []
    for name, wanted in names.items():
        if name in ABOUT or name.startswith("expect-"):
            continue
        got = values.get(name)
        got = "0x" + got.hex() if isinstance(got, bytes) else str(got)
        if got != wanted:
            wrong.append(f"{name} is {got} instead of {wanted}")
    return wrong


def read_case(path, names):
    """The bytes of a case's file; `padded` is the length to which it is filled with spaces."""
    return path.read_bytes().ljust(int(names.get("padded", 0)), b" ")


def run_receipt(case, names):
    """Verifies a receipt. Returns the code and the values; tiers are among the values."""
    request = Request(expected=expectations(names))
    if (case / "profiles.json").exists():
        request.revoked = profiles.revoked(profiles.read((case / "profiles.json").read_bytes()))
    if "runKey" in names:
        request.run_key = unhex(names["runKey"])
    if "datasetKeys" in names:
        request.dataset_keys = tuple(unhex(key) for key in names["datasetKeys"].split(" "))
    if "logKey" in names:
        request.log_key = read_key(names["logKey"])
    if (case / "log").is_dir():
        request.log = from_folder(case / "log")
    anchors = (anchor.split(":") for anchor in names.get("anchors", "").split())
    request.anchors = tuple((int(size), unhex(root)) for size, root in anchors)
    result = verify(read_case(case / "receipt.json", names), request)
    return result.code(), result.values | {tier: result.tiers.get(tier) for tier in TIERS}


def run_disclosure(case, names):
    """Checks a disclosure, with the bytes of `file` where the case has one."""
    content = (case / "file").read_bytes() if (case / "file").exists() else None
    listed = profiles.read((case / "profiles.json").read_bytes()) if (case / "profiles.json").exists() else {}
    found = disclosure.read(read_case(case / "disclosure.json", names))
    known = expectations(names).get("claimHash")
    return "ok", disclosure.check(found, known, content, profiles.revoked(listed))


def run_verdict(case, names):
    """Checks a verdict."""
    return "ok", verdict.check(verdict.read(read_case(case / "verdict.json", names)), expectations(names))


def run_profiles(case, names):
    """Reads a list of profiles; `state` is that of the digest in `profile`."""
    if (case / "receipt.json").exists():
        return run_receipt(case, names)
    if (case / "disclosure.json").exists():
        return run_disclosure(case, names)
    found = profiles.read(read_case(case / "profiles.json", names))
    digest = unhex(names.get("profile", ""))
    return "ok", {"profile": digest, "state": found[digest]["state"] if digest in found else "unknown"}


RUNNERS = {
    "receipt": run_receipt,
    "logged": run_receipt,
    "disclosure": run_disclosure,
    "verdict": run_verdict,
    "profiles": run_profiles,
}


def run_case(case, runner):
    """What is wrong with one case in a folder of its own; an empty list if all agrees."""
    code, names = read_expect(case / "expect")
    try:
        got, values = runner(case, names)
    except Refused as refused:
        got, values = refused.code, {}
    if got != code:
        return [f"{got} instead of {code}"]
    return differences(names, values) if code == "ok" else []


def run_all(folder):
    """Every case below `folder`, after the public values: pairs of a name and what is wrong."""
    for name, wrong in known():
        yield f"public {name}", wrong
    folder = Path(folder)
    for kind, runner in RUNNERS.items():
        for case in sorted(path.parent for path in (folder / kind).glob("*/expect")):
            yield f"{kind}/{case.name}", run_case(case, runner)
    for kind, tables in (("manifest", trees.manifest), ("primitive", primitives.primitive), ("log", trees.log)):
        for path in sorted((folder / kind).glob("*.json")):
            for name, wrong in tables(path.stem, json.loads(path.read_text(encoding="utf-8"))):
                yield f"{kind}/{path.stem}{name}", wrong
