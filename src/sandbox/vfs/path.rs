//! Paths as the guest writes them: taken apart, checked, never handed to the host.

use super::{VfsError, VfsResult};

/// Longest path a guest may give, in bytes.
pub(super) const PATH_BYTES_MAX: usize = brizo_receipt::PATH_BYTES_MAX;
const COMPONENT_BYTES_MAX: usize = 255;

/// A path relative to a descriptor, in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    /// Components without the empty ones and `.`; `..` stays.
    pub(super) components: Vec<&'a str>,
    /// Whether the path says that it means a folder (`a/` or `a/.`).
    pub(super) directory: bool,
}

/// Takes a path apart.
///
/// # Errors
/// `Escape` for an absolute path, `NotFound` for an empty one (POSIX), `NameTooLong`, `IllegalBytes` for what could not
/// stand in a manifest.
pub(super) fn parts(path: &str) -> VfsResult<Parts<'_>> {
    if path.is_empty() {
        return Err(VfsError::NotFound);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(VfsError::NameTooLong);
    }
    if path.starts_with('/') {
        return Err(VfsError::Escape);
    }
    if path.contains(['\0', '\\']) {
        return Err(VfsError::IllegalBytes);
    }
    let components: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if components.iter().any(|part| part.len() > COMPONENT_BYTES_MAX) {
        return Err(VfsError::NameTooLong);
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    Ok(Parts { components, directory: matches!(last, "" | "." | "..") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let table: [(&str, &[&str], bool); 7] = [
            ("a", &["a"], false),
            ("a/b", &["a", "b"], false),
            ("./a//b/", &["a", "b"], true),
            (".", &[], true),
            ("a/..", &["a", ".."], true),
            ("../../etc/passwd", &["..", "..", "etc", "passwd"], false),
            ("a/.", &["a"], true),
        ];
        for (path, components, directory) in table {
            assert_eq!(parts(path).unwrap(), Parts { components: components.to_vec(), directory }, "{path}");
        }
    }

    #[test]
    fn hostile_paths_are_refused() {
        assert_eq!(parts("/etc/passwd"), Err(VfsError::Escape));
        assert_eq!(parts(""), Err(VfsError::NotFound));
        assert_eq!(parts("a\0b"), Err(VfsError::IllegalBytes));
        assert_eq!(parts("a\\b"), Err(VfsError::IllegalBytes));
        assert_eq!(parts(&"x".repeat(256)), Err(VfsError::NameTooLong));
        assert_eq!(parts(&"x/".repeat(3000)), Err(VfsError::NameTooLong));
    }
}
