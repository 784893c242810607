"""Verdicts: what an auditor states under their name about a re-execution (RECEIPT.md section 16)."""

from . import eip712, forms
from .blake3 import derive
from .errors import need, need_domain
from .manifest import v1
from .secp256k1 import signer
from .strictjson import parse_file

FILE_MOST = 1 << 20
STATEMENT = forms.struct(
    {
        "claimHash": forms.b32,
        "replayedHash": forms.b32,
        "agreementId": forms.b32,
        "evidenceDigest": forms.b32,
        "auditor": forms.address,
        "issuedAt": forms.u64,
    }
)
VERDICT = forms.struct(
    {
        "format": forms.one_of("brizo-verdict/1"),
        "domain": forms.DOMAIN,
        "statement": STATEMENT,
        "evidence": forms.text,
        "signature": forms.signature,
    }
)


def read(data):
    """The verdict in a file's bytes."""
    return VERDICT(parse_file(data, FILE_MOST), "verdict")


def check(verdict, expected):
    """Checks a verdict, and what the caller expects of `claimHash`, `auditor`, `domain`. Returns the values."""
    statement = verdict["statement"]
    found = {"evidenceDigest": derive(v1("verdict evidence"), verdict["evidence"].encode())}
    need(found["evidenceDigest"] == statement["evidenceDigest"], "hash_mismatch", "evidenceDigest")
    found["verdictDigest"] = eip712.digest(verdict["domain"], eip712.hash_struct("Verdict", statement))
    made_by = signer(found["verdictDigest"], verdict["signature"], "auditor")
    need(made_by == statement["auditor"], "wrong_signer", "auditor")
    codes = (("agreementId", "wrong_job"), ("claimHash", "unexpected_receipt"), ("auditor", "unexpected_signer"))
    for name, code in codes:
        need(expected.get(name, statement[name]) == statement[name], code, name)
    need_domain(expected.get("domain"), verdict["domain"], "domain")
    found["verdict"] = "confirmed" if statement["replayedHash"] == statement["claimHash"] else "disputed"
    return found
