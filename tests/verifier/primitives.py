"""The cases of `tests/vectors/primitive/`: digests, clock, random stream, domains, typed data, signatures."""

from . import eip712
from .blake3 import blake3, derive
from .errors import Refused
from .keccak import keccak
from .manifest import v1
from .secp256k1 import signer

MOST = 2**64 - 1


def _hex(data):
    return "0x" + data.hex()


def _bytes(text):
    return bytes.fromhex(text.removeprefix("0x"))


def typed(values):
    """Fields of a struct as the vectors write them: `0x…` is bytes, everything else a number."""
    return {
        name: _bytes(value) if isinstance(value, str) and value.startswith("0x") else int(value)
        for name, value in values.items()
    }


def _compare(pairs):
    return [f"{name} is {got} instead of {wanted}" for name, got, wanted in pairs if got != wanted]


def _clock(case):
    start, step, elapsed, wrong = int(case["clockStart"]), int(case["clockStep"]), 0, []
    for number, event in enumerate(case["events"]):
        kind, moves = event["event"], 0
        if kind in ("wall", "monotonic"):
            moves = step
        if kind == "sleep":
            moves = int(event["nanoseconds"])
        value = {
            "wall": min(start + elapsed, MOST),
            "stamp": min(start + elapsed, MOST),
            "monotonic": elapsed,
            "resolution": max(step, 1),
            "sleep": None,
        }[kind]
        if value is not None and str(value) != event["value"]:
            wrong.append(f"event {number} gives {value}")
        elapsed = min(elapsed + moves, MOST)
    return wrong


def _eip712(case):
    domain = typed(case["domain"])
    spec, outcome = typed(case["spec"]), typed(case["outcome"])
    spec_hash, outcome_hash = eip712.hash_struct("JobSpec", spec), eip712.hash_struct("Outcome", outcome)
    order = eip712.order_hash(spec["agreementId"], spec["runIndex"], spec_hash)
    upload = eip712.hash_struct("AlgorithmUpload", typed(case["upload"]))
    attestation = eip712.hash_struct("ReceiptAttestation", typed(case["statement"]))
    return {
        "specHash": spec_hash,
        "outcomeHash": outcome_hash,
        "claimHash": eip712.claim_hash(spec_hash, outcome_hash),
        "orderDigest": eip712.digest(domain, order),
        "uploadDigest": eip712.digest(domain, upload),
        "attestationDigest": eip712.digest(domain, attestation),
    }


def _signed(case):
    try:
        return signer(_bytes(case["digest"]), _bytes(case["signature"]), "signature")
    except Refused as refused:
        return refused.code.encode()


def _outputs_key(case):
    keys = b"".join(map(_bytes, case["datasetKeys"]))
    return derive(v1("outputs key"), _bytes(case["specHash"]) + _bytes(case["runKey"]) + keys)


# For each file: the values that must come out of a case, by the names under which the case has them.
VALUES = {
    "blind": lambda case: {"blindCommit": derive(v1("blind"), _bytes(case["runKey"]))},
    "content": lambda case: {"blake3": blake3(_bytes(case["bytes"])), "keccak256": keccak(_bytes(case["bytes"]))},
    "domain": lambda case: {"domainSeparator": eip712.separator(typed({k: case[k] for k in eip712.DOMAIN_FIELDS}))},
    "eip712": _eip712,
    "outputs-key": lambda case: {"outputsKey": _outputs_key(case)},
    "profile": lambda case: {"profile": derive(v1("profile"), case["document"].encode())},
    "random": lambda case: {"first80": derive(v1("random"), _bytes(case["randomSeed"]), 80)},
    "sign": lambda case: {"address": _signed(case)},
}


def primitive(name, content):
    """The cases of one file: pairs of a name and what is wrong."""
    for number, case in enumerate(content if isinstance(content, list) else [content]):
        if name == "clock":
            yield f"[{number}]", _clock(case)
        elif name not in VALUES:
            yield f"[{number}]", ["this kind of case is not known here"]
        else:
            yield f"[{number}]", _compare((key, _hex(got), case[key]) for key, got in VALUES[name](case).items())
