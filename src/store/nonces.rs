//! Nonces of signed requests: each counts once.
//!
//! Memory decides, so that no request waits for a disk to learn that it is the first of its kind. What memory has seen is
//! written down soon after, all of it together, and read again by the next process. When memory is full the database
//! decides, until everything that it decided has expired (ADR 36).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use brizo_receipt::{Address, B256};
use rusqlite::{Connection, params};

use super::{Result, Store};

/// Nonces in memory, of some 40 bytes each.
const SEEN_MAX: usize = 400_000;

/// How long nonces may wait to be written down. Killed within it, the provider takes such a request a second time.
const WRITTEN_WITHIN: Duration = Duration::from_millis(20);

/// What is remembered of a nonce.
#[derive(Debug, Clone, Copy)]
struct Used {
    caller: Address,
    nonce: B256,
    expires_s: u64,
}

impl Used {
    /// Caller and nonce in sixteen bytes. Whoever found two with the same key would only refuse themselves.
    fn key(&self) -> u128 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.caller.as_slice()).update(self.nonce.as_slice());
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        u128::from_le_bytes(key)
    }
}

/// The nonces in memory.
#[derive(Debug, Default)]
pub(super) struct Nonces(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    /// When each expires.
    seen: HashMap<u128, u64>,
    unwritten: Vec<Used>,
    /// Whether somebody is on the way to write them down.
    is_writing: bool,
    /// Until then the database knows nonces that memory does not.
    database_until_s: u64,
}

/// What memory says.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// Not used before; the caller starts the writing, if nobody does.
    First {
        begin_writing: bool,
    },
    Again,
    AskDatabase,
}

impl Nonces {
    /// What an earlier process has written down.
    pub(super) fn read(sql: &Connection) -> Result<Self> {
        let mut memory = Memory::default();
        let mut statement = sql.prepare("SELECT caller, nonce, expires_s FROM nonce")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (caller, nonce, expires_s): (String, Vec<u8>, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let (Ok(caller), Ok(nonce)) = (caller.parse(), B256::try_from(nonce.as_slice())) else {
                memory.database_until_s = memory.database_until_s.max(expires_s);
                continue;
            };
            memory.remember(Used { caller, nonce, expires_s });
        }
        Ok(Self(Mutex::new(memory)))
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // Nothing in here panics between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, used: Used, now_s: u64) -> Answer {
        let mut memory = self.lock();
        if memory.seen.get(&used.key()).is_some_and(|expires_s| *expires_s >= now_s) {
            return Answer::Again;
        }
        if memory.seen.len() >= SEEN_MAX {
            memory.seen.retain(|_, expires_s| *expires_s >= now_s);
        }
        if memory.database_until_s >= now_s || memory.seen.len() >= SEEN_MAX {
            memory.database_until_s = memory.database_until_s.max(used.expires_s);
            return Answer::AskDatabase;
        }
        memory.remember(used);
        memory.unwritten.push(used);
        Answer::First { begin_writing: !std::mem::replace(&mut memory.is_writing, true) }
    }
}

impl Memory {
    fn remember(&mut self, used: Used) {
        if self.seen.len() < SEEN_MAX {
            self.seen.insert(used.key(), used.expires_s);
        } else {
            self.database_until_s = self.database_until_s.max(used.expires_s);
        }
    }
}

impl Store {
    /// Uses a nonce. Returns false if it was used before. Nonces of expired requests are forgotten: such requests are
    /// refused for their age already.
    ///
    /// # Errors
    /// Of the database, where it has to be asked.
    pub async fn use_nonce(&self, caller: Address, nonce: B256, expires_s: u64, now_s: u64) -> Result<bool> {
        let used = Used { caller, nonce, expires_s };
        match self.nonces.ask(used, now_s) {
            Answer::Again => Ok(false),
            Answer::AskDatabase => {
                self.with(move |store| store.write_lightly(|sql| insert(sql, &used))).await
            }
            Answer::First { begin_writing } => {
                if begin_writing {
                    let store = self.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(WRITTEN_WITHIN).await;
                        store.keep_nonces(now_s).await;
                    });
                }
                Ok(true)
            }
        }
    }

    /// Writes down what memory has seen; also for the end of a provider. Where that fails it is tried again with the next
    /// nonce: memory knows them all the same.
    pub async fn keep_nonces(&self, now_s: u64) {
        let kept = self.with(move |store| store.write_nonces(now_s)).await;
        if let Err(error) = kept {
            tracing::warn!(%error, "used nonces cannot be written down now");
        }
    }

    fn write_nonces(&self, now_s: u64) -> Result<()> {
        let unwritten = {
            let mut memory = self.nonces.lock();
            memory.is_writing = false;
            std::mem::take(&mut memory.unwritten)
        };
        // A power cut forgets the last moments. Their requests are repeatable: what they ordered is found or made again.
        let written = self.write_lightly(|sql| {
            sql.prepare_cached("DELETE FROM nonce WHERE expires_s < ?1")?.execute([now_s])?;
            unwritten.iter().try_for_each(|used| insert(sql, used).map(drop))
        });
        if written.is_err() {
            // Those that have expired protect nothing, and while the database takes no writes they would be more and more.
            let still_counts = unwritten.into_iter().filter(|used| used.expires_s >= now_s);
            self.nonces.lock().unwritten.extend(still_counts);
        }
        written
    }
}

/// Whether it was not there.
fn insert(sql: &Connection, used: &Used) -> Result<bool> {
    let mut insert =
        sql.prepare_cached("INSERT OR IGNORE INTO nonce (caller, nonce, expires_s) VALUES (?1, ?2, ?3)")?;
    Ok(insert.execute(params![used.caller.to_string(), used.nonce.as_slice(), used.expires_s])? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000;

    fn nonce(number: u64) -> B256 {
        B256::from(alloy_primitives::U256::from(number))
    }

    async fn is_first(store: &Store, number: u64, now_s: u64) -> bool {
        store.use_nonce(Address::repeat_byte(5), nonce(number), now_s + 60, now_s).await.unwrap()
    }

    #[tokio::test]
    async fn a_nonce_counts_once_until_it_has_expired() {
        let store = Store::in_memory().unwrap();
        assert!(is_first(&store, 1, NOW).await);
        assert!(!is_first(&store, 1, NOW).await);
        let other = Address::repeat_byte(6);
        assert!(store.use_nonce(other, nonce(1), NOW + 60, NOW).await.unwrap(), "of another caller");
        assert!(is_first(&store, 1, NOW + 61).await, "the first one has expired");
    }

    #[tokio::test]
    async fn the_next_process_knows_what_this_one_has_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brizo.db");
        let store = Store::open(&path).unwrap();
        assert!(is_first(&store, 1, NOW).await);
        store.keep_nonces(NOW).await;
        drop(store);
        let store = Store::open(&path).unwrap();
        assert!(!is_first(&store, 1, NOW).await);
        assert!(is_first(&store, 2, NOW).await);
        store.keep_nonces(NOW + 61).await;
        let rows: u64 = store.lock().query_row("SELECT count(*) FROM nonce", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1, "what has expired is forgotten on disk as well");
    }

    #[tokio::test]
    async fn they_are_written_down_without_anybody_asking() {
        let store = Store::in_memory().unwrap();
        assert!(is_first(&store, 1, NOW).await);
        assert!(is_first(&store, 2, NOW).await);
        let rows = |store: &Store| -> u64 {
            store.lock().query_row("SELECT count(*) FROM nonce", [], |row| row.get(0)).unwrap()
        };
        // Looked at until it is so, but not for ever.
        for _ in 0..1_000 {
            if rows(&store) == 2 {
                break;
            }
            tokio::time::sleep(WRITTEN_WITHIN).await;
        }
        assert_eq!(rows(&store), 2);
        assert!(!store.nonces.lock().is_writing, "the next one begins another writing");
    }

    #[tokio::test]
    async fn when_memory_is_full_the_database_decides_until_all_of_that_has_expired() {
        let store = Store::in_memory().unwrap();
        {
            let mut memory = store.nonces.lock();
            memory.seen.extend((0..SEEN_MAX as u128).map(|key| (key, NOW + 10)));
        }
        assert!(is_first(&store, 1, NOW).await);
        assert!(!is_first(&store, 1, NOW).await, "the database knows it");
        assert_eq!(store.nonces.lock().database_until_s, NOW + 60);
        // Memory has room again, but does not know what the database does.
        assert!(!is_first(&store, 1, NOW + 11).await);
        let late = NOW + 200;
        assert!(is_first(&store, 3, late).await);
        assert_eq!(store.nonces.lock().seen.len(), 1, "by memory again");
        assert!(!is_first(&store, 3, late).await);
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_written_later() {
        let store = Store::in_memory().unwrap();
        assert!(is_first(&store, 1, NOW).await);
        let read_only = |store: &Store, on: bool| store.lock().pragma_update(None, "query_only", on).unwrap();
        read_only(&store, true);
        store.keep_nonces(NOW).await;
        assert!(!is_first(&store, 1, NOW).await, "memory knows it");
        read_only(&store, false);
        store.keep_nonces(NOW).await;
        let rows: u64 = store.lock().query_row("SELECT count(*) FROM nonce", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1);
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_forgotten_when_it_has_expired() {
        let store = Store::in_memory().unwrap();
        store.lock().pragma_update(None, "query_only", true).unwrap();
        assert!(is_first(&store, 1, NOW).await);
        store.keep_nonces(NOW + 60).await;
        assert_eq!(store.nonces.lock().unwritten.len(), 1);
        assert!(is_first(&store, 2, NOW + 61).await);
        store.keep_nonces(NOW + 61).await;
        assert_eq!(store.nonces.lock().unwritten.len(), 1, "the one that still counts");
    }
}
