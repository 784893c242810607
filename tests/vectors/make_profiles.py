"""Makes the vectors of `profiles/` from RECEIPT.md section 17: `python3 -m tests.vectors.make_profiles [--check]`."""

import json
import sys

from tests.making.sample import PROFILE, Sample
from tests.making.writing import HERE, Vectors, dump, hexed

VECTORS = Vectors("profiles")
SAMPLE = Sample()
OTHER, THIRD = b"\x77" * 32, b"\x78" * 32


def profile(digest, state, name="example/1", **more):
    """One entry of a list."""
    return {"digest": hexed(digest), "name": name, "state": state, **more}


def listed(*profiles):
    """A list."""
    return {"format": "brizo-profiles/1", "profiles": list(profiles)}


USUAL = listed(
    profile(OTHER, "active", "other/1"),
    profile(PROFILE, "deprecated", advisory="use other/1"),
    profile(THIRD, "revoked", "third/1", advisory="adds wrongly: https://example.com/advisories/1"),
)


def add(name, document, code, about, receipt=None, **names):
    """One case; `document` may be bytes."""
    files = {"profiles.json": document if isinstance(document, bytes) else dump(document)}
    if receipt is not None:
        files["receipt.json"] = dump(receipt)
    VECTORS.case("profiles", name, files, code, about, **names)


def lists():
    """Lists that are read, and files that are none."""
    add("ok-active", USUAL, "ok", "a profile in use", profile=OTHER, state="active")
    add("ok-deprecated", USUAL, "ok", "a deprecated profile", profile=PROFILE, state="deprecated")
    add("ok-revoked", USUAL, "ok", "a revoked profile", profile=THIRD, state="revoked")
    add("ok-unknown", USUAL, "ok", "a profile that is not on the list", profile=bytes(32), state="unknown")
    add("ok-empty", listed(), "ok", "an empty list", profile=PROFILE, state="unknown")
    same_name = listed(profile(OTHER, "active"), profile(PROFILE, "revoked"))
    add(
        "ok-same-name",
        same_name,
        "ok",
        "two profiles of one name: the digest decides",
        profile=PROFILE,
        state="revoked",
    )
    compact = json.dumps(USUAL, separators=(",", ":")).replace("revoked", "\\u0072evoked").encode()
    add("ok-other-layout", compact, "ok", "no white space, an escape", profile=THIRD, state="revoked")
    add("ok-largest", USUAL, "ok", "1 MiB with white space", profile=OTHER, state="active", padded=1024 * 1024)

    def bad(name, document, about, **names):
        add(f"bad-{name}", document, "receipt_malformed", about, **names)

    bad("format", USUAL | {"format": "brizo-profiles/2"}, "another format")
    bad("twice", listed(profile(OTHER, "active"), profile(OTHER, "active")), "a digest twice")
    bad(
        "twice-otherwise",
        listed(profile(OTHER, "revoked"), profile(OTHER, "active", "other/2")),
        "a digest twice with two states",
    )
    bad("state", listed(profile(OTHER, "withdrawn")), "a state that there is not")
    bad("state-capital", listed(profile(OTHER, "Revoked")), "a state with a capital")
    bad("name-missing", listed({"digest": hexed(OTHER), "state": "active"}), "a profile without a name")
    bad("advisory-null", listed(profile(OTHER, "active", advisory=None)), "null as the advisory")
    bad(
        "digest-capitals", listed({"digest": "0x" + "AB" * 32, "name": "a", "state": "revoked"}), "a digest in capitals"
    )
    bad("unknown-field", listed(profile(OTHER, "active", since="2026")), "a field too many")
    bad("list", dump(USUAL["profiles"]), "the list without its object")
    bad("profiles-missing", {"format": "brizo-profiles/1"}, "no profiles")
    text = dump(USUAL)
    bad("double-field", text.replace(b'"state": "revoked"', b'"state": "revoked", "state": "active"'), "a state twice")
    bad("trailing", text + b"]", "something behind the object")
    add("bad-cut-off", dump(USUAL).rstrip()[:-1], "receipt_truncated", "the last brace is missing")
    add("bad-too-large", USUAL, "receipt_too_large", "one byte more than 1 MiB", padded=1024 * 1024 + 1)


def receipts():
    """Receipts under a list."""
    receipt = SAMPLE.receipt()
    reached = {"signature": "reached", "claimHash": SAMPLE.claim_hash}
    add(
        "receipt-active",
        listed(profile(PROFILE, "active")),
        "ok",
        "a receipt under a profile in use",
        receipt,
        **reached,
    )
    add(
        "receipt-deprecated",
        listed(profile(PROFILE, "deprecated")),
        "ok",
        "a deprecated profile is no failure",
        receipt,
        **reached,
    )
    add(
        "receipt-unknown",
        listed(profile(OTHER, "revoked")),
        "ok",
        "an unknown profile is no failure",
        receipt,
        **reached,
    )
    revoked = listed(profile(OTHER, "active"), profile(PROFILE, "revoked"))
    add("receipt-revoked", revoked, "profile_revoked", "a revoked profile", receipt)
    contradiction = json.loads(json.dumps(receipt))
    contradiction["claim"]["outcome"]["status"] = 9
    add(
        "receipt-revoked-after-outcome",
        revoked,
        "receipt_contradiction",
        "the rules between fields come first",
        contradiction,
    )
    changed = json.loads(json.dumps(receipt))
    changed["claimHash"] = hexed(OTHER)
    add("receipt-revoked-before-hashes", revoked, "profile_revoked", "revoked, and another receipt hash", changed)
    changed = json.loads(json.dumps(receipt))
    changed["opening"]["inputs"][0]["path"] = "../cohort"
    add("receipt-revoked-before-inputs", revoked, "profile_revoked", "revoked, and a bad path of a mount", changed)


def disclosures():
    """Disclosures under a list; they are those of `disclosure/`."""
    revoked = listed(profile(PROFILE, "revoked"))

    def about(name, code, text, case, document=revoked, claim_hash=SAMPLE.claim_hash):
        shown = (HERE / "disclosure" / case / "disclosure.json").read_bytes()
        files = {"profiles.json": dump(document), "disclosure.json": shown}
        VECTORS.case("profiles", f"disclosure-{name}", files, code, text, expect_claimHash=claim_hash)

    about("active", "ok", "an argument, under a profile in use", "ok-argument", listed(profile(PROFILE, "active")))
    for case in ("ok-argument", "ok-input", "ok-algorithm"):
        about(f"revoked-{case[3:]}", "profile_revoked", "a revoked profile, and the spec is shown", case)
    about("revoked-output", "ok", "of an output the spec is not shown", "ok-output")
    about("revoked-after-claim", "unexpected_receipt", "of another receipt first", "ok-argument", claim_hash=OTHER)


def main():
    """Makes all cases."""
    lists()
    receipts()
    disclosures()
    return VECTORS.finish()


if __name__ == "__main__":
    sys.exit(main())
