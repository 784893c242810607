"""The forms of values in documents (RECEIPT.md section 6), as small functions that read one value or refuse it.

A form takes a value of `strictjson` and a place in words; it gives bytes for hex, ints for numbers, str for text.
"""

import re

from .errors import malformed
from .strictjson import Number

DIGITS = re.compile(r"0|[1-9][0-9]*")
HEX = re.compile(r"0x((?:[0-9a-f]{2})*)")
U64_MAX = 2**64 - 1


def text(value, where):
    """TEXT: any string."""
    if type(value) is not str:
        raise malformed(f"{where} is not a string")
    return value


def u64(value, where):
    """U64: decimal digits in a string."""
    digits = text(value, where)
    # Twenty digits are the longest that fit; a longer text is not even turned into a number.
    if len(digits) > 20 or not DIGITS.fullmatch(digits) or int(digits) > U64_MAX:
        raise malformed(f"{where} is not a 64-bit number in its one form")
    return int(digits)


def small(bits):
    """A JSON number of at most `bits` bits, without sign, fraction and exponent."""

    def form(value, where):
        if not isinstance(value, Number) or len(value) > 20 or not DIGITS.fullmatch(value) or int(value) >> bits:
            raise malformed(f"{where} is not a number of {bits} bits in its one form")
        return int(value)

    return form


def hexes(length):
    """`0x` and lower-case hex of `length` bytes."""

    def form(value, where):
        found = HEX.fullmatch(text(value, where))
        if found is None or len(found.group(1)) != 2 * length:
            raise malformed(f"{where} is not {length} bytes in lower-case hex")
        return bytes.fromhex(found.group(1))

    return form


b32, address, signature = hexes(32), hexes(20), hexes(65)


def one_of(*words):
    """One of these strings."""

    def form(value, where):
        if text(value, where) not in words:
            raise malformed(f"{where} is none of {', '.join(words)}")
        return value

    return form


def boolean(value, where):
    """`true` or `false`."""
    if type(value) is not bool:
        raise malformed(f"{where} is neither true nor false")
    return value


def many(form, most=None):
    """A list of values of one form, `most` of them at most."""

    def read(value, where):
        if not isinstance(value, list):
            raise malformed(f"{where} is not a list")
        if most is not None and len(value) > most:
            raise malformed(f"{where} has {len(value)} entries, at most {most} are allowed")
        return [form(one, f"{where}[{index}]") for index, one in enumerate(value)]

    return read


def struct(fields, optional=()):
    """An object with these fields, each once, and no other. Those named in `optional` may be absent."""

    def read(value, where):
        if not isinstance(value, dict):
            raise malformed(f"{where} is not an object")
        for name in value:
            if name not in fields:
                raise malformed(f"{where} has an unknown field {name!r}")
        for name in fields:
            if name not in value and name not in optional:
                raise malformed(f"{where} has no {name}")
        return {name: fields[name](one, f"{where}.{name}") for name, one in value.items()}

    return read


def pair(value, where):
    """A list of exactly two texts."""
    found = many(text)(value, where)
    if len(found) != 2:
        raise malformed(f"{where} is not a pair")
    return found


KIND = one_of("file", "directory", "stream", "mount", "argument", "variable")
DOMAIN = struct({"chainId": u64, "verifyingContract": address})
SPEC = struct(
    {
        "profile": b32,
        "agreementId": b32,
        "runIndex": u64,
        "moduleDigest": b32,
        "algorithmRoot": b32,
        "invocationRoot": b32,
        "inputsRoot": b32,
        "randomSeed": b32,
        "clockStart": u64,
        "clockStep": u64,
        "fuelLimit": u64,
        "memoryLimit": u64,
        "stackLimit": u64,
        "outputLimit": u64,
        "filesLimit": u64,
        "blindCommit": b32,
    }
)
OUTCOME = struct(
    {
        "status": small(8),
        "exitCode": small(32),
        "trapCode": small(32),
        "fuelUsed": u64,
        "outputBytes": u64,
        "outputsRoot": b32,
    }
)
