//! The caller is the agreement's consumer, and this run was not ordered before.

use super::{Admission, Refusal, Sort};

pub(super) fn check(admission: &Admission<'_>) -> Result<(), Refusal> {
    let agreement = admission.agreement;
    if admission.caller != agreement.consumer {
        return Err(Refusal {
            check: "agreement",
            code: "not_your_agreement",
            sort: Sort::Forbidden,
            text: format!("agreement {} was signed by another consumer", agreement.id),
            hint: "sign the request with the key that signed the agreement".into(),
        });
    }
    if admission.spec.run_index != agreement.next_run || agreement.next_run > 0 {
        return Err(Refusal {
            check: "agreement",
            code: "job_exists",
            sort: Sort::Conflict,
            text: format!(
                "agreement {} pays for one run, number 0, and it is ordered already or was asked for under \
                           another number ({})",
                agreement.id, admission.spec.run_index
            ),
            hint: "look at the job with `brizo job status`, or make a new agreement for another run".into(),
        });
    }
    Ok(())
}
