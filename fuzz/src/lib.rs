//! The sandbox as the product has it, and nothing else of the product: what is not here need not be built again with
//! coverage counters. The drivers are in `src/sandbox/fuzzing/`.

// Much of the sandbox is there for the rest of the product.
#![allow(dead_code)]

/// The one rule of jobs that the sandbox asks for.
#[path = "../../src/job/limits.rs"]
pub mod job;
#[path = "../../src/sandbox/mod.rs"]
pub mod sandbox;
