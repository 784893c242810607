"""Recovery of the signer of an EIP-712 digest on secp256k1 (SEC 1, section 4.1.6), with Ethereum's addresses."""

from functools import lru_cache

from .errors import need
from .keccak import keccak

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
INFINITY = (0, 1, 0)


def _double(point):
    x, y, z = point
    if not z:
        return INFINITY
    yy = y * y % P
    s = 4 * x * yy % P
    m = 3 * x * x % P
    nx = (m * m - 2 * s) % P
    return nx, (m * (s - nx) - 8 * yy * yy) % P, 2 * y * z % P


def _add(a, b):
    """Sum of two points in Jacobian coordinates."""
    if not a[2]:
        return b
    if not b[2]:
        return a
    x1, y1, z1 = a
    x2, y2, z2 = b
    zz1, zz2 = z1 * z1 % P, z2 * z2 % P
    u1, u2 = x1 * zz2 % P, x2 * zz1 % P
    s1, s2 = y1 * zz2 * z2 % P, y2 * zz1 * z1 % P
    if u1 == u2:
        return _double(a) if s1 == s2 else INFINITY
    h, r = (u2 - u1) % P, (s2 - s1) % P
    hh = h * h % P
    hhh, v = h * hh % P, u1 * hh % P
    x = (r * r - hhh - 2 * v) % P
    return x, (r * (v - x) - s1 * hhh) % P, h * z1 * z2 % P


@lru_cache(maxsize=8)
def _multiples(point):
    table = [INFINITY, (*point, 1)]
    for _ in range(14):
        table.append(_add(table[-1], table[1]))
    return table


def sum_of_products(pairs):
    """The affine sum of `number * point` over all pairs, or None at infinity. One chain of doublings serves all."""
    tables = [(number, _multiples(point)) for number, point in pairs]
    total = INFINITY
    for nibble in range(63, -1, -1):
        if total[2]:
            total = _double(_double(_double(_double(total))))
        for number, table in tables:
            digit = number >> 4 * nibble & 15
            if digit:
                total = _add(total, table[digit])
    if not total[2]:
        return None
    inverse = pow(total[2], -1, P)
    square = inverse * inverse % P
    return total[0] * square % P, total[1] * square * inverse % P


def address(point):
    """The address of a public key: the last 20 bytes of the keccak of its coordinates."""
    return keccak(point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big"))[12:]


def _lift(x, odd):
    square = (x * x * x + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        return None
    return x, y if y & 1 == odd else P - y


@lru_cache(maxsize=4096)
def _recover(digest, r, s, odd):
    point = _lift(r, odd)
    if point is None:
        return None
    inverse = pow(r, -1, N)
    key = sum_of_products([(-int.from_bytes(digest, "big") * inverse % N, G), (s * inverse % N, point)])
    return key and address(key)


def signer(digest, signature, where):
    """Address that made a signature of 65 bytes over `digest`; `bad_signature` or `high_s_signature` in another form."""
    r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
    need(v in (27, 28), "bad_signature", where)
    need(s <= N // 2, "high_s_signature", where)
    need(0 < r < N and 0 < s, "bad_signature", where)
    found = _recover(digest, r, s, v - 27)
    need(found is not None, "bad_signature", where)
    return found
