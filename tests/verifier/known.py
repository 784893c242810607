"""The primitives against a few public vectors, which are in `known.json` with their sources."""

import json
from pathlib import Path

from . import ed25519, log
from .blake3 import blake3, derive, keyed
from .keccak import keccak
from .secp256k1 import signer


def _blake3(known):
    for case in known["cases"]:
        data = bytes(at % 251 for at in range(case["length"]))
        yield blake3(data, len(case["hash"]) // 2).hex() == case["hash"]
        yield keyed(known["key"].encode(), data).hex() == case["keyed"]
        yield derive(known["context"], data).hex() == case["derive"]


def _keccak(known):
    for case in known["cases"]:
        yield keccak(bytes.fromhex(case["message"])).hex() == case["digest"]


def _secp256k1(known):
    for case in known["cases"]:
        made_by = signer(bytes.fromhex(case["digest"]), bytes.fromhex(case["signature"]), "known")
        yield made_by.hex() == case["address"]


def _ed25519(known):
    for case in known["cases"]:
        given = [bytes.fromhex(case[name]) for name in ("key", "message", "signature")]
        yield ed25519.verify(*given) == case["holds"]


def _note(known):
    name, public = log.read_key(known["key"])
    data = log.read_base64(known["signature"])
    yield data[:4] == log.key_id(name, public)
    yield ed25519.verify(public, known["text"].encode(), data[4:])


def _tree(known):
    leaves = [log.leaf_hash(bytes.fromhex(leaf)) for leaf in known["leaves"]]
    for size, root in known["roots"].items():
        yield log.root(leaves[: int(size)]).hex() == root


CHECKS = {
    "blake3": _blake3,
    "keccak": _keccak,
    "secp256k1": _secp256k1,
    "ed25519": _ed25519,
    "note": _note,
    "tree": _tree,
}


def known():
    """Every public value: pairs of a name and what is wrong."""
    content = json.loads(Path(__file__).with_name("known.json").read_text(encoding="utf-8"))
    for name, check in CHECKS.items():
        for number, holds in enumerate(check(content[name])):
            yield f"{name}[{number}]", [] if holds else [f"not the public value ({content[name]['source']})"]
