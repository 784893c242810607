"""Keccak-256 with Ethereum's padding (FIPS 202's permutation, but the padding of the original submission)."""

MASK = (1 << 64) - 1
RATE = 136  # bytes, for 256 bits out


def _round_constants():
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            constant |= (register & 1) << ((1 << power) - 1)
            register <<= 1
            if register & 0x100:
                register ^= 0x171
        constants.append(constant)
    return constants


def _moves():
    """Where each lane goes and by how many bits it turns (rho and pi together)."""
    moves, x, y = [(0, 0, 0)], 1, 0
    for step in range(24):
        new_x, new_y = y, (2 * x + 3 * y) % 5
        moves.append((x + 5 * y, new_x + 5 * new_y, (step + 1) * (step + 2) // 2 % 64))
        x, y = new_x, new_y
    return moves


CONSTANTS = _round_constants()
MOVES = _moves()


def _permute(a):
    b = [0] * 25
    for constant in CONSTANTS:
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[x - 1] ^ ((c[x - 4] << 1 | c[x - 4] >> 63) & MASK) for x in range(5)]
        for source, target, turn in MOVES:
            lane = a[source] ^ d[source % 5]
            b[target] = (lane << turn | lane >> (64 - turn)) & MASK
        for row in range(0, 25, 5):
            b0, b1, b2, b3, b4 = b[row : row + 5]
            a[row] = b0 ^ (~b1 & b2)
            a[row + 1] = b1 ^ (~b2 & b3)
            a[row + 2] = b2 ^ (~b3 & b4)
            a[row + 3] = b3 ^ (~b4 & b0)
            a[row + 4] = b4 ^ (~b0 & b1)
        a[0] ^= constant


def keccak(data):
    """keccak-256 of `data`."""
    padding = RATE - len(data) % RATE
    data += b"\x81" if padding == 1 else b"\x01" + bytes(padding - 2) + b"\x80"
    lanes = [0] * 25
    for start in range(0, len(data), RATE):
        for lane in range(RATE // 8):
            at = start + 8 * lane
            lanes[lane] ^= int.from_bytes(data[at : at + 8], "little")
        _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])
