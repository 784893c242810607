"""The log: entries, proofs, keys, checkpoints, and the proof of a receipt (RECEIPT.md sections 9.5 and 14)."""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from hashlib import sha256

from . import ed25519, merkle
from .errors import need

ENTRY_LENGTH, VERSION, RECEIPT_TYPE = 116, 1, 1
CODES = {1: (0,), 2: (1, 2, 3, 4), 3: (0, 1), 4: (0, 1), 5: (0, 1)}
PROFILE_TYPE = 5
CHECKPOINT_MOST, SIGNATURES_MOST, PROOF_MOST = 64 * 1024, 16, 63
ED25519 = b"\x01"
KEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+(.+)")
SIZE = re.compile(r"0|[1-9][0-9]{0,19}")
SIGNATURE_LINE = re.compile(r"\u2014 ([^ ]+) ([^ ]+)")


def make_entry(kind, code, run_index, logged_at, agreement_id, subject, statement):
    """The 116 bytes of an entry."""
    head = bytes([VERSION, kind]) + code.to_bytes(2, "big")
    return head + run_index.to_bytes(8, "big") + logged_at.to_bytes(8, "big") + agreement_id + subject + statement


def read_entry(data):
    """The fields of an entry; `bad_log_entry` if it is none."""
    need(len(data) == ENTRY_LENGTH, "bad_log_entry", f"{len(data)} bytes instead of {ENTRY_LENGTH}")
    kind, code = data[1], int.from_bytes(data[2:4], "big")
    need(data[0] == VERSION, "bad_log_entry", "version")
    need(code in CODES.get(kind, ()), "bad_log_entry", "type and code")
    fields = {
        "type": kind,
        "code": code,
        "runIndex": int.from_bytes(data[4:12], "big"),
        "loggedAt": int.from_bytes(data[12:20], "big"),
        "agreementId": data[20:52],
        "subject": data[52:84],
        "statement": data[84:116],
    }
    if kind == PROFILE_TYPE:
        empty = fields["runIndex"] == 0 and not any(fields["agreementId"] + fields["statement"])
        need(empty, "bad_log_entry", "a profile has no agreement, run or statement")
    return fields


def leaf_hash(entry):
    """Hash of a leaf of the log's tree."""
    return sha256(b"\0" + entry).digest()


def node(left, right):
    """Inner node of the log's tree."""
    return sha256(b"\1" + left + right).digest()


def root(leaves):
    """Root over leaf hashes."""
    return merkle.top(leaves, node) if leaves else sha256(b"").digest()


def included(leaf, index, size, proof, expected_root):
    """Whether `proof` shows that `leaf` is at `index` of the tree with this size and root."""
    return len(proof) <= PROOF_MOST and merkle.climb(leaf, index, size, proof, node) == expected_root


def consistent(first, first_root, second, second_root, proof):
    """Whether `proof` shows that the second tree extends the first; `equivocation` if one size has two roots."""
    need(first != second or first_root == second_root, "equivocation", f"two roots of {first} entries")
    return len(proof) <= PROOF_MOST and merkle.consistent(first, first_root, second, second_root, proof, node)


def read_base64(text):
    """The bytes behind standard base64 in its one form, or None."""
    try:
        data = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return None
    return data if b64encode(data).decode() == text else None


def _is_name(name):
    return bool(name) and "+" not in name and not any(letter < " " or letter.isspace() for letter in name)


def key_id(name, public):
    """The four bytes by which signature lines name an Ed25519 key."""
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def read_key(text):
    """Name and public key of a verifier key, or None if it is none of an Ed25519 key."""
    found = KEY.fullmatch(text)
    if found is None or not _is_name(found.group(1)):
        return None
    data = read_base64(found.group(3))
    if (
        data is None
        or len(data) != 33
        or data[:1] != ED25519
        or key_id(found.group(1), data[1:]).hex() != found.group(2)
    ):
        return None
    point = ed25519.decode(data[1:])
    if point is None or ed25519.is_weak(point):
        return None
    return found.group(1), data[1:]


def _check_signatures(lines, body, key):
    name, public = key
    wanted = key_id(name, public)
    need(lines[-1] == "" and 2 <= len(lines) <= SIGNATURES_MOST + 1, "bad_checkpoint", "number of signatures")
    ours = []
    for line in lines[:-1]:
        found = SIGNATURE_LINE.fullmatch(line)
        data = read_base64(found.group(2)) if found else None
        good = data is not None and len(data) > 4 and _is_name(found.group(1))
        need(good, "bad_checkpoint", "a signature line has another form")
        if found.group(1) == name and data[:4] == wanted:
            ours.append(data[4:])
    need(ours, "wrong_log_key", "no signature by the log's key")
    # The first one decides; others by the same key are ignored like those by strangers.
    need(ed25519.verify(public, body.encode(), ours[0]), "bad_checkpoint", "the signature does not hold")


def read_checkpoint(text, key):
    """Size and root of a checkpoint that the log with this key signed; refused with a code of its own if it is none."""
    need(len(text.encode()) <= CHECKPOINT_MOST, "bad_checkpoint", "too large")
    need(not any(letter < " " and letter != "\n" for letter in text), "bad_checkpoint", "a control character")
    # The last empty line is what divides a note.
    body, divider, signatures = text.rpartition("\n\n")
    need(divider, "bad_checkpoint", "no signatures")
    body += "\n"
    _check_signatures(signatures.split("\n"), body, key)
    lines = body.split("\n")
    need(len(lines) == 4 and lines[0], "bad_checkpoint", "not three lines")
    origin, size, encoded, _ = lines
    need(SIZE.fullmatch(size) and int(size) < 2**64, "bad_checkpoint", "size")
    found = read_base64(encoded)
    need(found is not None and len(found) == 32, "bad_checkpoint", "root")
    need(size != "0" or found == root([]), "bad_checkpoint", "the root of nothing")
    need(origin == key[0], "wrong_origin", "the origin of another log")
    return int(size), found


def check_receipt(receipt, attestation_digest, claim_hash, key):
    """The tier "log" of a receipt with a `log` (section 9.5): its entry is made from it, and is in the tree."""
    member, spec = receipt["log"], receipt["claim"]["spec"]
    size, tree_root = read_checkpoint(member["checkpoint"], key)
    need(attestation_digest is not None, "log_proof", "a receipt without attestation is in no log")
    entry = make_entry(
        RECEIPT_TYPE, 0, spec["runIndex"], member["loggedAt"], spec["agreementId"], claim_hash, attestation_digest
    )
    shown = included(leaf_hash(entry), member["index"], size, member["proof"], tree_root)
    need(shown, "log_proof", "the receipt is not at this place of the log")
    return entry, (size, tree_root)
