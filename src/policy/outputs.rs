//! Declared outputs: which files and streams an owner expects to leave, by name.

use globset::{Glob, GlobBuilder, GlobMatcher};
use serde::Deserialize;

use super::ceilings;
use super::request::{OutputKind, ReleaseOutput};
use super::{Refusal, text};

/// What may leave, as the manifest's `[outputs]` declares it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outputs {
    /// Globs over paths below `/data/outputs`. A `*` does not cross a `/`; `**` does. A class that matches `/` is refused.
    pub declared: Vec<DeclaredGlob>,
    /// Streams that may leave.
    pub streams: Vec<StreamName>,
    /// Bytes of the largest single output that may leave, file or stream.
    #[serde(deserialize_with = "text::count")]
    pub file_bytes_max: u64,
}

/// One of the guest's output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl StreamName {
    /// The stream's name in manifests, receipts and requests.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A glob that was compiled when the manifest was read.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct DeclaredGlob(GlobMatcher);

impl DeclaredGlob {
    /// The glob as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.glob().glob()
    }
}

impl TryFrom<String> for DeclaredGlob {
    type Error = String;

    fn try_from(glob: String) -> Result<Self, String> {
        let odd = |why: &str| format!("the glob {glob:?} of outputs.declared {why}");
        if glob.is_empty() || glob.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(odd("has an empty component, `.` or `..`, so it could never match an output's path"));
        }
        let unread = |e: globset::Error| odd(&format!("cannot be read: {}", e.kind()));
        let read = compile(&glob).map_err(unread)?;
        for class in classes(&glob) {
            // The library lets classes cross what stars do not.
            if compile(class).map_err(unread)?.compile_matcher().is_match("/") {
                return Err(odd(&format!(
                    "has the class {class}, which also matches `/`: name the characters, or exclude it, as [!a/] does"
                )));
            }
        }
        Ok(Self(read.compile_matcher()))
    }
}

/// Every choice is written out, so that a glob means the same on every host.
fn compile(glob: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build()
}

/// The character classes of a glob that can be read, each from `[` to its `]`.
fn classes(glob: &str) -> Vec<&str> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(next) = glob[at..].find(['[', '\\']).map(|more| at + more) {
        let after = &glob[next + 1..];
        if glob[next..].starts_with('\\') {
            at = next + 1 + after.chars().next().map_or(0, char::len_utf8);
            continue;
        }
        // Right at the beginning a `]` is one of the characters.
        let inside = after.strip_prefix(['!', '^']).unwrap_or(after);
        let inside = inside.strip_prefix(']').unwrap_or(inside);
        let Some(end) = inside.find(']') else { break };
        at = glob.len() - inside.len() + end + 1;
        found.push(&glob[next..at]);
    }
    found
}

impl Outputs {
    /// What no rule can allow: a path that is none, or an output that is too large.
    pub(super) fn check(&self, output: &ReleaseOutput) -> Option<Refusal> {
        let why = match output.kind {
            OutputKind::File => odd_path(&output.path),
            OutputKind::Stream if !is_stream(&output.path) => Some("is neither stdout nor stderr".into()),
            OutputKind::Stream => None,
        };
        if let Some(why) = why {
            return Some(Refusal {
                code: "bad_output_path",
                rule: "outputs.declared".into(),
                text: format!("the {} {:?} cannot leave: {why}", output.kind.text(), output.path),
                hint: "let the algorithm write relative paths of plain characters below /data/outputs".into(),
            });
        }
        ceilings::check_output(self.file_bytes_max, output.bytes)
    }

    /// Whether the manifest declares this output. A rule sees the answer, not the globs.
    pub(super) fn declares(&self, output: &ReleaseOutput) -> bool {
        match output.kind {
            OutputKind::File => self.declared.iter().any(|glob| glob.0.is_match(&output.path)),
            OutputKind::Stream => self.streams.iter().any(|stream| stream.text() == output.path),
        }
    }
}

fn is_stream(name: &str) -> bool {
    [StreamName::Stdout, StreamName::Stderr].iter().any(|stream| stream.text() == name)
}

fn odd_path(path: &str) -> Option<String> {
    match brizo_receipt::check_path(path) {
        Ok(()) => path.chars().any(hides).then(|| "it has control characters".into()),
        Err(brizo_receipt::Error::Manifest(why)) => Some(why),
        Err(other) => Some(other.to_string()),
    }
}

/// Characters that make a name look like another one to the person who reviews it: control characters, and those that
/// turn the direction of writing.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}
