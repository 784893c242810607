"""Disclosures: one file, stream, argument or variable led up to the receipt hash (RECEIPT.md section 15)."""

from . import eip712, forms, manifest, merkle
from .blake3 import blake3
from .errors import malformed, need
from .strictjson import parse_file

FILE_MOST = 1 << 20
KINDS_OF = {
    "outputs": ("file", "directory", "stream"),
    "inputs": ("file",),
    "algorithm": ("file",),
    "invocation": ("argument", "variable"),
}
ROOT_OF = {
    "outputs": "outputsRoot",
    "inputs": "inputsRoot",
    "algorithm": "algorithmRoot",
    "invocation": "invocationRoot",
}
POSITION = forms.struct({"index": forms.u64, "count": forms.u64, "siblings": forms.many(forms.b32)})
COMMON = {
    "format": forms.one_of("brizo-disclosure/1"),
    "claimHash": forms.b32,
    "part": forms.one_of(*KINDS_OF),
    "entry": forms.struct(
        {"kind": forms.KIND, "path": forms.text, "size": forms.u64, "digest": forms.b32, "salt": forms.b32}
    ),
    "position": POSITION,
}
MOUNT = {"mount": forms.struct({"path": forms.text, "position": POSITION})}
WITH_OUTCOME = {"specHash": forms.b32, "outcome": forms.OUTCOME}
WITH_SPEC = {"spec": forms.SPEC, "outcomeHash": forms.b32}
FORM_OF = {
    "outputs": forms.struct(COMMON | WITH_OUTCOME),
    "inputs": forms.struct(COMMON | MOUNT | WITH_SPEC),
    "algorithm": forms.struct(COMMON | WITH_SPEC),
    "invocation": forms.struct(COMMON | WITH_SPEC),
}


def read(data):
    """The disclosure in a file's bytes; its fields are those of its part (step 1)."""
    value = parse_file(data, FILE_MOST)
    part = value.get("part") if isinstance(value, dict) else None
    if type(part) is not str or part not in FORM_OF:
        raise malformed("disclosure: no part that is known")
    found = FORM_OF[part](value, "disclosure")
    if found["entry"]["kind"] not in KINDS_OF[part]:
        raise malformed(f"disclosure: {part} have no {found['entry']['kind']}")
    return found


def _root(leaf, position, where):
    top = merkle.climb(leaf, position["index"], position["count"], position["siblings"], manifest.node)
    need(top is not None, "path_length", f"{where}: the path has not the length of its place")
    return manifest.root_of_top(position["count"], top)


def check(disclosure, claim_hash=None, content=None, revoked=()):
    """Steps 2 to 8: leads the entry up to the receipt hash. Returns the values that follow."""
    part, entry = disclosure["part"], disclosure["entry"]
    need(manifest.path_holds(entry["kind"], entry["path"]), "bad_manifest", f"the path {entry['path']!r}")
    manifest.check_tree([entry], "entry")
    if part == "inputs":
        path = disclosure["mount"]["path"]
        need(path == "" or manifest.file_path_holds(path), "bad_manifest", f"the path {path!r}")
    found = {"leaf": manifest.salted_leaf(entry, entry["salt"])}
    found["root"] = _root(found["leaf"], disclosure["position"], "position")
    top_root = found["root"]
    if part == "inputs":
        mount = disclosure["mount"]
        top_root = _root(manifest.mount_leaf(mount["path"], top_root), mount["position"], "mount.position")
    half = disclosure["outcome"] if part == "outputs" else disclosure["spec"]
    need(half[ROOT_OF[part]] == top_root, "bad_disclosure", ROOT_OF[part])
    if part == "outputs":
        halves = disclosure["specHash"], eip712.hash_struct("Outcome", half)
    else:
        halves = eip712.hash_struct("JobSpec", half), disclosure["outcomeHash"]
    found["claimHash"] = eip712.claim_hash(*halves)
    need(found["claimHash"] == disclosure["claimHash"], "hash_mismatch", "claimHash")
    need(claim_hash in (None, found["claimHash"]), "unexpected_receipt", "claimHash")
    if content is not None:
        same = len(content) == entry["size"] and blake3(content) == entry["digest"]
        need(same, "hash_mismatch", "the bytes are not those of the entry")
    if part != "outputs":
        need(half["profile"] not in revoked, "profile_revoked", "spec.profile")
    return found
