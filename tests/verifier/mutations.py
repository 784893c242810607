"""Random changes of a JSON document: in its values, in its shape, and in its bytes."""

import json

from .strictjson import Number

MOST = 2**64 - 1
PATHS = (
    "", ".", "..", "a", "a/b", "a//b", "/a", "a/", "a/../b", "a\0b", "a\\b", "x" * 255, "x" * 256, "stdout", "stderr", "stdin",
    "ä", "\U0001f600", "y/" * 2048 + "z", "00000000", "A=B",
)  # fmt: skip
WORDS = (
    "file",
    "directory",
    "stream",
    "mount",
    "argument",
    "variable",
    "attested",
    "re-executable",
    "active",
    "revoked",
    "File",
)
NUMBERS = (
    "0",
    "1",
    "2",
    "5",
    "6",
    "11",
    "12",
    "255",
    "256",
    "-0",
    "-1",
    "1.0",
    "1e0",
    "00",
    "01",
    str(2**32),
    str(MOST),
    str(MOST + 1),
)
INSERTS = (
    b" ",
    b"\n",
    b"\t",
    b"\r",
    b"\f",
    b"\xc2\xa0",
    b"\xef\xbb\xbf",
    b"\0",
    b",",
    b'"',
    b"{}",
    b"[]",
    b"//",
    b"null",
    b"\xff",
    b"0",
)


def read(data):
    """The document with its objects as dicts and its numbers as they are spelled."""
    return json.loads(data, parse_int=Number, parse_float=Number)


def write(value):
    """The document as bytes. Numbers are written as they are spelled, and a key that ends in U+FFFF without that mark."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        fields = (
            f"{json.dumps(name.rstrip(chr(0xFFFF)), ensure_ascii=False)}: {write(one)}" for name, one in value.items()
        )
        return "{" + ", ".join(fields) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(write(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def places(value, found=None):
    """Every place in a document: a container and the key of something in it."""
    found = [] if found is None else found
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            places(value[key], found)
    return found


def _hex_digit(rng, text):
    at = rng.randrange(len(text))
    return text[:at] + rng.choice("0123456789abcdef" * 4 + "ABCDEFgx ") + text[at + 1 :]


def _nudge(rng, text):
    number = int(text)
    return str(rng.choice((0, 1, number + 1, max(number - 1, 0), number * 2, MOST, MOST + 1, rng.randrange(2**64))))


def new_text(rng, text):
    """Another text in the place of this one, of the same sort more often than not."""
    choice = rng.randrange(8)
    if choice == 0:
        return rng.choice(PATHS + WORDS)
    if choice == 1:
        return text[: rng.randrange(len(text) + 1)]
    if choice == 2:
        return text + rng.choice(("0", " ", "\0", "/", "/x", "é"))
    if choice == 3:
        return Number(rng.choice(NUMBERS))
    if text.isascii() and text.isdigit():
        return _nudge(rng, text) if choice < 7 else rng.choice(("0" + text, "+" + text, " " + text, text + ".0"))
    return _hex_digit(rng, text) if text else rng.choice(PATHS)


def change_value(rng, document):
    """Puts another value in one place."""
    container, key = rng.choice(places(document))
    value = container[key]
    if isinstance(value, Number):
        container[key] = rng.choice((Number(rng.choice(NUMBERS)), str(value), value))
    elif isinstance(value, str):
        container[key] = new_text(rng, value)
    elif isinstance(value, bool):
        container[key] = rng.choice((not value, None, str(value).lower(), Number(int(value))))
    else:
        container[key] = rng.choice((None, [], {}, [value], "x", Number("0")))


def drop(rng, document):
    """Takes one thing away."""
    container, key = rng.choice(places(document))
    del container[key]


def add_field(rng, document):
    """A field that nobody knows, or a known one a second time."""
    objects = [document] + [box[key] for box, key in places(document) if isinstance(box[key], dict)]
    target = rng.choice(objects)
    name = rng.choice(list(target) or ["x"])
    if rng.randrange(2):
        target[name + "\uffff"] = target.get(name)
    else:
        target[rng.choice(("extra", "", name.upper(), name + " ", "leaf", "kind", "salt", "log", "algorithm"))] = "x"


def change_list(rng, document):
    """Exchanges, repeats or takes away entries of a list."""
    lists = [box[key] for box, key in places(document) if isinstance(box[key], list) and box[key]]
    if not lists:
        return
    chosen = rng.choice(lists)
    first, second = rng.randrange(len(chosen)), rng.randrange(len(chosen))
    what = rng.randrange(3)
    if what == 0:
        chosen[first], chosen[second] = chosen[second], chosen[first]
    elif what == 1:
        chosen.insert(second, json.loads(json.dumps(chosen[first])))
    else:
        del chosen[first]


def _alike(one, other):
    """Whether two values have the same form, by their looks: objects by their fields, hex by its length."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys()
    if isinstance(one, str) and isinstance(other, str):
        return type(one) is type(other) and one[:2] == other[:2] == "0x" and len(one) == len(other)
    return type(one) is type(other)


def copy_value(rng, document):
    """Puts what stands in one place into another one, mostly one of the same form."""
    every = places(document)
    target, to_key = rng.choice(every)
    fitting = [box[key] for box, key in every if _alike(box[key], target[to_key])]
    container, key = rng.choice(every)
    value = rng.choice(fitting) if rng.randrange(5) and fitting else container[key]
    target[to_key] = read(write(value).encode())


def swap_fields(rng, document):
    """Exchanges the values of two fields of the same name."""
    every = places(document)
    target, key = rng.choice(every)
    others = [box for box, other in every if other == key and box is not target]
    if others:
        other = rng.choice(others)
        target[key], other[key] = other[key], target[key]


def withhold(rng, document):
    """Takes all but the leaf of an output, or gives it something back."""
    outputs = document.get("opening", {}).get("outputs") if isinstance(document.get("opening"), dict) else None
    if isinstance(outputs, list) and outputs:
        one = rng.choice(outputs)
        if isinstance(one, dict) and "leaf" in one:
            keep = {"leaf": one["leaf"]}
            one.clear()
            one.update(keep)


def rename_output(rng, document):
    """Another path, kind or size of an output or a mount: the rules of lists and trees."""
    opening = document.get("opening")
    if not isinstance(opening, dict):
        return
    entries = [one for name in ("outputs", "inputs") for one in opening.get(name) or [] if isinstance(one, dict)]
    if entries:
        one = rng.choice(entries)
        paths = [str(other.get("path", "")) for other in entries]
        name = rng.choice([key for key in ("path", "kind", "size") if key in one] or ["path"])
        values = {"path": PATHS + tuple(paths) + tuple(path + "/x" for path in paths), "kind": WORDS, "size": NUMBERS}
        one[name] = rng.choice(values[name])


def bound(rng, document):
    """A limit or a result at its edge: the rules between the fields of a claim."""
    claim = document.get("claim")
    if not isinstance(claim, dict) or not all(isinstance(claim.get(half), dict) for half in ("spec", "outcome")):
        return
    half = claim[rng.choice(("spec", "outcome", "outcome"))]
    fields = [name for name, value in half.items() if not str(value).startswith("0x")]
    name = rng.choice(fields or ["x"])
    value = rng.choice(
        ["0", "1", "2", "3", "4", "5", "6", "10", "11", "12", str(MOST)] + [str(half[field]) for field in fields]
    )
    half[name] = Number(value) if isinstance(half.get(name), Number) else value


IN_VALUES = (
    change_value, change_value, drop, add_field, change_list, copy_value, swap_fields, withhold, rename_output, rename_output, bound,
    bound,
)  # fmt: skip


def change_bytes(rng, data):
    """A flipped bit, or bytes put in, taken out, cut off or spelled otherwise."""
    at, what = rng.randrange(len(data)), rng.randrange(6)
    if what == 0:
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    if what == 1:
        return data[:at] + rng.choice(INSERTS) + data[at:]
    if what == 2:
        return data[:at] + data[at + rng.randrange(1, 4) :]
    if what == 3:
        return data[:at]
    if what == 4:
        return data + rng.choice(INSERTS)
    # A letter as its escape, or an escape that is none.
    escapes = (
        b"\\u%04x" % data[at],
        b"\\u%04X" % data[at],
        b"\\ud800",
        b"\\udc00\\ud800",
        b"\\ud83d\\ude00",
        b"\\x41",
        b"\\u00",
    )
    return data[:at] + rng.choice(escapes) + data[at + 1 :]


def mutate(rng, data, repair=None):
    """One changed copy of a good file. With `repair`, hashes and signatures are made right again in half of the cases."""
    if rng.randrange(4) == 0:
        return change_bytes(rng, data)
    document = read(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if document:
            rng.choice(IN_VALUES)(rng, document)
    if repair and rng.randrange(2):
        repair(rng, document)
    return write(document).encode("utf-8", "surrogatepass")
