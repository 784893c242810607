//! The built example algorithms.

use std::path::{Path, PathBuf};

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Path of a built example: `column_stats`, `group_aggregate` or `hostile`.
pub(crate) fn guest_path(name: &str) -> PathBuf {
    let path = repository(&format!("examples/target/guests/{name}.wasm"));
    assert!(path.exists(), "{} is not built; run `cargo xtask guests`", path.display());
    path
}

/// Bytes of a built example.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    std::fs::read(guest_path(name)).unwrap()
}

/// A small module in text form from `examples/wat`.
pub(crate) fn wat(name: &str) -> Vec<u8> {
    wat::parse_file(repository(&format!("examples/wat/{name}.wat"))).unwrap()
}

/// A module in text form.
pub(crate) fn wat_text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}
