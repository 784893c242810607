"""Receipts beside the log that they are in, for the vectors `live-…` of `logged/` (RECEIPT.md section 9.5, step 4)."""

from tests.making import log_notes
from tests.making.log_receipts import ENTRY, LEAVES, LOGGED_AT, OTHER, PLACE, SAMPLE, SIZE, USUAL
from tests.making.sample import AGREEMENT
from tests.making.writing import dump, hexed
from tests.verifier import log, merkle
from tests.verifier.live import WIDTH, tile_path


def grown(leaves, size):
    """A log that goes on from these leaves."""
    more = [log.make_entry(3, 1, number, LOGGED_AT + 1, AGREEMENT, OTHER, OTHER) for number in range(len(leaves), size)]
    return [*leaves, *map(log.leaf_hash, more)]


def signed(leaves, size=None, *lines):
    """A checkpoint over the first leaves."""
    text = log_notes.body(len(leaves) if size is None else size, log.root(leaves if size is None else leaves[:size]))
    return log_notes.note(text, *(log_notes.line(text, seed) for seed in lines)).encode()


def files(leaves, checkpoint=None):
    """The files of a log: its checkpoint, and the tiles of hashes."""
    found = {"checkpoint": signed(leaves) if checkpoint is None else checkpoint}
    level, hashes = 0, leaves
    while hashes:
        tiles = [hashes[at : at + WIDTH] for at in range(0, len(hashes), WIDTH)]
        for index, tile in enumerate(tiles):
            found[tile_path(level, index, len(tile))] = b"".join(tile)
        level, hashes = level + 1, [merkle.top(tile, log.node) for tile in tiles if len(tile) == WIDTH]
    return found


def add_cases(vectors):
    """All cases `live-…`."""
    receipt = dump(SAMPLE.receipt(USUAL))

    def add(name, code, about, shown, **names):
        if code == "ok":
            names = {"log": "reached", **names}
        content = {"receipt.json": receipt, **{f"log/{path}": data for path, data in shown.items()}}
        vectors.case("logged", f"live-{name}", content, code, about, logKey=log_notes.log_key(), **names)

    today = grown(LEAVES, 20)
    other = grown([*LEAVES[:PLACE], log.leaf_hash(ENTRY[:-1] + b"\0"), *LEAVES[PLACE + 1 :]], 20)
    _good(add, today)
    _unreachable(add, today)
    _refused(add, today, other)


def _good(add, today):
    add("later", "ok", "the log of later: the same past, and more", files(today))
    add("same", "ok", "nothing was logged since", files(LEAVES))
    add("tiles", "ok", "a log of three tiles", files(grown(LEAVES, 300)))
    full = files(grown(LEAVES, 512))
    full["checkpoint"] = signed(grown(LEAVES, 300))
    full |= {path: data for path, data in files(grown(LEAVES, 300)).items() if path.startswith("tile/1/")}
    add("full", "ok", "a tile that was not full is gone; the full one begins with it", full)
    add("behind", "ok", "a checkpoint from before the receipt's", files(LEAVES, signed(LEAVES, 8)))
    add("whole", "ok", "from 13 to 16 entries", files(grown(LEAVES, 16)))
    right = " ".join(f"{size}:{hexed(log.root(today[:size]))}" for size in (1, 8, 13, 17, 20))
    add("anchors", "ok", "anchors that the log has", files(today), anchors=right)
    add("anchor-above", "ok", "an anchor of a tree that the log does not show yet", files(today), anchors=f"21:{hexed(OTHER)}")


def _unreachable(add, today):
    without = {"log": "not attempted"}
    add("no-checkpoint", "ok", "the log has no checkpoint", {"key": log_notes.log_key().encode()}, **without)
    shown = {path: data for path, data in files(today).items() if not path.startswith("tile")}
    add("behind-the-entry", "ok", "a checkpoint from before the receipt's entry", files(LEAVES, signed(LEAVES, PLACE)), **without)
    add("no-tile", "ok", "the log has no tile", shown, **without)


def _refused(add, today, other):
    add("fork", "equivocation", "another entry in the receipt's place", files(other))
    add("fork-of-one-size", "equivocation", "another root of as many entries", files(other[:SIZE]))
    add("fork-behind", "equivocation", "an older checkpoint with another past", files(LEAVES, signed(other, 8)))
    anchor = f"8:{hexed(log.root(today[:8]))} 17:{hexed(log.root(other[:17]))}"
    add("anchor-other", "equivocation", "an anchor of another past", files(today), anchors=anchor)
    add("anchor-of-one-size", "equivocation", "an anchor with another root of as many entries", files(today), anchors=f"20:{hexed(OTHER)}")
    tile = tile_path(0, 0, 20)
    shown = files(today)
    shown[tile] = shown[tile][:100] + bytes([shown[tile][100] ^ 1]) + shown[tile][101:]
    add("tile-changed", "log_proof", "a bit of a tile turned", shown)
    shown = files(today)
    shown[tile] = shown[tile][:-1]
    add("tile-short", "log_proof", "a tile without its last byte", shown)
    shown = files(today)
    shown[tile] = shown[tile] + b"\0"
    add("tile-long", "log_proof", "a tile with a byte too many", shown)
    add("checkpoint-long", "bad_checkpoint", "a checkpoint of more than 64 KiB", files(today, signed(today) + b"\n" * 65536))
    shown = files(other, signed(today))
    add("tiles-of-another", "log_proof", "the right checkpoint over the tiles of another past", shown)
    add("stranger", "wrong_log_key", "a checkpoint by another key", files(today, signed(today, None, log_notes.STRANGER)))
    add("no-text", "bad_checkpoint", "a checkpoint that is no text", files(today, b"\xff" + signed(today)))
