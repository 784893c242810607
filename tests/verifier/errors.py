"""What a check says when something does not hold, and the exit code that goes with it (RECEIPT.md section 10)."""

EXIT = {
    "receipt_malformed": 10,
    "receipt_contradiction": 10,
    "bad_manifest": 10,
    "hash_mismatch": 11,
    "bad_signature": 12,
    "wrong_signer": 12,
    "unexpected_receipt": 13,
    "profile_revoked": 13,
    "bad_checkpoint": 15,
    "log_proof": 15,
    "bad_log_entry": 15,
    "equivocation": 16,
    "bad_disclosure": 17,
}
USAGE = 2
INCONCLUSIVE = 3
OPENING = 17


class Refused(Exception):
    """A check that failed: a stable code, and the place in words."""

    def __init__(self, code, where):
        super().__init__(f"{code}: {where}")
        self.code = code
        self.where = where


def need(condition, code, where):
    """Refuses with `code` unless `condition` holds."""
    if not condition:
        raise Refused(code, where)


def malformed(where):
    """The refusal of a file that has not the form of section 6."""
    return Refused("receipt_malformed", where)
