"""in-toto: the envelope with securesystemslib, the statement and the shape of its predicate with in-toto-attestation."""

import base64
import copy
import json
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey


class Key:
    """A fresh Ed25519 key in a file as openssl writes it, and its public half as securesystemslib has it."""

    def __init__(self, folder):
        secret = Ed25519PrivateKey.generate()
        pem = secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.path = folder / "exporter.pem"
        self.path.touch(mode=0o600)
        self.path.write_bytes(pem)
        self.public = SSlibKey.from_crypto(secret.public_key())
        self.stranger = SSlibKey.from_crypto(Ed25519PrivateKey.generate().public_key())


def verify(envelope, key):
    """The payload, if the key signed it."""
    parsed = Envelope.from_dict(copy.deepcopy(envelope))
    parsed.verify([key], 1)
    return parsed.payload


def read(payload):
    """The statement through the library's own types, which know no other fields."""
    message = json_format.Parse(payload, statement_pb2.Statement())
    Statement.copy_from_pb(message).validate()
    return message


def check(name, receipt, text, key):
    """Reads an envelope, compares it with the receipt, and returns the statement's text."""
    payload = verify(json.loads(text), key.public)
    statement = json.loads(payload)
    message = read(payload)
    predicate = statement["predicate"]
    slsa = json_format.ParseDict(predicate, provenance_pb2.Provenance(), ignore_unknown_fields=True)
    shown = [it for it in receipt["opening"]["outputs"] if "digest" in it and it["kind"] != "directory"]
    subjects = {(it.name, it.digest["blake3"]) for it in message.subject if "blake3" in it.digest}
    places = {"file": "outputs/{}", "stream": "{}"}
    expected = {(places[it["kind"]].format(it["path"]), it["digest"][2:]) for it in shown}
    spec = receipt["claim"]["spec"]
    facts = [
        (subjects, expected),
        (len(message.subject), len(shown) + 1),
        (message.subject[-1].digest["brizoReceipt1"], receipt["claimHash"][2:]),
        (predicate["buildDefinition"]["externalParameters"]["spec"], spec),
        (predicate["brizo"]["outcome"], receipt["claim"]["outcome"]),
        (predicate["brizo"].get("attestation"), receipt.get("attestation")),
        (predicate["brizo"].get("consent"), receipt.get("consent")),
        (list(slsa.build_definition.resolved_dependencies[0].digest.values()), [spec["moduleDigest"][2:]]),
        (slsa.run_details.metadata.invocation_id, "urn:brizo:receipt:" + receipt["claimHash"][2:]),
        (slsa.run_details.builder.id != "", True),
    ]
    for found, wanted in facts:
        if found != wanted:
            sys.exit(f"{name}: in-toto has {found}, the receipt {wanted}")
    return payload.decode()


def refuses(text, key):
    """Envelopes and statements that were changed are refused, each for its own reason."""
    good = json.loads(text)
    payload = base64.b64decode(good["payload"])
    signature = base64.b64decode(good["signatures"][0]["sig"])

    def changed(**fields):
        return {**copy.deepcopy(good), **fields}

    def signed(sig):
        return [{"keyid": good["signatures"][0]["keyid"], "sig": base64.b64encode(sig).decode()}]

    other = payload.replace(b"mean.json", b"mode.json", 1)
    cases = {
        "another payload": (changed(payload=base64.b64encode(other).decode()), key.public),
        "another type": (changed(payloadType="application/vnd.in-toto+jsonx"), key.public),
        "another signature": (changed(signatures=signed(signature[:-1] + bytes([signature[-1] ^ 1]))), key.public),
        "no signature": (changed(signatures=[]), key.public),
        "another key": (good, key.stranger),
    }
    for name, (envelope, public) in cases.items():
        try:
            verify(envelope, public)
        except VerificationError:
            continue
        sys.exit(f"securesystemslib accepts an envelope with {name}")
    statement = json.loads(payload)
    for field, value in [("_type", "https://in-toto.io/Statement/v2"), ("subject", []), ("predicateType", "")]:
        try:
            read(json.dumps({**statement, field: value}))
        except ValueError:
            continue
        sys.exit(f"in-toto-attestation accepts a statement with {field} {value!r}")
