//! The data owner allows it.

use crate::policy::{Decision, RunRequest};

use super::{Admission, Refusal, Sort, UploadFacts};

pub(super) fn check(admission: &Admission<'_>) -> Result<(), Refusal> {
    let (spec, agreement) = (admission.spec, admission.agreement);
    let upload = agreement.upload.as_ref();
    let request = RunRequest {
        consumer: admission.caller,
        dataset: admission.dataset.did.to_string(),
        algorithm: upload.map_or(spec.module_digest, UploadFacts::approved_as),
        runtime: upload.and_then(UploadFacts::runtime),
        algorithm_bytes: upload.map_or(0, |upload| upload.bytes),
        imports_refused: upload.map(|upload| upload.imports_refused.clone()).unwrap_or_default(),
        fuel: spec.fuel_limit,
        memory_bytes: spec.memory_limit,
        output_bytes: spec.output_limit,
        output_files: spec.files_limit,
        now_s: admission.now_s,
    };
    match admission.policy.may_run(&request) {
        Decision::Allow { .. } => Ok(()),
        Decision::Refuse(refusal) => Err(Refusal {
            check: "policy",
            code: refusal.code,
            sort: Sort::Forbidden,
            text: format!("{} (rule {})", refusal.text, refusal.rule),
            hint: refusal.hint,
        }),
    }
}
