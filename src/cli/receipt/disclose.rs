//! `brizo receipt disclose`: proves that one thing is part of a receipt, without showing the others.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use brizo_receipt::{
    Disclosure, Entry, EntryKind, Error, Key, Part, Receipt, blind_commit, check_path, check_structure,
};
use clap::{Args, ValueEnum};

use super::super::Exit;
use super::super::format::{digest_of_file, read_receipt, read_salt_key, write};
use super::super::profiles::NewerProfiles;
use super::super::replay::Inconclusive;

/// Prove to somebody who knows a receipt's hash that one file, stream, argument or variable is part of it.
///
/// The proof shows that one thing and nothing of the others but their number. Besides, it shows how the run ended
/// (for outputs), or the whole order without keys and arguments (for everything else).
///
/// Example: brizo receipt disclose out.receipt.json --path column-stats.csv -o column-stats.proof.json
#[derive(Debug, Args)]
pub(in crate::cli) struct Disclose {
    /// Receipt file.
    receipt: PathBuf,
    #[command(flatten)]
    what: What,
    /// Folder that has the file under its path: the data set, the bundle, or outputs that the receipt withholds.
    #[arg(long, default_value = ".")]
    data: PathBuf,
    /// File with the consumer's run key. [default: the key that hides nothing]
    #[arg(long)]
    run_key: Option<PathBuf>,
    /// File with the publisher's data set key; once for each data set, in their order. [default: the key that hides nothing]
    #[arg(long)]
    dataset_key: Vec<PathBuf>,
    #[command(flatten)]
    profiles: NewerProfiles,
    /// File to write; must not exist. [default: standard output]
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// The one thing to disclose.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// An output: its path below /data/outputs.
    #[arg(long, value_name = "FILE")]
    path: Option<String>,
    /// Standard output or standard error of the run.
    #[arg(long)]
    stream: Option<Stream>,
    /// A file of the data set: its path there. Needs --dataset-key, which the publisher has.
    #[arg(long, value_name = "FILE")]
    input: Option<String>,
    /// A file of the bundle that was run: its path there. Needs --run-key, which the consumer has.
    #[arg(long, value_name = "FILE")]
    algorithm: Option<String>,
    /// An argument by its number; 0 is the program's name. Needs --run-key, which the consumer has.
    #[arg(long, value_name = "N")]
    argument: Option<u32>,
    /// A variable by its name. Needs --run-key, which the consumer has.
    #[arg(long, value_name = "NAME")]
    variable: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Stream {
    Stdout,
    Stderr,
}

impl Disclose {
    pub(in crate::cli) fn run(self) -> Result<Exit> {
        if let Some(path) = self.output.as_deref().filter(|path| path.exists()) {
            bail!("{} exists; move it away, or name another with --output", path.display());
        }
        let receipt = Receipt::parse(&read_receipt(&self.receipt)?)?;
        check_structure(&receipt, &self.profiles.expectation()?)?;
        let disclosure = self.disclosure(&receipt)?;
        let Some(path) = &self.output else {
            print!("{}", disclosure.to_text());
            return Ok(Exit::OK);
        };
        write(path, disclosure.to_text())?;
        let besides = match disclosure.part() {
            Part::Outputs => "how the run ended, its fuel and bytes, and how many outputs there are",
            _ => {
                "the order (program, limits, seed, clock, roots), which anybody who has the receipt file sees, too"
            }
        };
        println!(
            "discloses  {} {:?}, {} bytes\nshows also {besides}\nwritten to {}\n\nnext: whoever is to check it needs that file and this hash, from you or from the chain:\n      \
             brizo receipt check-disclosure {} {}",
            disclosure.entry.kind.name(),
            disclosure.entry.path,
            disclosure.entry.size,
            path.display(),
            path.display(),
            disclosure.claim_hash
        );
        Ok(Exit::OK)
    }

    fn disclosure(&self, receipt: &Receipt) -> Result<Disclosure> {
        let What { path, stream, input, algorithm, argument, variable } = &self.what;
        if let Some(path) = path {
            return self.output(receipt, path, &[EntryKind::File, EntryKind::Directory]);
        }
        if let Some(stream) = stream {
            let name = if matches!(stream, Stream::Stdout) { "stdout" } else { "stderr" };
            return self.output(receipt, name, &[EntryKind::Stream]);
        }
        if let Some(path) = input {
            return self.input(receipt, path);
        }
        let run_key = self.run_key(receipt)?;
        if let Some(path) = algorithm {
            if receipt.opening.algorithm.is_empty() {
                return Err(Error::Disclosure("the run had no bundle, only a module".into()).into());
            }
            return Ok(Disclosure::of_algorithm(receipt, file(&self.data, path)?, &run_key)?);
        }
        let (kind, name) = match (argument, variable) {
            (Some(number), _) => (EntryKind::Argument, format!("{number:08}")),
            (None, name) => (EntryKind::Variable, name.clone().unwrap_or_default()),
        };
        Ok(Disclosure::of_invocation(receipt, kind, &name, &run_key)?)
    }

    /// What the receipt shows, it has the salt of; for the rest both keys and the bytes are needed.
    fn output(&self, receipt: &Receipt, path: &str, kinds: &[EntryKind]) -> Result<Disclosure> {
        let outputs = &receipt.opening.outputs;
        let mut shown = outputs.iter().filter_map(|output| output.shown.as_ref());
        if let Some(found) = shown.find(|shown| shown.entry.path == path && kinds.contains(&shown.entry.kind))
        {
            return Ok(Disclosure::of_output(receipt, found.entry.clone(), found.salt)?);
        }
        let withheld = outputs.iter().filter(|output| output.shown.is_none()).count();
        if withheld == 0 {
            let why =
                format!("the run has no output {path:?}; `opening.outputs` of the receipt lists all of them");
            return Err(Error::Disclosure(why).into());
        }
        let key = receipt.outputs_key(&self.run_key(receipt)?, &self.dataset_keys()?);
        let (Some(key), Ok(entry)) = (key, self.withheld(path, kinds)) else {
            return Err(Inconclusive(format!(
                "the receipt does not show {path:?}, {withheld} of its outputs are withheld; to prove one of them it takes the file \
                 (--data with the folder that has it, as the provider does), --run-key (the consumer's) and --dataset-key (the publisher's)"
            ))
            .into());
        };
        let salt = entry.salt(&key);
        Ok(Disclosure::of_output(receipt, entry, salt)?)
    }

    fn dataset_keys(&self) -> Result<Vec<Key>> {
        self.dataset_key.iter().map(|path| read_salt_key(Some(path))).collect()
    }

    /// An output that is withheld, from the bytes in the folder.
    fn withheld(&self, path: &str, kinds: &[EntryKind]) -> Result<Entry> {
        let stream = kinds.contains(&EntryKind::Stream);
        if !stream && self.data.join(path).is_dir() {
            check_path(path)?;
            return Ok(Entry::of(EntryKind::Directory, path, &[]));
        }
        let entry = file(&self.data, path)?;
        Ok(if stream { Entry { kind: EntryKind::Stream, ..entry } } else { entry })
    }

    fn input(&self, receipt: &Receipt, path: &str) -> Result<Disclosure> {
        let entry = file(&self.data, path)?;
        let keys = self.dataset_keys()?;
        let under = |key: &Key| Disclosure::of_input(receipt, entry.clone(), key);
        let first = under(keys.first().unwrap_or(&Key::OPEN));
        match keys.iter().skip(1).fold(first, |made, key| made.or_else(|_| under(key))) {
            Err(Error::Disclosure(why)) if keys.is_empty() => {
                let hint = "give --dataset-key if the data set is salted; its publisher has the key";
                Err(Inconclusive(format!("{why}; {hint}")).into())
            }
            made => Ok(made?),
        }
    }

    /// The run key, when it is the one that the spec commits to.
    fn run_key(&self, receipt: &Receipt) -> Result<Key> {
        let key = read_salt_key(self.run_key.as_deref())?;
        let (stated, computed) = (receipt.claim.spec.blind_commit, blind_commit(&key));
        match &self.run_key {
            _ if stated == computed => Ok(key),
            None => {
                let why = "the receipt is salted with a run key: give --run-key; the consumer who ordered the run has it";
                Err(Inconclusive(why.into()).into())
            }
            Some(path) => {
                let what =
                    format!("claim.spec.blindCommit ({} is not the run key of this receipt)", path.display());
                Err(Error::WrongKey { what, stated, computed }.into())
            }
        }
    }
}

/// The entry of a file below a folder.
fn file(folder: &Path, path: &str) -> Result<Entry> {
    check_path(path)?;
    let place = folder.join(path);
    let (size, digest) = digest_of_file(&place).context("give the folder that has the file with --data")?;
    Ok(Entry { kind: EntryKind::File, path: path.into(), size, digest })
}
