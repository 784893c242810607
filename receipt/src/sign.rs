//! Signatures: 65-byte secp256k1 over EIP-712 digests, low `s`, `v` 27 or 28.

use alloy_primitives::{Address, B256, keccak256};
use k256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};

use crate::curve::{self, Signed};
use crate::hash::domain_separator;
use crate::{Error, Result};

/// The EIP-712 domain of a deployment: name `Brizo`, version `1`, this chain, the ServiceAgreement contract.
/// A local run without a chain uses chain 0 and the zero address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Domain {
    /// Chain id (EIP-155).
    #[serde(with = "crate::decimal")]
    pub chain_id: u64,
    /// Address of the ServiceAgreement contract.
    pub verifying_contract: Address,
}

impl Domain {
    /// The domain of runs that belong to no chain.
    pub const LOCAL: Self = Self { chain_id: 0, verifying_contract: Address::ZERO };

    /// `keccak256(0x1901 ‖ domainSeparator ‖ structHash)` (EIP-712).
    #[must_use]
    pub fn digest(&self, struct_hash: B256) -> B256 {
        let mut bytes = [0u8; 66];
        bytes[..2].copy_from_slice(&[0x19, 0x01]);
        bytes[2..34].copy_from_slice(domain_separator(self).as_slice());
        bytes[34..].copy_from_slice(struct_hash.as_slice());
        keccak256(bytes)
    }
}

/// A 65-byte signature `r ‖ s ‖ v`; in JSON `0x` and 130 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 65]);

impl Signature {
    /// A signature from any slice.
    ///
    /// # Errors
    /// [`Error::Signature`] when the length is not 65.
    pub fn from_slice(bytes: &[u8], who: &'static str) -> Result<Self> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| Error::Signature { who, why: format!("{} bytes instead of 65", bytes.len()) })
    }
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        alloy_primitives::FixedBytes::<65>(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        alloy_primitives::FixedBytes::<65>::deserialize(deserializer).map(|bytes| Self(bytes.0))
    }
}

/// A secp256k1 secret key. It never shows itself: `Debug` prints the address.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A key from its 32 bytes.
    ///
    /// # Errors
    /// [`Error::Signature`] when the number is zero or not below the curve's order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self> {
        SigningKey::from_bytes(bytes.into())
            .map(Self)
            .map_err(|_| Error::Signature { who: "key's owner", why: "not a secp256k1 secret key".into() })
    }

    /// The key's bytes, for handing it to a wallet library.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }

    /// The Ethereum address of the key.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::from_private_key(&self.0)
    }

    /// Signs an EIP-712 digest (deterministic, RFC 6979; low `s`).
    ///
    /// # Errors
    /// [`Error::Signature`] in the practically impossible case that the library finds no nonce.
    pub fn sign(&self, digest: B256) -> Result<Signature> {
        let signed = curve::sign(&self.0, digest)
            .ok_or_else(|| Error::Signature { who: "key's owner", why: "no nonce was found".into() })?;
        let mut bytes = [0u8; 65];
        bytes[..64].copy_from_slice(&signed.bytes);
        bytes[64] = 27 + u8::from(signed.is_odd);
        Ok(Signature(bytes))
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey(of {})", self.address())
    }
}

/// The largest `s` of a signature in its one form: half of the curve's order, rounded down.
const LARGEST_S: [u8; 32] =
    alloy_primitives::hex!("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

/// The address that signed a digest. Refuses high `s` and `v` other than 27 or 28, so that a signature has one form only.
///
/// # Errors
/// [`Error::HighS`] for the second form of a signature; [`Error::Signature`] says what else is wrong with that of `who`.
pub fn recover(digest: B256, signature: &Signature, who: &'static str) -> Result<Address> {
    let bad = |why: String| Error::Signature { who, why };
    let v = signature.0[64];
    if v != 27 && v != 28 {
        return Err(bad(format!("v is {v}, not 27 or 28")));
    }
    let (found, most) = (B256::from_slice(&signature.0[32..64]), B256::from(LARGEST_S));
    if found > most {
        return Err(Error::HighS { who, most, found });
    }
    let mut signed = Signed { bytes: [0; 64], is_odd: v == 28 };
    signed.bytes.copy_from_slice(&signature.0[..64]);
    curve::recover(digest, &signed).ok_or_else(|| bad("no key makes such a signature".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;
    use k256::elliptic_curve::ff::PrimeField;
    use k256::{ProjectivePoint, Scalar};

    fn key() -> SecretKey {
        SecretKey::from_bytes(&[0x11; 32]).unwrap()
    }

    #[test]
    fn what_is_signed_is_recovered() {
        let digest = keccak256("x");
        assert_eq!(recover(digest, &key().sign(digest).unwrap(), "tester").unwrap(), key().address());
    }

    #[test]
    fn the_other_form_of_the_same_signature_is_refused() {
        let digest = keccak256("x");
        let good = key().sign(digest).unwrap();
        let order = U256::from_be_bytes(hex_order());
        let mut high = good;
        let s = order - U256::from_be_slice(&good.0[32..64]);
        high.0[32..64].copy_from_slice(&s.to_be_bytes::<32>());
        high.0[64] = if good.0[64] == 27 { 28 } else { 27 };
        assert!(recover(digest, &high, "tester").unwrap_err().to_string().contains("upper half"));
        let mut parity = good;
        parity.0[64] -= 27;
        assert!(recover(digest, &parity, "tester").is_err());
    }

    #[test]
    fn the_largest_s_is_half_of_the_order() {
        assert_eq!(U256::from_be_bytes(LARGEST_S), U256::from_be_bytes(hex_order()) / U256::from(2));
    }

    /// A receipt's bytes must not depend on how the program was built that signed it.
    #[test]
    fn either_curve_makes_the_same_signatures() {
        for number in 0u32..500 {
            let random = |what: &str| keccak256(format!("{what}{number}"));
            let (digest, key) = (random("digest"), SecretKey::from_bytes(&random("key").0).unwrap());
            let theirs = curve::in_rust::sign(&key.0, digest).unwrap();
            let ours = key.sign(digest).unwrap();
            assert_eq!((&ours.0[..64], ours.0[64] == 28), (&theirs.bytes[..], theirs.is_odd), "{number}");
            assert_eq!(curve::in_rust::recover(digest, &theirs), Some(key.address()), "{number}");
        }
        // Digests beyond the curve's order, one in 2^128: the equation reduces them, and for the nonce only one library does.
        for digest in [[0xff; 32], hex_order(), [0; 32]].map(B256::new) {
            let theirs = curve::in_rust::sign(&key().0, digest).unwrap();
            let ours = key().sign(digest).unwrap();
            assert_eq!(recover(digest, &ours, "tester").unwrap(), key().address(), "{digest}");
            assert_eq!(curve::in_rust::recover(digest, &theirs), Some(key().address()), "{digest}");
        }
    }

    #[test]
    fn recovery_agrees_with_the_librarys_own() {
        let (mut good, mut bad) = (0, 0);
        for number in 0u32..2_000 {
            let random = |what: &str| keccak256(format!("{what}{number}"));
            let digest = random("digest");
            let mut signature = SecretKey::from_bytes(&random("key").0).unwrap().sign(digest).unwrap();
            match number % 4 {
                // Signed by somebody, of another digest, or by nobody: every other x is on the curve.
                0 => {}
                1 => signature.0[31] ^= 1,
                2 => signature.0[..32].copy_from_slice(random("r").as_slice()),
                _ => signature.0[64] = 55 - signature.0[64],
            }
            let parsed =
                alloy_primitives::Signature::from_bytes_and_parity(&signature.0[..64], signature.0[64] == 28);
            let theirs = parsed.recover_address_from_prehash(&digest).ok();
            assert_eq!(recover(digest, &signature, "tester").ok(), theirs, "{number}");
            *(if theirs.is_some() { &mut good } else { &mut bad }) += 1;
        }
        assert!(good > 1_200 && bad > 300, "{good} {bad}");
        let order = hex_order();
        for (at, part) in [(0, [0; 32]), (32, [0; 32]), (0, order), (32, order), (0, [0xff; 32])] {
            let mut signature = key().sign(keccak256("x")).unwrap();
            signature.0[at..at + 32].copy_from_slice(&part);
            assert!(recover(keccak256("x"), &signature, "tester").is_err(), "{at} {part:?}");
        }
        // z = s·x, so that sR − zG with R = xG is the point at infinity.
        let (nonce, s) = (Scalar::from(7u64), Scalar::from(3u64));
        let point = (ProjectivePoint::GENERATOR * nonce).to_affine();
        let encoded = k256::elliptic_curve::sec1::ToEncodedPoint::to_encoded_point(&point, true);
        let mut signature = Signature([0; 65]);
        signature.0[..32].copy_from_slice(&encoded.as_bytes()[1..]);
        signature.0[32..64].copy_from_slice(&s.to_repr());
        signature.0[64] = 25 + encoded.as_bytes()[0];
        let digest = B256::new((s * nonce).to_repr().into());
        assert!(recover(digest, &signature, "tester").is_err(), "no key is the point at infinity");
    }

    fn hex_order() -> [u8; 32] {
        U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
            .unwrap()
            .to_be_bytes()
    }

    #[test]
    fn a_key_never_shows_itself() {
        assert!(!format!("{:?}", key()).contains("1111111111"));
    }
}
