//! The profile of components: the exact rules of execution as a document, made from the constants that the code uses.

use serde_json::json;

use super::call::CHUNK_BYTES_MAX;
use super::refused::REFUSED;
use super::{CALL_BYTES_MAX, HANDLES_MAX, gate, random, state};
use crate::job::RUNTIME_FOLDER;
use crate::sandbox::profile::WASMTIME_VERSION;
use crate::sandbox::{inspect, limits, meter};

/// Name of the profile of components, for people; the digest is what counts.
pub(in crate::sandbox) const PROFILE_NAME: &str = "brizo-wasm-component/1";

/// The profile document of components, byte for byte as it is hashed.
#[must_use]
pub(in crate::sandbox) fn profile_document() -> String {
    let document = json!({
        "profile": PROFILE_NAME,
        "engine": format!("wasmtime {WASMTIME_VERSION}, cranelift"),
        "modules": {
            "kind": "component of the world wasi:cli/command, WASI 0.2 (export wasi:cli/run)",
            "features": inspect::FEATURE_NAMES.iter().filter(|name| **name != "exceptions").collect::<Vec<_>>(),
            "componentModel": "without async, threads, values, garbage collection, maps, fixed-length lists and error contexts",
            "levelsMax": gate::DEPTH_MAX,
            "coreModulesMax": gate::MODULES_MAX,
            "instancesTogetherMax": gate::INSTANCES_MAX,
            "tableEntriesTogetherMax": limits::TABLE_ENTRIES_MAX,
            "functionWeightTogetherMax": inspect::FUNCTION_WEIGHT_MAX,
            "functionWeight": "bytes times local variables of the heaviest function of each core module, added up",
            "nan": "canonical bit patterns",
        },
        "fuel": {
            "meter": "wasmtime-48-fuel/1",
            "operators": "wasmtime 48 defaults: 1 per operator, 0 for nop, drop, block, loop, unreachable, return, else, end; 1 per byte of bulk memory operations",
            "start": "fuel is set before instantiation, which runs start functions; copying a data segment costs what memory.init costs",
            "adapters": "code between two components inside counts like theirs",
            "hostCall": meter::CALL,
            "drop": "dropping a handle of the host's is a host call",
            "byteCopied": meter::BYTE,
            "randomByte": meter::RANDOM_BYTE,
            "directoryEntry": meter::ENTRY,
            "pollable": meter::ENTRY,
            "pathComponent": meter::COMPONENT,
            "create": meter::CREATE,
            "stream": "opening one of a file costs create",
            "string": meter::STRING,
            "onExit": "fuel used; nothing left counts as out of fuel",
            "onOutputLimit": "fuel used",
            "onTrap": "the whole limit",
            "onOutOfFuel": "the whole limit",
        },
        "memory": "all linear memories count together; growth beyond memoryLimit fails with -1; a trap after a refused growth is status 3",
        "stack": "not counted: stackLimit says nothing, and exhaustion of the native stack ends the run without a claim",
        "handlesMax": HANDLES_MAX,
        "hostResourcesMax": state::RESOURCES_MAX,
        "componentAbi": "a breach of it, or of what an interface demands of its caller, is trap 9; a call carries at most callBytesMax besides lists of bytes",
        "callBytesMax": CALL_BYTES_MAX,
        "wasi": {
            "versions": format!("0.2.0 to 0.2.{}", gate::PATCH_MAX),
            "provided": &gate::PROVIDED[..],
            "refused": &REFUSED[..],
            "refusal": "the error not-supported or HTTP-request-denied where the function's type has it; instance-network gives a handle; else trap 1",
            "exit": "run's ok is exit code 0, its error 1; exit likewise; exit-with-code gives its code",
            "volumes": ["/data/algorithm (read-only)", "/data/inputs (read-only)", "/data/outputs", format!("/ (read-only), if the algorithm has a folder {RUNTIME_FOLDER}, which it is")],
            "files": "listings in byte order of names; metadata-hash is the inode number (lower) and device 1 (upper); inode numbers in byte order of input paths, then in order of creation; one link; times from the virtual clock; no links",
            "pieces": "a read gives everything there is, at most pieceBytesMax; check-write permits pieceBytesMax, more in one call is a breach",
            "pieceBytesMax": CHUNK_BYTES_MAX,
            "clock": "wall = clockStart + elapsed, monotonic = elapsed; each reading adds clockStep, as does asking a clock's pollable whether it is ready",
            "poll": "streams are always ready; if nothing is, elapsed moves to the earliest deadline",
            "random": "BLAKE3 derive_key \"brizo 2026 v1 random\" over randomSeed, extendable output; one stream for all interfaces, numbers lowest byte first",
            "randomBytesPerCallMax": random::BYTES_MAX,
            "stdin": "empty",
            "terminals": "none",
            "initialCwd": "none",
        },
        "outputs": "outputLimit counts file bytes and both streams, filesLimit counts files and folders; exceeding either ends the run with status 5 and the exceeding write undone",
    });
    // The keys stand in the order above: Cargo.toml asks serde_json to preserve it.
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_the_published_one() {
        // Changing the profile changes every receipt hash: do it on purpose, and publish the new document.
        let published = include_str!("../../../tests/vectors/profile/brizo-wasm-component-1.json");
        assert_eq!(profile_document(), published);
    }
}
