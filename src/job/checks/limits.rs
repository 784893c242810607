//! The node can give what is ordered.

use super::{Admission, Refusal, Sort};

pub(super) fn check(admission: &Admission<'_>) -> Result<(), Refusal> {
    let (spec, node) = (admission.spec, admission.node);
    let limits = [
        ("fuel", spec.fuel_limit, node.fuel),
        ("bytes of memory", spec.memory_limit, node.memory_bytes),
        ("bytes of output", spec.output_limit, node.output_bytes),
        ("output files", spec.files_limit, node.output_files),
    ];
    for (what, ordered, ceiling) in limits {
        if ordered > ceiling {
            return Err(Refusal {
                check: "limits",
                code: "node_ceiling_exceeded",
                sort: Sort::Invalid,
                text: format!("{ordered} {what} are ordered, this node gives at most {ceiling}"),
                hint: format!("order {ceiling} or less"),
            });
        }
    }
    if spec.fuel_limit == 0 {
        return Err(Refusal {
            check: "limits",
            code: "no_fuel",
            sort: Sort::Invalid,
            text: "no fuel is ordered, so nothing would run".into(),
            hint: "`brizo run` on mock data prints how much a job uses".into(),
        });
    }
    Ok(())
}
