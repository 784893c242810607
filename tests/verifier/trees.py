"""The cases of `tests/vectors/manifest/` and `tests/vectors/log/`: one JSON file has one case or a list of them."""

from . import log as tlog
from . import manifest as rules
from .errors import Refused


def _bytes(text):
    return bytes.fromhex(text.removeprefix("0x"))


def _hex(data):
    return "0x" + data.hex()


def _entry(case):
    return {
        "kind": case["kind"],
        "path": case["path"],
        "size": int(case["size"]),
        "digest": _bytes(case["digest"]),
    }


def _differ(**pairs):
    return [f"{name} is {got} instead of {wanted}" for name, (got, wanted) in pairs.items() if got != wanted]


def _refusal(check, *given):
    """The code with which a check refuses, or None."""
    try:
        check(*given)
    except Refused as refused:
        return refused.code
    return None


def _entries(case):
    entries = [_entry(one) for one in case["entries"]]
    if "error" in case:
        return _differ(error=(_refusal(rules.ordered, entries), case["error"]))
    ordered = rules.ordered(entries)
    leaves = [rules.leaf(one, _bytes(case["key"])) for one in ordered]
    return _differ(
        order=([[one["kind"], one["path"]] for one in ordered], case["order"]),
        leaves=([_hex(one) for one in leaves], case["leaves"]),
        root=(_hex(rules.root(leaves)), case["root"]),
    )


def _invocation(case):
    key = _bytes(case["runKey"])
    leaves = [rules.leaf(one, key) for one in rules.invocation_entries(case["args"], case["env"])]
    return _differ(
        leaves=([_hex(one) for one in leaves], case["leaves"]), root=(_hex(rules.root(leaves)), case["root"])
    )


def _mounts(case):
    mounts = [(one["path"], _bytes(one["root"])) for one in case["mounts"]]
    return _differ(
        leaves=([_hex(rules.mount_leaf(*one)) for one in mounts], [one["leaf"] for one in case["mounts"]]),
        root=(_hex(rules.inputs_root(mounts[:2])), case["inputsRootOfFirstTwo"]),
    )


def manifest(name, case):
    """The cases of one file of `manifest/`: pairs of a name and what is wrong."""
    if name == "paths":
        for path in case["accepted"]:
            yield f" {path[:20]!r}", _differ(accepted=(rules.file_path_holds(path), True))
        for path in case["refused"]:
            yield f" {path[:20]!r}", _differ(accepted=(rules.file_path_holds(path), False))
    elif name == "invocations":
        for number, one in enumerate(case["accepted"] + case["refused"]):
            wanted = None if number < len(case["accepted"]) else "bad_manifest"
            got = _refusal(rules.invocation_entries, one["args"], one["env"])
            yield f"[{number}]", _differ(error=(got, wanted))
    elif name == "tree":
        for count, wanted in enumerate(case["roots"]):
            yield f"[{count}]", _differ(root=(_hex(rules.root([bytes([leaf]) * 32 for leaf in range(count)])), wanted))
    else:
        yield "", {"invocation": _invocation, "mounts": _mounts}.get(name, _entries)(case)


def _log_entry(case):
    entry = _bytes(case["entry"])
    fields = tlog.read_entry(entry)
    shown = {name: _hex(value) if isinstance(value, bytes) else str(value) for name, value in fields.items()}
    wanted = {name: case[name] for name in shown}
    return _differ(fields=(shown, wanted), leaf=(_hex(tlog.leaf_hash(entry)), case["leafHash"]))


def _log_tree(case):
    leaves = [tlog.leaf_hash(_bytes(one)) for one in case["entries"]]
    return _differ(root=(_hex(tlog.root(leaves)), case["root"]))


def _log_inclusion(case):
    holds = tlog.included(
        _bytes(case["leafHash"]),
        int(case["index"]),
        int(case["size"]),
        [_bytes(one) for one in case["proof"]],
        _bytes(case["root"]),
    )
    if not holds:
        raise Refused("log_proof", "inclusion")
    return []


def _log_consistency(case):
    holds = tlog.consistent(
        int(case["firstSize"]),
        _bytes(case["firstRoot"]),
        int(case["secondSize"]),
        _bytes(case["secondRoot"]),
        [_bytes(one) for one in case["proof"]],
    )
    if not holds:
        raise Refused("log_proof", "consistency")
    return []


def _log_checkpoint(case):
    size, root = tlog.read_checkpoint(case["checkpoint"], tlog.read_key(case["logKey"]))
    return _differ(size=(str(size), case["size"]), root=(_hex(root), case["root"]))


def _log_key(case):
    key = tlog.read_key(case["logKey"])
    if key is None:
        raise Refused("refused", "log key")
    return _differ(origin=(key[0], case["origin"]), publicKey=(_hex(key[1]), case["publicKey"]))


LOG = {
    "entry": _log_entry,
    "tree": _log_tree,
    "inclusion": _log_inclusion,
    "consistency": _log_consistency,
    "checkpoint": _log_checkpoint,
    "key": _log_key,
}


def log(name, cases):
    """The cases of one file of `log/`: `expect` is `ok` or the code of the refusal."""
    for number, case in enumerate(cases):
        try:
            code, wrong = "ok", LOG[name](case)
        except Refused as refused:
            code, wrong = refused.code, []
        yield f"[{number}] {case['about']}", _differ(code=(code, case["expect"])) + wrong
