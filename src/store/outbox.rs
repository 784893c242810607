//! The outbox: what the chain still has to be told. Steps are repeatable; a row is done when the chain shows its effect.

use rusqlite::{Connection, Row, params};

use super::queue::unsettle;
use super::row::Place;
use super::{Result, Store};
use crate::failpoint;
use crate::ids::{AgreementId, JobId};

/// A transaction that is owed. The order is the order in which one job's steps are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// `authorizeComputation`.
    Authorize,
    /// `registerDerived`.
    Register,
    /// `grantAccess`.
    Grant,
    /// `releasePayment`.
    Release,
}

impl Step {
    /// The word in SQL and logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Register => "register",
            Self::Grant => "grant",
            Self::Release => "release",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Authorize, Self::Register, Self::Grant, Self::Release]
            .into_iter()
            .find(|step| step.word() == word)
    }
}

/// A row that is due.
#[derive(Debug, Clone)]
pub struct OutboxRow {
    /// Its id.
    pub id: i64,
    /// The agreement.
    pub agreement: AgreementId,
    /// The job, but for [`Step::Authorize`].
    pub job: Option<JobId>,
    /// What to do.
    pub step: Step,
    /// How often it was tried.
    pub attempts: u32,
}

/// Rows of one look: twice as many as are worked on side by side, so that those under way do not hide the others.
const DUE_MAX: u64 = 128;

type Columns = (i64, String, Option<String>, String, u32);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

/// Adds a step; adding it again changes nothing.
pub(super) fn add(sql: &Connection, agreement: AgreementId, job: Option<JobId>, step: Step) -> Result<()> {
    sql.prepare_cached("INSERT OR IGNORE INTO outbox (agreement, job, step) VALUES (?1, ?2, ?3)")?
        .execute(params![agreement.to_string(), job.map(|job| job.to_string()), step.word()])?;
    Ok(())
}

impl Store {
    /// The first waiting step of each agreement that is due, the oldest of them. An authorisation goes first: after a
    /// reorganisation it is asked for again behind the steps of a job, which the contracts refuse without it.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn due_steps(&self, now_s: u64) -> Result<Vec<OutboxRow>> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, agreement, job, step, attempts FROM outbox
             WHERE id IN (SELECT coalesce(min(id) FILTER (WHERE step = 'authorize'), min(id)) FROM outbox
                          WHERE state = 'waiting' GROUP BY agreement) AND next_s <= ?1
             ORDER BY id LIMIT ?2",
        )?;
        let rows = statement.query_map([now_s, DUE_MAX], columns)?.collect::<rusqlite::Result<Vec<_>>>()?;
        let read = |(id, agreement, job, step, attempts): Columns| {
            let row = id.to_string();
            let place = Place { table: "outbox", row: &row };
            Ok(OutboxRow {
                id,
                agreement: place.parse("agreement", &agreement)?,
                job: job.map(|job| place.parse("job", &job)).transpose()?,
                step: place.some("step", Step::from_word(&step))?,
                attempts,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// The chain shows the step's effect.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn step_done(&self, id: i64, tx: Option<&str>) -> Result<()> {
        // Forgotten in a power cut it is found on chain again.
        let note = || {
            self.write_lightly(|sql| {
                sql.execute(
                    "UPDATE outbox SET state = 'done', tx = coalesce(?2, tx), problem = NULL WHERE id = ?1",
                    params![id, tx],
                )?;
                Ok(())
            })
        };
        failpoint::around("step", note)
    }

    /// The step did not work, or was `refused` by the contracts; it is tried again at `next_s`.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn step_failed(&self, id: i64, problem: &str, refused: bool, next_s: u64) -> Result<()> {
        self.write_lightly(|sql| {
            sql.execute(
                "UPDATE outbox SET attempts = attempts + 1, problem = ?2, next_s = ?4,
                                   unanswered = CASE WHEN ?3 THEN 0 ELSE unanswered + 1 END
                 WHERE id = ?1",
                params![id, problem, refused, next_s],
            )?;
            Ok(())
        })
    }

    /// The step can never work any more, and so cannot the later ones of its agreement; their jobs are not settled.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn step_dead(&self, row: &OutboxRow, problem: &str, now_s: u64) -> Result<()> {
        self.write(|sql| {
            unsettle(sql, row.agreement, "the contracts refuse the settlement", now_s)?;
            sql.execute(
                "UPDATE outbox SET state = 'dead', problem = ?2 WHERE agreement = ?1 AND state = 'waiting'",
                params![row.agreement.to_string(), problem],
            )?;
            Ok(())
        })
    }

    /// Number of steps that wait.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn waiting_steps(&self) -> Result<u64> {
        Ok(self
            .lock()
            .query_row("SELECT count(*) FROM outbox WHERE state = 'waiting'", [], |row| row.get(0))?)
    }
}
