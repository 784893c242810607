//! Manifests: salted Merkle trees over the files, streams and arguments of a run (`docs/RECEIPT.md` §4).

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::derive::{CONTENT, LEAF, SALT, derive_under};
use crate::hash::content_digest;
use crate::tree;
use crate::{Error, Invocation, Result};

/// Longest path in a manifest, in bytes.
pub const PATH_BYTES_MAX: usize = 4096;
/// Arguments that an invocation may have, and variables (docs/RECEIPT.md §4.5).
pub const TEXTS_MAX: usize = 65_536;
/// Longest component of a path, in bytes; what every common file system can hold.
const COMPONENT_BYTES_MAX: usize = 255;

/// A secret that salts a manifest: the publisher's dataset key, the consumer's run key, or the key of a run's outputs, which
/// follows from both. Never shown to a guest.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// The key that hides nothing; used for local runs, where nothing is to be hidden.
    pub const OPEN: Self = Self([0; 32]);

    /// A key from its 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes, for storing it in a secret place.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What a manifest entry stands for. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum EntryKind {
    /// A file with content.
    File = 1,
    /// A folder; its content is empty.
    Directory = 2,
    /// A stream: `stdout` or `stderr`.
    Stream = 3,
    /// A data set mounted as a whole; see [`mount_leaf`].
    Mount = 4,
    /// A command line argument; the path is its index in eight digits.
    Argument = 5,
    /// An environment variable; the path is its name.
    Variable = 6,
}

impl EntryKind {
    /// Its name in documents and for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Stream => "stream",
            Self::Mount => "mount",
            Self::Argument => "argument",
            Self::Variable => "variable",
        }
    }
}

/// One thing in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Where it is: relative, `/`-separated UTF-8 (see [`check_path`]).
    pub path: String,
    /// Bytes of content.
    #[serde(with = "crate::decimal")]
    pub size: u64,
    /// BLAKE3 of the content.
    pub digest: B256,
}

impl Entry {
    /// An entry for some bytes in memory.
    #[must_use]
    pub fn of(kind: EntryKind, path: impl Into<String>, content: &[u8]) -> Self {
        Self { kind, path: path.into(), size: content.len() as u64, digest: content_digest(content) }
    }

    /// The entry's salt, which only holders of the key can compute. Whoever is given it can check this entry and no other.
    #[must_use]
    pub fn salt(&self, key: &Key) -> B256 {
        let kind = [self.kind as u8];
        derive_under(&SALT, &[key.bytes(), &kind, self.path.as_bytes()])
    }

    /// The entry's leaf under a key. Path, size and content are hidden by the salt.
    #[must_use]
    pub fn leaf(&self, key: &Key) -> B256 {
        self.leaf_under(self.salt(key))
    }

    /// The entry's leaf under a salt that is known without the key.
    #[must_use]
    pub fn leaf_under(&self, salt: B256) -> B256 {
        let commitment =
            derive_under(&CONTENT, &[salt.as_slice(), &self.size.to_be_bytes(), self.digest.as_slice()]);
        leaf(self.kind, &self.path, commitment)
    }
}

/// Leaf of a data set mounted at `path` (empty: at `/data/inputs` itself) with this root.
#[must_use]
pub fn mount_leaf(path: &str, root: B256) -> B256 {
    leaf(EntryKind::Mount, path, root)
}

fn leaf(kind: EntryKind, path: &str, commitment: B256) -> B256 {
    // Paths are at most 4096 bytes, so the length fits 32 bits.
    let length = (path.len() as u32).to_be_bytes();
    derive_under(&LEAF, &[&[kind as u8], &length, path.as_bytes(), commitment.as_slice()])
}

/// Root over leaves in their order: the tree shape of RFC 6962, with the number of leaves bound into the root.
#[must_use]
pub fn root_of_leaves(leaves: &[B256]) -> B256 {
    tree::root(leaves.len() as u64, tree::top(leaves))
}

/// A list of entries in canonical order: by kind, then by the path's bytes, none twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    entries: Vec<Entry>,
}

impl Manifest {
    /// Sorts and checks entries.
    ///
    /// # Errors
    /// [`Error::Manifest`] when a path breaks the rules or stands twice.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self> {
        entries.sort_by(|a, b| (a.kind, a.path.as_bytes()).cmp(&(b.kind, b.path.as_bytes())));
        entries.iter().try_for_each(check_entry)?;
        if let Some(pair) = entries.windows(2).find(|w| w[0].kind == w[1].kind && w[0].path == w[1].path) {
            return Err(Error::Manifest(format!("{:?} stands twice", pair[0].path)));
        }
        check_tree(&entries)?;
        Ok(Self { entries })
    }

    /// The entries, in canonical order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The leaves, in the entries' order.
    #[must_use]
    pub fn leaves(&self, key: &Key) -> Vec<B256> {
        self.entries.iter().map(|entry| entry.leaf(key)).collect()
    }

    /// The root that stands in claims.
    #[must_use]
    pub fn root(&self, key: &Key) -> B256 {
        root_of_leaves(&self.leaves(key))
    }
}

/// Checks the path, and that a folder is empty.
pub(crate) fn check_entry(entry: &Entry) -> Result<()> {
    let bad = |why: &str| Err(Error::Manifest(format!("{:?} {why}", entry.path)));
    match entry.kind {
        EntryKind::File => check_path(&entry.path),
        EntryKind::Directory if entry.size != 0 || entry.digest != content_digest(&[]) => {
            bad("is a folder with content")
        }
        EntryKind::Directory => check_path(&entry.path),
        EntryKind::Stream if !["stdout", "stderr", "stdin"].contains(&entry.path.as_str()) => {
            bad("is no stream")
        }
        EntryKind::Variable if entry.path.is_empty() || entry.path.contains(['=', '\0']) => {
            bad("is no name of a variable")
        }
        _ if entry.path.len() > PATH_BYTES_MAX => bad("is longer than 4096 bytes"),
        _ => Ok(()),
    }
}

/// A name is a file or a folder, and nothing lies inside a file.
fn check_tree(entries: &[Entry]) -> Result<()> {
    let files: std::collections::BTreeSet<&str> = entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::File)
        .map(|entry| entry.path.as_str())
        .collect();
    for entry in entries.iter().filter(|entry| matches!(entry.kind, EntryKind::File | EntryKind::Directory)) {
        if entry.kind == EntryKind::Directory && files.contains(entry.path.as_str()) {
            return Err(Error::Manifest(format!("{:?} is both a file and a folder", entry.path)));
        }
        let mut above = entry.path.as_str();
        while let Some((folder, _)) = above.rsplit_once('/') {
            if files.contains(folder) {
                return Err(Error::Manifest(format!("{:?} lies inside the file {folder:?}", entry.path)));
            }
            above = folder;
        }
    }
    Ok(())
}

/// Checks that a path can stand in a manifest and on every host: relative, `/`-separated, no empty, `.` or `..`
/// component, no NUL, no backslash, at most 4096 bytes and 255 bytes per component.
///
/// # Errors
/// [`Error::Manifest`] says which rule is broken.
pub fn check_path(path: &str) -> Result<()> {
    let bad = |why: &str| Err(Error::Manifest(format!("path {path:?} {why}")));
    if path.is_empty() {
        return bad("is empty");
    }
    if path.len() > PATH_BYTES_MAX {
        return bad("is longer than 4096 bytes");
    }
    if path.contains(['\0', '\\']) {
        return bad("holds a NUL or a backslash");
    }
    for component in path.split('/') {
        match component {
            "" => return bad("has an empty component (leading, trailing or double slash)"),
            "." | ".." => return bad("has a component `.` or `..`"),
            long if long.len() > COMPONENT_BYTES_MAX => {
                return bad("has a component over 255 bytes");
            }
            _ => {}
        }
    }
    Ok(())
}

/// The manifest of an invocation: arguments under their index, variables under their name.
///
/// # Errors
/// [`Error::Manifest`] when there are more than [`TEXTS_MAX`] of either, when variables are not sorted by name or stand twice, when a name is empty or holds `=`, and when
/// anything holds a NUL, which no guest could see past.
pub fn invocation_manifest(invocation: &Invocation) -> Result<Manifest> {
    let most = invocation.args.len().max(invocation.env.len());
    if most > TEXTS_MAX {
        return Err(Error::Manifest(format!(
            "{most} arguments or variables, at most {TEXTS_MAX} of each are possible"
        )));
    }
    // The guest sees the variables in this order, so the order must follow from what the root binds.
    if invocation.env.windows(2).any(|pair| pair[0].0.as_bytes() >= pair[1].0.as_bytes()) {
        return Err(Error::Manifest("variables are not sorted by name, or one stands twice".into()));
    }
    let values = invocation.env.iter().map(|(_, value)| value);
    if let Some(text) = invocation.args.iter().chain(values).find(|text| text.contains('\0')) {
        return Err(Error::Manifest(format!("{text:?} holds a NUL")));
    }
    let arguments = invocation
        .args
        .iter()
        .enumerate()
        .map(|(i, arg)| Entry::of(EntryKind::Argument, format!("{i:08}"), arg.as_bytes()));
    let variables =
        invocation.env.iter().map(|(name, value)| Entry::of(EntryKind::Variable, name, value.as_bytes()));
    Manifest::new(arguments.chain(variables).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(n: u64) -> Vec<Entry> {
        (0..n).map(|i| Entry::of(EntryKind::File, format!("f{i:02}"), &i.to_be_bytes())).collect()
    }

    #[test]
    fn order_of_discovery_does_not_matter() {
        let mut shuffled = entries(9);
        shuffled.reverse();
        shuffled.swap(2, 5);
        let key = Key::new([7; 32]);
        assert_eq!(
            Manifest::new(shuffled).unwrap().root(&key),
            Manifest::new(entries(9)).unwrap().root(&key)
        );
    }

    #[test]
    fn root_depends_on_key_count_kind_path_and_content() {
        let key = Key::new([7; 32]);
        let root = |entries| Manifest::new(entries).unwrap().root(&key);
        let base = root(entries(3));
        assert_ne!(base, Manifest::new(entries(3)).unwrap().root(&Key::OPEN));
        assert_ne!(base, root(entries(2)));
        for change in 0..4 {
            let mut changed = entries(3);
            match change {
                0 => changed[1].kind = EntryKind::Argument,
                1 => changed[1].path.push('x'),
                2 => changed[1].size += 1,
                _ => changed[1].digest.0[31] ^= 1,
            }
            assert_ne!(base, root(changed), "change {change}");
        }
    }

    #[test]
    fn a_node_cannot_pass_as_a_leaf() {
        let leaves = Manifest::new(entries(4)).unwrap().leaves(&Key::OPEN);
        let pairs = [tree::top(&leaves[..2]), tree::top(&leaves[2..])];
        assert_eq!(tree::top(&pairs), tree::top(&leaves), "same inner tree");
        assert_ne!(root_of_leaves(&pairs), root_of_leaves(&leaves), "the count tells them apart");
    }

    #[test]
    fn hostile_paths_are_refused() {
        for path in ["", "/a", "a/", "a//b", ".", "a/../b", "a/./b", "a\\b", "a\0b"] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        assert!(check_path(&"x".repeat(256)).is_err());
        assert!(check_path(&vec!["x"; 2049].join("/")).is_err());
        for path in ["a", "a/b.csv", "ä/ß", ".hidden", "a..b", "..."] {
            assert!(check_path(path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn impossible_trees_are_refused() {
        let file = |path: &str| Entry::of(EntryKind::File, path, b"x");
        let folder = |path: &str| Entry::of(EntryKind::Directory, path, b"");
        let full = Entry { kind: EntryKind::Directory, ..file("a") };
        let cases = [
            vec![file("a"), file("a/b")],
            vec![file("a"), folder("a")],
            vec![full],
            vec![file("a"), folder("a/b/c")],
        ];
        for entries in cases {
            assert!(Manifest::new(entries.clone()).is_err(), "{entries:?}");
        }
        assert!(Manifest::new(vec![Entry::of(EntryKind::Stream, "stdlog", b"")]).is_err());
        assert!(Manifest::new(vec![folder("a"), file("a/b"), file("a.b")]).is_ok());
    }

    #[test]
    fn an_invocation_has_one_order() {
        let invocation = |env: &[(&str, &str)]| Invocation {
            args: vec!["a".into()],
            env: env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        };
        assert!(invocation_manifest(&invocation(&[("A", ""), ("B", "x=y")])).is_ok());
        for env in
            [&[("B", ""), ("A", "")][..], &[("A", ""), ("A", "")], &[("", "")], &[("A=", "")], &[("A", "\0")]]
        {
            assert!(invocation_manifest(&invocation(env)).is_err(), "{env:?}");
        }
    }

    #[test]
    fn an_invocation_is_bounded_when_it_is_made_and_when_it_is_read() {
        let read = |json: &str| serde_json::from_str::<Invocation>(json);
        for (list, one) in [("args", r#""""#), ("env", r#"["",""]"#)] {
            let of = |count: usize| {
                let list_text = vec![one; count].join(",");
                let other = if list == "args" { "env" } else { "args" };
                format!(r#"{{"{list}":[{list_text}],"{other}":[]}}"#)
            };
            assert!(read(&of(TEXTS_MAX)).is_ok(), "{list}");
            assert!(read(&of(TEXTS_MAX + 1)).unwrap_err().to_string().contains("at most 65536"), "{list}");
        }
        let invocation = |count| Invocation { args: vec![String::new(); count], env: Vec::new() };
        assert!(invocation_manifest(&invocation(TEXTS_MAX)).is_ok());
        assert!(invocation_manifest(&invocation(TEXTS_MAX + 1)).is_err());
    }

    #[test]
    fn the_same_path_twice_is_refused() {
        let mut twice = entries(2);
        twice[1].path = twice[0].path.clone();
        assert!(matches!(Manifest::new(twice), Err(Error::Manifest(_))));
    }
}
