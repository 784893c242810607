"""Makes the vectors of `disclosure/`, RECEIPT.md section 15: `python3 -m tests.vectors.make_disclosure`."""

import copy
import json
import sys

from tests.making.sample import BUNDLE, DATA_SETS, DATASET_KEYS, OUTPUTS, RUN_KEY, Sample, as_json, entry
from tests.making.writing import Vectors, dump, hexed
from tests.verifier import manifest, merkle

SAMPLE = Sample()
VECTORS = Vectors("disclosure")
OTHER = b"\x77" * 32


def position(leaves, index):
    """The place of a leaf, with its siblings."""
    path = merkle.audit_path(leaves, index, manifest.node)
    return {"index": str(index), "count": str(len(leaves)), "siblings": [hexed(one) for one in path]}


def disclose(part, entries, leaves, key, index, sample=SAMPLE):
    """The disclosure of one entry; of inputs, `mount` is still to be added."""
    one = entries[index]
    salt = manifest.salt(key, one["kind"], one["path"])
    shown = {
        "kind": one["kind"],
        "path": one["path"],
        **as_json({"size": one["size"], "digest": one["digest"], "salt": salt}),
    }
    document = {
        "format": "brizo-disclosure/1",
        "claimHash": hexed(sample.claim_hash),
        "part": part,
        "entry": shown,
        "position": position(leaves, index),
    }
    if part == "outputs":
        return document | {"specHash": hexed(sample.spec_hash), "outcome": as_json(sample.outcome)}
    return document | {"spec": as_json(sample.spec), "outcomeHash": hexed(sample.outcome_hash)}


def of_output(kind, path):
    """The disclosure of an output, shown or withheld."""
    index = next(n for n, one in enumerate(SAMPLE.outputs) if (one["kind"], one["path"]) == (kind, path))
    return disclose("outputs", SAMPLE.outputs, SAMPLE.output_leaves, SAMPLE.outputs_key, index)


def of_input(mount, index):
    """The disclosure of a file of a data set."""
    document = disclose("inputs", SAMPLE.data_sets[mount], SAMPLE.input_leaves[mount], DATASET_KEYS[mount], index)
    mounts = [manifest.mount_leaf(path, root) for path, root in zip(SAMPLE.mount_paths, SAMPLE.input_roots)]
    return document | {"mount": {"path": SAMPLE.mount_paths[mount], "position": position(mounts, mount)}}


def of_algorithm(index):
    """The disclosure of a file of the bundle."""
    return disclose("algorithm", SAMPLE.bundle, SAMPLE.algorithm_leaves, RUN_KEY, index)


def of_invocation(index):
    """The disclosure of an argument or a variable."""
    return disclose("invocation", SAMPLE.invocation, SAMPLE.invocation_leaves, RUN_KEY, index)


def add(name, document, code, about, content=None, expected=SAMPLE.claim_hash, **names):
    """One case; `document` may be bytes."""
    files = {"disclosure.json": document if isinstance(document, bytes) else dump(document)}
    if content is not None:
        files["file"] = content
    VECTORS.case("disclosure", name, files, code, about, expect_claimHash=expected, **names)


def changed(document, *path):
    """A copy of a disclosure in which the last of `path` stands at the place that the others name; `None` takes away."""
    document = copy.deepcopy(document)
    *places, last, value = path
    target = document
    for place in places:
        target = target[place]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return document


FILE = of_output("file", "mean.json")
INPUT = of_input(0, 3)
ARGUMENT = of_invocation(1)
ALGORITHM = of_algorithm(1)


def good():
    """Disclosures that hold."""
    add("ok-output", FILE, "ok", "a file among the outputs, with its bytes", OUTPUTS["file", "mean.json"])
    add(
        "ok-output-withheld",
        of_output("file", "tables/secret.csv"),
        "ok",
        "a file that the receipt withholds",
        b"yes\n",
    )
    add("ok-output-empty", of_output("file", "zero"), "ok", "an empty file, with no bytes", b"")
    add("ok-output-folder", of_output("directory", "plots"), "ok", "a folder")
    add("ok-output-stream", of_output("stream", "stderr"), "ok", "an empty stream")
    add("ok-output-last", of_output("stream", "stdout"), "ok", "the last leaf, whose path is short", b"done\n")
    part = DATA_SETS["cohort"]["part-3.csv"]
    add("ok-input", INPUT, "ok", "a file of the first of three data sets", part)
    add("ok-input-alone", of_input(1, 0), "ok", "the only file of a data set: no siblings; letters beyond ASCII")
    add("ok-input-last", of_input(2, 1), "ok", "a file of the last data set, whose path is short")
    add("ok-algorithm", ALGORITHM, "ok", "a file of the bundle", BUNDLE["main.py"])
    add("ok-algorithm-runtime", of_algorithm(0), "ok", "a file of the runtime")
    add("ok-argument", ARGUMENT, "ok", "an argument", b"/data/algorithm/main.py")
    add("ok-variable", of_invocation(7), "ok", "a variable", b"C")
    compact = json.dumps(dict(reversed(FILE.items())), separators=(",", ":")).replace("mean", "\\u006dean").encode()
    add("ok-other-layout", compact, "ok", "other order of fields, no white space, an escape")
    add("ok-largest", FILE, "ok", "1 MiB with white space", padded=1024 * 1024)


def malformed():
    """Files that are no disclosures."""

    def bad(name, document, about):
        add(f"bad-{name}", document, "receipt_malformed", about)

    bad("format", changed(FILE, "format", "brizo-disclosure/2"), "another format")
    bad("part", changed(FILE, "part", "mounts"), "a part that there is not")
    bad("part-missing", changed(FILE, "part", None), "no part")
    bad("list", dump([FILE]), "a list that holds the object")
    bad("unknown-field", changed(FILE, "note", "x"), "a field too many")
    bad("spec-with-outputs", FILE | {"spec": ARGUMENT["spec"]}, "outputs with the spec as well")
    bad("outcome-with-spec", ARGUMENT | {"outcome": FILE["outcome"]}, "an argument with the outcome as well")
    bad("mount-missing", changed(INPUT, "mount", None), "an input without its mount")
    bad("mount-with-argument", ARGUMENT | {"mount": INPUT["mount"]}, "an argument with a mount")
    bad("salt-missing", changed(FILE, "entry", "salt", None), "an entry without salt")
    bad("leaf-besides", changed(FILE, "entry", "leaf", hexed(OTHER)), "an entry with its leaf as well")
    bad("index-number", changed(FILE, "position", "index", 0), "the index as a JSON number")
    bad("count-zeros", changed(FILE, "position", "count", "09"), "a leading zero in the count")
    bad("sibling-short", changed(FILE, "position", "siblings", 0, "0x00"), "a sibling of one byte")
    bad("kind-argument", changed(FILE, "entry", "kind", "argument"), "an argument among the outputs")
    bad("kind-folder", changed(INPUT, "entry", "kind", "directory"), "a folder in a data set")
    bad("kind-stream", changed(ALGORITHM, "entry", "kind", "stream"), "a stream in a bundle")
    bad("kind-file", changed(ARGUMENT, "entry", "kind", "file"), "a file in the invocation")
    bad("kind-mount", changed(INPUT, "entry", "kind", "mount"), "a mount as an entry")
    text = dump(FILE)
    bad("double-field", text.replace(b'"part": "outputs",', b'"part": "outputs", "part": "outputs",'), "a field twice")
    bad("null", changed(FILE, "position", "siblings", [None]), "null as a sibling")
    bad("trailing", text + b"{}", "something behind the object")
    add("bad-empty", b"", "receipt_truncated", "no bytes")
    add("bad-cut-off", text.rstrip()[:-1], "receipt_truncated", "the last brace is missing")
    add("bad-too-large", FILE, "receipt_too_large", "one byte more than 1 MiB", padded=1024 * 1024 + 1)


def manifests():
    """Entries that no manifest can have. Their leaves are right, so only the rule stands in the way."""

    def bad(name, part, one, about, mount=None):
        document = disclose(part, [one], [manifest.leaf(one, RUN_KEY)], RUN_KEY, 0)
        if mount is not None:
            document |= {"mount": {"path": mount, "position": position([OTHER], 0)}}
        add(f"manifest-{name}", document, "bad_manifest", about)

    bad("parent", "outputs", entry("file", "a/../b", b""), "a path that leads up")
    bad("absolute", "algorithm", entry("file", "/a", b""), "an absolute path")
    bad("folder-size", "outputs", entry("directory", "a", b"") | {"size": 1}, "a folder with a size")
    bad("folder-digest", "outputs", entry("directory", "a", b"x") | {"size": 0}, "a folder with a digest")
    bad("stream", "outputs", entry("stream", "stdlog", b""), "a stream that does not exist")
    bad("argument-digits", "invocation", entry("argument", "0000001", b""), "an argument's index of seven digits")
    bad(
        "argument-filled",
        "invocation",
        entry("argument", "000000001", b""),
        "an argument's index of nine digits with zeros",
    )
    bad("argument-letters", "invocation", entry("argument", "0000000x", b""), "an argument whose index is no number")
    bad("argument-other-digits", "invocation", entry("argument", "0000000٣", b""), "digits of another script")
    bad("variable", "invocation", entry("variable", "A=B", b""), "a variable's name with =")
    bad("input", "inputs", entry("file", "a//b", b""), "a file of a data set with an empty component", "cohort")
    bad("mount", "inputs", entry("file", "a", b""), "a mount whose path leads up", "../cohort")


def positions():
    """Paths that lead elsewhere."""

    def bad(name, document, about):
        add(f"path-{name}", document, "bad_disclosure", about)

    def length(name, document, about):
        add(f"path-{name}", document, "path_length", about)

    siblings = FILE["position"]["siblings"]
    bad("index", changed(FILE, "position", "index", "1"), "the place of the neighbour")
    length("index-count", changed(FILE, "position", "index", "9"), "an index that is the count")
    length("index-largest", changed(FILE, "position", "index", str(2**64 - 1)), "the largest index that can be written")
    length("count-zero", changed(FILE, "position", {"index": "0", "count": "0", "siblings": []}), "a tree without leaves")
    bad("count-more", changed(FILE, "position", "count", "10"), "another count with as many siblings")
    bad(
        "count-one",
        changed(FILE, "position", {"index": "0", "count": "1", "siblings": []}),
        "a tree of this leaf alone",
    )
    length("sibling-missing", changed(FILE, "position", "siblings", siblings[:-1]), "the top sibling left out")
    length("sibling-more", changed(FILE, "position", "siblings", siblings + [hexed(OTHER)]), "a sibling too many")
    length("sibling-none", changed(FILE, "position", "siblings", []), "no siblings at all")
    bad("siblings-turned", changed(FILE, "position", "siblings", siblings[::-1]), "the siblings from the top downwards")
    bad("sibling-other", changed(FILE, "position", "siblings", 1, hexed(OTHER)), "another sibling")
    bad("of-neighbour", FILE | {"position": of_output("file", "zero")["position"]}, "the path of another output")
    bad("salt", changed(FILE, "entry", "salt", hexed(OTHER)), "another salt")
    bad("name", changed(FILE, "entry", "path", "mean.jsonx"), "another path")
    bad("size", changed(FILE, "entry", "size", "13"), "another size")
    bad("digest", changed(FILE, "entry", "digest", hexed(OTHER)), "another digest")
    stream = of_output("stream", "stdout")
    bad("kind", changed(stream, "entry", "kind", "file"), "a stream as a file of the same name")
    # A subtree of two leaves: its top in the place of a leaf, in a tree that would be half as deep there.
    halved = position(SAMPLE.output_leaves, 0)["siblings"][1:]
    bad(
        "node-as-leaf",
        changed(FILE, "position", {"index": "0", "count": "5", "siblings": halved}),
        "a node in a leaf's place, and a count that fits",
    )
    length(
        "node-as-leaf-in-place",
        changed(FILE, "position", "siblings", siblings[1:]),
        "a node in a leaf's place: its path is too short for the place",
    )
    bad("mount-path", changed(INPUT, "mount", "path", "cohorts"), "another mount")
    bad("mount-index", changed(INPUT, "mount", "position", "index", "1"), "the place of another mount")
    length("mount-count", changed(INPUT, "mount", "position", "index", "3"), "a mount's index that is the count")
    bad("mount-other", INPUT | {"mount": of_input(2, 0)["mount"]}, "the path of another mount")
    bad("inputs-without-mount-level", _data_set_as_inputs(), "a data set's root in the place of inputsRoot")
    bad(
        "part",
        FILE | {"outcome": FILE["outcome"] | {"outputsRoot": SAMPLE.spec["algorithmRoot"].hex().join(("0x", ""))}},
        "another root in the outcome",
    )
    as_algorithm = ALGORITHM | {"spec": ALGORITHM["spec"] | {"algorithmRoot": ALGORITHM["spec"]["invocationRoot"]}}
    bad("root-of-other-part", as_algorithm, "the root of the invocation as that of the bundle")


def _data_set_as_inputs():
    one_mount = {"index": "0", "count": "1", "siblings": []}
    return changed(INPUT, "mount", {"path": "", "position": one_mount})


def hashes():
    """Paths that lead to the root, and no further."""
    add(
        "hash-outcome", changed(FILE, "outcome", "fuelUsed", "123457"), "hash_mismatch", "another number in the outcome"
    )
    add("hash-status", changed(FILE, "outcome", "status", 1), "hash_mismatch", "another status")
    add("hash-spec-hash", changed(FILE, "specHash", hexed(OTHER)), "hash_mismatch", "another hash of the spec")
    add("hash-spec", changed(ARGUMENT, "spec", "runIndex", "1"), "hash_mismatch", "another number in the spec")
    add(
        "hash-outcome-hash", changed(INPUT, "outcomeHash", hexed(OTHER)), "hash_mismatch", "another hash of the outcome"
    )
    add(
        "hash-claim",
        changed(ALGORITHM, "claimHash", hexed(OTHER)),
        "hash_mismatch",
        "another receipt hash in the file",
        expected=OTHER,
    )
    add(
        "hash-before-expectation",
        changed(FILE, "claimHash", hexed(OTHER)),
        "hash_mismatch",
        "the file's own hash is looked at first",
    )
    add("hash-bytes", FILE, "hash_mismatch", "other bytes of the same length", b'{"mean":36.5}\n')
    add("hash-bytes-shorter", FILE, "hash_mismatch", "a byte less", b'{"mean":35.5}')
    add("hash-bytes-folder", of_output("directory", "plots"), "hash_mismatch", "bytes for a folder", b"x")
    add("expect-claim", FILE, "unexpected_receipt", "a good disclosure of another receipt", expected=OTHER)
    other = Sample(run_index=1)
    of_other = disclose("outputs", other.outputs, other.output_leaves, other.outputs_key, 0, other)
    add("expect-other-run", of_other, "unexpected_receipt", "the same file of another run of the same agreement")


def main():
    """Makes all cases."""
    good()
    malformed()
    manifests()
    positions()
    hashes()
    return VECTORS.finish()


if __name__ == "__main__":
    sys.exit(main())
