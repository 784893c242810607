//! The HTTP API: the seeds' endpoints and the native resources. Each endpoint is a file; `router` is the table of all.
//!
//! `authorize` is the one function that decides who may see a job. Handlers write to the store and to the chain where the
//! protocol wants the answer at once (initialize, upload); everything else is the worker's.

mod assets;
mod auth;
mod body;
mod bundle;
mod exec;
mod health;
mod initialize;
mod jobs;
mod log;
mod metrics;
mod mock;
mod outputs;
mod problem;
mod ready;
mod router;
mod state;
mod upload;
mod verdicts;

pub use metrics::metrics_router;
pub use ready::{Health, Readiness};
pub use router::router;
pub use state::ApiState;
