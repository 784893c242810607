//! Signing and recovering on secp256k1: in Rust alone, or by the C library where the feature `libsecp256k1` is on. Both make
//! the same signatures (RFC 6979, low `s`; for the one digest in 2^128 beyond the curve's order with another nonce) and find
//! the same keys, which the tests of [`crate::sign`] hold for either.

use alloy_primitives::{Address, B256};

/// A signature without its last byte.
pub(crate) struct Signed {
    /// `r ‖ s`.
    pub(crate) bytes: [u8; 64],
    /// Whether the `y` of the point whose `x` is `r` is odd.
    pub(crate) is_odd: bool,
}

#[cfg(not(feature = "libsecp256k1"))]
pub(crate) use in_rust::{recover, sign};
#[cfg(feature = "libsecp256k1")]
pub(crate) use native::{recover, sign};

#[cfg(any(not(feature = "libsecp256k1"), test))]
pub(crate) mod in_rust {
    //! By k256.

    use k256::ecdsa::{SigningKey, VerifyingKey};
    use k256::elliptic_curve::ff::PrimeField;
    use k256::elliptic_curve::ops::{Invert, LinearCombination, Reduce};
    use k256::elliptic_curve::point::DecompressPoint;
    use k256::{AffinePoint, ProjectivePoint, Scalar};

    use super::{Address, B256, Signed};

    /// Nothing in the practically impossible case that no nonce is found.
    pub(crate) fn sign(key: &SigningKey, digest: B256) -> Option<Signed> {
        let (signature, recovery) = key.sign_prehash_recoverable(digest.as_slice()).ok()?;
        Some(Signed { bytes: signature.to_bytes().into(), is_odd: recovery.is_y_odd() })
    }

    /// The only key whose signature of the digest this is: `Q = r⁻¹(sR − zG)` (SEC 1, 4.1.6), where `R` is the point with `x = r` and
    /// that parity. The library's own recovery goes on to verify the signature with the key that it has just computed
    /// from it, which cannot fail and doubles the time.
    pub(crate) fn recover(digest: B256, signed: &Signed) -> Option<Address> {
        let (r, s) = k256::ecdsa::Signature::from_slice(&signed.bytes).ok()?.split_scalars();
        let point = AffinePoint::decompress(&r.to_repr(), u8::from(signed.is_odd).into());
        let point = ProjectivePoint::from(Option::<AffinePoint>::from(point)?);
        let hashed = <Scalar as Reduce<k256::U256>>::reduce_bytes(&digest.0.into());
        let inverse = *r.invert();
        let (of_generator, of_point) = (-(inverse * hashed), inverse * *s);
        let key = ProjectivePoint::lincomb(&ProjectivePoint::GENERATOR, &of_generator, &point, &of_point);
        VerifyingKey::from_affine(key.into()).ok().map(|key| Address::from_public_key(&key))
    }
}

#[cfg(feature = "libsecp256k1")]
pub(crate) mod native {
    //! By libsecp256k1.

    use k256::ecdsa::SigningKey;
    use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
    use secp256k1::{Message, SecretKey};
    use zeroize::Zeroizing;

    use super::{Address, B256, Signed};

    /// Nothing for a key that is none, which a `SigningKey` never is.
    pub(crate) fn sign(key: &SigningKey, digest: B256) -> Option<Signed> {
        let bytes = Zeroizing::new(<[u8; 32]>::from(key.to_bytes()));
        let mut key = SecretKey::from_secret_bytes(*bytes).ok()?;
        let signed = RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest.0), &key);
        key.non_secure_erase();
        let (recovery, bytes) = signed.serialize_compact();
        // Two and three are of an `r` beyond the curve's order, which nobody finds.
        let is_odd = matches!(recovery, RecoveryId::One | RecoveryId::Three);
        Some(Signed { bytes, is_odd })
    }

    /// The only key whose signature of the digest this is.
    pub(crate) fn recover(digest: B256, signed: &Signed) -> Option<Address> {
        let recovery = if signed.is_odd { RecoveryId::One } else { RecoveryId::Zero };
        let signature = RecoverableSignature::from_compact(&signed.bytes, recovery).ok()?;
        let key = signature.recover_ecdsa(Message::from_digest(digest.0)).ok()?;
        // The first byte says that both coordinates follow.
        Some(Address::from_raw_public_key(&key.serialize_uncompressed()[1..]))
    }
}
