//! Money: whole numbers of a token's smallest unit, and the one formula of a price.

use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};

/// What a run costs. The contract computes the same (`PaymentConditions.amountDue`); a test compares the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Terms {
    /// ERC-20 contract, or the zero address for ETH.
    pub token: Address,
    /// What the consumer locks; no run costs more.
    #[serde(with = "decimal")]
    pub price: U256,
    /// Due for any run that made a claim.
    #[serde(with = "decimal")]
    pub base: U256,
    /// Due per million units of fuel.
    #[serde(with = "decimal")]
    pub fuel_price: U256,
    /// Due per million bytes of output.
    #[serde(with = "decimal")]
    pub output_price: U256,
}

impl Terms {
    /// `min(price, base + (fuel × fuelPrice + bytes × outputPrice) / 1_000_000)`, rounded down.
    #[must_use]
    pub fn due(&self, fuel_used: u64, output_bytes: u64) -> U256 {
        let fuel = U256::from(fuel_used).saturating_mul(self.fuel_price);
        let bytes = U256::from(output_bytes).saturating_mul(self.output_price);
        let metered = fuel.saturating_add(bytes) / U256::from(1_000_000u32);
        self.base.saturating_add(metered).min(self.price)
    }
}

/// Sums as decimal strings in JSON and TOML: they do not fit other readers' numbers.
pub mod decimal {
    use alloy_primitives::U256;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes a sum.
    ///
    /// # Errors
    /// Only those of the serializer.
    pub fn serialize<S: Serializer>(sum: &U256, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(sum)
    }

    /// Reads a sum of decimal digits.
    ///
    /// # Errors
    /// When the text is something else or does not fit 256 bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<U256, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match U256::from_str_radix(&text, 10) {
            Ok(sum) if digits => Ok(sum),
            _ => Err(D::Error::custom(format!("{text:?} is not a sum in the token's smallest unit"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(price: u64, base: u64, fuel_price: u64, output_price: u64) -> Terms {
        Terms {
            token: Address::ZERO,
            price: U256::from(price),
            base: U256::from(base),
            fuel_price: U256::from(fuel_price),
            output_price: U256::from(output_price),
        }
    }

    #[test]
    fn prices_follow_the_formula() {
        let table = [
            (terms(100, 100, 0, 0), 5, 5, 100),
            (terms(100, 10, 3, 0), 2_500_000, 0, 17),
            (terms(100, 10, 3, 7), 2_500_000, 1_000_000, 24),
            (terms(100, 10, 1, 1), 999_999, 0, 10),
            (terms(20, 10, 3, 7), u64::MAX, u64::MAX, 20),
        ];
        for (terms, fuel, bytes, due) in table {
            assert_eq!(terms.due(fuel, bytes), U256::from(due), "{terms:?} {fuel} {bytes}");
        }
    }

    #[test]
    fn no_sum_overflows() {
        let mut most = terms(1, 0, 0, 0);
        most.fuel_price = U256::MAX;
        most.output_price = U256::MAX;
        most.base = U256::MAX;
        assert_eq!(most.due(u64::MAX, u64::MAX), U256::from(1));
    }
}
