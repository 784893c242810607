//! `brizo log audit`: one pass over a whole log, in memory that does not grow with it.

use std::path::PathBuf;

use anyhow::Result;
use brizo_receipt::log::{
    Entry, Event, Frontier, LogKey, TILE_WIDTH, TilePath, Tree, entries_of, fetch_tile, tile_root,
};
use brizo_receipt::{Address, B256, Error};
use clap::Args;
use serde_json::{Value, json};

use super::bounds::Bounds;
use super::state::State;
use super::{Remote, Source, Unreachable, newest, read_error};
use crate::chain::{Chain, Error as ChainError};
use crate::cli::Exit;
use crate::cli::format::Format;
use crate::config::read_deployment;
use crate::store::Scratch;

/// Anchors that are compared; one a day makes this many in 270 years.
const ANCHORS_MAX: usize = 100_000;

/// Audit a log: read every entry, recompute every hash, and compare with the checkpoint.
///
/// With --rpc also with what the provider did on chain: its anchors, and that each receipt it was paid for is there. With
/// --state also with the last audit. Exit code 0 when all holds, 3 when something that was asked for cannot be reached, or not
/// within --deadline, --max-entries and --max-bytes, or the log shows fewer entries than are known of it, 15 when the log does not hold, 16 when it contradicts what was signed or anchored before.
#[derive(Debug, Args)]
pub(in crate::cli) struct Audit {
    #[command(flatten)]
    source: Source,
    /// URL of an Ethereum node, for anchors and receipts.
    #[arg(long, requires = "deployment", requires = "provider")]
    rpc: Option<String>,
    /// Deployment file.
    #[arg(long, requires = "rpc")]
    deployment: Option<PathBuf>,
    /// The provider's address.
    #[arg(long, requires = "rpc")]
    provider: Option<Address>,
    /// File in which the last checkpoint is kept from one audit to the next.
    #[arg(long)]
    state: Option<PathBuf>,
    #[command(flatten)]
    bounds: Bounds,
    /// How to print the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Trees that the log must have had, by size.
#[derive(Debug, Default)]
struct Known(Vec<(Tree, &'static str)>);

/// What the pass over the entries has found.
#[derive(Debug, Default)]
struct Found {
    events: Vec<(Event, u64)>,
    out_of_order: u64,
    last_s: u64,
}

impl Audit {
    pub(super) fn run(self) -> Result<Exit> {
        let remote = self.source.remote(self.bounds)?;
        let before = self.state.as_deref().map(State::read).transpose()?.flatten();
        let key = self.source.key_since(&remote, before.as_ref())?;
        let scratch = Scratch::new()?;
        let mut known = Known::default();
        // The chain first: what it has must be in a checkpoint that is asked for later.
        let anchors = self.read_chain(&remote, &mut known, &scratch)?;
        if let Some(before) = &before {
            known.0.push((before.tree(&key)?, "the checkpoint of the last audit"));
        }
        let (checkpoint, note) = newest(&remote, &key)?;
        remote.budget.check_size(&checkpoint.tree)?;
        // Every log begins as the log of nothing, so that says nothing about this one.
        known.0.retain(|(tree, _)| tree.size > 0);
        known.0.sort_by_key(|(tree, _)| tree.size);
        let found = pass(&remote, &checkpoint.tree, &known, &scratch)
            .map_err(|error| self.keep_evidence(error, &key, before.as_ref(), &note))?;
        let (committed, missing, first) = scratch.missing()?;
        if missing > 0 {
            let agreement = hex::encode(first.unwrap_or_default().get(..32).unwrap_or_default());
            return Err(Error::LogProof(format!(
                "{missing} of {committed} receipts that the provider was paid for are not in the log, or are others there; \
                 the first is of agreement 0x{agreement}"
            ))
            .into());
        }
        if let Some(path) = &self.state {
            State::new(&key, &note).write(path)?;
        }
        self.report(&key, &checkpoint.tree, &found, (anchors, committed, before.is_some()))?;
        Ok(Exit::OK)
    }

    /// Two pasts that one key signed are the proof: both notes are kept beside the state, which stays as it was.
    fn keep_evidence(
        &self,
        error: anyhow::Error,
        key: &LogKey,
        before: Option<&State>,
        note: &str,
    ) -> anyhow::Error {
        let is_proof = matches!(error.downcast_ref(), Some(Error::Equivocation(_)));
        let (true, Some(state), Some(before)) = (is_proof, &self.state, before) else { return error };
        let path = state.with_extension("evidence.json");
        match before.write_evidence(&path, key, note, &error.to_string()) {
            Ok(()) => error.context(format!("both signed checkpoints are in {}", path.display())),
            Err(why) => error.context(format!("the evidence was not kept: {why:#}")),
        }
    }

    /// Anchors and paid receipts of the provider. Returns the number of anchors; `None` when no node was named.
    fn read_chain(&self, remote: &Remote, known: &mut Known, scratch: &Scratch) -> Result<Option<usize>> {
        let (Some(rpc), Some(deployment), Some(provider)) = (&self.rpc, &self.deployment, self.provider)
        else {
            return Ok(None);
        };
        let deployment = read_deployment(deployment)?;
        let mut from = deployment.block;
        let chain = Chain::connect(rpc, deployment, None)?;
        let mut wanted = 0;
        let read = remote.runtime.block_on(remote.budget.in_time(async {
            chain.check().await?;
            let newest = chain.block_number().await?;
            while from <= newest {
                let (events, to) = chain.provider_events(provider, from, newest).await?;
                for anchor in events.anchors {
                    known.0.push((anchor, "an anchor on chain"));
                }
                for (agreement, run, hash) in events.committed {
                    wanted += 1;
                    scratch.wanted(&run_key(agreement, run), &hash.0)?;
                }
                anyhow::ensure!(known.0.len() <= ANCHORS_MAX, "more than {ANCHORS_MAX} anchors");
                remote.budget.check_count("the chain says that the log must have", wanted)?;
                from = to + 1;
            }
            Ok(())
        }));
        match read? {
            Ok(()) => Ok(Some(known.0.len())),
            Err(error) => Err(match error.downcast_ref() {
                Some(ChainError::Unreachable(why)) => Unreachable(why.clone()).into(),
                _ => error,
            }),
        }
    }

    fn report(
        &self,
        key: &LogKey,
        tree: &Tree,
        found: &Found,
        (anchors, committed, before): (Option<usize>, u64, bool),
    ) -> Result<()> {
        let events: serde_json::Map<String, Value> =
            found.events.iter().map(|(event, count)| (event.word().to_string(), json!(count))).collect();
        let document = json!({
            "log": key.origin(),
            "key": key.to_string(),
            "keyFrom": if self.source.key.is_some() { "you" } else { "the log" },
            "size": tree.size,
            "root": tree.root,
            "entries": events,
            "outOfOrder": found.out_of_order,
            "anchors": anchors,
            "paidReceipts": anchors.map(|_| committed),
            "extendsLastAudit": before,
        });
        self.format.print(&document, || {
            let mut lines = vec![format!("log {} holds: {} entries, root {}", key.origin(), tree.size, tree.root)];
            lines.extend(found.events.iter().map(|(event, count)| format!("  {count:>9}  {}", event.word())));
            match anchors {
                Some(anchors) => lines.push(format!(
                    "on chain: {anchors} anchors are of this log, and all {committed} receipts that were paid for are in it"
                )),
                None => lines.push("on chain: not attempted; give --rpc, --deployment and --provider".into()),
            }
            lines.push(match (&self.state, before) {
                (None, _) => "last audit: not compared; give --state to keep this one".into(),
                (Some(_), true) => "last audit: this log is an extension of it".into(),
                (Some(path), false) => format!("last audit: none; this one is kept in {}", path.display()),
            });
            if found.out_of_order > 0 {
                lines.push(format!("warning: {} entries were logged before the one above them", found.out_of_order));
            }
            if self.source.key.is_none() {
                lines.push(format!("warning: the key is the log's own word; next time give --key {key}"));
            }
            lines.join("\n")
        })
    }
}

fn run_key(agreement: B256, run: u64) -> [u8; 40] {
    let mut key = [0u8; 40];
    key[..32].copy_from_slice(agreement.as_slice());
    key[32..].copy_from_slice(&run.to_be_bytes());
    key
}

/// Reads all bundles and tiles of hashes, once, in order.
fn pass(remote: &Remote, tree: &Tree, known: &Known, scratch: &Scratch) -> Result<Found> {
    let width = u64::from(TILE_WIDTH);
    let (mut found, mut frontier, mut known) =
        (Found::default(), Frontier::default(), known.0.iter().peekable());
    let mut levels: Vec<Vec<u8>> = vec![Vec::new()];
    while frontier.size() < tree.size {
        let from = frontier.size();
        let bundle =
            TilePath { level: None, index: from / width, width: (tree.size - from).min(width) as u16 };
        for entry in entries_of(&fetch_tile(remote, bundle).map_err(read_error)?) {
            let entry = Entry::parse(entry?)?;
            found.add(&entry, frontier.size(), scratch)?;
            let leaf = entry.leaf();
            levels[0].extend(leaf);
            frontier.push(leaf);
            // What was known before can be of any size, also in the middle of a bundle.
            while known.peek().is_some_and(|(tree, _)| tree.size <= frontier.size()) {
                compare(&frontier.tree(), known.next())?;
            }
        }
        check_tiles(remote, &mut levels, frontier.size())?;
    }
    if frontier.tree() != *tree {
        return Err(Error::LogProof(format!(
            "the {} entries have the root {}, the checkpoint says {}",
            tree.size,
            frontier.tree().root,
            tree.root
        ))
        .into());
    }
    check_rest(remote, &levels, tree.size)?;
    // Both can have one past: only who knows more can tell a copy that is late from a log that hides something.
    if let Some((tree, what)) = known.next() {
        let (known, shown) = (tree.size, frontier.size());
        let why = format!(
            "{what} has {known} entries, the log shows {shown}: it is an older copy, or hides something"
        );
        return Err(Unreachable(why).into());
    }
    Ok(found)
}

fn compare(now: &Tree, known: Option<&(Tree, &str)>) -> Result<()> {
    match known {
        Some((tree, what)) if tree != now && tree.size > 0 => Err(Error::Equivocation(format!(
            "{what} has {} entries with the root {}, the log's first {} have {}",
            tree.size, tree.root, now.size, now.root
        ))
        .into()),
        _ => Ok(()),
    }
}

/// Compares the tiles that are full now with what was computed.
fn check_tiles(remote: &Remote, levels: &mut Vec<Vec<u8>>, size: u64) -> Result<()> {
    let width = u64::from(TILE_WIDTH);
    let (mut level, mut count) = (0, size);
    while levels[level].len() == usize::from(TILE_WIDTH) * 32 {
        count /= width;
        let tile = TilePath { level: Some(level as u8), index: count - 1, width: TILE_WIDTH };
        let root = tile_root(&levels[level]);
        check_tile(remote, tile, &levels[level])?;
        levels[level].clear();
        level += 1;
        if levels.len() == level {
            levels.push(Vec::new());
        }
        levels[level].extend(root);
    }
    Ok(())
}

/// The same for those at the right edge.
fn check_rest(remote: &Remote, levels: &[Vec<u8>], size: u64) -> Result<()> {
    let mut count = size;
    for (level, hashes) in (0u8..).zip(levels) {
        let index = count / u64::from(TILE_WIDTH);
        if !hashes.is_empty() {
            let tile = TilePath { level: Some(level), index, width: (hashes.len() / 32) as u16 };
            check_tile(remote, tile, hashes)?;
        }
        count = index;
    }
    Ok(())
}

fn check_tile(remote: &Remote, tile: TilePath, computed: &[u8]) -> Result<()> {
    if fetch_tile(remote, tile).map_err(read_error)? == computed {
        return Ok(());
    }
    Err(Error::LogProof(format!("{tile} does not have the hashes of the entries")).into())
}

impl Found {
    fn add(&mut self, entry: &Entry, index: u64, scratch: &Scratch) -> Result<()> {
        match self.events.iter_mut().find(|(event, _)| *event == entry.event) {
            Some((_, count)) => *count += 1,
            None => self.events.push((entry.event, 1)),
        }
        self.out_of_order += u64::from(entry.logged_at < self.last_s);
        self.last_s = entry.logged_at;
        let key = run_key(entry.agreement_id, entry.run_index);
        if entry.event == Event::Receipt && !scratch.there(&key, &entry.subject.0)? {
            return Err(Error::LogEntry(format!(
                "entry {index} is a second receipt of run {} of agreement {}",
                entry.run_index, entry.agreement_id
            ))
            .into());
        }
        Ok(())
    }
}
