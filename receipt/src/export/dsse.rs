//! DSSE, the envelope around an in-toto statement (`secure-systems-lab/dsse`, protocol version 1), signed with Ed25519.
//!
//! Why Ed25519 and not the secp256k1 of receipts: the public tools (securesystemslib, in-toto, sigstore) verify Ed25519,
//! the NIST curves and RSA; none verifies secp256k1. The signature is the exporter's and says nothing of the provider.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::names::hex;

/// Type of the payload: an in-toto statement as JSON.
pub const IN_TOTO_TYPE: &str = "application/vnd.in-toto+json";

/// What stands before the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410), version 1 and without a public key.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A key file that cannot be used for signing exports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an Ed25519 private key in PEM ({0}); make one with `openssl genpkey -algorithm ed25519 -out FILE`"
)]
pub struct BadExportKey(&'static str);

impl BadExportKey {
    /// A stable machine-readable name of the error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "bad_export_key"
    }
}

/// The exporter's Ed25519 key. It never shows itself: `Debug` prints its id.
pub struct ExportKey(SigningKey);

impl ExportKey {
    /// Reads the PEM file that `openssl genpkey -algorithm ed25519` writes.
    ///
    /// # Errors
    /// [`BadExportKey`] says what the text lacks.
    pub fn from_pem(text: &str) -> Result<Self, BadExportKey> {
        let inside = text
            .trim()
            .strip_prefix("-----BEGIN PRIVATE KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PRIVATE KEY-----"))
            .ok_or(BadExportKey("no BEGIN PRIVATE KEY and END PRIVATE KEY"))?;
        let digits: Zeroizing<String> = Zeroizing::new(inside.split_ascii_whitespace().collect());
        let der = STANDARD.decode(digits.as_bytes()).map_err(|_| BadExportKey("not base64"))?;
        let der = Zeroizing::new(der);
        let seed = der.strip_prefix(&PKCS8_PREFIX).ok_or(BadExportKey("another kind of key"))?;
        let seed: &[u8; 32] = seed.try_into().map_err(|_| BadExportKey("not 32 bytes"))?;
        Ok(Self(SigningKey::from_bytes(seed)))
    }

    /// The public key, 32 bytes.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The key's id as securesystemslib makes it, so that its tools find the key without being told.
    #[must_use]
    pub fn id(&self) -> String {
        let public = hex(&self.public());
        let canonical =
            format!(r#"{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}"#);
        hex(&Sha256::digest(canonical))
    }
}

impl std::fmt::Debug for ExportKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ExportKey({})", self.id())
    }
}

/// The bytes that are signed: type and payload with their lengths, so that neither can be taken for the other.
#[must_use]
pub fn pre_authentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// An envelope with one signature.
#[must_use]
pub fn envelope(payload_type: &str, payload: &[u8], key: &ExportKey) -> Value {
    let signature = key.0.sign(&pre_authentication(payload_type, payload));
    json!({
        "payload": STANDARD.encode(payload),
        "payloadType": payload_type,
        "signatures": [{ "keyid": key.id(), "sig": STANDARD.encode(signature.to_bytes()) }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 §7.1, test 1, as PKCS#8.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn the_key_of_rfc_8032_is_read() {
        let key = ExportKey::from_pem(PEM).unwrap();
        assert_eq!(hex(&key.public()), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let shown = format!("{key:?}");
        assert!(shown.contains(&key.id()) && !shown.contains("9d61b19d"), "{shown}");
        let signature = key.0.sign(b"");
        assert!(hex(&signature.to_bytes()).starts_with("e5564300c360ac729086e2cc806e828a"));
    }

    #[test]
    fn other_keys_are_refused() {
        let long = PEM.replace("MC4CAQAw", "MC4CAQAwAAAA");
        let public = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----";
        let cut = PEM.replace("rn9g", "");
        for bad in
            ["", "9d61", public, &long, &cut, &PEM.replace("MC4C", "MC4!"), &PEM.replace("K2Vw", "K2Vu")]
        {
            assert_eq!(ExportKey::from_pem(bad).unwrap_err().code(), "bad_export_key", "{bad}");
        }
    }

    #[test]
    fn what_is_signed_is_that_of_the_protocol() {
        // The example of protocol.md.
        let bytes = pre_authentication("http://example.com/HelloWorld", b"hello world");
        assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
        // Lengths are of bytes, not of letters.
        assert!(pre_authentication("é", b"").starts_with("DSSEv1 2 é 0 ".as_bytes()));
    }
}
