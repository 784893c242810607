//! The module named in the spec is the one that was uploaded, byte for byte, and it can start with what was ordered.

use super::{Admission, Refusal, Sort};

pub(super) fn check(admission: &Admission<'_>) -> Result<(), Refusal> {
    let refuse = |code, sort, text: String, hint: &str| {
        Err(Refusal { check: "algorithm", code, sort, text, hint: hint.into() })
    };
    let Some(upload) = &admission.agreement.upload else {
        return refuse(
            "algorithm_missing",
            Sort::Conflict,
            format!("no algorithm was uploaded under agreement {}", admission.agreement.id),
            "upload it first: POST …/services/computing/upload",
        );
    };
    if upload.digest != admission.spec.module_digest {
        return refuse(
            "algorithm_mismatch",
            Sort::Invalid,
            format!("the spec names module {}, uploaded was {}", admission.spec.module_digest, upload.digest),
            "put the BLAKE3 of the uploaded module, or of the bundle's runtime, into spec.moduleDigest and sign again",
        );
    }
    if upload.memory_bytes_min > admission.spec.memory_limit {
        return refuse(
            "memory_below_module",
            Sort::Invalid,
            format!(
                "the module starts with {} bytes of memory, ordered are {}",
                upload.memory_bytes_min, admission.spec.memory_limit
            ),
            "order more memory",
        );
    }
    Ok(())
}
