//! Signatures: 65-byte secp256k1 over EIP-712 digests, low `s`, `v` 27 or 28.

use alloy_primitives::{Address, B256, keccak256};
use k256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};

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
        let (signature, recovery) = self
            .0
            .sign_prehash_recoverable(digest.as_slice())
            .map_err(|e| Error::Signature { who: "key's owner", why: e.to_string() })?;
        let mut bytes = [0u8; 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = 27 + recovery.to_byte();
        Ok(Signature(bytes))
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey(of {})", self.address())
    }
}

/// The address that signed a digest. Refuses high `s` and `v` other than 27 or 28, so that a signature has one form only.
///
/// # Errors
/// [`Error::Signature`] says what is wrong with the signature of `who`.
pub fn recover(digest: B256, signature: &Signature, who: &'static str) -> Result<Address> {
    let bad = |why: String| Error::Signature { who, why };
    let v = signature.0[64];
    if v != 27 && v != 28 {
        return Err(bad(format!("v is {v}, not 27 or 28")));
    }
    let parsed = alloy_primitives::Signature::from_bytes_and_parity(&signature.0[..64], v == 28);
    if parsed.normalize_s().is_some() {
        return Err(bad("s is in the upper half of the curve's order".into()));
    }
    parsed.recover_address_from_prehash(&digest).map_err(|e| bad(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

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
        let order =
            U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
                .unwrap();
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
    fn a_key_never_shows_itself() {
        assert!(!format!("{:?}", key()).contains("1111111111"));
    }
}
