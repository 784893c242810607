//! Admission: an order becomes a job, which waits for a worker, or has one at once.

use brizo_receipt::Address;
use brizo_receipt::log::Event;
use rusqlite::{Connection, params};

use super::queue::note;
use super::row::{Place, to_json};
use super::{Claimed, Error, Lease, NewJob, Result, Store, claims, exists, log, parties};
use crate::failpoint;
use crate::ids::{AgreementId, JobId};
use crate::job::{Role, State};

/// A job that was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Its id.
    pub id: JobId,
    /// Whether a worker has it already; otherwise it waits for one.
    pub is_taken: bool,
}

/// How long a later run may wait for a worker, in seconds.
const LATER_RUN_S: u64 = 30 * 86_400;

/// An order, with what its row has besides.
struct Order<'a> {
    job: &'a NewJob,
    id: JobId,
    row: String,
    agreement: String,
    consumer: String,
    priority: i32,
    memory_bytes: u64,
    start_by_s: u64,
    now_s: u64,
}

impl Store {
    /// [`Store::admit_job`] for an order that names nobody.
    ///
    /// # Errors
    /// The same.
    pub fn insert_job(&self, job: &NewJob, decision: &str, now_s: u64) -> Result<JobId> {
        Ok(self.admit_job(job, &[], decision, now_s)?.id)
    }

    /// Records an admitted job with those whom its order names, and logs the decision about it, in words that stay here. A
    /// worker that offers a place takes the job whose turn it is at once. On disk when somebody is told of it, or at a
    /// [`Store::flush`].
    ///
    /// # Errors
    /// [`Error::Exists`] when the run was ordered before; [`Error::QueueFull`] when too many wait.
    pub fn admit_job(
        &self,
        job: &NewJob,
        parties: &[(Address, Role)],
        decision: &str,
        now_s: u64,
    ) -> Result<Admitted> {
        let id = JobId { agreement: AgreementId(job.spec.agreement_id), run_index: job.spec.run_index };
        let (offer, mut taken) = (self.offers.next(), None);
        // A test that wants the claim at the end of this to fail has to come to it, however late a place is offered.
        if offer.is_none() && failpoint::is_armed(claims::BESIDES) {
            return Err(Error::QueueFull { own: false, waiting: 0 });
        }
        let lease = offer.as_ref().map(|offer| self.offers.named(&offer.lease));
        let admitted = self.write_before_told("admit", |sql| {
            let order = self.order(sql, job, id, now_s)?;
            // A repetition is told that it is one, whether there is room or not.
            let known = sql.prepare_cached("SELECT 1 FROM job WHERE id = ?1")?.exists([&order.row])?;
            if !known {
                self.check_room(sql, &order.consumer)?;
            }
            // What cannot be asked here fails below, where the order does not fail with it.
            let is_next = lease.is_some() && order.is_next(sql, self).unwrap_or(false);
            order.insert(sql, lease.as_ref().filter(|_| is_next), self.rules().prepare_s)?;
            parties::name(sql, &order.row, parties)?;
            log::append_about(sql, &job.spec, Event::Permitted, decision, None, now_s)?;
            note(sql, &order.row, now_s, "admitted; waits for a worker")?;
            taken = match &lease {
                Some(_) if is_next => Some(order.begin(sql)?),
                Some(lease) => claims::take_besides(sql, self, lease, now_s)?,
                None => None,
            };
            Ok(())
        });
        self.keep_if(admitted, lease.zip(taken.as_ref()), now_s)?;
        let is_taken = taken.as_ref().is_some_and(|claimed| claimed.id == id);
        if let (Some(offer), Some(claimed)) = (offer, taken) {
            (offer.take)(claimed);
        }
        Ok(Admitted { id, is_taken })
    }

    fn order<'a>(&self, sql: &Connection, job: &'a NewJob, id: JobId, now_s: u64) -> Result<Order<'a>> {
        let agreement = id.agreement.to_string();
        let (consumer, start_by_s): (String, u64) = sql
            .prepare_cached("SELECT consumer, grant_deadline_s FROM agreement WHERE id = ?1")?
            .query_row([&agreement], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let address = Place { table: "agreement", row: &agreement }.parse("consumer", &consumer)?;
        let memory_bytes = job.spec.memory_limit.saturating_add(job.spec.output_limit).min(i64::MAX as u64);
        Ok(Order {
            job,
            id,
            row: id.to_string(),
            agreement,
            consumer,
            priority: self.rules().priority(address),
            memory_bytes,
            // Later runs have no deadline on chain; here nothing waits for ever.
            start_by_s: if id.run_index == 0 { start_by_s } else { now_s + LATER_RUN_S },
            now_s,
        })
    }

    fn check_room(&self, sql: &Connection, consumer: &str) -> Result<()> {
        let (all, own): (u64, u64) = sql
            .prepare_cached(
                "SELECT count(*), count(*) FILTER (WHERE ordered_by = ?1) FROM job WHERE state = 'queued'",
            )?
            .query_row([consumer], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rules = self.rules();
        if own >= rules.waiting_per_consumer_max {
            return Err(Error::QueueFull { own: true, waiting: own });
        }
        if all >= rules.waiting_max {
            return Err(Error::QueueFull { own: false, waiting: all });
        }
        Ok(())
    }
}

impl Order<'_> {
    /// Writes the row: of a job that waits, or of one that is under a lease.
    fn insert(&self, sql: &Connection, lease: Option<&Lease>, prepare_s: u64) -> Result<()> {
        let state = if lease.is_some() { State::Preparing } else { State::Queued };
        sql.prepare_cached(
            "INSERT INTO job (id, agreement, run_index, state, spec, spec_signature, run_key, invocation, created_s,
                              ordered_by, priority, memory_bytes, start_by_s, attempt, lease_owner, lease_until_s,
                              state_until_s)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            self.row,
            self.agreement,
            self.id.run_index,
            state.word(),
            to_json(&self.job.spec),
            self.job.signature.0.as_slice(),
            self.job.run_key.bytes().as_slice(),
            to_json(&self.job.invocation),
            self.now_s,
            self.consumer,
            self.priority,
            self.memory_bytes,
            self.start_by_s,
            u32::from(lease.is_some()),
            lease.map(|lease| &lease.owner),
            lease.map(|lease| self.now_s + lease.seconds),
            lease.map(|_| self.now_s.saturating_add(prepare_s)),
        ])
        .map_err(exists("this job"))?;
        Ok(())
    }

    fn is_next(&self, sql: &Connection, store: &Store) -> Result<bool> {
        claims::is_next(sql, store, self.memory_bytes, self.start_by_s, self.now_s)
    }

    /// What else a claim writes, for the job that has a lease from its beginning.
    fn begin(&self, sql: &Connection) -> Result<Claimed> {
        claims::take_turn(sql, &self.consumer)?;
        let claimed = Claimed { id: self.id, order: self.job.clone(), attempt: 1 };
        claims::note_claim(sql, &claimed, self.now_s)?;
        Ok(claimed)
    }
}
