//! Names that other formats need: URIs for what a receipt knows by a digest or an address.

use std::fmt::Write;

use alloy_primitives::{Address, B256};

use super::Shown;
use crate::{Domain, EntryKind};

/// Hex digits without the prefix that other formats do not have.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// `urn:brizo:<kind>:<64 hex digits>`.
pub(super) fn urn(kind: &str, hash: B256) -> String {
    format!("urn:brizo:{kind}:{}", hex(hash.as_slice()))
}

/// An account: `did:pkh` with CAIP-10 on a chain, and a name of our own where there is no chain.
pub(super) fn account(domain: &Domain, address: Address) -> String {
    let address = hex(address.as_slice());
    match domain.chain_id {
        0 => format!("urn:brizo:account:{address}"),
        chain => format!("did:pkh:eip155:{chain}:0x{address}"),
    }
}

/// Where an output is in the guest's world: `outputs/<path>`, `stdout` or `stderr`. Files cannot be taken for streams.
pub(super) fn place(shown: &Shown<'_>) -> String {
    match shown.kind {
        EntryKind::Stream => shown.path.to_string(),
        _ => format!("outputs/{}", shown.path),
    }
}

/// A path as part of a URI. Everything but unreserved characters and `/` is escaped.
pub(super) fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_is_escaped() {
        assert_eq!(escaped("tables/mean-1.json"), "tables/mean-1.json");
        assert_eq!(escaped("a b\"<é>#?%:"), "a%20b%22%3C%C3%A9%3E%23%3F%25%3A");
    }

    #[test]
    fn accounts_are_named_by_their_chain() {
        let address = Address::repeat_byte(0xab);
        let domain = Domain { chain_id: 1337, verifying_contract: Address::ZERO };
        let digits = "ab".repeat(20);
        assert_eq!(account(&domain, address), format!("did:pkh:eip155:1337:0x{digits}"));
        assert_eq!(account(&Domain::LOCAL, address), format!("urn:brizo:account:{digits}"));
    }
}
