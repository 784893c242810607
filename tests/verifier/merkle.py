"""Merkle trees of the shape of RFC 6962 section 2.1, over any node function: manifests use BLAKE3, the log SHA-256."""


def split(count):
    """How many of `count` leaves are in the left half: the largest power of two below."""
    return 1 << (count - 1).bit_length() - 1


def top(leaves, node):
    """The top over at least one leaf."""
    if len(leaves) == 1:
        return leaves[0]
    left = split(len(leaves))
    return node(top(leaves[:left], node), top(leaves[left:], node))


def audit_path(leaves, index, node):
    """The siblings of a leaf, lowest first (section 2.1.1)."""
    if len(leaves) == 1:
        return []
    left = split(len(leaves))
    if index < left:
        return audit_path(leaves[:left], index, node) + [top(leaves[left:], node)]
    return audit_path(leaves[left:], index - left, node) + [top(leaves[:left], node)]


def _turns(index, count):
    """For each level from the top: whether the leaf is in the left half."""
    turns = []
    while count > 1:
        left = split(count)
        turns.append(index < left)
        index, count = (index, left) if index < left else (index - left, count - left)
    return turns


def climb(leaf, index, count, siblings, node):
    """The top that a leaf and its siblings give; None if `index` is not below `count` or the path is too short or long."""
    turns = _turns(index, count)
    if index >= count or len(siblings) != len(turns):
        return None
    for is_left, sibling in zip(reversed(turns), siblings, strict=True):
        leaf = node(leaf, sibling) if is_left else node(sibling, leaf)
    return leaf


def consistency_path(leaves, first, node, whole=True):
    """The proof that the tree of all leaves extends that of the first ones (section 2.1.2)."""
    if first == len(leaves):
        return [] if whole else [top(leaves, node)]
    left = split(len(leaves))
    if first <= left:
        return consistency_path(leaves[:left], first, node, whole) + [top(leaves[left:], node)]
    return consistency_path(leaves[left:], first - left, node, False) + [top(leaves[:left], node)]


def consistent(first, first_top, second, second_top, proof, node):
    """Whether `proof` shows that the tree of `second` leaves extends that of `first`. Size 0 proves nothing."""
    if first == 0 or first > second:
        return False
    if first == second:
        return not proof and first_top == second_top
    # A first tree that is a whole subtree of the second is its own start; the proof leaves it out.
    rest = [first_top, *proof] if first & (first - 1) == 0 else list(proof)
    return climb_both(first, second, rest, node) == (first_top, second_top)


def climb_both(first, second, rest, node):
    """The tops of the first and the second tree that a consistency proof gives; None if it has another length."""
    if not rest:
        return None
    old_last, new_last = first - 1, second - 1
    while old_last & 1:
        old_last, new_last = old_last >> 1, new_last >> 1
    old = new = rest[0]
    for sibling in rest[1:]:
        if new_last == 0:
            return None
        if old_last & 1 or old_last == new_last:
            old, new = node(sibling, old), node(sibling, new)
            while old_last and not old_last & 1:
                old_last, new_last = old_last >> 1, new_last >> 1
        else:
            new = node(new, sibling)
        old_last, new_last = old_last >> 1, new_last >> 1
    return (old, new) if new_last == 0 else None
