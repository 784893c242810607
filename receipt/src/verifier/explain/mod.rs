//! Every step of the hashing, with its inputs and its result, so that it can be followed with other tools.
//!
//! What is computed here is computed from the fields once more, step by step as `docs/RECEIPT.md` writes it down, and
//! beside it stands what the document says.

mod claim;
mod log;
mod steps;
mod trees;

use serde_json::Value;

use crate::{Key, Receipt};
use steps::Section;

/// Most characters of a text that are shown, unless all is.
const TEXT_CHARS_MAX: usize = 600;

/// What stands before the steps.
const HOW_TO_READ: &str = "\
Each step hashes the bytes in its brackets, one after the other. 0x… are bytes, \"…\" is text in UTF-8.
`derive` is BLAKE3 in derive_key mode with this context; numbers are big-endian.
";

/// How much of long lists is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// This many steps from the beginning of a list or tree, and as many from its end.
    Ends(usize),
    /// Everything.
    Full,
}

impl Bound {
    /// What `--explain` shows.
    pub const USUAL: Self = Self::Ends(8);

    /// Whether the step of this number, of so many, is shown.
    fn shows(self, number: usize, of: usize) -> bool {
        match self {
            Self::Full => true,
            Self::Ends(most) => number < most || number + most >= of,
        }
    }

    fn cut(self, text: &str) -> String {
        match text.char_indices().nth(TEXT_CHARS_MAX).filter(|_| self != Self::Full) {
            Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
            None => text.into(),
        }
    }
}

/// The steps, in the order in which one needs them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Explanation {
    sections: Vec<Section>,
}

impl Explanation {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let sections: String = self.sections.iter().map(Section::text).collect();
        format!("{HOW_TO_READ}\n{sections}")
    }

    /// For programs: a list of sections with their steps.
    #[must_use]
    pub fn document(&self) -> Value {
        self.sections.iter().map(Section::document).collect()
    }
}

/// Explains a receipt that was parsed; it need not hold. With the run key the invocation is explained, too; the key itself
/// is never shown.
#[must_use]
pub fn explain(receipt: &Receipt, run_key: Option<&Key>, bound: Bound) -> Explanation {
    let mut sections = vec![claim::types(bound), claim::claim(receipt, bound)];
    sections.push(trees::algorithm(receipt, bound));
    sections.extend(receipt.opening.inputs.iter().map(|mount| trees::mount(mount, bound)));
    sections.push(trees::inputs(receipt, bound));
    sections.push(trees::outputs(receipt, bound));
    if let Some(run_key) = run_key {
        sections.push(trees::invocation(receipt, run_key, bound));
    }
    sections.push(claim::attestation(receipt, bound));
    sections.push(claim::consent(receipt, bound));
    sections.push(log::log(receipt, bound));
    sections.retain(|section| !section.is_empty());
    Explanation { sections }
}
