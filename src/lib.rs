//! Brizo: compute-to-data with execution receipts. The map is in `docs/ARCHITECTURE.md`.

pub mod api;
pub mod app;
pub mod chain;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod container;
pub mod data;
pub mod failpoint;
pub mod ids;
pub mod job;
pub mod log;
pub mod metrics;
pub mod money;
pub mod nudge;
pub mod policy;
mod redact;
pub mod sandbox;
pub mod signed_request;
pub mod store;
pub mod telemetry;
pub mod trace;
pub mod worker;
