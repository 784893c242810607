//! What the benches share: clocks, rounds, tables, promises, bare wasmtime, and a job on Brizo's engine.

#![allow(dead_code, reason = "each bench uses a part of it")]

pub(crate) mod bare;
pub(crate) mod data;
pub(crate) mod job;
pub(crate) mod measure;
pub(crate) mod promise;
pub(crate) mod shop;
pub(crate) mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A file that `cargo xtask bench` has built below `examples/target`.
pub(crate) fn built(path: &str) -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/target").join(path);
    path.canonicalize().with_context(|| format!("{} is missing; use `cargo xtask bench`", path.display()))
}

/// Bytes of a built guest: `kernels` or `kernels_simd`.
pub(crate) fn guest(name: &str) -> Result<Vec<u8>> {
    Ok(std::fs::read(built(&format!("guests/{name}.wasm"))?)?)
}
