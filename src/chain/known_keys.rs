//! Secret keys that everybody knows: those of development chains, and those that people type when they try something. A
//! provider does not start with one of them on a real chain.

use alloy_primitives::{Address, address};
use brizo_receipt::SecretKey;

/// Chain ids of chains that live on one machine: ganache's and anvil's.
const TEST_CHAINS: [u64; 2] = [1_337, 31_337];

/// Accounts of `test test test test test test test test test test test junk` (anvil, hardhat), and the first of
/// `ganache --deterministic`.
const DEVELOPMENT: [Address; 11] = [
    address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
    address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
    address!("90F79bf6EB2c4f870365E785982E1f101E93b906"),
    address!("15d34AAf54267DB7D7c367839AAf71A00a2C6A65"),
    address!("9965507D1a55bcC2695C58ba16FB37d819B0A4dc"),
    address!("976EA74026E726554dB657fA54763abd0C3a0aa9"),
    address!("14dC79964da2C08b23698B3D3cc7Ca32193d9955"),
    address!("23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"),
    address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720"),
    address!("90F8bf6A479f320ead074411a4B0e7944Ea8c9C1"),
];

/// Whether nobody can lose anything on this chain.
#[must_use]
pub fn is_test_chain(chain_id: u64) -> bool {
    TEST_CHAINS.contains(&chain_id)
}

/// Whether everybody knows the secret key of an address: a development account, one byte 32 times, or a number below 256.
#[must_use]
pub fn is_public_key(address: Address) -> bool {
    let small = |byte: u8| {
        let mut number = [0; 32];
        number[31] = byte;
        number
    };
    let is_of = |bytes: [u8; 32]| SecretKey::from_bytes(&bytes).is_ok_and(|key| key.address() == address);
    DEVELOPMENT.contains(&address) || (1..=u8::MAX).any(|byte| is_of([byte; 32]) || is_of(small(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_keys_are_known() {
        let key = |digits: &str| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(digits, &mut bytes).unwrap();
            SecretKey::from_bytes(&bytes).unwrap().address()
        };
        for public in [
            "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
            "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
            "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
            "4f3edf983ac636a65a842ce7c78d9aa706d3b113bce9c46f30d7d21715b23b1d",
            &"11".repeat(32),
            &format!("{}01", "00".repeat(31)),
        ] {
            assert!(is_public_key(key(public)), "{public}");
        }
        assert!(!is_public_key(key("8da4ef21b864d2cc526dbdb2a120bd2874c36c9d0a1fb7f8c63d7f7a8b41de8f")));
        assert!(is_test_chain(31_337) && !is_test_chain(1));
    }
}
