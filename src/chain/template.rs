//! The compute templates: which conditions an agreement has, what each waits for, and who fulfils it.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, U256, keccak256};

use super::bindings::{AccessConditions, ComputeConditions, DisputeConditions, PaymentConditions};
use super::{Deployment, Error, Result};
use crate::ids::Did;
use crate::money::Terms;

/// A template of compute agreements. All share the six conditions of the seeds, in the order of the DDO and of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ComputeTemplate {
    /// For runs that can be re-executed; the template that OEP-12 names.
    Repeatable,
    /// For runs in containers: the release is marked as attested.
    Attested,
    /// As [`ComputeTemplate::Repeatable`], with time to object before the release.
    Disputed,
}

/// A condition of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplateCondition {
    /// Name, as in the DDO: the function that fulfils it.
    pub name: &'static str,
    /// Contract of that function, as in the DDO.
    pub contract: &'static str,
    /// Selector of that function.
    pub fingerprint: [u8; 4],
    /// Conditions that must be fulfilled before.
    pub dependencies: &'static [u8],
    /// Conditions that must have timed out before.
    pub timeout_dependencies: &'static [u8],
}

const COMPUTE: &str = "ComputeConditions";
const PAYMENT: &str = "PaymentConditions";
const ACCESS: &str = "AccessConditions";
const DISPUTE: &str = "DisputeConditions";

impl ComputeTemplate {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Repeatable, Self::Attested, Self::Disputed];
    /// Index of the upload.
    pub const UPLOAD: u8 = 0;
    /// Index of the lock.
    pub const LOCK: u8 = 1;
    /// Index of the authorisation.
    pub const AUTHORIZE: u8 = 2;
    /// Index of the grant.
    pub const GRANT: u8 = 3;
    /// Index of the release, which fulfils the agreement.
    pub const RELEASE: u8 = 4;
    /// Index of the refund.
    pub const REFUND: u8 = 5;

    /// Its identifier on chain: `keccak256("2")`, which OEP-12 names, and `contracts/README.md` for the others.
    #[must_use]
    pub fn id(self) -> B256 {
        keccak256(match self {
            Self::Repeatable => "2",
            Self::Attested => "2/attested",
            Self::Disputed => "2/disputed",
        })
    }

    /// The template with this identifier.
    #[must_use]
    pub fn from_id(id: B256) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.id() == id)
    }

    /// Its conditions in their order.
    #[must_use]
    pub fn conditions(self) -> Vec<TemplateCondition> {
        let of = |name, contract, fingerprint, dependencies, timeout_dependencies| TemplateCondition {
            name,
            contract,
            fingerprint,
            dependencies,
            timeout_dependencies,
        };
        let (release, selector) = match self {
            Self::Attested => {
                ("releaseAttestedPayment", PaymentConditions::releaseAttestedPaymentCall::SELECTOR)
            }
            Self::Repeatable | Self::Disputed => {
                ("releasePayment", PaymentConditions::releasePaymentCall::SELECTOR)
            }
        };
        let release_needs: &[u8] = if self == Self::Disputed { &[1, 3, 6] } else { &[1, 3] };
        let upload = ComputeConditions::fulfillAlgorithmUploadCall::SELECTOR;
        let authorize = ComputeConditions::authorizeComputationCall::SELECTOR;
        let mut conditions = vec![
            of("fulfillAlgorithmUpload", COMPUTE, upload, &[], &[]),
            of("lockPayment", PAYMENT, PaymentConditions::lockPaymentCall::SELECTOR, &[], &[]),
            of("authorizeComputation", COMPUTE, authorize, &[0, 1], &[]),
            of("grantAccess", ACCESS, AccessConditions::grantAccessCall::SELECTOR, &[2], &[]),
            of(release, PAYMENT, selector, release_needs, &[]),
            // A refund is possible once the release has not come in time. That is the grant's deadline where access was
            // not granted, and the release's own where it was.
            of("refundPayment", PAYMENT, PaymentConditions::refundPaymentCall::SELECTOR, &[1], &[4]),
        ];
        if self == Self::Disputed {
            let pass = DisputeConditions::passReleaseCall::SELECTOR;
            conditions.push(of("passRelease", DISPUTE, pass, &[], &[]));
        }
        conditions
    }

    /// Hashes of the six shared conditions' parameters for a data set and a price.
    #[must_use]
    pub fn value_hashes(did: Did, terms: &Terms) -> [B256; 6] {
        let word = |sum: U256| sum.to_be_bytes::<32>();
        let asset = keccak256(did.0);
        let price = keccak256([did.0.as_slice(), &word(terms.price)].concat());
        let lock = keccak256(
            [
                did.0.as_slice(),
                &word(terms.price),
                terms.token.as_slice(),
                &word(terms.base),
                &word(terms.fuel_price),
                &word(terms.output_price),
            ]
            .concat(),
        );
        [asset, lock, asset, asset, price, price]
    }
}

impl Deployment {
    /// Contract of each condition of a template.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the deployment has no DisputeConditions and the template needs it.
    pub fn condition_contracts(&self, template: ComputeTemplate) -> Result<Vec<Address>> {
        let address = |condition: &TemplateCondition| match condition.contract {
            COMPUTE => Ok(self.compute_conditions),
            PAYMENT => Ok(self.payment_conditions),
            ACCESS => Ok(self.access_conditions),
            _ => self.dispute_conditions.ok_or_else(|| {
                Error::Mismatch(
                    "the deployment file names no disputeConditions; it is from before they were".into(),
                )
            }),
        };
        template.conditions().iter().map(address).collect()
    }

    /// Key of each condition of a template, in their order.
    ///
    /// # Errors
    /// As [`Deployment::condition_contracts`].
    pub fn condition_keys(&self, template: ComputeTemplate) -> Result<Vec<B256>> {
        let contracts = self.condition_contracts(template)?;
        let pairs = contracts.iter().zip(template.conditions());
        let key = |(contract, condition): (&Address, TemplateCondition)| {
            keccak256([template.id().as_slice(), contract.as_slice(), &condition.fingerprint].concat())
        };
        Ok(pairs.map(key).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of `contracts/README.md`, where a deployer reads them.
    #[test]
    fn identifiers_and_fingerprints_are_those_of_the_readme() {
        let readme = include_str!("../../contracts/README.md");
        for template in ComputeTemplate::ALL {
            assert!(readme.contains(&template.id().to_string()), "{template:?}");
            assert_eq!(ComputeTemplate::from_id(template.id()), Some(template));
            for condition in template.conditions() {
                let fingerprint = format!("0x{}", hex::encode(condition.fingerprint));
                assert!(readme.contains(&fingerprint), "{template:?} {} {fingerprint}", condition.name);
                assert!(readme.contains(condition.name), "{}", condition.name);
            }
        }
    }
}
