//! The second sandbox: runs an algorithm in a container, for what WebAssembly cannot do.
//!
//! It takes the sandbox's [`Order`](crate::sandbox::Order) and gives back its ending and outputs, so that a job's life, its
//! policy, its receipt and its payment do not ask which of the two ran. What differs stands in the profile
//! (`profile.rs`): the run is not repeatable, fuel is time, and the receipt is attested.
//!
//! The engine is asked over its Unix socket (Docker, or Podman's compatible service). Bollard is named in this folder
//! only.
//!
//! | File | Duty |
//! |---|---|
//! | `engine` | finds the engine, and says what it lacks |
//! | `image` | an image by its digest: there, or pulled; and whether it may run |
//! | `hold` | the container that keeps the volumes mounted while nobody else does |
//! | `body` | what the guest's container is created with: every limit is here |
//! | `run` | one run, from the volumes to the ending |
//! | `watch` | waits for the guest, and ends it when it must |
//! | `files` | archives: what goes in, what comes out |
//! | `sweep` | removes what earlier runs left |
//! | `profile` | the rules as a document |
//! | `error` | what can go wrong, whose fault it is, how to mend it |

mod body;
mod engine;
mod error;
mod files;
mod hold;
mod image;
mod profile;
mod run;
mod sweep;
mod watch;

pub use engine::{Containers, Facts, Owner};
pub use error::{Error, Fault};
pub use image::Image;
pub use profile::{MEMORY_BYTES_MIN, PROFILE_NAME, SECOND, profile_digest, profile_document};
pub use run::Ran;
