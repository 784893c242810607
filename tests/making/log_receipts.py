"""Receipts with a `log` member, for the vectors of `logged/` (RECEIPT.md section 9.5). Used by `make_log.py`."""

import copy
import json

from tests.making import log_notes
from tests.making.sample import AGREEMENT, Sample
from tests.making.writing import dump, hexed
from tests.verifier import log, merkle

SAMPLE, LATER = Sample(), Sample(run_index=1)
LOGGED_AT, PLACE, SIZE = 1767225700, 5, 13
OTHER = b"\x77" * 32


def leaves_with(entry, size=SIZE):
    """Leaf hashes of a log that has an entry at its place."""
    others = [log.make_entry(3, 1, number, LOGGED_AT, AGREEMENT, OTHER, OTHER) for number in range(size)]
    others[min(PLACE, size - 1)] = entry
    return [log.leaf_hash(one) for one in others]


def member(leaves, index=PLACE, logged_at=LOGGED_AT, checkpoint=None):
    """The `log` of a receipt."""
    if checkpoint is None:
        checkpoint = log_notes.note(log_notes.body(len(leaves), log.root(leaves)))
    return {
        "index": str(index),
        "loggedAt": str(logged_at),
        "checkpoint": checkpoint,
        "proof": [hexed(one) for one in merkle.audit_path(leaves, index, log.node)],
    }


ENTRY = SAMPLE.log_entry(LOGGED_AT)
LEAVES = leaves_with(ENTRY)
USUAL = member(LEAVES)


def add_cases(vectors):
    """All cases of `logged/`."""

    def add(name, document, code, about, key=True, **names):
        content = document if isinstance(document, bytes) else dump(document)
        if key:
            names = {"logKey": log_notes.log_key(), **names}
        vectors.case("logged", name, {"receipt.json": content}, code, about, **names)

    def with_log(given):
        return SAMPLE.receipt(given)

    _good(add, with_log)
    _malformed(add, with_log)
    _refused(add, with_log)


def _good(add, with_log):
    add(
        "ok",
        with_log(USUAL),
        "ok",
        "a receipt with its proof",
        log="reached",
        logEntry=ENTRY,
        claimHash=SAMPLE.claim_hash,
    )
    add("ok-without-key", with_log(USUAL), "ok", "the caller names no log key", key=False, log="not attempted")
    add("ok-without-log", SAMPLE.receipt(), "ok", "a receipt that is in no log yet", log="not attempted")
    alone = leaves_with(ENTRY, 1)
    add(
        "ok-alone",
        with_log(member(alone, 0)),
        "ok",
        "the only entry of a log: no siblings",
        log="reached",
        logEntry=ENTRY,
    )
    last = leaves_with(ENTRY, PLACE + 1)
    add("ok-last", with_log(member(last)), "ok", "the last entry, whose path is short", log="reached", logEntry=ENTRY)
    later = SAMPLE.log_entry(2**64 - 1)
    given = member(leaves_with(later), logged_at=2**64 - 1)
    add("ok-any-time", with_log(given), "ok", "the time decides nothing", log="reached", logEntry=later)
    broken = USUAL | {"checkpoint": "nothing"}
    add("ok-unread", with_log(broken), "ok", "a bad checkpoint that nobody asked about", key=False, log="not attempted")
    turned = json.dumps(dict(reversed(with_log(USUAL).items())), separators=(",", ":")).encode()
    add("ok-other-layout", turned, "ok", "the log first, no white space", log="reached", logEntry=ENTRY)


def _malformed(add, with_log):
    def bad(name, given, about):
        add(f"bad-{name}", with_log(given), "receipt_malformed", about)

    bad("index-number", USUAL | {"index": 5}, "the index as a JSON number")
    bad("time-zeros", USUAL | {"loggedAt": "01767225700"}, "a leading zero in the time")
    bad("unknown-field", USUAL | {"size": "13"}, "a field too many")
    bad("proof-missing", {name: one for name, one in USUAL.items() if name != "proof"}, "no proof")
    bad("proof-base64", USUAL | {"proof": ["AAAA"]}, "a hash in base64")
    bad("checkpoint-list", USUAL | {"checkpoint": USUAL["checkpoint"].split("\n")}, "the checkpoint as a list of lines")
    text = dump(with_log(USUAL)).replace(b'"log": {', b'"log": {}, "log": {')
    add("bad-double-field", text, "receipt_malformed", "the log twice")
    add("bad-null", with_log(USUAL) | {"log": None}, "receipt_malformed", "null instead of a log")


def _refused(add, with_log):
    def bad(name, given, code, about):
        add(name, with_log(given), code, about)

    def proof(name, given, about):
        bad(f"proof-{name}", given, "log_proof", about)

    proof("other-time", USUAL | {"loggedAt": str(LOGGED_AT + 1)}, "another time: the entry is made from it")
    proof("other-place", USUAL | {"index": "4"}, "the place of the neighbour")
    proof("beyond", USUAL | {"index": str(SIZE)}, "an index that is the size")
    proof("short", USUAL | {"proof": USUAL["proof"][:-1]}, "a hash left out")
    proof("long", USUAL | {"proof": [*USUAL["proof"], hexed(OTHER)]}, "a hash too many")
    proof("none", USUAL | {"proof": []}, "no hashes")
    proof("too-long", USUAL | {"proof": [hexed(OTHER)] * 64}, "64 hashes")
    proof("turned", USUAL | {"proof": USUAL["proof"][::-1]}, "the hashes from the top downwards")
    proof("other-leaf", member(LEAVES, 6), "a good proof for another leaf")
    proof("other-run", member(leaves_with(LATER.log_entry(LOGGED_AT))), "a good proof for another run's receipt")
    kinds = {
        "as-verdict": log.make_entry(4, 0, 0, LOGGED_AT, AGREEMENT, SAMPLE.claim_hash, SAMPLE.attestation_digest),
        "as-decision": log.make_entry(3, 0, 0, LOGGED_AT, AGREEMENT, SAMPLE.claim_hash, SAMPLE.attestation_digest),
        "other-agreement": log.make_entry(1, 0, 0, LOGGED_AT, OTHER, SAMPLE.claim_hash, SAMPLE.attestation_digest),
        "other-statement": log.make_entry(1, 0, 0, LOGGED_AT, AGREEMENT, SAMPLE.claim_hash, OTHER),
        "spec-hash": log.make_entry(1, 0, 0, LOGGED_AT, AGREEMENT, SAMPLE.spec_hash, SAMPLE.attestation_digest),
    }
    for name, entry in kinds.items():
        proof(
            name,
            member(leaves_with(entry)),
            f"an entry in the log that is not this receipt's: {name.replace('-', ' ')}",
        )
    empty = log_notes.note(log_notes.body(0, log.root([])))
    proof(
        "empty-log",
        {"index": "0", "loggedAt": str(LOGGED_AT), "checkpoint": empty, "proof": []},
        "a log without entries",
    )
    shorter = log_notes.note(log_notes.body(PLACE, log.root(LEAVES[:PLACE])))
    proof("older-checkpoint", USUAL | {"checkpoint": shorter}, "a checkpoint from before the entry")
    unsigned = {name: one for name, one in with_log(USUAL).items() if name != "attestation"}
    add("proof-no-attestation", unsigned, "log_proof", "a receipt without attestation is in no log")

    def note(name, checkpoint, about, code="bad_checkpoint"):
        bad(f"checkpoint-{name}", USUAL | {"checkpoint": checkpoint}, code, about)

    usual = USUAL["checkpoint"]
    right = log_notes.body(SIZE, log.root(LEAVES))
    note("stranger", log_notes.note(right, log_notes.line(right, log_notes.STRANGER)), "signed by another key", "wrong_log_key")
    note("empty", "", "no checkpoint")
    note("no-newline", usual[:-1], "no newline at the end")
    note("size", usual.replace("\n13\n", "\n14\n"), "another size under the same signature")
    elsewhere = log_notes.body(SIZE, log.root(LEAVES), "other.example/log")
    note(
        "origin",
        log_notes.note(elsewhere, log_notes.line(elsewhere)),
        "the right root from another origin, signed by the log's key",
        "wrong_origin",
    )
    note("before-proof", usual.replace("\n13\n", "\n5\n"), "the checkpoint is looked at before the proof")
    changed = copy.deepcopy(with_log(USUAL | {"proof": []}))
    changed["claim"]["outcome"]["fuelUsed"] = "1"
    add("hash-before-log", changed, "hash_mismatch", "the structure is looked at first")
    changed = copy.deepcopy(with_log(USUAL | {"proof": []}))
    changed["attestation"]["statement"]["issuedAt"] = "1"
    add("sign-before-log", changed, "wrong_signer", "the lowest tier that fails decides")
