//! The manifest: a policy's numbers and lists. Unknown keys, wrong types and odd values are refused when it is read.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, U256};
use serde::Deserialize;

use super::outputs::Outputs;
use super::{PolicyError, text};

/// The numbers and lists of a policy. Rules see them as attributes of the data set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The policy's name.
    #[serde(deserialize_with = "text::filled")]
    pub name: String,
    /// What the policy is for, in a sentence or two.
    #[serde(deserialize_with = "text::filled")]
    pub description: String,
    /// Until when the owner's permission holds (`valid_until`, an RFC 3339 instant in UTC), in seconds since 1970.
    #[serde(default, rename = "valid_until", deserialize_with = "text::instant")]
    pub valid_until_s: Option<u64>,
    /// What one run may use at most.
    pub ceilings: Ceilings,
    /// How many runs one agreement is good for. The payment is for the first; the others cost the consumer nothing.
    #[serde(default = "one_run", deserialize_with = "text::count")]
    pub runs_per_agreement: u64,
    /// Approved algorithms. None are approved where the list is missing.
    #[serde(default)]
    pub algorithms: Vec<Algorithm>,
    /// Approved runtimes: interpreters on which bundles may run. None are approved where the list is missing, and no rule
    /// can lift that.
    #[serde(default)]
    pub runtimes: Vec<Algorithm>,
    /// Approved images of containers. With any, the policy is one for containers: bundles run on these images, and nothing
    /// else runs.
    #[serde(default)]
    pub images: Vec<Image>,
    /// Who may ask.
    pub consumers: Consumers,
    /// What may leave.
    pub outputs: Outputs,
    /// What a run costs.
    pub price: Price,
}

fn one_run() -> u64 {
    1
}

/// What one run may use at most. All are required, above 0, and fit Cedar's signed 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceilings {
    /// Fuel.
    #[serde(deserialize_with = "text::count")]
    pub fuel: u64,
    /// Linear memory.
    #[serde(deserialize_with = "text::count")]
    pub memory_bytes: u64,
    /// Output files and streams together.
    #[serde(deserialize_with = "text::count")]
    pub output_bytes: u64,
    /// Output files and folders.
    #[serde(deserialize_with = "text::count")]
    pub output_files: u64,
    /// Wall-clock time after which the host ends a run as its own fault. Nobody orders it, so no request is compared
    /// with it; the worker obeys it.
    #[serde(deserialize_with = "text::count")]
    pub wall_clock_s: u64,
    /// Length of the module.
    #[serde(deserialize_with = "text::count")]
    pub algorithm_bytes: u64,
}

/// An algorithm that the owner has looked at and approved. The digest approves; the name is for people.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Algorithm {
    /// BLAKE3 of the module's bytes.
    #[serde(deserialize_with = "text::digest")]
    pub digest: B256,
    /// What people call it.
    #[serde(deserialize_with = "text::filled")]
    pub name: String,
}

/// An image of containers that the owner has looked at and approved. The digest approves; the name is for people.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its id, `sha256:` and 64 hex digits.
    #[serde(deserialize_with = "text::image")]
    pub digest: B256,
    /// What people call it.
    #[serde(deserialize_with = "text::filled")]
    pub name: String,
    /// Where it may be pulled from, `registry/name@sha256:…`; nowhere if absent.
    #[serde(default)]
    pub pull: Option<String>,
}

/// Who may ask: exactly one of two forms, and no wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ConsumersToml")]
pub enum Consumers {
    /// `any = true`: whoever can authenticate.
    Any,
    /// `addresses = […]`: these and nobody else; an empty list means nobody.
    Listed(BTreeSet<Address>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsumersToml {
    any: Option<bool>,
    addresses: Option<Vec<String>>,
}

impl TryFrom<ConsumersToml> for Consumers {
    type Error = String;

    fn try_from(table: ConsumersToml) -> Result<Self, String> {
        match (table.any, table.addresses) {
            (Some(true), None) => Ok(Self::Any),
            (None, Some(list)) => {
                list.iter().map(|a| text::parse_address(a)).collect::<Result<_, _>>().map(Self::Listed)
            }
            _ => Err(
                "[consumers] takes either `any = true` or `addresses = [\"0x…\"]`, and exactly one of them"
                    .into(),
            ),
        }
    }
}

/// What a run costs, in the smallest unit of one token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The ERC-20 token's contract; the zero address for ETH.
    #[serde(deserialize_with = "text::address")]
    pub token: Address,
    /// What is locked before the run, and the most that it can cost.
    #[serde(deserialize_with = "text::amount")]
    pub max: U256,
    /// What every run costs.
    #[serde(deserialize_with = "text::amount")]
    pub base: U256,
    /// What a million of fuel costs.
    #[serde(deserialize_with = "text::amount")]
    pub fuel_per_million: U256,
    /// What a million bytes of output cost.
    #[serde(deserialize_with = "text::amount")]
    pub output_per_million: U256,
}

impl Manifest {
    pub(super) fn parse(manifest_toml: &str) -> Result<Self, PolicyError> {
        let manifest: Self =
            toml::from_str(manifest_toml).map_err(|e| PolicyError::Manifest { text: e.to_string() })?;
        manifest.check().map_err(|text| PolicyError::Manifest { text })?;
        Ok(manifest)
    }

    /// Time stands where fuel does in containers, so one policy cannot be for both.
    fn check_images(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for Image { digest, name, pull } in &self.images {
            if !seen.insert(digest) {
                return Err(format!(
                    "image sha256:{} ({name}) stands twice in the list",
                    hex::encode(digest)
                ));
            }
            if pull.as_ref().is_some_and(|reference| !reference.contains("@sha256:")) {
                return Err(format!("image {name}: `pull` names no digest; write registry/name@sha256:…"));
            }
        }
        let Ceilings { fuel, wall_clock_s, .. } = self.ceilings;
        match self.images.is_empty() {
            true => Ok(()),
            false if !self.runtimes.is_empty() => {
                Err("a policy lists `runtimes` or `images`, not both: publish the data twice".into())
            }
            false if fuel.div_ceil(1_000_000) > wall_clock_s => Err(format!(
                "with images ceilings.fuel is in microseconds, and {fuel} is more than ceilings.wall_clock_s {wall_clock_s}"
            )),
            false => Ok(()),
        }
    }

    /// What one value alone cannot show.
    fn check(&self) -> Result<(), String> {
        for (sort, list) in [("algorithm", &self.algorithms), ("runtime", &self.runtimes)] {
            let mut seen = BTreeSet::new();
            if let Some(twice) = list.iter().find(|one| !seen.insert(one.digest)) {
                // Two names for the same bytes: one of them was meant to be another digest.
                return Err(format!("{sort} {} ({}) stands twice in the list", twice.digest, twice.name));
            }
        }
        self.check_images()?;
        let Price { base, max, .. } = &self.price;
        if base > max {
            return Err(format!("price.base {base} is above price.max {max}, so no run could ever be paid"));
        }
        let (one, all) = (self.outputs.file_bytes_max, self.ceilings.output_bytes);
        if one > all {
            return Err(format!(
                "outputs.file_bytes_max {one} is above ceilings.output_bytes {all}, so it would never be reached"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::policy::tests::MANIFEST;

    #[test]
    fn the_manifest_is_read_strictly() {
        for (from, to, says) in [
            ("name = \"test\"", "", "name"),
            ("name = \"test\"", "name = \" \"", "empty"),
            ("name = \"test\"", "name = \"test\"\nnmae = \"x\"", "nmae"),
            ("fuel = 1000", "fule = 1000", "fule"),
            ("fuel = 1000, ", "", "fuel"),
            ("fuel = 1000", "fuel = 0", "above 0"),
            ("fuel = 1000", "fuel = -1", "above 0"),
            ("fuel = 1000", "fuel = 1000.0", "fuel"),
            ("fuel = 1000", "fuel = 9223372036854775808", "fuel"),
            ("any = true", "any = false", "exactly one"),
            ("any = true", "any = true, addresses = []", "exactly one"),
            ("any = true", "", "exactly one"),
            ("any = true", "addresses = [\"*\"]", "not an address"),
            ("any = true", "everybody = true", "everybody"),
            ("consumers = { any = true }", "", "consumers"),
            ("declared = []", "declared = [\"../x\"]", "`..`"),
            ("declared = []", "declared = [\"/x\"]", "empty component"),
            ("declared = []", "declared = [\"[\"]", "cannot be read"),
            ("streams = []", "streams = [\"stdin\"]", "stdin"),
            ("file_bytes_max = 1000", "file_bytes_max = 1001", "1001"),
            ("base = \"1\"", "base = \"0x1\"", "not an amount"),
            ("base = \"1\"", "base = \"1_0\"", "not an amount"),
            ("base = \"1\"", "base = \"\"", "not an amount"),
            ("base = \"1\"", "base = 1", "base"),
            ("max = \"34", "max = \"35", "not an amount"),
            ("max = \"340", "max = \"0\" # ", "above price.max"),
            ("[price]", "valid_until = 2027-01-01\n[price]", "not an instant"),
            ("[price]", "valid_until = \"2027-01-01T00:00:00Z\"\n[price]", "valid_until"),
            ("[price]", "[[algorithms]]\ndigest = \"0x12\"\nname = \"a\"\n[price]", "not a digest"),
            ("[price]", "[[algorithms]]\nname = \"a\"\n[price]", "digest"),
        ] {
            assert!(MANIFEST.contains(from), "{from}");
            let error = Policy::parse(&MANIFEST.replacen(from, to, 1), "").unwrap_err();
            assert_eq!(error.code(), "policy_manifest", "{to}: {error}");
            assert!(error.to_string().contains(says), "{to}: {error}");
        }
    }

    #[test]
    fn an_algorithm_stands_in_the_list_once() {
        let entry = |name: &str| {
            format!("[[algorithms]]\ndigest = \"{}\"\nname = \"{name}\"\n", B256::repeat_byte(1))
        };
        let error = Policy::parse(&format!("{MANIFEST}{}{}", entry("a"), entry("b")), "").unwrap_err();
        assert!(error.to_string().contains("twice"), "{error}");
    }
}
