//! The spec's roots and rules are the ones the provider will really use; otherwise no receipt could match.

use brizo_receipt::{B256, Key, blind_commit, invocation_manifest, root_of_leaves};

use super::{Admission, Refusal, Sort};
use crate::job::STACK_LIMIT_MAX;

pub(super) fn check(admission: &Admission<'_>) -> Result<(), Refusal> {
    let spec = admission.spec;
    let invocation = invocation_root(admission, admission.run_key)?;
    let expected: [(&'static str, B256, B256, &'static str); 5] = [
        (
            "profile",
            spec.profile,
            admission.profile,
            "take the profile's digest from the asset's DDO or /api/v1/environments",
        ),
        (
            "inputsRoot",
            spec.inputs_root,
            admission.dataset.inputs_root,
            "take the inputs root from the asset's DDO; the data set may have a new version",
        ),
        (
            "algorithmRoot",
            spec.algorithm_root,
            algorithm_root(admission)?,
            "hash the bundle's files and its runtime's, salted with the run key; without a bundle it is the root of no leaves",
        ),
        (
            "blindCommit",
            spec.blind_commit,
            blind_commit(admission.run_key),
            "commit to the run key that is sent with the order",
        ),
        (
            "invocationRoot",
            spec.invocation_root,
            invocation,
            "hash the arguments and variables as docs/RECEIPT.md §4 says, salted with the run key",
        ),
    ];
    for (field, stated, real, hint) in expected {
        if stated != real {
            return Err(mismatch(
                field,
                format!("spec.{field} is {stated}, the provider would use {real}"),
                hint,
            ));
        }
    }
    if !(1..=STACK_LIMIT_MAX).contains(&spec.stack_limit) {
        return Err(mismatch(
            "stackLimit",
            format!("spec.stackLimit is {}, this profile takes 1 to {STACK_LIMIT_MAX}", spec.stack_limit),
            "use the limit that the command line uses, unless the algorithm calls unusually deep",
        ));
    }
    Ok(())
}

fn algorithm_root(admission: &Admission<'_>) -> Result<B256, Refusal> {
    let Some(upload) = &admission.agreement.upload else { return Ok(root_of_leaves(&[])) };
    let manifest = upload
        .algorithm()
        .map_err(|e| mismatch("algorithmRoot", e.to_string(), "upload the bundle under a new agreement"))?;
    Ok(manifest.root(admission.run_key))
}

fn invocation_root(admission: &Admission<'_>, key: &Key) -> Result<B256, Refusal> {
    let manifest = invocation_manifest(admission.invocation)
        .map_err(|e| mismatch("invocationRoot", e.to_string(), "shorten the name of the variable"))?;
    Ok(manifest.root(key))
}

fn mismatch(field: &str, text: String, hint: &str) -> Refusal {
    let code = match field {
        "profile" => "spec_profile",
        "inputsRoot" => "spec_inputs",
        "blindCommit" => "spec_run_key",
        "invocationRoot" => "spec_invocation",
        _ => "spec_mismatch",
    };
    Refusal { check: "spec", code, sort: Sort::Invalid, text, hint: hint.into() }
}
