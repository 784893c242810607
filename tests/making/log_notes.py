"""Checkpoints and log keys for the vectors of `log/` (RECEIPT.md section 14.3). Used by `make_log.py`."""

from base64 import b64encode
from hashlib import sha256

from tests.making.sample import LOG_PUBLIC, LOG_SEED, ORIGIN
from tests.making.signing import ed25519_public, ed25519_sign
from tests.making.writing import hexed
from tests.verifier import ed25519

ROOT, NOTHING = sha256(b"a root").digest(), sha256(b"").digest()
STRANGER = b"\x56" * 32


def base64(data):
    """Standard base64 as text."""
    return b64encode(data).decode()


def key_id(name, public, algorithm=b"\1"):
    """The four bytes that name a key."""
    return sha256(name.encode() + b"\n" + algorithm + public).digest()[:4]


def log_key(name=ORIGIN, public=LOG_PUBLIC, algorithm=b"\1", identity=None):
    """A verifier key."""
    identity = key_id(name, public, algorithm) if identity is None else identity
    return f"{name}+{identity.hex()}+{base64(algorithm + public)}"


def body(size=7, root=ROOT, origin=ORIGIN):
    """The text of a checkpoint."""
    return f"{origin}\n{size}\n{base64(root)}\n"


def line(text, seed=LOG_SEED, name=ORIGIN, identity=None):
    """A signature line over a text."""
    identity = key_id(name, ed25519_public(seed)) if identity is None else identity
    return f"— {name} {base64(identity + ed25519_sign(seed, text.encode()))}\n"


def note(text, *lines):
    """A signed note; without `lines`, signed by the log."""
    return f"{text}\n{''.join(lines or (line(text),))}"


def checkpoints():
    """Checkpoints that are taken, and those that are not."""
    rows = []
    text = body()
    usual = note(text)
    stranger = line(text, STRANGER, "witness.example/w")
    bare = line(text).removeprefix("— ").split(" ")[1].strip()

    def good(about, checkpoint, size, key=None, root=ROOT):
        rows.append(
            {
                "about": about,
                "logKey": key or log_key(),
                "checkpoint": checkpoint,
                "expect": "ok",
                "size": str(size),
                "root": hexed(root),
            }
        )

    def bad(about, checkpoint, code="bad_checkpoint"):
        rows.append({"about": about, "logKey": log_key(), "checkpoint": checkpoint, "expect": code})

    good("a checkpoint", usual, 7)
    good("a witness signed before the log", note(text, stranger, line(text)), 7)
    good("sixteen signatures", note(text, *[stranger] * 15, line(text)), 7)
    good("the log's name with another key id, ignored", note(text, line(text, identity=bytes(4)), line(text)), 7)
    good(
        "the log's key id with another name, ignored",
        note(text, line(text, name="x", identity=key_id(ORIGIN, LOG_PUBLIC)), line(text)),
        7,
    )
    good("a second line by the log's key, ignored", note(text, line(text), line("x\n")), 7)
    long = f"— witness.example/w {base64(bytes(3300))}\n"
    good("a signature of another kind, 3300 bytes long", note(text, long, line(text)), 7)
    good("the largest size", note(body(2**64 - 1)), 2**64 - 1)
    good(
        "an origin with letters beyond ASCII",
        note(body(origin="köln.example/log"), line(body(origin="köln.example/log"), name="köln.example/log")),
        7,
        log_key("köln.example/log"),
    )
    good("size 0", note(body(0, NOTHING)), 0, root=NOTHING)

    other = body(origin="other.example/log")
    bad("the right root from another origin", note(other), "wrong_origin")
    elsewhere = note(other, line(other, name="other.example/log"))
    bad("the right root from another origin, under its own name", elsewhere, "wrong_log_key")
    bad("signed by another key under the log's name", note(text, line(text, STRANGER)), "wrong_log_key")
    bad("signed by another key, over what is no checkpoint", note("x\n", line("x\n", STRANGER)), "wrong_log_key")
    bad(
        "signed by another key under the log's name and key id",
        note(text, line(text, STRANGER, identity=key_id(ORIGIN, LOG_PUBLIC))),
    )
    bad("a bad line by the log's key before a good one", note(text, line("x\n"), line(text)))
    bad("signed by a witness alone", note(text, stranger), "wrong_log_key")
    bad("seventeen signatures", note(text, *[stranger] * 16, line(text)))
    bad("another size under the same signature", usual.replace("\n7\n", "\n8\n"))
    bad("another root under the same signature", usual.replace(base64(ROOT), base64(bytes(32))))
    bad("the signature over the text without its newline", note(text, line(text[:-1])))
    for about, size in (
        ("a leading zero", "07"),
        ("two zeros", "00"),
        ("a plus", "+7"),
        ("a minus", "-7"),
        ("hex", "0x7"),
        ("a space", " 7"),
        ("no digits", ""),
        ("digits of another script", "٧"),
        ("2^64", str(2**64)),
    ):
        bad(f"size: {about}", note(body(size)))
    bad("size 0 with a root that is not that of nothing", note(body(0)))
    bad("a root of 31 bytes", note(body(root=ROOT[:31])))
    bad("a root of 33 bytes", note(body(root=ROOT + b"\0")))
    for about, spelled in (
        ("without padding", base64(ROOT)[:-1]),
        ("in the other alphabet", base64(b"\xff" * 32).replace("/", "_")),
        ("with bits behind its end", base64(ROOT)[:-2] + chr(ord(base64(ROOT)[-2]) + 1) + "="),
        ("with a space", base64(ROOT)[:20] + " " + base64(ROOT)[20:]),
        ("in hex", ROOT.hex()),
    ):
        strange = f"{ORIGIN}\n7\n{spelled}\n"
        bad(f"a root {about}", note(strange))
    bad("an extension line", note(text + "more\n"))
    bad("two lines", note(f"{ORIGIN}\n7\n"))
    bad("an empty line before the text", note("\n" + text))
    bad("an empty line behind the text", note(text + "\n"))
    bad("an empty origin", note(body(origin="")))
    bad("no newline at the end", usual[:-1])
    bad("an empty line at the end", usual + "\n")
    bad("no empty line before the signatures", text + line(text))
    bad("no signatures", text + "\n")
    bad("the text alone", text)
    bad("nothing", "")
    bad("lines that end in CR LF", usual.replace("\n", "\r\n"))
    bad("a tab in the text", note(body(origin=ORIGIN + "\t")))
    bad("a NUL in a name", note(text, line(text).replace(ORIGIN, ORIGIN + "\0"), line(text)))
    bad("a hyphen in the place of the dash", usual.replace("— ", "- "))
    bad("a signature line without a name", note(text, f"— {bare}\n"))
    bad("a stranger's line that is no base64", note(text, "— x !!!!\n", line(text)))
    bad("a stranger's line with a key id and no signature", note(text, f"— x {base64(bytes(4))}\n", line(text)))
    bad("a stranger's name with a plus", note(text, stranger.replace("example/w", "example+w"), line(text)))
    bad(
        "a stranger's name with a no-break space",
        note(text, stranger.replace("example/w", "example\u00a0w"), line(text)),
    )
    bad("a space at the end of a line", note(text, line(text)[:-1] + " \n"))
    bad("the log's signature without padding", note(text, line(text).rstrip("=\n") + "\n"))
    bad(
        "the log's signature with a byte more",
        note(
            text,
            f"— {ORIGIN} {base64(key_id(ORIGIN, LOG_PUBLIC) + ed25519_sign(LOG_SEED, text.encode()) + bytes(1))}\n",
        ),
    )
    signature = ed25519_sign(LOG_SEED, text.encode())
    beyond = (int.from_bytes(signature[32:], "little") + ed25519.L).to_bytes(32, "little")
    bad(
        "a signature whose s is not below the order",
        note(text, f"— {ORIGIN} {base64(key_id(ORIGIN, LOG_PUBLIC) + signature[:32] + beyond)}\n"),
    )
    bad("larger than 64 KiB", note(text, f"— x {base64(bytes(49200))}\n", line(text)))
    return rows


def keys():
    """Log keys that are taken, and those that are not."""
    rows = [
        {"about": "a log key", "logKey": log_key(), "expect": "ok", "origin": ORIGIN, "publicKey": hexed(LOG_PUBLIC)}
    ]
    usual = log_key()

    def bad(about, key):
        rows.append({"about": about, "logKey": key, "expect": "refused"})

    bad("another key id", log_key(identity=bytes(4)))
    bad("the key id of another name", log_key(identity=key_id("x", LOG_PUBLIC)))
    bad("ECDSA", log_key(algorithm=b"\2"))
    bad("a cosignature's key", log_key(algorithm=b"\4"))
    bad("a key of 31 bytes", log_key(public=LOG_PUBLIC[:31]))
    bad("a key of 33 bytes", log_key(public=LOG_PUBLIC + b"\0"))
    bad("a space in the name", log_key("provider.example/the log"))
    bad("a control character in the name", log_key("provider.example/\x01log"))
    bad("a separator below U+0020 in the name", log_key("provider.example/\x1clog"))
    bad("no name", log_key(""))
    bad("no key id", f"{ORIGIN}+{usual.split('+', 2)[2]}")
    bad("a key id in capitals", ORIGIN + "+" + usual.split("+")[1].upper() + "+" + usual.split("+", 2)[2])
    bad("padding where none belongs", usual + "=")
    bad("a newline at the end", usual + "\n")
    bad("a name alone", ORIGIN)
    bad("nothing", "")
    bad("a point that is not on the curve", log_key(public=(2).to_bytes(32, "little")))
    bad(
        "a key of small order, under which one signature fits all texts",
        log_key(public=ed25519.encode(ed25519.NEUTRAL)),
    )
    return rows
