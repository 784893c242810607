//! Nonces of signed requests: each counts once.

use brizo_receipt::{Address, B256};
use rusqlite::params;

use super::{Result, Store};

impl Store {
    /// Uses a nonce. Returns false if it was used before. Nonces of expired requests are forgotten: such requests are
    /// refused for their age already.
    ///
    /// # Errors
    /// [`super::Error::Sql`].
    pub fn use_nonce(&self, caller: Address, nonce: B256, expires_s: u64, now_s: u64) -> Result<bool> {
        // A power cut forgets the last moments. Their requests are repeatable: what they ordered is found or made again.
        self.write_lightly(|sql| {
            sql.prepare_cached("DELETE FROM nonce WHERE expires_s < ?1")?.execute([now_s])?;
            let mut insert = sql.prepare_cached(
                "INSERT OR IGNORE INTO nonce (caller, nonce, expires_s) VALUES (?1, ?2, ?3)",
            )?;
            Ok(insert.execute(params![caller.to_string(), nonce.as_slice(), expires_s])? == 1)
        })
    }
}
