//! The profile `brizo-container/1`: what a container gets and how its end is read, as a document.
//!
//! Its digest stands in every claim. It does not make a run repeatable; it says what was enforced.

use std::sync::LazyLock;

use brizo_receipt::B256;
use serde_json::json;

/// Name of the profile, for people; the digest is what counts. Verifiers know by it that its receipts are attested.
pub const PROFILE_NAME: &str = "brizo-container/1";

/// Microseconds in a second: time stands where fuel does, so that a price for a million of fuel is one for a second.
pub const SECOND: u64 = 1_000_000;

/// Processors.
pub(super) const CPUS: i64 = 1;
/// Processes and threads.
pub(super) const PROCESSES_MAX: i64 = 256;
/// Open files of a process.
pub(super) const OPEN_FILES_MAX: i64 = 1024;
/// Seconds between the request to end and the end.
pub(super) const GRACE_S: u64 = 2;
/// User and group.
pub(super) const USER: &str = "65534:65534";
/// Least memory that engines give to a container, and a little for the program to start in.
pub const MEMORY_BYTES_MIN: u64 = 16 << 20;

/// The profile document, byte for byte as it is hashed.
#[must_use]
pub fn profile_document() -> String {
    let document = json!({
        "profile": PROFILE_NAME,
        "kind": "attested: the provider says what came out, and nobody can recompute it",
        "image": "moduleDigest is the image's id: the SHA-256 of its configuration, which names the digest of every layer; images with volumes of their own are refused; variables of the image come before those of the invocation",
        "command": "the arguments of the invocation, in the place of the image's entrypoint and command; working directory /data/outputs; standard input empty",
        "volumes": ["/data/algorithm (read-only)", "/data/inputs (read-only)", "/data/outputs"],
        "isolation": {
            "network": "none",
            "root": "read-only; /tmp and /dev/shm are memory",
            "user": USER,
            "capabilities": "none",
            "newPrivileges": "none",
            "systemCalls": "the engine's default filter",
            "namespaces": "own for processes, host name, inter-process communication and control groups",
        },
        "limits": {
            "memory": "memoryLimit + outputLimit, swap included: what is in /data/outputs, /tmp and /dev/shm counts",
            "memoryBytesMin": MEMORY_BYTES_MIN,
            "processors": CPUS,
            "processes": PROCESSES_MAX,
            "openFiles": OPEN_FILES_MAX,
            "fileBytes": "outputLimit",
            "outputs": "/data/outputs is a memory file system of outputLimit bytes, in whole pages of 4096 and at least one, and of filesLimit files and folders: the kernel refuses the write that exceeds it",
            "streams": "standard output and error together at most outputLimit bytes; exceeding ends the run",
            "time": "fuelLimit microseconds of the host's clock; then SIGTERM, and SIGKILL after the grace",
            "graceSeconds": GRACE_S,
        },
        "fuel": {
            "unit": "microsecond of the host's clock",
            "used": "every second begun, at most fuelLimit; the whole fuelLimit on status 2",
        },
        "ends": {
            "2 out of fuel": "the time was up",
            "3 memory limit": "a process was killed because memory was used up, and the exit code is not 0; trapCode 12",
            "5 output limit": "the streams were too long, or outputs and streams together, or the exit code is not 0 and /data/outputs is full; standard output and error count first, cut where the limit is, then of the outputs in order of path those that fit",
            "0 exit": "everything else; killed by signal n is exit code 128 + n",
            "precedence": "2, 5 by the streams, 3, 5 by the outputs, 0",
        },
        "outputs": "files and folders whose paths docs/RECEIPT.md 4.2 allows; links, devices and other things are left out",
        "unused": ["randomSeed", "clockStart", "clockStep", "stackLimit"],
    });
    // The keys stand in the order above: Cargo.toml asks serde_json to preserve it.
    format!("{document:#}\n")
}

/// Digest of the profile document.
#[must_use]
pub fn profile_digest() -> B256 {
    // Made once: each order is compared with it.
    static DIGEST: LazyLock<B256> =
        LazyLock::new(|| brizo_receipt::profile_digest(profile_document().as_bytes()));
    *DIGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_the_published_one() {
        // Changing the profile changes every receipt hash: do it on purpose, and publish the new document.
        let published = include_str!("../../tests/vectors/profile/brizo-container-1.json");
        assert_eq!(profile_document(), published);
        let listed = brizo_receipt::Profiles::of_this_release().unwrap().find(profile_digest());
        assert_eq!(listed.map(|profile| profile.name.as_str()), Some(PROFILE_NAME));
    }
}
