"""Manifests: paths, order, leaves, roots, and the rules that a tree of files keeps (RECEIPT.md section 4)."""

import re

from . import merkle
from .blake3 import blake3, derive
from .errors import need

KINDS = {"file": 1, "directory": 2, "stream": 3, "mount": 4, "argument": 5, "variable": 6}
STREAMS = ("stdin", "stdout", "stderr")
ARGUMENT = re.compile(r"[0-9]{8}|[1-9][0-9]{8,}")
NOTHING = blake3(b"")
TEXTS_MAX = 65_536  # arguments of an invocation, and variables
PATH_MOST, COMPONENT_MOST = 4096, 255


def v1(name):
    """A derive context of the format's first version."""
    return f"brizo 2026 v1 {name}"


def file_path_holds(path):
    """Whether a path of a file, a folder or a mount keeps section 4.2."""
    if not path or len(path.encode()) > PATH_MOST or "\0" in path or "\\" in path:
        return False
    return all(part not in ("", ".", "..") and len(part.encode()) <= COMPONENT_MOST for part in path.split("/"))


def path_holds(kind, path):
    """Whether the path of an entry of this kind keeps section 4.2."""
    if kind == "stream":
        return path in STREAMS
    if kind == "argument":
        return len(path) <= PATH_MOST and ARGUMENT.fullmatch(path) is not None
    if kind == "variable":
        return bool(path) and len(path.encode()) <= PATH_MOST and "=" not in path and "\0" not in path
    return file_path_holds(path)


def salt(key, kind, path):
    """The salt of an entry under the manifest's key."""
    return derive(v1("manifest salt"), key + bytes([KINDS[kind]]) + path.encode())


def _leaf(kind, path, commitment):
    data = path.encode()
    return derive(v1("manifest leaf"), bytes([KINDS[kind]]) + len(data).to_bytes(4, "big") + data + commitment)


def salted_leaf(entry, salt_of_entry):
    """The leaf of an entry (`kind`, `path`, `size`, `digest`) whose salt is known."""
    content = salt_of_entry + entry["size"].to_bytes(8, "big") + entry["digest"]
    return _leaf(entry["kind"], entry["path"], derive(v1("manifest content"), content))


def leaf(entry, key):
    """The leaf of an entry under the manifest's key."""
    return salted_leaf(entry, salt(key, entry["kind"], entry["path"]))


def mount_leaf(path, root):
    """The leaf of a data set in `inputsRoot`; it has no salt of its own."""
    return _leaf("mount", path, root)


def node(left, right):
    """An inner node."""
    return derive(v1("manifest node"), left + right)


def root_of_top(count, top):
    """The root over `count` leaves with this top."""
    return derive(v1("manifest root"), count.to_bytes(8, "big") + top)


def root(leaves):
    """The root over leaves in manifest order."""
    return root_of_top(len(leaves), merkle.top(leaves, node) if leaves else bytes(32))


def place(entry):
    """What entries are ordered by."""
    return KINDS[entry["kind"]], entry["path"].encode()


def check_tree(entries, where):
    """Files and folders form a tree, and a folder has no content (sections 4.1 and 4.3)."""
    files = {one["path"] for one in entries if one["kind"] == "file"}
    for one in entries:
        if one["kind"] == "directory":
            need(one["size"] == 0 and one["digest"] == NOTHING, "bad_manifest", f"{where}: a folder with content")
            need(one["path"] not in files, "bad_manifest", f"{where}: both a file and a folder")
        if one["kind"] in ("file", "directory"):
            for above in folders_above(one["path"]):
                need(above not in files, "bad_manifest", f"{where}: inside a file")


def folders_above(path):
    """The folders on the way to a path, from the outermost."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def ordered(entries, where="manifest"):
    """The entries in manifest order; `bad_manifest` if they are no manifest."""
    for one in entries:
        need(path_holds(one["kind"], one["path"]), "bad_manifest", f"{where}: the path {one['path']!r}")
    result = sorted(entries, key=place)
    for before, after in zip(result, result[1:]):
        need(place(before) != place(after), "bad_manifest", f"{where}: {after['path']!r} stands twice")
    check_tree(result, where)
    return result


def invocation_entries(args, env):
    """The entries of arguments and variables; `bad_manifest` if the lists break section 4.5."""
    need(max(len(args), len(env)) <= TEXTS_MAX, "bad_manifest", "too many arguments or variables")
    entries = []
    for index, value in enumerate(args):
        entries.append(_text_entry("argument", f"{index:08}", value))
    names = [name.encode() for name, _ in env]
    need(all(a < b for a, b in zip(names, names[1:])), "bad_manifest", "variables out of order, or one twice")
    for name, value in env:
        entries.append(_text_entry("variable", name, value))
    return entries


def _text_entry(kind, path, value):
    need(path_holds(kind, path), "bad_manifest", f"{kind} {path!r}")
    need("\0" not in value, "bad_manifest", f"a NUL in {kind} {path!r}")
    data = value.encode()
    return {"kind": kind, "path": path, "size": len(data), "digest": blake3(data)}


def invocation_root(args, env, run_key):
    """`invocationRoot` under the run key."""
    return root([leaf(one, run_key) for one in invocation_entries(args, env)])


def check_mounts(paths, where):
    """Paths of mounts: each allowed, strictly ascending, none inside another (section 4.6)."""
    for path in paths:
        need(path == "" or file_path_holds(path), "bad_manifest", f"{where}: the path {path!r}")
    keys = [path.encode() for path in paths]
    need(all(a < b for a, b in zip(keys, keys[1:])), "receipt_contradiction", f"{where}: out of order, or one twice")
    known = set(paths)
    for path in paths:
        above = folders_above(path) + ([""] if path else [])
        need(not known.intersection(above), "receipt_contradiction", f"{where}: {path!r} lies inside another")


def inputs_root(mounts):
    """`inputsRoot` from pairs of path and root, as they stand."""
    return root([mount_leaf(path, one) for path, one in mounts])


def outputs_key(spec_hash, run_key, dataset_keys):
    """The key that salts outputs; the dataset keys stand in the order of the mounts."""
    return derive(v1("outputs key"), spec_hash + run_key + b"".join(dataset_keys))
