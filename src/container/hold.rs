//! The container that holds a run's volumes. A memory file system lives only while some container has it mounted, so
//! one of ours, which does nothing, is there before the guest and after it. Archives go in and out through it.
//!
//! Its image is a program of a few instructions that waits for ever, made here, so that nothing has to be pulled.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;

use super::engine::Connected;
use super::{Error, body, image};

/// Tag under which the image is kept on the engine.
const NAME: &str = "brizo-hold";
const TAG: &str = "1";
/// Where the program is in its image.
const PROGRAM: &str = "/hold";
/// Memory that engines give at least.
const MEMORY_BYTES: i64 = 16 << 20;

/// Endless `pause`. As the first process of its container it takes no signal that it does not handle but SIGKILL.
const X86_64: [u8; 9] = [0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7];
/// Endless `ppoll` of nothing: `mov x0..x4, #0; mov x8, #73; svc #0; b -28`.
const AARCH64: [u32; 8] =
    [0xd280_0000, 0xd280_0001, 0xd280_0002, 0xd280_0003, 0xd280_0004, 0xd280_0928, 0xd400_0001, 0x17ff_fff9];

/// Has the image on the engine and says what it is called.
pub(super) async fn image(connected: &Connected) -> Result<String, Error> {
    let tagged = format!("{NAME}:{TAG}");
    if image::found(&connected.docker, &tagged).await?.is_some() {
        return Ok(tagged);
    }
    let program = program(&connected.facts.architecture)?;
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    let wrong = |error: std::io::Error| Error::Engine(format!("the holding image cannot be made: {error}"));
    archive.append_data(&mut header, PROGRAM.trim_start_matches('/'), &*program).map_err(wrong)?;
    let archive = archive.into_inner().map_err(wrong)?;
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(NAME).tag(TAG).build();
    let importing =
        connected.docker.create_image(Some(options), Some(bollard::body_full(archive.into())), None);
    let mut importing = std::pin::pin!(importing);
    while let Some(step) = importing.next().await {
        step?;
    }
    Ok(tagged)
}

/// What the holding container is created with: the volumes, and nothing else.
pub(super) fn body(
    image: String,
    volumes: &body::Volumes,
    labels: HashMap<String, String>,
) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(image),
        entrypoint: Some(vec![PROGRAM.into()]),
        labels: Some(labels),
        host_config: Some(HostConfig {
            mounts: Some(volumes.mounts(false)),
            memory: Some(MEMORY_BYTES),
            memory_swap: Some(MEMORY_BYTES),
            // What starts a container needs some itself.
            pids_limit: Some(16),
            ..body::shut_in()
        }),
        ..ContainerCreateBody::default()
    }
}

/// The program as an ELF file: a header, one segment, the code.
fn program(architecture: &str) -> Result<Vec<u8>, Error> {
    let (machine, code): (u16, Vec<u8>) = match architecture {
        "amd64" => (62, X86_64.to_vec()),
        "arm64" => (183, AARCH64.iter().flat_map(|word| word.to_le_bytes()).collect()),
        other => {
            return Err(Error::Lacks(format!("processors of kind {other}; amd64 and arm64 are supported")));
        }
    };
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let length = HEADERS + code.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let mut put = |bytes: &[u8]| file.extend_from_slice(bytes);
    // Executable, machine, version; entry, program headers, no sections; flags, sizes.
    put(&2u16.to_le_bytes());
    put(&machine.to_le_bytes());
    put(&1u32.to_le_bytes());
    for word in [BASE + HEADERS, 64, 0] {
        put(&word.to_le_bytes());
    }
    put(&0u32.to_le_bytes());
    for half in [64u16, 56, 1, 0, 0, 0] {
        put(&half.to_le_bytes());
    }
    // A segment to load, readable and executable: offset, addresses, sizes, alignment.
    put(&1u32.to_le_bytes());
    put(&5u32.to_le_bytes());
    for word in [0, BASE, BASE, length, length, 0x1_0000] {
        put(&word.to_le_bytes());
    }
    put(&code);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_small_and_for_known_processors_only() {
        assert_eq!(program("amd64").unwrap().len(), 64 + 56 + 9);
        assert_eq!(program("arm64").unwrap().len(), 64 + 56 + 32);
        assert_eq!(program("s390x").unwrap_err().code(), "container_engine_lacks_limits");
    }
}
