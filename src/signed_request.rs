//! Signed requests: an EIP-712 struct that binds method, path, body, chain, provider, a nonce and an expiry.
//!
//! Ocean's message binds none of these, so one captured signature authorised any body; this one is good for exactly one
//! request. It travels in the `Authorization` header.

use brizo_receipt::{Address, B256, Domain, SecretKey, Signature, keccak256, recover};

/// Type string of the signed struct.
pub const TYPE: &str =
    "Request(string method,string path,bytes32 bodyHash,address provider,bytes32 nonce,uint64 expiry)";
/// Scheme word of the `Authorization` header.
pub const SCHEME: &str = "Brizo";
/// How far ahead an expiry may lie, in seconds.
pub const EXPIRY_MAX_S: u64 = 300;

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestToSign<'a> {
    /// HTTP method, upper case.
    pub method: &'a str,
    /// Path and query as they are sent.
    pub path: &'a str,
    /// Body.
    pub body: &'a [u8],
    /// Address of the provider that the request is for.
    pub provider: Address,
    /// 32 random bytes, used once.
    pub nonce: B256,
    /// Until when the request counts, in seconds since 1970-01-01 UTC.
    pub expiry_s: u64,
}

/// The header's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Who says to have signed.
    pub address: Address,
    /// The nonce.
    pub nonce: B256,
    /// The expiry.
    pub expiry_s: u64,
    /// The signature.
    pub signature: Signature,
    /// Keccak-256 of the body, where the header says it: a long body is then not read for somebody who proves nothing.
    pub body_hash: Option<B256>,
}

impl RequestToSign<'_> {
    /// The EIP-712 digest.
    #[must_use]
    pub fn digest(&self, domain: &Domain) -> B256 {
        self.digest_over(keccak256(self.body), domain)
    }

    /// The digest for a body of which only keccak-256 is known; `body` is not looked at.
    #[must_use]
    pub fn digest_over(&self, body_hash: B256, domain: &Domain) -> B256 {
        let mut words = Vec::with_capacity(7 * 32);
        for word in [
            keccak256(TYPE),
            keccak256(self.method),
            keccak256(self.path),
            body_hash,
            self.provider.into_word(),
            self.nonce,
        ] {
            words.extend_from_slice(word.as_slice());
        }
        words.extend_from_slice(&[0; 24]);
        words.extend_from_slice(&self.expiry_s.to_be_bytes());
        domain.digest(keccak256(words))
    }

    /// Signs and writes the header's value.
    ///
    /// # Errors
    /// In the practically impossible case that the key cannot sign.
    pub fn header(&self, key: &SecretKey, domain: &Domain) -> brizo_receipt::Result<String> {
        let signature = key.sign(self.digest(domain))?;
        Ok(format!(
            "{SCHEME} address={},nonce={},expiry={},signature=0x{}",
            key.address(),
            self.nonce,
            self.expiry_s,
            hex::encode(signature.0)
        ))
    }
}

impl Authorization {
    /// Reads the header's value.
    ///
    /// # Errors
    /// A sentence that says what is missing or odd.
    pub fn parse(header: &str) -> Result<Self, String> {
        let (scheme, fields) = header.split_once(' ').unwrap_or((header, ""));
        if scheme != SCHEME {
            return Err(format!("the Authorization header does not begin with `{SCHEME} `"));
        }
        let field = |name: &str| {
            let mut found = fields.split(',').filter_map(|field| field.trim().split_once('='));
            found.find(|(key, _)| *key == name).map(|(_, value)| value).ok_or(format!("`{name}` is missing"))
        };
        let odd = |name: &str| format!("`{name}` cannot be read");
        let mut signature = [0u8; 65];
        let digits = field("signature")?.trim_start_matches("0x");
        hex::decode_to_slice(digits, &mut signature).map_err(|_| odd("signature"))?;
        Ok(Self {
            address: field("address")?.parse().map_err(|_| odd("address"))?,
            nonce: field("nonce")?.parse().map_err(|_| odd("nonce"))?,
            expiry_s: field("expiry")?.parse().map_err(|_| odd("expiry"))?,
            signature: Signature(signature),
            body_hash: field("body").ok().map(|hash| hash.parse().map_err(|_| odd("body"))).transpose()?,
        })
    }

    /// Whether the signature over the request is that of the stated address.
    ///
    /// # Errors
    /// A sentence that names the real signer or the form that is wrong.
    pub fn check(&self, digest: B256) -> Result<(), String> {
        match recover(digest, &self.signature, "caller") {
            Ok(signer) if signer == self.address => Ok(()),
            Ok(signer) => Err(format!(
                "the signature over this request is by {signer}, not by {}; method, path, body, provider or chain may \
                 differ from what was signed",
                self.address
            )),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> RequestToSign<'static> {
        RequestToSign {
            method: "GET",
            path: "/api/v1/jobs",
            body: b"",
            provider: Address::repeat_byte(1),
            nonce: B256::repeat_byte(2),
            expiry_s: 100,
        }
    }

    const DOMAIN: Domain = Domain { chain_id: 5, verifying_contract: Address::repeat_byte(9) };

    #[test]
    fn a_header_proves_its_request_and_no_other() {
        let key = SecretKey::from_bytes(&[3; 32]).unwrap();
        let header = request().header(&key, &DOMAIN).unwrap();
        let read = Authorization::parse(&header).unwrap();
        assert_eq!(read.check(request().digest(&DOMAIN)), Ok(()));
        let with_hash = Authorization::parse(&format!("{header},body={}", keccak256(b""))).unwrap();
        assert_eq!(with_hash.body_hash, Some(keccak256(b"")));
        assert_eq!(with_hash.check(request().digest_over(keccak256(b""), &DOMAIN)), Ok(()));
        assert!(with_hash.check(request().digest_over(keccak256(b" "), &DOMAIN)).is_err());
        let others = [
            RequestToSign { method: "PUT", ..request() },
            RequestToSign { path: "/api/v1/jobs?x", ..request() },
            RequestToSign { body: b" ", ..request() },
            RequestToSign { provider: Address::ZERO, ..request() },
            RequestToSign { nonce: B256::ZERO, ..request() },
            RequestToSign { expiry_s: 101, ..request() },
        ];
        for other in others {
            assert!(read.check(other.digest(&DOMAIN)).is_err(), "{other:?}");
        }
        assert!(read.check(request().digest(&Domain { chain_id: 6, ..DOMAIN })).is_err());
    }

    #[test]
    fn odd_headers_are_refused_with_the_place() {
        let key = SecretKey::from_bytes(&[3; 32]).unwrap();
        let good = request().header(&key, &DOMAIN).unwrap();
        for (bad, word) in [
            ("Bearer abc".to_string(), "Brizo"),
            (good.replace("nonce", "once"), "nonce"),
            (good.replace("expiry=100", "expiry=soon"), "expiry"),
            (format!("{good},body=0x12"), "body"),
            (good[..good.len() - 2].to_string(), "signature"),
        ] {
            assert!(Authorization::parse(&bad).unwrap_err().contains(word), "{bad}");
        }
    }
}
