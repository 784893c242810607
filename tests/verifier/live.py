"""The log itself: that it shows the same past as a checkpoint, by its own tiles (RECEIPT.md sections 9.5 and 14.4)."""

import urllib.error
import urllib.request
from pathlib import Path

from . import log, merkle
from .errors import Refused, need

WIDTH, HASH = 256, 32
WAIT_S = 20


class Unreachable(Exception):
    """The log cannot be asked, or does not have a file: nothing is said about it."""


def from_folder(folder):
    """Files of a log that lie in a folder."""

    def fetch(path, _most):
        try:
            return (Path(folder) / path).read_bytes()
        except OSError:
            return None

    return fetch


def from_url(url):
    """Files of a log over HTTP; no more is read than a file can have, and a byte that shows that it has more."""

    def fetch(path, most):
        try:
            with urllib.request.urlopen(f"{url.rstrip('/')}/{path}", timeout=WAIT_S) as answer:  # noqa: S310
                return answer.read(most + 1)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise Unreachable(f"{path}: status {error.code}") from error
        except OSError as error:
            raise Unreachable(f"{path}: {error}") from error

    return fetch


def tile_path(level, index, width):
    """Where a tile is: groups of three digits, all but the last behind an `x`."""
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = f"tile/{level}/" + "".join(f"x{group}/" for group in groups[:-1]) + groups[-1]
    return path if width == WIDTH else f"{path}.p/{width}"


class Tiles:
    """The hashes of a tree of some size. They prove nothing before they are hashed up to its root."""

    def __init__(self, fetch, size):
        self.fetch, self.size, self.held = fetch, size, {}

    def _tile(self, level, index):
        if (level, index) not in self.held:
            width = min(WIDTH, (self.size >> 8 * level) - index * WIDTH)
            data = self.fetch(tile_path(level, index, width), width * HASH)
            if data is None and width < WIDTH:
                # What is not full is gone once the full one is there, which begins with it.
                full = self.fetch(tile_path(level, index, WIDTH), WIDTH * HASH)
                data = full[: width * HASH] if full is not None and len(full) == WIDTH * HASH else full
            if data is None:
                raise Unreachable(f"the log has no {tile_path(level, index, width)}")
            need(len(data) == width * HASH, "log_proof", f"{tile_path(level, index, width)} has another length")
            self.held[level, index] = [data[at : at + HASH] for at in range(0, len(data), HASH)]
        return self.held[level, index]

    def _whole(self, start, height):
        """The top over 2^height leaves from `start` on, a multiple of that."""
        level, rest = divmod(height, 8)
        index, at = divmod(start >> 8 * level, WIDTH)
        return merkle.top(self._tile(level, index)[at : at + (1 << rest)], log.node)

    def over(self, start, end):
        """The top over the leaves from `start` to before `end`, one of the subtrees of RFC 6962."""
        count = end - start
        if count & (count - 1) == 0:
            return self._whole(start, count.bit_length() - 1)
        middle = start + merkle.split(count)
        return log.node(self.over(start, middle), self.over(middle, end))


def _parts(first, start, end, known=True):
    """The subtrees of a consistency proof from size `first`, the one that is in both trees at the beginning."""
    if start + first == end:
        return [] if known else [(start, end)]
    left = merkle.split(end - start)
    if first <= left:
        return [*_parts(first, start, start + left, known), (start + left, end)]
    return [*_parts(first - left, start + left, end, False), (start, start + left)]


def same_past(fetch, one, other):
    """That the smaller tree is the beginning of the larger, by the larger one's tiles; trees are pairs of size and root."""
    (first, first_root), (second, second_root) = sorted((one, other))
    need(first != second or first_root == second_root, "equivocation", f"two roots of {first} entries")
    if first == 0:
        need(first_root == log.root([]), "equivocation", "the root of nothing")
    if first in (0, second):
        return
    tiles = Tiles(fetch, second)
    # A first tree that is a subtree of the second is its own beginning; it is read as well, so that the tiles are judged first.
    whole = first & (first - 1) == 0
    beginning = [tiles.over(0, first)] if whole else []
    proof = [tiles.over(*part) for part in _parts(first, 0, second)]
    tops = merkle.climb_both(first, second, [*beginning, *proof], log.node)
    need(tops is not None and tops[1] == second_root, "log_proof", "the tiles do not lead to the root")
    need(tops[0] == first_root, "equivocation", f"another root of the first {first} entries")


def check(checkpoint, index, key, fetch, anchors=()):
    """Step 4: the log's newest checkpoint shows a receipt's entry, and has the past of its checkpoint and of the anchors."""
    data = fetch("checkpoint", log.CHECKPOINT_MOST)
    if data is None:
        raise Unreachable("the log has no checkpoint")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Refused("bad_checkpoint", "no text") from error
    newest = log.read_checkpoint(text, key)
    same_past(fetch, checkpoint, newest)
    if newest[0] <= index:
        raise Unreachable(f"the log of today does not show entry {index}")
    for anchor in anchors:
        if anchor[0] <= newest[0]:
            same_past(fetch, anchor, newest)
