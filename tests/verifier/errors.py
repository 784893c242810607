"""What a check says when something does not hold, and the exit code that goes with it (RECEIPT.md section 10)."""

EXIT = {
    "receipt_malformed": 10,
    "receipt_truncated": 10,
    "receipt_too_large": 10,
    "receipt_contradiction": 10,
    "bad_manifest": 10,
    "hash_mismatch": 11,
    "bad_signature": 12,
    "wrong_signer": 12,
    "high_s_signature": 12,
    "swapped_signature": 12,
    "unexpected_receipt": 13,
    "wrong_chain": 23,
    "wrong_contract": 24,
    "wrong_job": 25,
    "unexpected_signer": 26,
    "profile_revoked": 27,
    "replayed_statement": 28,
    "bad_checkpoint": 15,
    "wrong_log_key": 15,
    "wrong_origin": 15,
    "log_proof": 15,
    "bad_log_entry": 15,
    "equivocation": 16,
    "bad_disclosure": 17,
    "path_length": 17,
    "wrong_key": 17,
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


def disclosure_exit(code):
    """The exit code of a disclosure: what else is one of form or of a hash is one of opening."""
    return OPENING if code in ("hash_mismatch", "bad_manifest") else EXIT[code]


def need_domain(expected, found, where):
    """The deployment that is expected, if any: first its chain, then its contract."""
    if expected is not None:
        need(expected["chainId"] == found["chainId"], "wrong_chain", where)
        need(expected["verifyingContract"] == found["verifyingContract"], "wrong_contract", where)


def need(condition, code, where):
    """Refuses with `code` unless `condition` holds."""
    if not condition:
        raise Refused(code, where)


def malformed(where):
    """The refusal of a file that has not the form of section 6."""
    return Refused("receipt_malformed", where)
