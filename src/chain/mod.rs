//! The chain: contracts, deployment, transactions, events. Alloy is named in this folder only (plain values such as
//! addresses come from `alloy_primitives`).

mod agreement;
mod bindings;
mod client;
mod deploy;
mod error;
mod events;
mod fees;
mod follow;
mod inspect;
mod journal;
mod keystore;
mod known_keys;
mod log;
mod look;
mod nodes;
mod overview;
mod publisher;
mod sender;
mod template;
mod token;

pub use agreement::{NewAgreement, OnChainAgreement, Timeouts};
pub use client::{Chain, Mined};
pub use deploy::{Deployment, deploy};
pub use error::Error;
pub use events::{Committed, LockedEvents, Settlement};
pub use fees::Fees;
pub use inspect::Inspected;
pub use journal::{Journal, Sent};
pub use keystore::{open_keystore, write_keystore};
pub use known_keys::{is_public_key, is_test_chain};
pub use log::{Anchor, ProviderEvents};
pub use overview::Overview;
pub use publisher::PAID_RUN;
pub use sender::Sending;
pub use template::{ComputeTemplate, TemplateCondition};

/// Result of a chain call.
pub type Result<T> = std::result::Result<T, Error>;
