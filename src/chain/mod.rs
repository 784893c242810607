//! The chain: contracts, deployment, transactions, events. Alloy is named in this folder only (plain values such as
//! addresses come from `alloy_primitives`).

mod agreement;
mod bindings;
mod client;
mod deploy;
mod error;
mod events;
mod log;
mod publisher;
mod template;
mod token;

pub use agreement::{OnChainAgreement, Timeouts};
pub use client::{Chain, Mined};
pub use deploy::{Deployment, deploy};
pub use error::Error;
pub use events::{Committed, Settlement};
pub use log::{Anchor, ProviderEvents};
pub use publisher::PAID_RUN;
pub use template::{ComputeTemplate, TemplateCondition};

/// Result of a chain call.
pub type Result<T> = std::result::Result<T, Error>;
