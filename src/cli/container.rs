//! Runs of images on this machine's container engine, for `run` and `replay`.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::config::CONTAINER_SOCKET_DEFAULT;
use crate::container::{Containers, Error, Fault, Image, Owner, Ran};
use crate::sandbox::{Control, Order};

/// Names another socket.
const SOCKET_VARIABLE: &str = "BRIZO_CONTAINER_SOCKET";

/// Runs an order in an image. What was left by local runs that were killed is removed first.
///
/// # Errors
/// What the engine lacks, with a hint.
pub(super) fn run(image: &Image, order: &Order) -> Result<Ran> {
    let socket = std::env::var_os(SOCKET_VARIABLE).unwrap_or_else(|| CONTAINER_SOCKET_DEFAULT.into());
    let containers = Containers::new(&PathBuf::from(socket), Owner::this_process());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ran = runtime.block_on(containers.run(image, order, &Control::default()));
    ran.map_err(|error| {
        let hint = format!("{} (hint: {})", error.code(), error.hint());
        anyhow::Error::from(error).context(hint)
    })
    .context("the container was not run to an end; no claim, no receipt")
}

/// Whether the fault is the image's or the command's, which is a refusal.
pub(super) fn refused(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| error.fault() == Fault::Algorithm)
}
