//! A step of the hashing: what goes in, by which function, and what comes out. What is shown is what is hashed.

use alloy_primitives::{B256, hex, keccak256};
use serde_json::{Value, json};

use super::Bound;
use crate::derive;

/// One thing that goes into a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    /// The very bytes.
    bytes: Vec<u8>,
    /// What they are.
    what: String,
    /// How people see them.
    form: Form,
}

/// How people see bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Hex,
    Text,
    /// Not at all: nobody but their owner may see them.
    Hidden,
}

impl Input {
    pub(super) fn bytes(what: &str, bytes: impl AsRef<[u8]>) -> Self {
        Self { bytes: bytes.as_ref().to_vec(), what: what.into(), form: Form::Hex }
    }

    /// Bytes that go into the hash and are not shown.
    pub(super) fn hidden(what: &str, bytes: impl AsRef<[u8]>) -> Self {
        Self { form: Form::Hidden, ..Self::bytes(what, bytes) }
    }

    pub(super) fn text(what: &str, text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec(), what: what.into(), form: Form::Text }
    }

    fn shown(&self, bound: Bound) -> String {
        match self.form {
            Form::Hidden => format!("({} bytes, not shown)", self.bytes.len()),
            Form::Text => bound.cut(&format!("{:?}", String::from_utf8_lossy(&self.bytes))),
            Form::Hex => hex::encode_prefixed(&self.bytes),
        }
    }
}

/// One hash, and what the document says it is, if it says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    name: String,
    function: String,
    inputs: Vec<(String, String)>,
    result: String,
    stated: Option<(String, String)>,
}

/// A step, or how many of them were left out.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Step(Step),
    LeftOut(usize),
}

/// Steps that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    title: String,
    bound: Bound,
    items: Vec<Item>,
}

impl Section {
    pub(super) fn new(title: impl Into<String>, bound: Bound) -> Self {
        Self { title: title.into(), bound, items: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// `keccak-256` of the inputs, one after the other.
    pub(super) fn keccak(&mut self, name: &str, inputs: &[Input]) -> B256 {
        self.hashed(name, "keccak-256", inputs, |bytes| keccak256(bytes))
    }

    /// BLAKE3 in `derive_key` mode over the inputs, one after the other.
    pub(super) fn derive(&mut self, name: &str, context: &str, inputs: &[Input]) -> B256 {
        self.hashed(name, &format!("derive {context:?}"), inputs, |bytes| derive(context, &[bytes]))
    }

    /// Any other function; what it is called is for people.
    pub(super) fn hashed(
        &mut self,
        name: &str,
        function: &str,
        inputs: &[Input],
        hash: impl FnOnce(&[u8]) -> B256,
    ) -> B256 {
        let bytes: Vec<u8> = inputs.iter().flat_map(|input| input.bytes.iter().copied()).collect();
        let result = hash(&bytes);
        self.result(name, function, inputs, &result.to_string());
        result
    }

    /// A step whose result is computed elsewhere.
    pub(super) fn result(&mut self, name: &str, function: &str, inputs: &[Input], result: &str) {
        let inputs = inputs.iter().map(|input| (input.shown(self.bound), input.what.clone())).collect();
        self.items.push(Item::Step(Step {
            name: name.into(),
            function: function.into(),
            inputs,
            result: result.into(),
            stated: None,
        }));
    }

    /// What the document says the last step's result is, and where.
    pub(super) fn stated(&mut self, place: &str, value: impl ToString) {
        if let Some(Item::Step(step)) = self.items.last_mut() {
            step.stated = Some((place.into(), value.to_string()));
        }
    }

    /// Takes back what was pushed since `mark`: those steps are left out, and counted.
    pub(super) fn leave_out_since(&mut self, mark: usize) {
        let counted = self.items.len() - mark;
        self.items.truncate(mark);
        self.leave_out(counted);
    }

    /// Counts steps that are not shown.
    pub(super) fn leave_out(&mut self, counted: usize) {
        match self.items.last_mut() {
            Some(Item::LeftOut(number)) => *number += counted,
            _ => self.items.push(Item::LeftOut(counted)),
        }
    }

    pub(super) fn mark(&self) -> usize {
        self.items.len()
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("── {} ──\n", self.title);
        for item in &self.items {
            text += &match item {
                Item::Step(step) => step.text(),
                Item::LeftOut(number) => format!("… {number} steps left out (--explain=full shows them) …\n"),
            };
        }
        text.push('\n');
        text
    }

    pub(super) fn document(&self) -> Value {
        let item = |item: &Item| match item {
            Item::Step(step) => step.document(),
            Item::LeftOut(number) => json!({ "leftOut": number }),
        };
        json!({ "section": self.title, "steps": self.items.iter().map(item).collect::<Vec<_>>() })
    }
}

impl Step {
    fn text(&self) -> String {
        let wide =
            self.inputs.iter().map(|(value, _)| value.chars().count()).filter(|wide| *wide <= 66).max();
        let wide = wide.unwrap_or_default();
        let inputs: String =
            self.inputs.iter().map(|(value, what)| format!("    {value:<wide$}  {what}\n")).collect();
        let mut text = match inputs.is_empty() {
            true => format!("{} = {}, {}\n", self.name, self.result, self.function),
            false => format!("{} = {} (\n{inputs}) = {}\n", self.name, self.function, self.result),
        };
        if let Some((place, stated)) = &self.stated {
            text += &match *stated == self.result {
                true => format!("    {place} says the same\n"),
                false => format!("    {place} says {stated}: DIFFERENT\n"),
            };
        }
        text
    }

    fn document(&self) -> Value {
        let inputs: Vec<_> =
            self.inputs.iter().map(|(value, what)| json!({ "value": value, "what": what })).collect();
        let mut document =
            json!({ "name": self.name, "function": self.function, "inputs": inputs, "result": self.result });
        if let Some((place, stated)) = &self.stated {
            document["stated"] = json!({ "place": place, "value": stated, "same": *stated == self.result });
        }
        document
    }
}
