//! The profile: the exact rules of execution as a document, made from the constants that the code uses.
//!
//! Its digest stands in every claim, so a change of any rule is another profile and old receipts keep their meaning.

use std::sync::LazyLock;

use brizo_receipt::B256;
use serde_json::json;

use super::{Kind, component, inspect, limits, meter, preview1};
use crate::job::{RUNTIME_FOLDER, STACK_LIMIT_MAX};

/// Name of the profile, for people; the digest is what counts.
pub const PROFILE_NAME: &str = "brizo-wasm/1";

/// Version of wasmtime that the lock file pins; a test compares the two.
pub(super) const WASMTIME_VERSION: &str = "48.0.8";

const COSTS: brizo_meter::Costs = meter::OPTIONS.costs;

/// The profile document, byte for byte as it is hashed.
#[must_use]
pub fn profile_document() -> String {
    let document = json!({
        "profile": PROFILE_NAME,
        "engine": format!("wasmtime {WASMTIME_VERSION}, cranelift"),
        "modules": {
            "kind": "core module over WASI preview 1 with the export `memory`: a command (export `_start`), or without one an interpreter (exports `run` and perhaps `_initialize`, which is called first; the number that `run` returns is the exit code)",
            "features": &inspect::FEATURE_NAMES[..],
            "exceptions": "an uncaught one is trap 10, throw_ref of nothing is trap 11; no tables of them",
            "startSection": "its function is called first by the metered entry",
            "tablesMax": limits::TABLES_MAX,
            "tableEntriesTogetherMax": limits::TABLE_ENTRIES_MAX,
            "functionWeightMax": inspect::FUNCTION_WEIGHT_MAX,
            "nan": "what arithmetic makes is canonical (f32 7fc00000, f64 7ff8000000000000) wherever its bits can be seen; what is moved keeps its bits",
        },
        "fuel": fuel_rules(),
        "memory": "growth beyond memoryLimit fails with -1; a trap after a growth that only memoryLimit forbade is status 3",
        "stack": {
            "unitsPerCall": "64 + 8 x (parameters and locals, vectors twice, + greatest height of the operand stack) + operators / 8; counted on entry of functions that a path of calls leads back to themselves or that catch and call, a call through a table leading to every named function of its type; of the others the greatest sum on a path of calls is taken once at the start",
            "limitMax": STACK_LIMIT_MAX,
            "beyond": "status 4",
        },
        "wasi": {
            "module": preview1::MODULE,
            "provided": preview1::PROVIDED,
            "refusedWithEnotsock": preview1::REFUSED,
            "answeredWithMinusOne": format!("{}.{} {}", preview1::HOST_CALL.0, preview1::HOST_CALL.1, preview1::HOST_CALL_TYPE),
            "volumes": ["/data/algorithm (read-only)", "/data/inputs (read-only)", "/data/outputs", format!("/ (read-only), if the algorithm has a folder {RUNTIME_FOLDER}, which it is")],
            "files": "listings in byte order of names; inode numbers in byte order of input paths, then in order of creation; device 1; one link; times from the virtual clock; no links",
            "clock": "wall = clockStart + elapsed, monotonic = elapsed; each reading adds clockStep, a sleep adds its length",
            "random": "BLAKE3 derive_key \"brizo 2026 v1 random\" over randomSeed, extendable output",
            "stdin": "empty",
        },
        "outputs": "outputLimit counts file bytes and both streams, filesLimit counts files and folders; exceeding either ends the run with status 5 and the exceeding write undone",
    });
    // The keys stand in the order above: Cargo.toml asks serde_json to preserve it.
    format!("{document:#}\n")
}

/// What is charged, and when.
fn fuel_rules() -> serde_json::Value {
    json!({
        "meter": meter::METER,
        "charged": "the operators of a region when it is entered; what follows a closed block belongs to the region before it; looked at on loop heads, on entering functions that count their frame or can use more than 10000 unseen, where calls come back and exceptions arrive in functions that can use more than 1000000 unseen, at bulk operations and in host calls",
        "onRecord": format!("before calls and throws, at bulk operations, at the end of a function, and where a look finds less than the floor, once in a slice of {} units", brizo_meter::SLICE),
        "operators": {
            "nop drop block loop unreachable return else end try_table": 0,
            "local.get local.set local.tee, constants": COSTS.local,
            "global.get global.set": COSTS.global,
            "loads": COSTS.load,
            "stores": COSTS.store,
            "br br_if if": COSTS.branch,
            "br_table": COSTS.branch_table,
            "call": COSTS.call,
            "entering a function": COSTS.function,
            "call_indirect": COSTS.call_indirect,
            "i32.mul i64.mul i32x4.mul i64x2.mul": COSTS.multiply,
            "integer division and remainder": COSTS.divide,
            "float arithmetic, comparison, conversion to integers and between floats, scalar and vector": COSTS.float,
            "float division and square root, scalar and vector": COSTS.float_slow,
            "table.get table.set": COSTS.table,
            "throw throw_ref": COSTS.throw,
            "memory.copy memory.fill memory.init memory.grow table.copy table.fill table.init table.grow": COSTS.bulk,
            "everything else": COSTS.plain,
        },
        "bulkBytesPerUnit": 1u64 << COSTS.bytes_shift,
        "pageGrownOrAtTheStart": COSTS.page,
        "tableEntryTouchedGrownOrAtTheStart": COSTS.entry,
        "elementSegmentAtTheStart": COSTS.entry,
        "activeDataBytesPerUnit": 1u64 << COSTS.bytes_shift,
        "hostCall": meter::CALL,
        "byteCopied": meter::BYTE,
        "randomByte": meter::RANDOM_BYTE,
        "directoryEntry": meter::ENTRY,
        "pathComponent": meter::COMPONENT,
        "create": meter::CREATE,
        "string": meter::STRING,
        "onExit": "fuel used",
        "onOutputLimit": "fuel used",
        "onTrap": "fuel on record",
        "onStackLimit": "fuel on record",
        "onOutOfFuel": "the whole limit",
    })
}

/// Digest of the profile document.
#[must_use]
pub fn profile_digest() -> B256 {
    profile_digest_for(Kind::Core)
}

/// Digest of the profile document under which algorithms of a kind run.
#[must_use]
pub fn profile_digest_for(kind: Kind) -> B256 {
    // Made once: each order is compared with it, and to write the document takes longer than to run a small module.
    static CORE: LazyLock<B256> = LazyLock::new(|| digest_of(Kind::Core));
    static COMPONENT: LazyLock<B256> = LazyLock::new(|| digest_of(Kind::Component));
    match kind {
        Kind::Core => *CORE,
        Kind::Component => *COMPONENT,
    }
}

fn digest_of(kind: Kind) -> B256 {
    brizo_receipt::profile_digest(profile_document_for(kind).as_bytes())
}

/// The profile document under which algorithms of a kind run, byte for byte as it is hashed.
#[must_use]
pub fn profile_document_for(kind: Kind) -> String {
    match kind {
        Kind::Core => profile_document(),
        Kind::Component => component::profile_document(),
    }
}

/// Name of the profile under which algorithms of a kind run.
#[must_use]
pub fn profile_name_for(kind: Kind) -> &'static str {
    match kind {
        Kind::Core => PROFILE_NAME,
        Kind::Component => component::PROFILE_NAME,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_engine_is_the_locked_one() {
        let lock = include_str!("../../Cargo.lock");
        assert!(
            lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME_VERSION}\"\n")),
            "the profile says wasmtime {WASMTIME_VERSION}, Cargo.lock says something else"
        );
    }

    #[test]
    fn the_document_is_the_published_one() {
        // Changing the profile changes every receipt hash: do it on purpose, and publish the new document.
        let published = include_str!("../../tests/vectors/profile/brizo-wasm-1.json");
        assert_eq!(profile_document(), published);
    }
}
