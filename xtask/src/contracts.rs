//! The Solidity side: the checked-in artefacts, its format and its tests.

use std::path::Path;

use crate::command::{clean_in, run};

/// Writes contracts/abi from contracts/src, or only says whether it is stale.
pub(crate) fn artifacts(root: &Path, check: bool) -> Result<(), String> {
    let mut node = clean_in(&root.join("contracts"), "node", &["tools/artifacts.mjs"]);
    if check {
        node.arg("--check");
    }
    run(&mut node, None).map_err(|cause| {
        if check {
            format!(
                "contracts/abi is not what contracts/src compiles to ({cause}); run `cargo xtask contracts`"
            )
        } else {
            format!("contracts/src did not compile ({cause}); the compiler's reason is above")
        }
    })
}

/// `forge fmt --check` and `forge test`. Nothing is downloaded: the compiler is npm's, by contracts/tools/solc.
pub(crate) fn test(root: &Path, forge: &Path) -> Result<(), String> {
    let contracts = root.join("contracts");
    run(&mut clean_in(&contracts, forge, &["fmt", "--check"]), None).map_err(|cause| {
        format!("the contracts are not formatted ({cause}); run `forge fmt` in contracts/")
    })?;
    run(&mut clean_in(&contracts, forge, &["test", "--offline"]), None)
        .map_err(|cause| format!("a test of the contracts failed ({cause}); it is named above"))
}
