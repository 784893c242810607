//! Strict readers for single values of the manifest: one spelling for each, and no guessing.

use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Deserializer, de::Error};
use toml::value::{Datetime, Offset};

/// A count above 0. Rules compute with Cedar's signed 64 bits; TOML's integers have the same range, so nothing wraps.
pub(super) fn count<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = i64::deserialize(from)?;
    u64::try_from(value)
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| D::Error::custom(format!("{value} is not a count above 0")))
}

/// A sentence or a name; it must say something.
pub(super) fn filled<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if text.trim().is_empty() { Err(D::Error::custom("must not be empty")) } else { Ok(text) }
}

/// An amount of money in the token's smallest unit, as a decimal string: TOML's integers are too small for it.
/// The escrow takes sums below 2^128.
pub(super) fn amount<'de, D: Deserializer<'de>>(from: D) -> Result<U256, D::Error> {
    let text = String::deserialize(from)?;
    // The parser alone would also take underscores.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match U256::from_str_radix(&text, 10) {
        Ok(amount) if digits && amount <= U256::from(u128::MAX) => Ok(amount),
        _ => Err(D::Error::custom(format!(
            "{text:?} is not an amount: write it in the smallest unit, in decimal digits, at most 2^128 - 1"
        ))),
    }
}

/// A BLAKE3 digest, as `brizo check` prints it.
pub(super) fn digest<'de, D: Deserializer<'de>>(from: D) -> Result<B256, D::Error> {
    let text = String::deserialize(from)?;
    text.strip_prefix("0x").and_then(|hex| hex.parse().ok()).ok_or_else(|| {
        D::Error::custom(format!("{text:?} is not a digest: write 0x and 64 hexadecimal digits"))
    })
}

/// An address.
pub(super) fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Address, D::Error> {
    parse_address(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// An address in one case, or in mixed case with a right EIP-55 checksum: a checksum that is there is checked.
pub(super) fn parse_address(text: &str) -> Result<Address, String> {
    let hex = text.strip_prefix("0x").unwrap_or_default();
    let has = |test: fn(&char) -> bool| hex.chars().any(|c| test(&c));
    let mixed = has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase);
    let parsed = if mixed { Address::parse_checksummed(text, None).ok() } else { hex.parse().ok() };
    parsed.ok_or_else(|| {
        let why = if mixed { "its checksum (EIP-55) is wrong" } else { "write 0x and 40 hexadecimal digits" };
        format!("{text:?} is not an address: {why}")
    })
}

/// The digest of an image: `sha256:` and 64 lower-case hex digits.
pub fn parse_image(text: &str) -> Result<B256, String> {
    let digits =
        text.strip_prefix("sha256:").filter(|digits| !digits.bytes().any(|it| it.is_ascii_uppercase()));
    let mut digest = B256::ZERO;
    digits.and_then(|digits| hex::decode_to_slice(digits, &mut digest.0).ok()).map(|()| digest).ok_or_else(
        || format!("{text:?} is not the id of an image: `sha256:` and 64 hex digits (docker image inspect)"),
    )
}

pub(super) fn image<'de, D: Deserializer<'de>>(from: D) -> Result<B256, D::Error> {
    parse_image(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// An optional instant in UTC with whole seconds, such as `2027-06-30T00:00:00Z`, as seconds since 1970.
pub(super) fn instant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let datetime = Datetime::deserialize(from)?;
    unix_s(&datetime).map(Some).ok_or_else(|| {
        D::Error::custom(format!(
            "{datetime} is not an instant: write date, time and Z, such as 2027-06-30T00:00:00Z"
        ))
    })
}

fn unix_s(datetime: &Datetime) -> Option<u64> {
    let (date, time) = (datetime.date?, datetime.time?);
    let (second, nanosecond) = (time.second.unwrap_or(0), time.nanosecond.unwrap_or(0));
    // A local time means a different instant to each reader; a leap second has no number in Unix time.
    if datetime.offset != Some(Offset::Z) || nanosecond != 0 || second > 59 || date.year < 1970 {
        return None;
    }
    let days = days_since_1970(u64::from(date.year), u64::from(date.month), u64::from(date.day));
    Some(((days * 24 + u64::from(time.hour)) * 60 + u64::from(time.minute)) * 60 + u64::from(second))
}

/// Days in the Gregorian calendar. Years are counted from March, so that the leap day is a year's last one.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // Months from March have 31 30 31 30 31 days in turn: 153 in five.
    let days_of_months = (153 * month + 2) / 5;
    // 719_468: days from 0000-03-01 to 1970-01-01, less the day by which `day` counts from 1.
    year * 365 + leap_days + days_of_months + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (date, days) in [
            ((1970, 1, 1), 0),
            ((1972, 2, 29), 789),
            ((1999, 12, 31), 10_956),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2027, 1, 1), 20_819),
            ((2100, 3, 1), 47_541),
            ((9999, 12, 31), 2_932_896),
        ] {
            assert_eq!(days_since_1970(date.0, date.1, date.2), days, "{date:?}");
        }
    }

    #[test]
    fn instants_are_utc_with_whole_seconds() {
        let read = |text: &str| text.parse::<Datetime>().ok().and_then(|d| unix_s(&d));
        assert_eq!(read("2027-01-01T00:00:01Z"), Some(1_798_761_601));
        for odd in [
            "2027-01-01T00:00:00",
            "2027-01-01",
            "2027-01-01T00:00:00+01:00",
            "2027-02-30T00:00:00Z",
            "2027-01-01T00:00:00.5Z",
            "2016-12-31T23:59:60Z",
            "1969-12-31T00:00:00Z",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_checksum_that_is_there_is_checked() {
        let right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        let address = parse_address(right).unwrap();
        assert_eq!(parse_address(&right.to_lowercase()), Ok(address));
        assert!(parse_address(&right.replace("Ae", "ae")).unwrap_err().contains("checksum"));
        for odd in ["", "0x", "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "0x0x5a", "*", "0x5aae"] {
            assert!(parse_address(odd).is_err(), "{odd:?}");
        }
    }
}
