"""JSON as RFC 8259 has it, and no more: no double names, no `NaN`, no half surrogates, nothing behind the value.

Python's own reader takes several things that a receipt must not have (RECEIPT.md section 6), so this one is written
out. Objects are dicts, lists are lists, numbers stay as they were spelled (`Number`): `1.0` and `1` are two forms.
"""

import re

from .errors import Refused, malformed

SPACE = re.compile(r"[ \t\n\r]*")
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
HEX4 = re.compile(r"[0-9a-fA-F]{4}")
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
WORDS = {"true": True, "false": False, "null": None}
DEEPEST = 127  # levels of lists and objects (RECEIPT.md section 6)
# The beginning of a number that is none without more digits.
UNFINISHED = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.|(?:\.[0-9]+)?[eE][+-]?))?\Z")


class Ended(Exception):
    """The text ended before its value did, and nothing before the end was wrong."""


class Number(str):
    """A number as it stands in the file."""


class Reader:
    """Reads one value after the other from a text."""

    def __init__(self, text):
        self.text = text
        self.at = 0
        self.twice = None  # the first name that stands twice

    def fail(self, what):
        """The refusal, with the place in characters."""
        return malformed(f"{what} at character {self.at}")

    def peek(self):
        """The next character that is not white space, or nothing at the end; it is not taken."""
        self.at = SPACE.match(self.text, self.at).end()
        return self.text[self.at : self.at + 1]

    def look(self):
        """The next character that is not white space, of a value that has not ended."""
        return self.peek() or self.ended()

    def ended(self):
        """The end of the text, in the middle of a value."""
        raise Ended

    def take(self, expected):
        """Takes one character that must be there."""
        if self.look() != expected:
            raise self.fail(f"{expected!r} is missing")
        self.at += 1

    def value(self, depth):
        """The next value of any kind."""
        first = self.look()
        if first in "[{" and depth == DEEPEST:
            raise self.fail("too many levels")
        if first == "{":
            return self.object(depth)
        if first == "[":
            return self.list(depth)
        if first == '"':
            return self.string()
        for word, meaning in WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return meaning
            if word.startswith(self.text[self.at :]):
                self.ended()
        return self.number()

    def number(self):
        """A number as it is spelled."""
        if UNFINISHED.match(self.text, self.at):
            self.ended()
        number = NUMBER.match(self.text, self.at)
        if number is None:
            raise self.fail("no value")
        self.at = number.end()
        return Number(number.group())

    def object(self, depth):
        """An object; a name that stands twice, in whatever spelling, is refused."""
        found = {}
        self.take("{")
        if self.look() == "}":
            self.at += 1
            return found
        while True:
            if self.look() != '"':
                raise self.fail("no name of a field")
            name = self.string()
            if name in found:
                # Said at the end of the text: a text that has none is cut off before all else.
                self.twice = self.twice or self.fail(f"the field {name!r} stands twice")
            self.take(":")
            found[name] = self.value(depth + 1)
            if self.look() != ",":
                break
            self.at += 1
        self.take("}")
        return found

    def list(self, depth):
        """A list."""
        found = []
        self.take("[")
        if self.look() == "]":
            self.at += 1
            return found
        while True:
            found.append(self.value(depth + 1))
            if self.look() != ",":
                break
            self.at += 1
        self.take("]")
        return found

    def string(self):
        """A string, without its escapes."""
        self.at += 1
        parts = []
        while True:
            plain = PLAIN.match(self.text, self.at)
            parts.append(plain.group())
            self.at = plain.end()
            stop = self.text[self.at : self.at + 1]
            if stop == '"':
                self.at += 1
                return "".join(parts)
            if not stop:
                self.ended()
            if stop != "\\":
                raise self.fail("a string holds a control character")
            parts.append(self.escape())

    def escape(self):
        """One escape, or two that make one character together."""
        letter = self.text[self.at + 1 : self.at + 2] or self.ended()
        if letter != "u":
            if letter not in ESCAPES:
                raise self.fail("an unknown escape")
            self.at += 2
            return ESCAPES[letter]
        code = self.unit()
        if 0xD800 <= code < 0xDC00 and self.text[self.at :] in ("", "\\"):
            self.ended()
        if 0xD800 <= code < 0xDC00 and self.text.startswith("\\u", self.at):
            low = self.unit()
            if not 0xDC00 <= low < 0xE000:
                raise self.fail("half a surrogate pair")
            return chr(0x10000 + ((code - 0xD800) << 10) + low - 0xDC00)
        if 0xD800 <= code < 0xE000:
            raise self.fail("half a surrogate pair")
        return chr(code)

    def unit(self):
        """The number of a `\\u` escape."""
        digits = HEX4.match(self.text, self.at + 2)
        if digits is None and len(self.text[self.at + 2 : self.at + 6].encode()) < 4:
            self.ended()
        if digits is None:
            raise self.fail("an escape without four hex digits")
        self.at = digits.end()
        return int(digits.group(), 16)


def _parse(text):
    reader = Reader(text)
    value = reader.value(0)
    if reader.twice is not None:
        raise reader.twice
    if reader.peek():
        raise reader.fail("something follows the value")
    return value


def parse(text):
    """The one value of a text; `receipt_malformed` if it is not JSON or something follows."""
    try:
        return _parse(text)
    except Ended as ended:
        raise malformed("a value does not end") from ended


def _beginning(data, most):
    """The text of a file as far as it is UTF-8, and whether it ends in the middle of a character."""
    if len(data) > most:
        raise Refused("receipt_too_large", f"{len(data)} bytes, at most {most} are read")
    try:
        return data.decode("utf-8"), False
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            raise malformed(f"not UTF-8 at byte {error.start}") from error
        return data[: error.start].decode("utf-8"), True


def parse_file(data, most):
    """The one value of a file of at most `most` bytes, in UTF-8 without a byte order mark."""
    text, is_cut = _beginning(data, most)
    try:
        value = _parse(text)
    except Ended as ended:
        raise Refused("receipt_truncated", f"it ends after {len(data)} bytes") from ended
    if is_cut:
        raise malformed("half a character follows the value")
    return value
