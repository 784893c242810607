"""Signs test vectors, with secret keys that everybody knows: secp256k1 after RFC 6979, Ed25519 after RFC 8032."""

import hmac
from hashlib import sha256, sha512

from tests.verifier import ed25519
from tests.verifier.secp256k1 import G, N, address, sum_of_products


def address_of(secret):
    """The address of a secret key of 32 bytes."""
    return address(sum_of_products([(int.from_bytes(secret, "big"), G)]))


def _nonces(secret, digest):
    """The candidates for k, in order (RFC 6979, section 3.2)."""
    seed = secret + (int.from_bytes(digest, "big") % N).to_bytes(32, "big")
    v, k = b"\1" * 32, bytes(32)
    for mark in (b"\0", b"\1"):
        k = hmac.digest(k, v + mark + seed, sha256)
        v = hmac.digest(k, v, sha256)
    while True:
        v = hmac.digest(k, v, sha256)
        yield int.from_bytes(v, "big")
        k = hmac.digest(k, v + b"\0", sha256)
        v = hmac.digest(k, v, sha256)


def sign(secret, digest):
    """The 65 bytes r, s, v over a digest, in their one form."""
    number, z = int.from_bytes(secret, "big"), int.from_bytes(digest, "big")
    for nonce in _nonces(secret, digest):
        if not 0 < nonce < N:
            continue
        x, y = sum_of_products([(nonce, G)])
        s = pow(nonce, -1, N) * (z + x * number) % N
        # An r above n would need another v than the two that there are.
        if x >= N or s == 0:
            continue
        odd = y & 1
        if s > N // 2:
            s, odd = N - s, odd ^ 1
        return x.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + odd])
    raise AssertionError("there is always a next nonce")


def _expand(seed):
    digest = sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    return scalar, digest[32:]


def ed25519_public(seed):
    """The Ed25519 public key of a seed of 32 bytes."""
    return ed25519.encode(ed25519.multiply(_expand(seed)[0], ed25519.BASE))


def ed25519_sign(seed, message):
    """The 64 bytes of an Ed25519 signature."""
    scalar, prefix = _expand(seed)
    public = ed25519_public(seed)
    r = int.from_bytes(sha512(prefix + message).digest(), "little") % ed25519.L
    nonce = ed25519.encode(ed25519.multiply(r, ed25519.BASE))
    k = int.from_bytes(sha512(nonce + public + message).digest(), "little") % ed25519.L
    return nonce + ((r + k * scalar) % ed25519.L).to_bytes(32, "little")
