"""The tier "opening": what keys and bytes say about a receipt's roots (RECEIPT.md section 9.4)."""

from errno import EINVAL, ENOENT
from pathlib import Path

from . import eip712, manifest
from .blake3 import blake3, derive
from .errors import need
from .receipt import shown_outputs


def check_run_key(receipt, run_key, found):
    """The run key is the one that was committed to, and the invocation is behind its root."""
    spec, invocation = receipt["claim"]["spec"], receipt["opening"]["invocation"]
    found["blindCommit"] = derive(manifest.v1("blind"), run_key)
    need(found["blindCommit"] == spec["blindCommit"], "wrong_key", "blindCommit")
    found["invocationRoot"] = manifest.invocation_root(invocation["args"], invocation["env"], run_key)
    need(found["invocationRoot"] == spec["invocationRoot"], "hash_mismatch", "invocationRoot")


def outputs_key(receipt, run_key, dataset_keys):
    """The key of the outputs; None unless there is a run key, and one dataset key per mount."""
    if run_key is None or len(dataset_keys) != len(receipt["opening"]["inputs"]):
        return None
    return manifest.outputs_key(eip712.hash_struct("JobSpec", receipt["claim"]["spec"]), run_key, dataset_keys)


def check_salts(receipt, key):
    """The salts of the outputs that are shown are those of the outputs key. Returns how many there are to compare."""
    shown = shown_outputs(receipt)
    for one in shown:
        right = one["salt"] == manifest.salt(key, one["kind"], one["path"])
        need(right, "wrong_key", f"the salt of {one['path']!r}")
    return len(shown)


def read_folder(folder):
    """Entries of kind file for every file below a folder, by path. What can be nobody's output cannot be read."""
    if not Path(folder).is_dir():
        raise OSError(ENOENT, "there is no such folder", str(folder))
    entries = []
    for path in sorted(Path(folder).rglob("*")):
        name = path.relative_to(folder).as_posix()
        text = not any("\ud800" <= letter <= "\udfff" for letter in name)
        if not text or path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise OSError(EINVAL, "outputs are plain files with names in UTF-8", ascii(name))
        if path.is_file():
            data = path.read_bytes()
            entries.append({"kind": "file", "path": name, "size": len(data), "digest": blake3(data)})
    return entries


def check_outputs(receipt, folder, key):
    """A folder of delivered files against the list; with the outputs key, also against what is withheld.

    Returns how many of them are withheld."""
    listed = {one["path"]: one for one in shown_outputs(receipt) if one["kind"] == "file"}
    withheld = {one["leaf"] for one in receipt["opening"]["outputs"] if len(one) == 1}
    delivered = read_folder(folder)
    for one in delivered:
        if one["path"] in listed:
            shown = listed[one["path"]]
            same = all(shown[name] == one[name] for name in ("size", "digest"))
            need(same, "bad_manifest", f"the file {one['path']!r}")
        else:
            known = key is not None and manifest.leaf(one, key) in withheld
            need(known, "bad_manifest", f"the file {one['path']!r} is not in the receipt")
    missing = set(listed) - {one["path"] for one in delivered}
    need(not missing, "bad_manifest", f"files that are missing: {sorted(missing)}")
    return sum(one["path"] not in listed for one in delivered)


def check_input(receipt, path, folder, dataset_key):
    """A data set's files under its key against the leaves of the mount at `path`."""
    mount = next((one for one in receipt["opening"]["inputs"] if one["path"] == path), None)
    need(mount is not None, "hash_mismatch", f"no data set is mounted at {path!r}")
    leaves = [manifest.leaf(one, dataset_key) for one in manifest.ordered(read_folder(folder))]
    need(leaves == mount["leaves"], "hash_mismatch", f"the files of the data set at {path!r}")
