//! The spec is about this agreement, and the consumer signed it.

use brizo_receipt::recover;

use super::{Admission, Refusal, Sort};

pub(super) fn check(admission: &Admission<'_>) -> Result<(), Refusal> {
    let refuse = |code, sort, text: String, hint: &str| {
        Err(Refusal { check: "consent", code, sort, text, hint: hint.into() })
    };
    if admission.spec.agreement_id != admission.agreement.id.0 {
        return refuse(
            "spec_other_agreement",
            Sort::Invalid,
            "the job spec names another agreement than the request".into(),
            "put the agreement's id into spec.agreementId and sign again",
        );
    }
    let digest = admission.spec.order_digest(admission.domain);
    match recover(digest, admission.signature, "consumer") {
        Ok(signer) if signer == admission.agreement.consumer => Ok(()),
        Ok(signer) => refuse(
            "bad_spec_signature",
            Sort::Forbidden,
            format!(
                "the job order is signed by {signer}, the agreement's consumer is {}",
                admission.agreement.consumer
            ),
            "sign JobOrder(serviceAgreementId, runIndex, spec) as EIP-712 under the deployment's domain",
        ),
        Err(error) => refuse(
            "bad_spec_signature",
            Sort::Invalid,
            error.to_string(),
            "send 65 bytes with low s and v 27 or 28",
        ),
    }
}
