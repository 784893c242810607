//! The two volumes as arguments, and the rule that a name stays inside its volume.

use crate::{Error, Result};
use std::path::{Component, Path, PathBuf};

/// Argument `index` as a folder; `what` names it when it is missing.
pub(crate) fn volume(index: usize, what: &str) -> Result<PathBuf> {
    std::env::args_os().nth(index).map(PathBuf::from).ok_or_else(|| {
        Error::parameter(format!(
            "argument {index} is missing: it should be the {what} folder (Brizo passes it by itself)"
        ))
    })
}

/// `root` joined with `name`, if `name` is a plain relative path.
///
/// The sandbox would refuse anything else as well; refusing it here gives the same clear error natively.
pub(crate) fn inside(root: &Path, name: &str) -> Result<PathBuf> {
    let path = Path::new(name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || !plain {
        return Err(Error::new(format!(
            "the name {name:?} leads out of its folder: use a relative path without `..`, such as \"tables/a.csv\""
        )));
    }
    Ok(root.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_joined() {
        assert_eq!(inside(Path::new("/r"), "a/b.csv").unwrap(), Path::new("/r/a/b.csv"));
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        for name in ["", "..", "../a", "a/../../b", "/etc/passwd", "./../a", "."] {
            let error = inside(Path::new("/r"), name).unwrap_err().to_string();
            assert!(error.contains("leads out of its folder"), "{name}: {error}");
        }
    }
}
