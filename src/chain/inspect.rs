//! Whether what is deployed is what this program was made for: the code of each contract, and who each one names.

use std::collections::BTreeMap;

use alloy::providers::Provider;
use alloy_primitives::{Address, Bytes};
use serde::Deserialize;

use super::bindings::DisputeConditions;
use super::{Chain, ComputeTemplate, Error, Result};

/// Code of the contracts as a chain shows it, made by `contracts/tools/artifacts.mjs`.
const RUNTIME: &str = include_str!("../../contracts/abi/runtime.json");

#[derive(Deserialize)]
struct Runtime {
    code: Bytes,
    /// Start and length of the places that a constructor fills.
    immutables: Vec<(usize, usize)>,
}

/// What was found at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The contract that should be there.
    pub contract: &'static str,
    /// Where.
    pub address: Address,
    /// What is wrong with it; nothing when it is what it should be.
    pub problem: Option<String>,
}

impl Chain {
    /// Compares a deployment with the contracts of this release: code, wiring and templates.
    ///
    /// # Errors
    /// [`Error::Unreachable`]; what is found to be wrong is in the answer.
    pub async fn inspect_deployment(&self) -> Result<Vec<Inspected>> {
        let runtime: BTreeMap<String, Runtime> = serde_json::from_str(RUNTIME)
            .map_err(|e| Error::Mismatch(format!("contracts/abi/runtime.json cannot be read: {e}")))?;
        let deployment = &self.deployment;
        let mut contracts = vec![
            ("ServiceAgreement", deployment.service_agreement),
            ("DIDRegistry", deployment.did_registry),
            ("ComputeConditions", deployment.compute_conditions),
            ("PaymentConditions", deployment.payment_conditions),
            ("AccessConditions", deployment.access_conditions),
        ];
        contracts.extend(deployment.dispute_conditions.map(|address| ("DisputeConditions", address)));
        contracts.extend(deployment.test_token.map(|address| ("TestToken", address)));
        let mut found = Vec::new();
        for (contract, address) in contracts {
            let code = self.provider.get_code_at(address).await?;
            let problem = match runtime.get(contract) {
                Some(expected) => expected.differs(&code),
                None => Some("this release does not know the contract".into()),
            };
            let problem = match problem {
                None => self.wiring(contract).await?,
                problem => problem,
            };
            found.push(Inspected { contract, address, problem });
        }
        Ok(found)
    }

    /// What a contract names, and should not.
    async fn wiring(&self, contract: &str) -> Result<Option<String>> {
        let deployment = &self.deployment;
        let named = match contract {
            "ServiceAgreement" => return self.agreement_wiring().await,
            "DIDRegistry" => self.registry().serviceAgreement().call().await?,
            "ComputeConditions" => self.compute().serviceAgreement().call().await?,
            "PaymentConditions" => self.payment().serviceAgreement().call().await?,
            "AccessConditions" => self.access().serviceAgreement().call().await?,
            "DisputeConditions" => match deployment.dispute_conditions {
                Some(address) => {
                    let contract = DisputeConditions::new(address, self.provider.clone());
                    contract.serviceAgreement().call().await?
                }
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let right = named == deployment.service_agreement;
        Ok((!right).then(|| format!("serves another ServiceAgreement, {named}")))
    }

    async fn agreement_wiring(&self) -> Result<Option<String>> {
        let contract = self.service_agreement();
        let registry = contract.didRegistry().call().await?;
        if registry != self.deployment.did_registry {
            return Ok(Some(format!("names another DIDRegistry, {registry}")));
        }
        for template in ComputeTemplate::ALL {
            if template == ComputeTemplate::Disputed && self.deployment.dispute_conditions.is_none() {
                continue;
            }
            let id = template.id();
            if !contract.isTemplateApproved(id).call().await? {
                return Ok(Some(format!("the template for {template:?} runs ({id}) is not approved")));
            }
            if contract.getTemplateConditionKeys(id).call().await?
                != self.deployment.condition_keys(template)?
            {
                return Ok(Some(format!("the template for {template:?} runs ({id}) has other conditions")));
            }
        }
        Ok(None)
    }
}

impl Runtime {
    /// How `found` differs from this code, the places that a constructor fills left aside.
    fn differs(&self, found: &[u8]) -> Option<String> {
        if found.is_empty() {
            return Some("there is no contract at this address".into());
        }
        if found.len() != self.code.len() {
            return Some(format!(
                "its code has {} bytes, this release's has {}",
                found.len(),
                self.code.len()
            ));
        }
        let filled =
            |at: usize| self.immutables.iter().any(|(start, length)| (*start..start + length).contains(&at));
        let bytes = found.iter().zip(self.code.iter()).enumerate();
        let differs = bytes.into_iter().find(|(at, (a, b))| a != b && !filled(*at));
        differs.map(|(at, _)| format!("its code differs from this release's at byte {at}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_constructor_fills_may_differ() {
        let runtime = Runtime { code: vec![1, 0, 0, 4].into(), immutables: vec![(1, 2)] };
        assert_eq!(runtime.differs(&[1, 7, 8, 4]), None);
        for (code, says) in [(&[][..], "no contract"), (&[1, 0, 0], "3 bytes"), (&[1, 7, 8, 5], "at byte 3")]
        {
            assert!(runtime.differs(code).unwrap().contains(says), "{says}");
        }
    }
}
