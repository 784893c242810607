//! What must be remembered about the chain: how far its events were read, which blocks that was, and our own transactions on
//! their way.

use brizo_receipt::B256;
use rusqlite::{OptionalExtension, params};

use super::agreements::authorize_when_ready;
use super::row::Place;
use super::{Result, Store};
use crate::ids::AgreementId;

/// Ends of ranges that are kept. A reorganisation deeper than all of them is none that a program should mend.
pub const BLOCKS_KEPT: u64 = 256;

/// How long after its settlement a job's steps are looked at again when the chain is reorganised, in seconds, where an earlier
/// release did not write down the block.
const LOOKED_AT_AGAIN_S: u64 = 86_400;

/// A block that was the end of a range whose events were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenBlock {
    /// Its number.
    pub number: u64,
    /// Its hash at that time.
    pub hash: B256,
}

impl Store {
    /// Records events of the chain up to a block: payments that were locked, each with its block. Agreements of others are
    /// passed over.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn record_locked(&self, locked: &[(B256, u64)], read_to: SeenBlock) -> Result<()> {
        self.write(|sql| {
            for (id, block) in locked {
                lock(sql, AgreementId(*id), *block)?;
            }
            sql.execute(
                "INSERT INTO cursor (one, block) VALUES (1, ?1)
                 ON CONFLICT (one) DO UPDATE SET block = max(block, excluded.block)",
                [read_to.number],
            )?;
            sql.execute(
                "INSERT OR REPLACE INTO block_seen (number, hash) VALUES (?1, ?2)",
                params![read_to.number, read_to.hash.as_slice()],
            )?;
            sql.execute(
                "DELETE FROM block_seen WHERE number NOT IN (SELECT number FROM block_seen ORDER BY number DESC LIMIT ?1)",
                [BLOCKS_KEPT],
            )?;
            Ok(())
        })
    }

    /// Records a payment that the chain's state showed at `block`, before the event was read.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn record_lock(&self, id: AgreementId, block: SeenBlock) -> Result<()> {
        self.write(|sql| {
            lock(sql, id, block.number)?;
            // Kept for the comparison, so that a reorganisation of this very block takes the payment back as well.
            sql.execute(
                "INSERT OR IGNORE INTO block_seen (number, hash) VALUES (?1, ?2)",
                params![block.number, block.hash.as_slice()],
            )?;
            Ok(())
        })
    }

    /// The last block whose events were recorded.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn cursor(&self) -> Result<Option<u64>> {
        Ok(self.lock().query_row("SELECT block FROM cursor", [], |row| row.get(0)).optional()?)
    }

    /// Ends of the ranges that were read, the newest first.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn blocks_seen(&self) -> Result<Vec<SeenBlock>> {
        let connection = self.lock();
        let mut statement = connection.prepare("SELECT number, hash FROM block_seen ORDER BY number DESC")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let read = |(number, hash): (u64, Vec<u8>)| {
            let row = number.to_string();
            let hash = Place { table: "block_seen", row: &row }.array("hash", &hash)?;
            Ok(SeenBlock { number, hash: B256::from(hash) })
        };
        rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().map(read).collect()
    }

    /// Forgets what was read above `block`, which the chain has taken back: those payments are not locked until they are seen
    /// again. Returns the agreements whose payments they were.
    ///
    /// # Errors
    /// Of SQLite or of a damaged row.
    pub fn roll_back(&self, block: u64, now_s: u64) -> Result<Vec<AgreementId>> {
        self.write(|sql| {
            // Our own transactions may be gone as well. Each step looks for its effect first, so looking again sends nothing
            // that is there. A job that was settled below is there with all its steps, which were mined before.
            sql.execute(
                "UPDATE outbox SET state = 'waiting', next_s = 0 WHERE state = 'done' AND (
                   job IN (SELECT id FROM job WHERE state = 'publishing' OR (state = 'settled' AND settled_block > ?3)
                           OR (state = 'settled' AND settled_block IS NULL AND ended_s > ?1))
                   OR (step = 'authorize' AND agreement IN (SELECT id FROM agreement WHERE grant_deadline_s > ?2)))",
                [now_s.saturating_sub(LOOKED_AT_AGAIN_S), now_s, block],
            )?;
            let mut statement = sql.prepare(
                "UPDATE agreement SET locked = 0, granted = 0, locked_block = NULL WHERE locked_block > ?1 RETURNING id",
            )?;
            let ids = statement.query_map([block], |row| row.get::<_, String>(0))?;
            let ids = ids.collect::<rusqlite::Result<Vec<_>>>()?;
            drop(statement);
            for id in &ids {
                // Asked for again when the payment is seen again; whether it is on chain already is looked at then.
                sql.execute("DELETE FROM outbox WHERE agreement = ?1 AND step = 'authorize'", [id])?;
            }
            sql.execute("DELETE FROM block_seen WHERE number > ?1", [block])?;
            sql.execute("UPDATE cursor SET block = min(block, ?1)", [block])?;
            let parse = |id: &String| Place { table: "agreement", row: id }.parse("id", id);
            ids.iter().map(parse).collect()
        })
    }

    /// Our own transactions on their way, as JSON.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn chain_txs(&self, sender: &str) -> Result<Vec<String>> {
        let connection = self.lock();
        let mut statement =
            connection.prepare("SELECT sent FROM chain_tx WHERE sender = ?1 ORDER BY nonce")?;
        let rows = statement.query_map([sender], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
    }

    /// Writes a transaction down before it is sent.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn save_chain_tx(&self, sender: &str, nonce: u64, sent: &str) -> Result<()> {
        self.write(|sql| {
            sql.execute(
                "INSERT OR REPLACE INTO chain_tx (sender, nonce, sent) VALUES (?1, ?2, ?3)",
                params![sender, nonce, sent],
            )?;
            Ok(())
        })
    }

    /// Forgets a transaction that has landed.
    ///
    /// # Errors
    /// Of SQLite.
    pub fn remove_chain_tx(&self, sender: &str, nonce: u64) -> Result<()> {
        self.write(|sql| {
            sql.execute("DELETE FROM chain_tx WHERE sender = ?1 AND nonce = ?2", params![sender, nonce])?;
            Ok(())
        })
    }
}

fn lock(sql: &rusqlite::Connection, id: AgreementId, block: u64) -> Result<()> {
    sql.execute(
        "UPDATE agreement SET locked = 1, locked_block = ?2 WHERE id = ?1",
        params![id.to_string(), block],
    )?;
    authorize_when_ready(sql, id)
}

#[cfg(test)]
mod tests {
    use super::super::Step;
    use super::super::tests::{NOW, agreement, commit, new_job, store, upload};
    use super::*;
    use crate::ids::JobId;
    use crate::job::State;

    /// A job with all its steps done and its payment seen in `block`.
    fn settled(store: &Store, number: u8, block: u64) -> JobId {
        if number != 4 {
            store.insert_agreement(&agreement(number), NOW).unwrap();
        }
        let id = store.insert_job(&new_job(number), "permitted", NOW).unwrap();
        let claimed = store.claim_job("w", NOW, 10).unwrap().unwrap();
        store.commit_job(&claimed, &commit(), NOW).unwrap();
        for _ in 0..3 {
            let row = store.due_steps(NOW).unwrap().remove(0);
            assert_eq!(row.job, Some(id));
            store.step_done(row.id, None).unwrap();
        }
        assert!(store.settle_job(id, Default::default(), block, NOW).unwrap());
        id
    }

    fn looked_at(store: &Store) -> Vec<JobId> {
        store.due_steps(NOW).unwrap().into_iter().filter_map(|row| row.job).collect()
    }

    #[test]
    fn only_what_was_settled_in_blocks_that_are_gone_is_looked_at_again() {
        let store = store();
        let ids: Vec<_> =
            [(4, 6), (5, 7), (6, 8)].map(|(number, block)| settled(&store, number, block)).into();
        store.roll_back(8, NOW).unwrap();
        assert!(looked_at(&store).is_empty(), "nothing above block 8");
        store.roll_back(7, NOW).unwrap();
        assert_eq!((looked_at(&store), store.waiting_steps().unwrap()), (vec![ids[2]], 3));
        // Done again, it is where it is now, and news to nobody.
        for _ in 0..3 {
            let row = store.due_steps(NOW).unwrap().remove(0);
            store.step_done(row.id, None).unwrap();
        }
        assert!(!store.settle_job(ids[2], Default::default(), 11, NOW).unwrap());
        store.roll_back(10, NOW).unwrap();
        assert_eq!(looked_at(&store), [ids[2]]);
        assert_eq!(store.job(ids[2]).unwrap().unwrap().state, State::Settled);
    }

    #[test]
    fn an_authorisation_that_is_asked_for_again_goes_before_the_steps_of_the_job() {
        let store = store();
        let agreement = AgreementId(B256::repeat_byte(4));
        let seen = |number| SeenBlock { number, hash: B256::repeat_byte(1) };
        store.set_upload(agreement, &upload(), None).unwrap();
        store.record_locked(&[(agreement.0, 8)], seen(8)).unwrap();
        store.step_done(store.due_steps(NOW).unwrap().remove(0).id, None).unwrap();
        store.insert_job(&new_job(4), "permitted", NOW).unwrap();
        let claimed = store.claim_job("w", NOW, 10).unwrap().unwrap();
        store.commit_job(&claimed, &commit(), NOW).unwrap();
        // The payment and our own transactions are taken back, and the payment is there again.
        assert_eq!(store.roll_back(7, NOW).unwrap(), [agreement]);
        store.record_lock(agreement, seen(9)).unwrap();
        let mut steps = Vec::new();
        while let Some(row) = store.due_steps(NOW).unwrap().pop() {
            steps.push(row.step);
            store.step_done(row.id, None).unwrap();
        }
        assert_eq!(steps, [Step::Authorize, Step::Register, Step::Grant, Step::Release]);
    }

    #[test]
    fn what_is_refused_for_good_unsettles_every_job_that_waits_for_it() {
        let store = store();
        let (other, first) = (settled(&store, 5, 2), settled(&store, 4, 6));
        let mut later = new_job(4);
        later.spec.run_index = 1;
        let later = store.insert_job(&later, "permitted", NOW).unwrap();
        let claimed = store.claim_job("w", NOW, 10).unwrap().unwrap();
        store.commit_job(&claimed, &commit(), NOW).unwrap();
        // The first job's settlement is taken back as well, and the contracts take neither any more.
        store.roll_back(5, NOW).unwrap();
        let row = store.due_steps(NOW).unwrap().remove(0);
        store.step_dead(&row, "too late", NOW + 1).unwrap();
        assert_eq!(store.waiting_steps().unwrap(), 0);
        for id in [first, later] {
            let job = store.job(id).unwrap().unwrap();
            assert_eq!((job.state, job.paid, job.refunded), (State::Unsettled, None, None), "{id}");
        }
        assert_eq!(store.job(other).unwrap().unwrap().state, State::Settled);
    }

    #[test]
    fn of_an_earlier_release_a_day_is_looked_at_again() {
        let store = store();
        let id = settled(&store, 4, 6);
        store.lock().execute("UPDATE job SET settled_block = NULL", []).unwrap();
        store.roll_back(9, NOW + LOOKED_AT_AGAIN_S).unwrap();
        assert!(looked_at(&store).is_empty());
        store.roll_back(9, NOW + LOOKED_AT_AGAIN_S - 1).unwrap();
        assert_eq!(looked_at(&store), [id]);
    }
}
