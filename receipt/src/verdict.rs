//! Verdicts: what came out when somebody re-executed a receipt, stated under their name (`docs/RECEIPT.md` §16).

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolStruct;
use serde::{Deserialize, Serialize};

use crate::disclosure::SMALL_BYTES_MAX;
use crate::verify::{expect, expect_domain, same_hash, signed_by};
use crate::{Domain, Error, Fact, Result, SecretKey, Signature, derive, strict};

/// Value of the `format` field of a verdict.
pub const VERDICT_FORMAT: &str = "brizo-verdict/1";

mod eip712 {
    use alloy_sol_types::sol;

    sol! {
        #[allow(missing_docs)]
        struct Verdict {
            bytes32 claimHash;
            bytes32 replayedHash;
            bytes32 agreementId;
            bytes32 evidenceDigest;
            address auditor;
            uint64 issuedAt;
        }
    }
}

/// What an auditor signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerdictStatement {
    /// The receipt hash that was checked.
    pub claim_hash: B256,
    /// The receipt hash that re-execution gives; zero where none came out.
    pub replayed_hash: B256,
    /// The agreement of the receipt; zero for a local run.
    pub agreement_id: B256,
    /// Digest of the evidence ([`evidence_digest`]).
    pub evidence_digest: B256,
    /// Who signs.
    pub auditor: Address,
    /// When it was signed, in seconds since 1970-01-01 UTC by the auditor's clock.
    #[serde(with = "crate::decimal")]
    pub issued_at: u64,
}

impl VerdictStatement {
    /// Whether it confirms the receipt; otherwise it disputes it.
    #[must_use]
    pub fn confirms(&self) -> bool {
        self.replayed_hash == self.claim_hash
    }

    /// Digest that the auditor signs, under the deployment's domain.
    #[must_use]
    pub fn digest(&self, domain: &Domain) -> B256 {
        let verdict = eip712::Verdict {
            claimHash: self.claim_hash,
            replayedHash: self.replayed_hash,
            agreementId: self.agreement_id,
            evidenceDigest: self.evidence_digest,
            auditor: self.auditor,
            issuedAt: self.issued_at,
        };
        domain.digest(verdict.eip712_hash_struct())
    }
}

/// Digest of an evidence text: its exact bytes.
#[must_use]
pub fn evidence_digest(evidence: &str) -> B256 {
    derive("brizo 2026 v1 verdict evidence", &[evidence.as_bytes()])
}

/// A verdict with its evidence and signature: the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedVerdict {
    /// Always [`VERDICT_FORMAT`].
    pub format: String,
    /// The deployment under which it was signed.
    pub domain: Domain,
    /// What was signed.
    pub statement: VerdictStatement,
    /// What the auditor saw, as text for people.
    pub evidence: String,
    /// Signature over [`VerdictStatement::digest`].
    pub signature: Signature,
}

/// What the caller knows from elsewhere. A valid verdict about something else is a failure.
#[derive(Debug, Clone, Default)]
pub struct VerdictExpectation {
    /// The receipt hash.
    pub claim_hash: Option<B256>,
    /// The agreement.
    pub agreement_id: Option<B256>,
    /// Who should have signed.
    pub auditor: Option<Address>,
    /// The deployment.
    pub domain: Option<Domain>,
}

impl strict::Document for SignedVerdict {
    type Item = ();
}

impl SignedVerdict {
    /// Signs what re-execution of a receipt gave: `replayed` is the hash that came out, `None` where a difference was
    /// found before anything could run.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the evidence makes the document larger than 1 MiB; [`Error::Signature`] never in practice.
    pub fn sign(
        key: &SecretKey,
        domain: Domain,
        (claim_hash, agreement_id): (B256, B256),
        replayed: Option<B256>,
        evidence: String,
        issued_at: u64,
    ) -> Result<Self> {
        let statement = VerdictStatement {
            claim_hash,
            replayed_hash: replayed.unwrap_or_default(),
            agreement_id,
            evidence_digest: evidence_digest(&evidence),
            auditor: key.address(),
            issued_at,
        };
        let signature = key.sign(statement.digest(&domain))?;
        let signed = Self { format: VERDICT_FORMAT.into(), domain, statement, evidence, signature };
        if signed.to_text().len() > SMALL_BYTES_MAX {
            return Err(Error::Malformed(format!(
                "verdict: more than {SMALL_BYTES_MAX} bytes; shorten the evidence"
            )));
        }
        Ok(signed)
    }

    /// Reads a verdict as strictly as a receipt; at most 1 MiB.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the place.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let verdict: Self = strict::parse("verdict", bytes, SMALL_BYTES_MAX)?;
        strict::check_format("verdict", &verdict.format, VERDICT_FORMAT)?;
        Ok(verdict)
    }

    /// The document as text, ending in a newline.
    #[must_use]
    pub fn to_text(&self) -> String {
        strict::to_text(self)
    }

    /// Digest that was signed; stands in a log's entry.
    #[must_use]
    pub fn digest(&self) -> B256 {
        self.statement.digest(&self.domain)
    }

    /// Checks evidence, signature and expectations. Whether the auditor is right, only another re-execution shows.
    ///
    /// # Errors
    /// The first rule of `docs/RECEIPT.md` §16 that does not hold.
    pub fn check(&self, expected: &VerdictExpectation) -> Result<()> {
        let statement = &self.statement;
        same_hash("statement.evidenceDigest", statement.evidence_digest, evidence_digest(&self.evidence))?;
        signed_by("auditor", statement.auditor, self.digest(), &self.signature)?;
        expect(Fact::Job, "agreement", expected.agreement_id, statement.agreement_id)?;
        expect(Fact::Receipt, "claim hash", expected.claim_hash, statement.claim_hash)?;
        expect(Fact::Signer, "auditor", expected.auditor, statement.auditor)?;
        expect_domain(expected.domain, &self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keccak256;

    const DOMAIN: Domain = Domain { chain_id: 1337, verifying_contract: Address::repeat_byte(7) };

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes(&[byte; 32]).unwrap()
    }

    fn about() -> (B256, B256) {
        (B256::repeat_byte(1), B256::repeat_byte(2))
    }

    fn signed(replayed: Option<B256>) -> SignedVerdict {
        SignedVerdict::sign(&key(0x53), DOMAIN, about(), replayed, "two runs agreed\n".into(), 1_700_000_000)
            .unwrap()
    }

    #[test]
    fn what_is_signed_is_written_read_and_holds() {
        for (replayed, confirms) in
            [(Some(about().0), true), (Some(B256::repeat_byte(9)), false), (None, false)]
        {
            let verdict = signed(replayed);
            let read = SignedVerdict::parse(verdict.to_text().as_bytes()).unwrap();
            assert_eq!((&read, read.statement.confirms()), (&verdict, confirms));
            let expected = VerdictExpectation {
                claim_hash: Some(about().0),
                agreement_id: Some(about().1),
                auditor: Some(key(0x53).address()),
                domain: Some(DOMAIN),
            };
            assert_eq!(read.check(&expected), Ok(()));
        }
    }

    #[test]
    fn the_type_is_the_one_that_is_written_down() {
        let document = "Verdict(bytes32 claimHash,bytes32 replayedHash,bytes32 agreementId,bytes32 evidenceDigest,address auditor,uint64 issuedAt)";
        assert_eq!(eip712::Verdict::eip712_encode_type(), document);
        let statement = signed(None).statement;
        let mut number = [0u8; 32];
        number[24..].copy_from_slice(&statement.issued_at.to_be_bytes());
        let words = [
            keccak256(document.as_bytes()),
            statement.claim_hash,
            statement.replayed_hash,
            statement.agreement_id,
            statement.evidence_digest,
            statement.auditor.into_word(),
            number.into(),
        ];
        let by_hand = keccak256(words.map(|word| word.0).concat());
        assert_eq!(statement.digest(&DOMAIN), DOMAIN.digest(by_hand));
    }

    /// Every field of the document, changed alone, is refused; the codes say what was changed.
    #[test]
    fn every_change_is_refused() {
        let verdict = signed(None);
        let mut cases = Vec::new();
        let mut case = |code, change: fn(&mut SignedVerdict)| {
            let mut changed = verdict.clone();
            change(&mut changed);
            cases.push((code, changed));
        };
        case("hash_mismatch", |v| v.evidence.push(' '));
        case("hash_mismatch", |v| v.statement.evidence_digest.0[0] ^= 1);
        case("wrong_signer", |v| v.statement.claim_hash.0[0] ^= 1);
        case("wrong_signer", |v| v.statement.replayed_hash = v.statement.claim_hash);
        case("wrong_signer", |v| v.statement.agreement_id.0[31] ^= 1);
        case("wrong_signer", |v| v.statement.auditor = Address::repeat_byte(3));
        case("wrong_signer", |v| v.statement.issued_at += 1);
        case("wrong_signer", |v| v.domain.chain_id += 1);
        case("wrong_signer", |v| v.domain.verifying_contract = Address::ZERO);
        case("bad_signature", |v| v.signature.0[64] = 0);
        case("bad_signature", |v| v.signature.0[..32].fill(0));
        for (code, changed) in cases {
            let error = changed.check(&VerdictExpectation::default()).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
        }
    }

    #[test]
    fn a_verdict_about_something_else_is_not_the_expected_one() {
        let elsewhere = Domain { verifying_contract: Address::ZERO, ..DOMAIN };
        let all = VerdictExpectation::default;
        let other = [
            ("unexpected_receipt", VerdictExpectation { claim_hash: Some(B256::ZERO), ..all() }),
            ("wrong_job", VerdictExpectation { agreement_id: Some(B256::ZERO), ..all() }),
            ("unexpected_signer", VerdictExpectation { auditor: Some(Address::ZERO), ..all() }),
            ("wrong_chain", VerdictExpectation { domain: Some(Domain::LOCAL), ..all() }),
            ("wrong_contract", VerdictExpectation { domain: Some(elsewhere), ..all() }),
        ];
        for (code, expected) in other {
            assert_eq!(signed(None).check(&expected).unwrap_err().code(), code, "{expected:?}");
        }
    }

    #[test]
    fn other_documents_are_refused() {
        let text = signed(None).to_text();
        let cases = [
            (text.replace("brizo-verdict/1", "brizo-verdict/2"), "brizo-verdict/2"),
            (text.replace("\"1700000000\"", "1700000000"), "string"),
            (text.replace("\"1700000000\"", "\"01700000000\""), "01700000000"),
            (text.replacen('{', "{\"extra\":1,", 1), "extra"),
            (text.replacen('{', "{\"evidence\":\"\",", 1), "duplicate"),
            (format!("{text}x"), "trailing"),
            (text.replace("0x0101", "0X0101"), "canonical"),
            (format!("{text}{}", " ".repeat(SMALL_BYTES_MAX)), "at most"),
        ];
        for (text, named) in cases {
            let error = SignedVerdict::parse(text.as_bytes()).unwrap_err();
            let code = if named == "at most" { "receipt_too_large" } else { "receipt_malformed" };
            assert_eq!(error.code(), code);
            assert!(error.to_string().contains(named), "{named}: {error}");
        }
        let long = SignedVerdict::sign(&key(0x53), DOMAIN, about(), None, "x".repeat(SMALL_BYTES_MAX), 0);
        assert!(long.unwrap_err().to_string().contains("shorten the evidence"));
    }
}
