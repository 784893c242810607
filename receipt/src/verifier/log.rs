//! The tier "log": the receipt is in the provider's log, which shows everybody the same (`docs/RECEIPT.md` §9.5).

use std::fmt;

use super::chain::View;
use super::ddo::{self, Ddo};
use super::{Stop, unexpected};
use crate::log::{CHECKPOINT_BYTES_MAX, Checkpoint, Fetch, FetchError, LogKey, ReadError, Tree, root_at};
use crate::{Error, Fact, Receipt};

/// Where the log is, below its URL, has its newest checkpoint.
const NEWEST: &str = "checkpoint";

/// Whose log it is, and where.
#[derive(Clone, Copy, Default)]
pub struct LogEvidence<'a> {
    /// The log's key, from elsewhere than the receipt; where it is not given, a DDO's.
    pub key: Option<&'a LogKey>,
    /// The log itself, where it can be reached.
    pub reach: Option<&'a dyn Fetch>,
}

impl fmt::Debug for LogEvidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogEvidence({})", self.key.map_or("no key".into(), ToString::to_string))
    }
}

impl LogEvidence<'_> {
    /// Whether it asks for the tier.
    pub(super) fn is_asked_for(&self) -> bool {
        self.key.is_some() || self.reach.is_some()
    }
}

/// A log behind a reference, as readers of tiles want it.
struct Reach<'a>(&'a dyn Fetch);

impl Fetch for Reach<'_> {
    fn fetch(&self, path: &str, max: usize) -> Result<Vec<u8>, FetchError> {
        self.0.fetch(path, max)
    }
}

impl From<FetchError> for Stop {
    fn from(error: FetchError) -> Self {
        Self::Missing(format!("the receipt's own proof holds, but the log cannot be compared: {error}"))
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Fetch(error) => error.into(),
            ReadError::Tree(error) => Self::Failed(error),
        }
    }
}

/// Checks the receipt's own proof and, where the log can be reached, that it tells no other past now, here or on chain.
pub(super) fn check(
    receipt: &Receipt,
    given: &LogEvidence<'_>,
    ddos: &[Ddo],
    view: Option<&View<'_>>,
) -> Result<Vec<String>, Stop> {
    let said = of_ddos(receipt, given.key, ddos, view)?;
    let (key, is_sure) = match (given.key, said) {
        (Some(key), _) => (key, true),
        (None, Some(key)) => (key, view.is_some()),
        (None, None) => {
            let why = match receipt.log {
                Some(_) => {
                    "the receipt carries a proof; give the log's key with --log-key, or a DDO that has it with --ddo"
                }
                None => "the receipt carries no proof, and no log key was named",
            };
            return Err(Stop::Missing(why.into()));
        }
    };
    let (Some(checkpoint), Some(member)) = (receipt.check_log(key)?, &receipt.log) else {
        let why = "the receipt carries no proof: fetch it from the provider again, once it is in the log";
        return Err(Stop::Missing(why.into()));
    };
    let mut notes = vec![format!(
        "entry {} of {} in the log {:?}, logged at {} by the provider's clock",
        member.index, checkpoint.tree.size, checkpoint.origin, member.logged_at
    )];
    if given.key.is_none() && is_sure {
        notes.push("the log's key is the one in the DDO of the agreement, which the registry had".into());
    }
    match given.reach {
        Some(reach) => notes.extend(of_today(receipt, view, &Reach(reach), key, &checkpoint)?),
        None => notes.push("not compared with what the log shows today (give --log)".into()),
    }
    // Only now: what is wrong goes before what is missing.
    if !is_sure {
        let why = "the proof holds by the key in the DDO, but whose DDO that is was not compared with the chain: give --rpc and \
                   --deployment, or the log's key with --log-key";
        return Err(Stop::Missing(why.into()));
    }
    Ok(notes)
}

/// Compares a receipt's checkpoint with the log as it is today, and that with its anchors.
fn of_today(
    receipt: &Receipt,
    view: Option<&View<'_>>,
    log: &Reach<'_>,
    key: &LogKey,
    checkpoint: &Checkpoint,
) -> Result<[String; 2], Stop> {
    let newest = newest(log, key)?;
    same_past(log, &checkpoint.tree, &newest.tree)?;
    let index = receipt.log.as_ref().map_or(0, |member| member.index);
    if newest.tree.size <= index {
        // It may be an old copy of the log; it says nothing about the receipt.
        return Err(Stop::Missing(format!(
            "the receipt's own proof holds, but the log of today has {} entries and does not show entry {index}",
            newest.tree.size
        )));
    }
    let anchored = match view {
        None => "not compared with the anchors on chain (give --rpc and --deployment)".into(),
        Some(view) => anchors(receipt, view, log, &newest.tree)?,
    };
    Ok([format!("the log of today, {} entries, has the same past", newest.tree.size), anchored])
}

/// The key that DDOs of the receipt's data sets say, compared with agreement and registry where there is a chain. A provider keeps
/// its log key, so a DDO with another one than is given is of another provider, or forged.
fn of_ddos<'a>(
    receipt: &Receipt,
    given: Option<&LogKey>,
    ddos: &'a [Ddo],
    view: Option<&View<'_>>,
) -> Result<Option<&'a LogKey>, Stop> {
    let mut said = ddos.iter().filter_map(|ddo| Some((ddo, ddo.log_key_for(receipt)?)));
    let Some((first, key)) = said.next() else { return Ok(None) };
    let wanted = given.unwrap_or(key);
    if let Some(other) = [key].into_iter().chain(said.map(|(_, key)| key)).find(|key| *key != wanted) {
        return Err(unexpected(Fact::LogKey, "log key in the DDO", wanted, other));
    }
    if let Some(view) = view {
        ddo::check_on_chain([first], receipt.claim.spec.agreement_id, view)?;
    }
    Ok(Some(key))
}

fn newest(log: &Reach<'_>, key: &LogKey) -> Result<Checkpoint, Stop> {
    let bytes = log.fetch(NEWEST, CHECKPOINT_BYTES_MAX).map_err(|error| match error {
        FetchError::TooLong { .. } => Stop::Failed(Error::Checkpoint(error.to_string())),
        error => error.into(),
    })?;
    let text =
        String::from_utf8(bytes).map_err(|_| Error::Checkpoint("the log's newest is no text".into()))?;
    Ok(Checkpoint::verify(&text, key)?)
}

/// Of two trees the smaller must be the beginning of the larger, by the larger one's own tiles.
fn same_past(log: &Reach<'_>, one: &Tree, other: &Tree) -> Result<(), Stop> {
    let (old, new) = if one.size <= other.size { (one, other) } else { (other, one) };
    let root = root_at(log, new, old.size)?;
    if root == old.root {
        return Ok(());
    }
    Err(Stop::Failed(Error::Equivocation(format!(
        "it signed or anchored the root {} for its first {} entries; by its tree of {} entries that root is {root}",
        old.root, old.size, new.size
    ))))
}

/// Compares the tree of today with every anchor that is not above it.
fn anchors(receipt: &Receipt, view: &View<'_>, log: &Reach<'_>, newest: &Tree) -> Result<String, Stop> {
    let Some(attestation) = &receipt.attestation else {
        return Ok("no provider whose anchors to compare".into());
    };
    let anchors = view.anchors(attestation.statement.provider)?;
    let (reached, above): (Vec<_>, Vec<_>) = anchors.iter().partition(|anchor| anchor.size <= newest.size);
    for anchor in &reached {
        same_past(log, &Tree { size: anchor.size, root: anchor.root }, newest)?;
    }
    Ok(match above.len() {
        0 => format!("{} anchors on chain agree", reached.len()),
        more => format!(
            "{} anchors on chain agree, {more} are of a tree that the log does not show yet",
            reached.len()
        ),
    })
}
