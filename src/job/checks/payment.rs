//! The payment is locked, the computation is granted, and the deadline leaves time to run, publish and be paid.

use super::{Admission, Refusal, Sort};

/// Seconds kept for registering the derived asset and granting access, which must both happen before the deadline.
pub const PUBLISH_MARGIN_S: u64 = 60;

pub(super) fn check(admission: &Admission<'_>) -> Result<(), Refusal> {
    let agreement = admission.agreement;
    let refuse = |code, sort, text: String, hint: &str| {
        Err(Refusal { check: "payment", code, sort, text, hint: hint.into() })
    };
    let needed = admission.policy.manifest().ceilings.wall_clock_s.saturating_add(PUBLISH_MARGIN_S);
    // Later runs have no deadline: the payment is released, and access stands.
    let left = match admission.spec.run_index {
        0 => agreement.grant_deadline_s.saturating_sub(admission.now_s),
        _ => u64::MAX,
    };
    if left == 0 {
        return refuse(
            "deadline_passed",
            Sort::Conflict,
            format!("the agreement's deadline passed at {}", agreement.grant_deadline_s),
            "take the refund (refundPayment) and make a new agreement",
        );
    }
    if left < needed {
        return refuse(
            "deadline_too_close",
            Sort::Conflict,
            format!("{left} s are left before the deadline, a run may take {needed} s with publishing"),
            "wait for the deadline, take the refund and make a new agreement; order earlier next time",
        );
    }
    if !agreement.locked {
        return refuse(
            "payment_not_locked",
            Sort::Payment,
            "the payment is not locked on chain".into(),
            "call PaymentConditions.lockPayment, then ask again",
        );
    }
    if !agreement.granted {
        return refuse(
            "computation_not_granted",
            Sort::Later,
            "the payment is locked; the provider's authorizeComputation is not yet on chain".into(),
            "ask again in a few seconds",
        );
    }
    Ok(())
}
