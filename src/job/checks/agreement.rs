//! The caller is the agreement's consumer, this run was not ordered before, and the agreement is good for it.

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
    let (run, next, most) =
        (admission.spec.run_index, agreement.next_run, admission.policy.manifest().runs_per_agreement);
    let refuse = |code, sort, text: String, hint: &str| {
        Err(Refusal { check: "agreement", code, sort, text, hint: hint.into() })
    };
    if run < next {
        return refuse(
            "job_exists",
            Sort::Conflict,
            format!("run {run} of agreement {} is ordered already", agreement.id),
            "look at the job with `brizo job status`, or make a new agreement for another run",
        );
    }
    if run >= most {
        return refuse(
            "no_runs_left",
            Sort::Conflict,
            format!(
                "the data owner's policy gives an agreement {most} runs, numbered from 0; this is number {run}"
            ),
            "make a new agreement for another run",
        );
    }
    if run > next {
        return refuse(
            "run_out_of_order",
            Sort::Conflict,
            format!("the next run of agreement {} is number {next}, not {run}", agreement.id),
            "number the runs without gaps",
        );
    }
    // The contracts take the receipt of a later run only once the first one is paid.
    if run > 0 && !agreement.first_settled {
        return refuse(
            "first_run_not_settled",
            Sort::Later,
            format!("the first run of agreement {} is not settled yet", agreement.id),
            "ask again when it is",
        );
    }
    Ok(())
}
