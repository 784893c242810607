"""Makes the vectors of `verdict/` from RECEIPT.md section 16: `python3 -m tests.vectors.make_verdict [--check]`."""

import copy
import json
import sys

from tests.making.sample import AGREEMENT, AUDITOR, DOMAIN, PROVIDER, Sample, as_json
from tests.making.signing import address_of, sign
from tests.making.writing import Vectors, dump, hexed
from tests.verifier import eip712, manifest
from tests.verifier.blake3 import derive
from tests.verifier.secp256k1 import N

VECTORS = Vectors("verdict")
SAMPLE = Sample()
OTHER = b"\x77" * 32
EVIDENCE = "outputs differ: mean.json, first at byte 8"


def digest_of(statement, domain=DOMAIN):
    """What the auditor signs."""
    return eip712.digest(domain, eip712.hash_struct("Verdict", statement))


def verdict(evidence=EVIDENCE, secret=AUDITOR, domain=DOMAIN, **fields):
    """A verdict with its signature; `fields` stand instead of the usual ones."""
    statement = {
        "claimHash": SAMPLE.claim_hash,
        "replayedHash": OTHER,
        "agreementId": AGREEMENT,
        "evidenceDigest": derive(manifest.v1("verdict evidence"), evidence.encode()),
        "auditor": address_of(AUDITOR),
        "issuedAt": 1767312000,
    } | fields
    return {
        "format": "brizo-verdict/1",
        "domain": as_json(domain),
        "statement": as_json(statement),
        "evidence": evidence,
        "signature": hexed(sign(secret, digest_of(statement, domain))),
    }


USUAL = verdict()


def add(name, document, code, about, **names):
    """One case; `document` may be bytes."""
    content = document if isinstance(document, bytes) else dump(document)
    VECTORS.case("verdict", name, {"verdict.json": content}, code, about, **names)


def changed(*path):
    """The usual verdict in which the last of `path` stands at the place that the others name; `None` takes away."""
    document = copy.deepcopy(USUAL)
    *places, last, value = path
    target = document
    for place in places:
        target = target[place]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return document


def good():
    """Verdicts that hold."""

    def holds(name, document, about, says, **names):
        evidence = document["evidence"] if isinstance(document, dict) else EVIDENCE
        found = derive(manifest.v1("verdict evidence"), evidence.encode())
        add(f"ok-{name}", document, "ok", about, verdict=says, evidenceDigest=found, **names)

    expected = {
        "expect_claimHash": SAMPLE.claim_hash,
        "expect_auditor": address_of(AUDITOR),
        "expect_chainId": str(DOMAIN["chainId"]),
        "expect_verifyingContract": DOMAIN["verifyingContract"],
    }
    statement = {
        name: int(value) if name == "issuedAt" else bytes.fromhex(value[2:])
        for name, value in USUAL["statement"].items()
    }
    holds(
        "disputed",
        USUAL,
        "another hash came out; every expectation",
        "disputed",
        verdictDigest=digest_of(statement),
        **expected,
    )
    holds("confirmed", verdict("", replayedHash=SAMPLE.claim_hash), "the same hash came out; no evidence", "confirmed")
    holds("no-hash", verdict("another module", replayedHash=bytes(32)), "no hash came out, which disputes", "disputed")
    holds(
        "by-provider",
        verdict(secret=PROVIDER, auditor=address_of(PROVIDER)),
        "the provider may say it, too",
        "disputed",
    )
    zero = {"chainId": 0, "verifyingContract": bytes(20)}
    holds("local", verdict(domain=zero, agreementId=bytes(32)), "of a local run", "disputed")
    holds("largest-time", verdict(issuedAt=2**64 - 1), "the largest time", "disputed")
    holds(
        "letters",
        verdict('„Mittelwert“ \\ "x"\n\t\u0001 😀 \u2028'),
        "letters, escapes, a character of two units",
        "disputed",
    )
    escaped = json.dumps(USUAL, separators=(",", ":")).replace("outputs", "\\u006f\\u0075tputs").replace("/1", "\\/1")
    holds("largest", USUAL, "1 MiB with white space", "disputed", padded=1024 * 1024)
    holds("other-layout", escaped.encode(), "no white space, needless escapes", "disputed")


def malformed():
    """Files that are no verdicts."""

    def bad(name, document, about):
        add(f"bad-{name}", document, "receipt_malformed", about)

    text = dump(USUAL)
    bad("format", changed("format", "brizo-receipt/1"), "another format")
    bad("unknown-field", changed("note", ""), "a field too many")
    bad("statement-field", changed("statement", "status", 0), "a field too many in the statement")
    bad("evidence-missing", changed("evidence", None), "no evidence")
    bad("evidence-object", changed("evidence", {"text": EVIDENCE}), "evidence that is an object")
    bad("domain-missing", changed("domain", None), "no domain")
    bad("time-number", changed("statement", "issuedAt", 1767312000), "a time as a JSON number")
    bad(
        "auditor-capitals",
        changed("statement", "auditor", "0x" + address_of(AUDITOR).hex().upper()),
        "an address in capitals",
    )
    bad("signature-short", changed("signature", USUAL["signature"][:-2]), "a signature of 64 bytes")
    bad("double-field", text.replace(b'"evidence":', b'"evidence": "", "evidence":'), "the evidence twice")
    bad("surrogate", text.replace(b"byte 8", b"\\ud83d"), "half a surrogate pair")
    bad("control", text.replace(b"byte 8", b"byte\t8"), "a tab that is not escaped")
    bad("utf8", text.replace(b"byte 8", b"byte \xff"), "a byte that is not UTF-8")
    bad("trailing", text + b"x", "something behind the object")
    bad("list", dump(list(USUAL.values())), "a list of the values")
    add("bad-cut-off", text.rstrip()[:-1], "receipt_truncated", "the last brace is missing")
    add("bad-too-large", USUAL, "receipt_too_large", "one byte more than 1 MiB", padded=1024 * 1024 + 1)


def signed():
    """Verdicts whose digest or signature does not hold."""
    add("hash-evidence", changed("evidence", EVIDENCE + " "), "hash_mismatch", "a space more in the evidence")
    add("hash-evidence-digest", verdict(evidenceDigest=OTHER), "hash_mismatch", "another digest, signed")
    add(
        "hash-evidence-before-signature",
        changed("statement", "evidenceDigest", hexed(OTHER)),
        "hash_mismatch",
        "another digest, not signed: the digest is looked at first",
    )
    signature = bytes.fromhex(USUAL["signature"][2:])
    high = N - int.from_bytes(signature[32:64], "big")
    turned = signature[:32] + high.to_bytes(32, "big") + bytes([55 - signature[64]])
    add("sign-high-s", changed("signature", hexed(turned)), "high_s_signature", "the other s of the same signature")
    add(
        "sign-v",
        changed("signature", hexed(signature[:64] + bytes([signature[64] - 27]))),
        "bad_signature",
        "v is 0 or 1",
    )
    add("sign-zero", changed("signature", hexed(bytes(64) + b"\x1b")), "bad_signature", "r = s = 0")
    add(
        "sign-r-order",
        changed("signature", hexed(N.to_bytes(32, "big") + signature[32:])),
        "bad_signature",
        "r is the group's order",
    )
    # No point of the curve has this x: 5³ + 7 is no square.
    add(
        "sign-no-point",
        changed("signature", hexed((5).to_bytes(32, "big") + signature[32:])),
        "bad_signature",
        "an r that is no point's",
    )
    add(
        "sign-other-v",
        changed("signature", hexed(signature[:64] + bytes([55 - signature[64]]))),
        "wrong_signer",
        "the other v",
    )
    add("sign-stranger", verdict(secret=PROVIDER), "wrong_signer", "signed by somebody else")
    add(
        "sign-named",
        changed("statement", "auditor", hexed(address_of(PROVIDER))),
        "wrong_signer",
        "another auditor named",
    )
    add(
        "sign-replayed",
        changed("statement", "replayedHash", hexed(SAMPLE.claim_hash)),
        "wrong_signer",
        "a dispute made a confirmation",
    )
    add("sign-claim", changed("statement", "claimHash", hexed(OTHER)), "wrong_signer", "of another receipt")
    add("sign-agreement", changed("statement", "agreementId", hexed(OTHER)), "wrong_signer", "under another agreement")
    add("sign-time", changed("statement", "issuedAt", "1767312001"), "wrong_signer", "a second later")
    add("sign-chain", changed("domain", "chainId", "1"), "wrong_signer", "on another chain")
    add(
        "sign-contract",
        changed("domain", "verifyingContract", hexed(bytes(20))),
        "wrong_signer",
        "of another deployment",
    )


def expected():
    """Good verdicts that are not the ones asked about."""
    add("expect-claim", USUAL, "unexpected_receipt", "of another receipt", expect_claimHash=OTHER)
    add("expect-agreement", USUAL, "wrong_job", "of another job", expect_agreementId=OTHER)
    add("expect-auditor", USUAL, "unexpected_signer", "by another auditor", expect_auditor=address_of(PROVIDER))
    contract = DOMAIN["verifyingContract"]
    add(
        "expect-chain",
        USUAL,
        "wrong_chain",
        "on another chain",
        expect_chainId="1",
        expect_verifyingContract=contract,
    )
    add(
        "expect-contract",
        USUAL,
        "wrong_contract",
        "another deployment",
        expect_chainId="1337",
        expect_verifyingContract=bytes(20),
    )
    add(
        "expect-before-signer",
        verdict(secret=PROVIDER),
        "wrong_signer",
        "the signer is looked at first",
        expect_claimHash=OTHER,
    )


def main():
    """Makes all cases."""
    good()
    malformed()
    signed()
    expected()
    return VECTORS.finish()


if __name__ == "__main__":
    sys.exit(main())
