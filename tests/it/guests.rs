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

/// Bytes of an example built as a component; where no toolchain could make them, the test is skipped, visibly.
pub(crate) fn component(name: &str) -> Option<Vec<u8>> {
    let path = repository(&format!("examples/target/guests/{name}.component.wasm"));
    if let Ok(bytes) = std::fs::read(&path) {
        return Some(bytes);
    }
    // Past the capture of test output: a skip must be seen.
    let line = format!("SKIPPED: {} is not built (rustup target add wasm32-wasip2)\n", path.display());
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    None
}

/// A small module in text form from `examples/wat`.
/// `column_stats` with so much of nothing behind it that it is sent in pieces: a custom section of 1.25 MiB.
pub(crate) fn large_guest() -> Vec<u8> {
    let mut module = guest("column_stats");
    let length = 5u32 << 18;
    // Its number, its length in LEB128, an empty name.
    module.push(0);
    module.extend([length & 0x7f | 0x80, length >> 7 & 0x7f | 0x80, length >> 14].map(|byte| byte as u8));
    module.resize(module.len() + length as usize, 0);
    module
}

pub(crate) fn wat(name: &str) -> Vec<u8> {
    wat::parse_file(repository(&format!("examples/wat/{name}.wat"))).unwrap()
}

/// A module in text form.
pub(crate) fn wat_text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}
