//! The HTTP API: the seeds' endpoints and the native resources. Each endpoint is a file; `router` is the table of all.
//!
//! `authorize` is the one function that decides who may see a job. Handlers write to the store and to the chain where the
//! protocol wants the answer at once (initialize, upload); everything else is the worker's.

mod access;
mod algorithms;
mod archive;
mod assets;
mod auth;
mod body;
mod bundle;
mod compute;
mod events;
mod exec;
mod follow;
mod followed;
mod health;
mod initialize;
mod jobs;
mod limits;
mod log;
mod metrics;
mod mock;
mod named;
mod older;
mod openapi;
mod orders;
mod outputs;
mod problem;
mod quotes;
mod ranged;
mod ready;
mod router;
mod schema;
mod sessions;
mod settings;
mod shares;
mod sign_in;
mod state;
mod upload;
mod verdicts;

pub use metrics::metrics_router;
pub use ready::{Health, Readiness};
pub use router::router;
pub use settings::ApiSettings;
pub use state::{ApiParts, ApiState, Shared};
