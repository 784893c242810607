//! The claim: what was ordered and what happened. Field order and types here are the format (`docs/RECEIPT.md` §2).

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::document::decimal;
use crate::{Error, Result};

/// The EIP-712 structs, from which the type strings and hashes are made.
pub(crate) mod eip712 {
    use alloy_sol_types::sol;

    sol! {
        #[allow(missing_docs)]
        struct JobSpec {
            bytes32 profile;
            bytes32 agreementId;
            uint64 runIndex;
            bytes32 moduleDigest;
            bytes32 algorithmRoot;
            bytes32 invocationRoot;
            bytes32 inputsRoot;
            bytes32 randomSeed;
            uint64 clockStart;
            uint64 clockStep;
            uint64 fuelLimit;
            uint64 memoryLimit;
            uint64 stackLimit;
            uint64 outputLimit;
            uint64 filesLimit;
            bytes32 blindCommit;
        }
        struct Outcome {
            uint8 status;
            uint32 exitCode;
            uint32 trapCode;
            uint64 fuelUsed;
            uint64 outputBytes;
            bytes32 outputsRoot;
        }
        struct ExecutionClaim {
            JobSpec spec;
            Outcome outcome;
        }
        struct JobOrder {
            bytes32 serviceAgreementId;
            uint64 runIndex;
            JobSpec spec;
        }
        struct AlgorithmUpload {
            bytes32 serviceAgreementId;
            bytes32 checksum;
        }
        struct ReceiptAttestation {
            bytes32 claimHash;
            bytes32 agreementId;
            address provider;
            uint8 kind;
            bytes32 runInfoDigest;
            uint64 issuedAt;
        }
    }
}

/// What was ordered: everything a run depends on. Known to the consumer, and signed, before the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobSpec {
    /// Digest of the profile document: the exact rules of execution.
    pub profile: B256,
    /// The service agreement the run belongs to; zero for a local run.
    pub agreement_id: B256,
    /// Number of the run under its agreement, from 0.
    #[serde(with = "decimal")]
    pub run_index: u64,
    /// BLAKE3 of the module's bytes as delivered.
    pub module_digest: B256,
    /// Root of the bundle mounted at `/data/algorithm`; the empty manifest's root when there is none.
    pub algorithm_root: B256,
    /// Root of the manifest of arguments and environment, salted with the run key.
    pub invocation_root: B256,
    /// Root over the data sets mounted below `/data/inputs`.
    pub inputs_root: B256,
    /// Seed of the guest's random numbers.
    pub random_seed: B256,
    /// What the guest's wall clock shows at its first reading, in nanoseconds since 1970-01-01 UTC.
    #[serde(with = "decimal")]
    pub clock_start: u64,
    /// Nanoseconds by which each reading of a clock moves it.
    #[serde(with = "decimal")]
    pub clock_step: u64,
    /// Fuel the run may use.
    #[serde(with = "decimal")]
    pub fuel_limit: u64,
    /// Bytes of linear memory the guest may have; growth beyond it fails inside the guest.
    #[serde(with = "decimal")]
    pub memory_limit: u64,
    /// Depth of calls, where the profile counts it; 0 where it does not.
    #[serde(with = "decimal")]
    pub stack_limit: u64,
    /// Bytes of output files and streams together.
    #[serde(with = "decimal")]
    pub output_limit: u64,
    /// Number of files and folders the guest may have in `/data/outputs`.
    #[serde(with = "decimal")]
    pub files_limit: u64,
    /// Commitment to the consumer's run key, which salts invocation and outputs.
    pub blind_commit: B256,
}

/// How a run ended. Only deterministic ends exist here: a run that the host ended makes no claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The guest returned or called `proc_exit`; the exit code says how.
    Exit = 0,
    /// The guest trapped; the trap code says how.
    Trap = 1,
    /// The guest used up its fuel.
    OutOfFuel = 2,
    /// The guest trapped after a growth of its memory had been refused.
    MemoryLimit = 3,
    /// The guest called deeper than the profile counts (no profile counts yet).
    StackLimit = 4,
    /// The guest wrote more bytes or files than were ordered.
    OutputLimit = 5,
}

impl Status {
    /// The status with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Exit, Self::Trap, Self::OutOfFuel, Self::MemoryLimit, Self::StackLimit, Self::OutputLimit]
            .into_iter()
            .find(|status| *status as u8 == number)
    }

    /// Short text for people and for job lists.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Trap => "trap",
            Self::OutOfFuel => "out of fuel",
            Self::MemoryLimit => "memory limit",
            Self::StackLimit => "stack limit",
            Self::OutputLimit => "output limit",
        }
    }
}

/// Which trap ended a run. The numbers are part of the format and are never used again for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum TrapCode {
    /// The `unreachable` instruction.
    Unreachable = 1,
    /// A load or store outside the memory.
    MemoryOutOfBounds = 2,
    /// An integer division by zero.
    DivisionByZero = 3,
    /// An integer division that overflows.
    IntegerOverflow = 4,
    /// A float that does not fit the integer it is converted to.
    BadConversion = 5,
    /// An indirect call through an empty table slot.
    IndirectCallToNull = 6,
    /// An indirect call of a function with another signature.
    BadSignature = 7,
    /// An access outside a table.
    TableOutOfBounds = 8,
    /// A pointer given to a host function lies outside the memory.
    BadPointer = 9,
    /// An exception that nothing caught.
    UncaughtException = 10,
    /// `throw_ref` of no exception.
    NullReference = 11,
    /// The system killed a process because memory was used up (containers only).
    Killed = 12,
}

impl TrapCode {
    /// All codes, for tables and parsing.
    pub const ALL: [Self; 12] = [
        Self::Unreachable,
        Self::MemoryOutOfBounds,
        Self::DivisionByZero,
        Self::IntegerOverflow,
        Self::BadConversion,
        Self::IndirectCallToNull,
        Self::BadSignature,
        Self::TableOutOfBounds,
        Self::BadPointer,
        Self::UncaughtException,
        Self::NullReference,
        Self::Killed,
    ];

    /// Short text for people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable instruction",
            Self::MemoryOutOfBounds => "memory access out of bounds",
            Self::DivisionByZero => "integer division by zero",
            Self::IntegerOverflow => "integer overflow",
            Self::BadConversion => "float does not fit integer",
            Self::IndirectCallToNull => "indirect call to nothing",
            Self::BadSignature => "indirect call with wrong signature",
            Self::TableOutOfBounds => "table access out of bounds",
            Self::BadPointer => "pointer outside memory given to the host",
            Self::UncaughtException => "exception that nothing caught",
            Self::NullReference => "reference to nothing",
            Self::Killed => "killed by the system",
        }
    }
}

/// What happened. Any honest re-execution of the same spec gives the same outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outcome {
    /// A [`Status`] as its number.
    pub status: u8,
    /// The guest's exit code; 0 unless the status is [`Status::Exit`].
    pub exit_code: u32,
    /// A [`TrapCode`] as its number; 0 unless the run trapped.
    pub trap_code: u32,
    /// Fuel charged for the run; the whole limit where the profile cannot tell (see the profile's fuel rules).
    #[serde(with = "decimal")]
    pub fuel_used: u64,
    /// Bytes of all output files and of both streams together.
    #[serde(with = "decimal")]
    pub output_bytes: u64,
    /// Root of the outputs manifest, salted with the run key.
    pub outputs_root: B256,
}

impl Outcome {
    /// Checks the rules between the fields, and against the spec's limits.
    ///
    /// # Errors
    /// [`Error::Contradiction`] names the first rule that does not hold.
    pub fn check(&self, spec: &JobSpec) -> Result<()> {
        let bad = |why: String| Err(Error::Contradiction(why));
        let Some(status) = Status::from_number(self.status) else {
            return bad(format!("outcome.status {} is not defined", self.status));
        };
        let trapped = matches!(status, Status::Trap | Status::MemoryLimit);
        if status != Status::Exit && self.exit_code != 0 {
            return bad(format!("outcome.exitCode {} with status {}", self.exit_code, status.text()));
        }
        if !trapped && self.trap_code != 0 {
            return bad(format!("outcome.trapCode {} with status {}", self.trap_code, status.text()));
        }
        if trapped && !TrapCode::ALL.iter().any(|code| *code as u32 == self.trap_code) {
            return bad(format!("outcome.trapCode {} is not defined", self.trap_code));
        }
        if status == Status::StackLimit && spec.stack_limit == 0 {
            return bad("outcome.status stack limit, but spec.stackLimit is 0".into());
        }
        if status == Status::OutOfFuel && self.fuel_used != spec.fuel_limit {
            return bad(format!("out of fuel with {} of {} used", self.fuel_used, spec.fuel_limit));
        }
        if self.fuel_used > spec.fuel_limit {
            return bad(format!(
                "outcome.fuelUsed {} is above spec.fuelLimit {}",
                self.fuel_used, spec.fuel_limit
            ));
        }
        if self.output_bytes > spec.output_limit {
            return bad(format!(
                "outcome.outputBytes {} is above spec.outputLimit {}",
                self.output_bytes, spec.output_limit
            ));
        }
        Ok(())
    }

    /// One line for people: `exit 0`, `trap: integer division by zero`, `out of fuel`.
    #[must_use]
    pub fn text(&self) -> String {
        let trap = TrapCode::ALL.into_iter().find(|code| *code as u32 == self.trap_code);
        match (Status::from_number(self.status), trap) {
            (Some(Status::Exit), _) => format!("exit {}", self.exit_code),
            (Some(status), Some(code)) => format!("{}: {}", status.text(), code.text()),
            (Some(status), None) => status.text().to_string(),
            (None, _) => format!("undefined status {}", self.status),
        }
    }
}

/// Spec and outcome together; its hash is the receipt hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionClaim {
    /// What was ordered.
    pub spec: JobSpec,
    /// What happened.
    pub outcome: Outcome,
}

/// The provider's statement about a claim; signed, and outside the claim because it differs between providers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiptAttestation {
    /// The receipt hash.
    pub claim_hash: B256,
    /// The agreement, again, so that an attestation alone says what it is about.
    pub agreement_id: B256,
    /// Address of the provider who signs.
    pub provider: Address,
    /// What the receipt can prove, as the number of a [`Kind`](crate::Kind); signed, so that it cannot be exchanged.
    pub kind: u8,
    /// Digest of the run info's bytes.
    pub run_info_digest: B256,
    /// When it was issued, in seconds since 1970-01-01 UTC by the provider's clock.
    #[serde(with = "decimal")]
    pub issued_at: u64,
}

/// What the consumer signs at upload: the agreement and the keccak-256 of the algorithm's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlgorithmUpload {
    /// The agreement the algorithm is for.
    pub agreement_id: B256,
    /// keccak-256 of the algorithm's bytes.
    pub checksum: B256,
}
