//! The command line, read strictly: an unknown word, a missing value or an option given twice is wrong usage.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use brizo_receipt::verifier::explain::Bound;
use brizo_receipt::{Address, B256, ExpectedJob};
use lexopt::prelude::*;

use crate::Failure;

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Version,
    Receipt(Box<ReceiptOptions>),
    Disclosure(DisclosureOptions),
    Verdict(VerdictOptions),
}

/// How to check a disclosure.
#[derive(Debug)]
pub(crate) struct DisclosureOptions {
    pub(crate) disclosure: PathBuf,
    pub(crate) receipt_hash: B256,
    pub(crate) file: Option<PathBuf>,
    pub(crate) profiles: Option<PathBuf>,
    pub(crate) json: bool,
}

/// How to check a verdict.
#[derive(Debug)]
pub(crate) struct VerdictOptions {
    pub(crate) verdict: PathBuf,
    pub(crate) receipt: Option<PathBuf>,
    pub(crate) auditor: Option<Address>,
    pub(crate) profiles: Option<PathBuf>,
    pub(crate) json: bool,
}

/// How to verify a receipt.
#[derive(Debug, Default)]
pub(crate) struct ReceiptOptions {
    pub(crate) receipt: PathBuf,
    pub(crate) rpc: Option<String>,
    pub(crate) deployment: Option<PathBuf>,
    pub(crate) log_key: Option<String>,
    pub(crate) log: Option<String>,
    pub(crate) run_key: Option<PathBuf>,
    pub(crate) dataset_keys: Vec<PathBuf>,
    pub(crate) outputs: Option<PathBuf>,
    pub(crate) ddos: Vec<String>,
    pub(crate) profiles: Option<PathBuf>,
    pub(crate) expect: Option<B256>,
    pub(crate) job: Option<ExpectedJob>,
    pub(crate) provider: Option<Address>,
    pub(crate) consumer: Option<Address>,
    pub(crate) explain: Option<Bound>,
    pub(crate) json: bool,
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, Failure> {
    let mut args = args.into_iter().peekable();
    let verb = args.peek().and_then(|first| first.to_str());
    match verb {
        Some("check-disclosure") => disclosure(lexopt::Parser::from_args(args.skip(1))),
        Some("check-verdict") => verdict(lexopt::Parser::from_args(args.skip(1))),
        _ => receipt(lexopt::Parser::from_args(args)),
    }
}

fn receipt(mut parser: lexopt::Parser) -> Result<Command, Failure> {
    let mut options = ReceiptOptions::default();
    let mut receipt = None;
    while let Some(arg) = parser.next()? {
        match arg {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("version") | Short('V') => return Ok(Command::Version),
            Value(path) => once("the receipt", &mut receipt, PathBuf::from(path))?,
            Long(name) => {
                let name = name.to_owned();
                options.read(&name, &mut parser)?;
            }
            Short(_) => return Err(arg.unexpected().into()),
        }
    }
    options.receipt = receipt.ok_or_else(|| usage("name a receipt file"))?;
    if options.rpc.is_some() != options.deployment.is_some() {
        return Err(usage("--rpc and --deployment go together"));
    }
    if options.log.is_some() && options.log_key.is_none() && options.ddos.is_empty() {
        return Err(usage("--log needs --log-key, or a --ddo that has the key"));
    }
    Ok(Command::Receipt(Box::new(options)))
}

fn disclosure(mut parser: lexopt::Parser) -> Result<Command, Failure> {
    let (mut words, mut file, mut profiles, mut json) = (Vec::new(), None, None, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("file") => once("--file", &mut file, parser.value()?.into())?,
            Long("profiles") => once("--profiles", &mut profiles, parser.value()?.into())?,
            Long("json") => json = true,
            Value(word) => words.push(word),
            other => return Err(other.unexpected().into()),
        }
    }
    let [disclosure, hash] = words.as_slice() else {
        return Err(usage("name a disclosure file and the receipt hash that you know"));
    };
    let receipt_hash = hash.to_str().and_then(|text| text.parse().ok());
    let receipt_hash = receipt_hash.ok_or_else(|| usage("the receipt hash is not 64 hex digits"))?;
    Ok(Command::Disclosure(DisclosureOptions {
        disclosure: disclosure.into(),
        receipt_hash,
        file,
        profiles,
        json,
    }))
}

fn verdict(mut parser: lexopt::Parser) -> Result<Command, Failure> {
    let (mut verdict, mut receipt, mut auditor, mut profiles, mut json) = (None, None, None, None, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("receipt") => once("--receipt", &mut receipt, parser.value()?.into())?,
            Long("profiles") => once("--profiles", &mut profiles, parser.value()?.into())?,
            Long("auditor") => {
                once("--auditor", &mut auditor, parsed("auditor", "an address", &mut parser)?)?
            }
            Long("json") => json = true,
            Value(word) => once("the verdict", &mut verdict, word.into())?,
            other => return Err(other.unexpected().into()),
        }
    }
    let verdict = verdict.ok_or_else(|| usage("name a verdict file"))?;
    if profiles.is_some() && receipt.is_none() {
        return Err(usage("--profiles needs --receipt, which says under which profile the run was"));
    }
    Ok(Command::Verdict(VerdictOptions { verdict, receipt, auditor, profiles, json }))
}

impl ReceiptOptions {
    /// Takes in one option with its value.
    fn read(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<(), Failure> {
        match name {
            "rpc" => once(name, &mut self.rpc, text(parser)?),
            "deployment" => once(name, &mut self.deployment, parser.value()?.into()),
            "log-key" => once(name, &mut self.log_key, text(parser)?),
            "log" => once(name, &mut self.log, text(parser)?),
            "run-key" => once(name, &mut self.run_key, parser.value()?.into()),
            "dataset-key" => {
                self.dataset_keys.push(parser.value()?.into());
                Ok(())
            }
            "outputs" => once(name, &mut self.outputs, parser.value()?.into()),
            "ddo" => {
                self.ddos.push(text(parser)?);
                Ok(())
            }
            "profiles" => once(name, &mut self.profiles, parser.value()?.into()),
            "expect" => once(name, &mut self.expect, parsed(name, "64 hex digits", parser)?),
            "job" => once(name, &mut self.job, parsed(name, "an agreement, or AGREEMENT-RUN", parser)?),
            "provider" => once(name, &mut self.provider, parsed(name, "an address", parser)?),
            "consumer" => once(name, &mut self.consumer, parsed(name, "an address", parser)?),
            "explain" => once(name, &mut self.explain, bound(parser.optional_value())?),
            "json" => {
                self.json = true;
                Ok(())
            }
            other => Err(usage(&format!("--{other} is unknown"))),
        }
    }
}

pub(crate) fn usage(why: &str) -> Failure {
    Failure::Usage(why.into())
}

fn once<T>(name: &str, place: &mut Option<T>, value: T) -> Result<(), Failure> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(usage(&format!("{name} is given twice"))),
    }
}

fn text(parser: &mut lexopt::Parser) -> Result<String, Failure> {
    Ok(parser.value()?.string()?)
}

fn parsed<T: FromStr>(name: &str, wanted: &str, parser: &mut lexopt::Parser) -> Result<T, Failure> {
    let text = text(parser)?;
    text.parse().map_err(|_| usage(&format!("--{name} {text:?} is not {wanted}")))
}

fn bound(value: Option<OsString>) -> Result<Bound, Failure> {
    match value {
        None => Ok(Bound::USUAL),
        Some(value) if value == "full" => Ok(Bound::Full),
        Some(value) => {
            Err(usage(&format!("--explain={} is unknown; there is --explain=full", value.display())))
        }
    }
}
