//! The one integration test binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod chain;
mod cli;
mod container;
mod guests;
mod layers;
mod migrations;
mod packaging;
mod promises;
mod sandbox;
mod vectors;
mod verifier;
mod world;
