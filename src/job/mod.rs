//! The rules of a job, without any outside thing: states, what a guest is started with, what is admitted, what may leave,
//! and how a receipt is put together.
//!
//! [`admit`] asks the checks in `checks/`, one file each, in a fixed order; the first refusal counts.

mod access;
pub mod checks;
mod claim;
mod ddo;
mod invocation;
mod limits;
mod release;
mod runtime;
mod state;

pub use access::{Right, Role};
pub use checks::{
    Admission, AgreementFacts, DatasetFacts, NodeCeilings, PUBLISH_MARGIN_S, Refusal, Sort, UploadFacts,
    admit,
};
pub use claim::{ReceiptParts, attest, inputs_root, mount, outputs_key, receipt};
pub use ddo::{
    ComputeOffer, Condition, DdoParts, OfferedCeilings, OfferedMock, SERVICE_DEFINITION_ID, Version,
    check_ddo, ddo, read_offer, read_previous, read_version,
};
pub use invocation::{BadInvocation, invocation};
pub use limits::{RUNTIME_FOLDER, STACK_LIMIT_DEFAULT, STACK_LIMIT_MAX};
pub use release::{Released, decide_release};
pub use runtime::{ALGORITHM, BadRuntime, BundleFacts, Installed, Runtime, Start};
pub use state::{End, OceanStatus, State};
