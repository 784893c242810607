"""Makes the vectors of `log/` and `logged/`, RECEIPT.md sections 9.5 and 14: `python3 -m tests.vectors.make_log`."""

import sys
from hashlib import sha256

from tests.making import log_live, log_notes, log_receipts
from tests.making.sample import AGREEMENT, Sample
from tests.making.writing import Vectors, dump, hexed
from tests.verifier import log, merkle

SAMPLE = Sample()
OTHER = b"\x77" * 32
ZERO = bytes(32)


def number_entry(number):
    """One of the entries of a log: they are all different."""
    return log.make_entry(2, 1 + number % 4, number, 1767225600 + number, AGREEMENT, OTHER, ZERO)


ENTRIES = [number_entry(number) for number in range(70)]
LEAVES = [sha256(b"\0" + one).digest() for one in ENTRIES]


def entries():
    """Entries that are taken, and bytes that are none."""
    usual = SAMPLE.log_entry(1767225700)
    rows = []

    def good(about, entry, *names):
        shown = ("type", "code", "runIndex", "loggedAt", "agreementId", "subject", "statement")
        values = {
            name: hexed(value) if isinstance(value, bytes) else str(value)
            for name, value in zip(shown, names, strict=True)
        }
        rows.append(
            {
                "about": about,
                "entry": hexed(entry),
                "expect": "ok",
                **values,
                "leafHash": hexed(sha256(b"\0" + entry).digest()),
            }
        )

    def bad(about, entry):
        rows.append({"about": about, "entry": hexed(entry), "expect": "bad_log_entry"})

    good("a receipt", usual, 1, 0, 0, 1767225700, AGREEMENT, SAMPLE.claim_hash, SAMPLE.attestation_digest)
    for kind, codes in ((2, (1, 2, 3, 4)), (3, (0, 1)), (4, (0, 1))):
        for code in codes:
            fields = (kind, code, 2**64 - 1, 1, AGREEMENT, OTHER, SAMPLE.spec_hash)
            good(f"type {kind} with code {code}", log.make_entry(*fields), *fields)
    for code in (0, 1):
        fields = (5, code, 0, 1767225700, ZERO, OTHER, ZERO)
        good(f"type 5 with code {code}", log.make_entry(*fields), *fields)
    fields = (2, 1, 0, 0, ZERO, ZERO, ZERO)
    good("zeros where there may be some", log.make_entry(*fields), *fields)
    for kind, codes in ((0, (0,)), (1, (1, 256)), (2, (0, 5)), (3, (2,)), (4, (2,)), (5, (2,)), (6, (0,)), (255, (0,))):
        for code in codes:
            bad(f"type {kind} with code {code}", log.make_entry(kind, code, 0, 0, ZERO, OTHER, ZERO))
    bad("version 0", b"\0" + usual[1:])
    bad("version 2", b"\2" + usual[1:])
    bad("the code with its bytes turned", usual[:1] + b"\2" + b"\1\0" + usual[4:])
    bad("a byte less", usual[:-1])
    bad("a byte more", usual + b"\0")
    bad("nothing", b"")
    bad("with its length in front, as in a bundle", b"\0\x74" + usual)
    bad("a profile with an agreement", log.make_entry(5, 0, 0, 0, AGREEMENT, OTHER, ZERO))
    bad("a profile with a run", log.make_entry(5, 1, 1, 0, ZERO, OTHER, ZERO))
    bad("a profile with a statement", log.make_entry(5, 1, 0, 0, ZERO, OTHER, OTHER))
    return rows


def trees():
    """Roots over the first entries."""
    return [
        {
            "about": f"{size} entries",
            "entries": [hexed(one) for one in ENTRIES[:size]],
            "root": hexed(log.root(LEAVES[:size])),
            "expect": "ok",
        }
        for size in (0, 1, 2, 3, 5, 8)
    ]


def inclusion():
    """Proofs that a leaf is in a tree."""
    rows = []

    def add(about, expect, index, size, leaf=None, proof=None, root=None):
        rows.append(
            {
                "about": about,
                "leafHash": hexed(LEAVES[index] if leaf is None else leaf),
                "index": str(index),
                "size": str(size),
                "proof": [
                    hexed(one)
                    for one in (merkle.audit_path(LEAVES[:size], index, log.node) if proof is None else proof)
                ],
                "root": hexed(log.root(LEAVES[:size]) if root is None else root),
                "expect": expect,
            }
        )

    for index, size in ((0, 1), (0, 2), (1, 2), (2, 3), (0, 7), (4, 7), (6, 7), (5, 8), (64, 65), (63, 70), (69, 70)):
        add(f"leaf {index} of {size}", "ok", index, size)
    proof = merkle.audit_path(LEAVES[:7], 4, log.node)
    root = log.root(LEAVES[:7])

    def bad(about, index=4, size=7, leaf=LEAVES[4], proof=proof, root=root):
        add(about, "log_proof", index, size, leaf, proof, root)

    bad("another leaf", leaf=LEAVES[5])
    bad("the place of the neighbour", index=5)
    bad("an index that is the size", index=7)
    bad("an index above the size", index=12)
    bad("the largest index", index=2**64 - 1)
    bad("a tree of no leaves", index=0, size=0, proof=[], root=log.root([]))
    bad("the leaf as the root of no leaves", index=0, size=0, leaf=log.root([]), proof=[], root=log.root([]))
    bad("the lowest sibling left out", proof=proof[1:])
    bad("the top sibling left out", proof=proof[:-1])
    bad("a sibling too many", proof=[*proof, OTHER])
    bad("the last sibling twice", proof=[*proof, proof[-1]])
    bad("no proof", proof=[])
    bad("the siblings from the top downwards", proof=proof[::-1])
    bad("a bit of a sibling turned", proof=[bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]])
    bad("another root", root=OTHER)
    bad("the root of the tree before", root=log.root(LEAVES[:6]))
    bad("a smaller size, with fewer siblings", size=6)
    pair = log.node(LEAVES[4], LEAVES[5])
    bad("an inner node as a leaf, with its own place and the rest of the path", leaf=pair, proof=proof[1:])
    bad("the entry itself instead of its hash", leaf=sha256(ENTRIES[4]).digest())
    bad("the root as the only leaf, in a larger tree", index=0, leaf=root, proof=[])
    bad("64 siblings", index=0, size=2**64 - 1, proof=[OTHER] * 64)
    return rows


def consistency():
    """Proofs that a tree extends another."""
    rows = []

    def add(about, expect, first, second, proof=None, first_root=None, second_root=None):
        rows.append(
            {
                "about": about,
                "firstSize": str(first),
                "firstRoot": hexed(log.root(LEAVES[:first]) if first_root is None else first_root),
                "secondSize": str(second),
                "secondRoot": hexed(log.root(LEAVES[:second]) if second_root is None else second_root),
                "proof": [
                    hexed(one)
                    for one in (merkle.consistency_path(LEAVES[:second], first, log.node) if proof is None else proof)
                ],
                "expect": expect,
            }
        )

    for first, second in ((1, 1), (1, 2), (2, 3), (3, 7), (4, 7), (6, 8), (7, 8), (8, 8), (33, 70), (64, 70)):
        add(f"from {first} to {second}", "ok", first, second)
    usual = merkle.consistency_path(LEAVES[:7], 3, log.node)
    whole = merkle.consistency_path(LEAVES[:7], 4, log.node)

    def bad(about, first=3, second=7, proof=usual, **roots):
        add(about, "log_proof", first, second, proof, **roots)

    bad("from size 0, with no proof", 0, 7, [])
    bad("from size 0 to size 0", 0, 0, [])
    bad("from size 0, with a proof", 0, 7, usual)
    bad("64 hashes", 1, 2**64 - 1, [OTHER] * 64, second_root=OTHER)
    bad("from the larger to the smaller", 7, 3)
    add("the same size with other roots", "equivocation", 7, 7, [], first_root=OTHER)
    add("the same size with other roots, and a proof", "equivocation", 7, 7, usual, second_root=OTHER)
    bad("the same size with a proof", 7, 7, [OTHER])
    bad("the first hash left out", proof=usual[1:])
    bad("the last hash left out", proof=usual[:-1])
    bad("a hash too many", proof=[*usual, OTHER])
    bad("no proof", proof=[])
    bad("no proof from a whole subtree", 4, 7, [])
    bad("the hashes turned", proof=usual[::-1])
    bad("the root of a whole subtree in the proof", 4, 7, [log.root(LEAVES[:4]), *whole])
    bad("another first root", first_root=OTHER)
    bad("another second root", second_root=OTHER)
    bad("the roots exchanged", first_root=log.root(LEAVES[:7]), second_root=log.root(LEAVES[:3]))
    bad("another first size", 2)
    bad("another second size", 3, 6)
    changed = [LEAVES[1], LEAVES[0], *LEAVES[2:7]]
    rewritten = merkle.consistency_path(changed, 3, log.node)
    bad("a past that was put in another order", proof=rewritten, second_root=log.root(changed))
    shorter = [*LEAVES[:2], *LEAVES[3:8]]
    bad(
        "a past from which a leaf is missing",
        proof=merkle.consistency_path(shorter, 3, log.node),
        second_root=log.root(shorter),
    )
    return rows


def main():
    """Makes all cases."""
    vectors = Vectors("log", "logged")
    tables = {
        "entry": entries(),
        "tree": trees(),
        "inclusion": inclusion(),
        "consistency": consistency(),
        "checkpoint": log_notes.checkpoints(),
        "key": log_notes.keys(),
    }
    for name, rows in tables.items():
        vectors.add(f"log/{name}.json", dump(rows))
    log_receipts.add_cases(vectors)
    log_live.add_cases(vectors)
    return vectors.finish()


if __name__ == "__main__":
    sys.exit(main())
