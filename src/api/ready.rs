//! Whether this provider can do its work now: what `GET /readyz` says and why.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Mutex;

use super::ApiState;
use crate::container::Containers;
use crate::data::{NoRoom, Room};
use crate::store::{Depths, Error as StoreError};

/// How long an answer is given again: looking writes to the disk and asks the node, and anybody may ask.
const KEPT_FOR: Duration = Duration::from_secs(2);
/// How long the node may take, or the container engine. A node that needs longer is of no use to a consumer who waits.
pub(super) const NODE_LIMIT: Duration = Duration::from_secs(5);

/// When this provider calls itself ready; 0 leaves a rule out.
#[derive(Debug, Clone, Copy)]
pub struct Readiness {
    /// Age of the newest block in seconds.
    pub chain_age_max_s: u64,
    /// Blocks that may wait for the listener.
    pub chain_unread_max: u64,
    /// Failed tries of a transaction that is owed, and that the contracts do not refuse.
    pub owed_tries_max: u32,
}

/// What is needed to look. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Health {
    /// The disk of `data_dir`.
    pub room: Room,
    /// The rules.
    pub rules: Readiness,
    /// Where containers run, if there is a runtime that needs one.
    pub containers: Option<Containers>,
    last: Arc<Mutex<Option<Answer>>>,
}

impl Health {
    /// With these rules, over this disk.
    #[must_use]
    pub fn new(room: Room, rules: Readiness, containers: Option<Containers>) -> Self {
        Self { room, rules, containers, last: Arc::default() }
    }
}

/// When it was looked, and what was found.
type Answer = (Instant, Vec<Check>);

/// One thing that was looked at. The text says nothing of the inside but numbers.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    pub(super) text: String,
}

impl Check {
    fn of(name: &'static str, result: Result<String, String>) -> Self {
        let ok = result.is_ok();
        Self { name, ok, text: result.unwrap_or_else(|text| text) }
    }
}

/// All checks. Many who ask at once are answered by one look.
pub(super) async fn checks(state: &ApiState) -> Vec<Check> {
    let mut last = state.health.last.clone().lock_owned().await;
    if let Some((at, checks)) = &*last
        && at.elapsed() < KEPT_FOR
    {
        return checks.clone();
    }
    let state = state.clone();
    // A caller who hangs up does not end it: the next one would begin another look, and each writes to the disk.
    let look = tokio::spawn(async move {
        let checks = look(&state).await;
        *last = Some((Instant::now(), checks.clone()));
        checks
    });
    look.await.unwrap_or_else(|_| vec![Check::of("process", Err("the look at it died".into()))])
}

async fn look(state: &ApiState) -> Vec<Check> {
    let mut checks = vec![
        Check::of("disk", disk(state).await),
        Check::of("store", store(state).await),
        Check::of("chain", chain(state).await),
        Check::of("settlement", settlement(state).await),
    ];
    if let Some(engine) = &state.health.containers {
        checks.push(Check::of("containers", containers(engine).await));
    }
    checks
}

async fn containers(engine: &Containers) -> Result<String, String> {
    match tokio::time::timeout(NODE_LIMIT, engine.facts()).await {
        Ok(Ok(_)) => Ok("the engine answers".into()),
        Ok(Err(error)) => Err(format!("no container can be run ({})", error.code())),
        Err(_) => Err("the engine takes too long to answer".into()),
    }
}

async fn disk(state: &ApiState) -> Result<String, String> {
    let room = state.health.room.clone();
    match tokio::task::spawn_blocking(move || room.check_by_writing()).await {
        Ok(Ok(())) => Ok("there is room, and it can be written".into()),
        Ok(Err(NoRoom::Broken(error))) => {
            tracing::error!(%error, "the disk does not work");
            Err("it does not work".into())
        }
        Ok(Err(none)) => Err(none.to_string()),
        Err(_) => Err("the look at it died".into()),
    }
}

async fn store(state: &ApiState) -> Result<String, String> {
    let said = |error: StoreError| match (error.is_full(), error.is_unwritable()) {
        (true, _) => "no room for a write".to_owned(),
        (_, true) => "it cannot be written".to_owned(),
        _ => {
            tracing::error!(%error, "the store does not work");
            "it does not work".to_owned()
        }
    };
    state.store.with(|store| store.try_writing()).await.map_err(said)?;
    Ok("it can be written".into())
}

async fn chain(state: &ApiState) -> Result<String, String> {
    let asked = async {
        state.chain.check().await?;
        behind(state).await
    };
    let answer = tokio::time::timeout(NODE_LIMIT, asked).await;
    let answer = answer.map_err(|_| "the node takes too long to answer".to_owned())?;
    let (age_s, unread) = answer.map_err(|error| match error {
        crate::chain::Error::Mismatch(_) => "the node is on another chain, or has no contracts".to_owned(),
        _ => "the node does not answer".to_owned(),
    })?;
    let rules = state.health.rules;
    if rules.chain_age_max_s > 0 && age_s > rules.chain_age_max_s {
        return Err(format!("the newest block is {age_s} s old; the node is behind"));
    }
    if rules.chain_unread_max > 0 && unread > rules.chain_unread_max {
        return Err(format!("{unread} blocks wait to be read"));
    }
    Ok(format!("the newest block is {age_s} s old, {unread} blocks wait to be read"))
}

/// Age of the newest block in seconds, and blocks that the listener has not read.
pub(super) async fn behind(state: &ApiState) -> crate::chain::Result<(u64, u64)> {
    let (time_s, newest) = (state.chain.time_s().await?, state.chain.block_number().await?);
    let read = state.store.with(|store| store.cursor()).await.ok().flatten();
    let read = read.unwrap_or(state.chain.deployment().block);
    Ok((state.clock.now_s().saturating_sub(time_s), newest.saturating_sub(read)))
}

async fn settlement(state: &ApiState) -> Result<String, String> {
    let depths = state.store.with(|store| store.depths()).await;
    let depths = depths.map_err(|_| "what is owed cannot be read".to_owned())?;
    said_of(&depths, state.health.rules.owed_tries_max)
}

/// What the contracts refuse is the trouble of that agreement, which a consumer can cause: it makes nobody else's work fail.
fn said_of(depths: &Depths, tries_max: u32) -> Result<String, String> {
    let owed: u64 = depths.owed.iter().map(|(_, count)| count).sum();
    let is_stuck = |tries| tries_max > 0 && tries >= tries_max;
    let Depths { owed_tries, owed_unanswered_tries, .. } = *depths;
    if is_stuck(owed_unanswered_tries) {
        return Err(format!(
            "{owed} transactions are owed, one of them after {owed_unanswered_tries} failed tries"
        ));
    }
    if is_stuck(owed_tries) {
        return Ok(format!("{owed} transactions are owed; the contracts refused one {owed_tries} times"));
    }
    Ok(format!("{owed} transactions are owed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Step;

    #[test]
    fn what_the_contracts_refuse_one_agreement_makes_nobody_unready() {
        let depths = |owed_tries, owed_unanswered_tries| Depths {
            jobs: Vec::new(),
            owed: vec![(Step::Grant, 1), (Step::Release, 2)],
            owed_tries,
            owed_unanswered_tries,
            log_entries: 0,
        };
        for (tries, unanswered, most, ready, text) in [
            (0, 0, 8, true, "3 transactions are owed"),
            (7, 7, 8, true, "3 transactions are owed"),
            (8, 8, 8, false, "3 transactions are owed, one of them after 8 failed tries"),
            (900, 7, 8, true, "3 transactions are owed; the contracts refused one 900 times"),
            (900, 8, 8, false, "3 transactions are owed, one of them after 8 failed tries"),
            (900, 900, 0, true, "3 transactions are owed"),
        ] {
            let said = said_of(&depths(tries, unanswered), most);
            assert_eq!((said.is_ok(), said.unwrap_or_else(|it| it).as_str()), (ready, text), "{tries}");
        }
    }
}
