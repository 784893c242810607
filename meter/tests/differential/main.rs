//! The rewritten module against the module as it came: the same behaviour, the fuel of the engine's own meter to the unit,
//! and the same counts from two engines that share no code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at what is wrong")]

mod engines;
mod fuel;
mod nan;
mod random;
mod stack;
mod turns;

use brizo_meter::{Costs, Options, rewrite};
use wasmparser::WasmFeatures;

/// What the sandbox admits.
pub(crate) fn features() -> WasmFeatures {
    WasmFeatures::WASM2 | WasmFeatures::EXTENDED_CONST | WasmFeatures::EXCEPTIONS
}

pub(crate) const UNIFORM: Options =
    Options { costs: Costs::UNIFORM, canonical_nans: true, turns_at_once: true, keep_exports: true };

pub(crate) fn metered(module: &[u8], options: &Options) -> Vec<u8> {
    let metered = rewrite(module, features(), options).unwrap();
    wasmparser::Validator::new_with_features(
        features() | WasmFeatures::MULTI_MEMORY | WasmFeatures::CUSTOM_PAGE_SIZES,
    )
    .validate_all(&metered)
    .unwrap_or_else(|e| panic!("the rewritten module is not valid: {e}"));
    metered
}

pub(crate) fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}
