//! Who has signed in: short-lived random tokens and the nonces of sign-ins, in memory. After a restart people sign in again;
//! in return there is no secret with which tokens could be forged.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use brizo_receipt::{Address, B256, keccak256};

use super::problem::Problem;

/// Nonces and tokens that are remembered, each; beyond it nobody can begin to sign in until some have expired.
const KEPT_MAX: usize = 100_000;
/// How long a nonce for signing in counts, in seconds.
pub(super) const NONCE_S: u64 = 300;

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Nonce and until when it counts.
    nonces: HashMap<String, u64>,
    /// Digest of a token, whose it is, and until when it counts.
    tokens: HashMap<B256, (Address, u64)>,
}

impl Sessions {
    /// A new nonce: 32 hex digits.
    pub(super) fn nonce(&self, now_s: u64) -> Result<String, Problem> {
        let nonce = random::<16>()?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.nonces.len() >= KEPT_MAX {
            kept.nonces.retain(|_, until_s| *until_s >= now_s);
        }
        if kept.nonces.len() >= KEPT_MAX {
            return Err(full());
        }
        kept.nonces.insert(nonce.clone(), now_s + NONCE_S);
        Ok(nonce)
    }

    /// Whether a nonce was given out and not used; it is used now.
    pub(super) fn use_nonce(&self, nonce: &str, now_s: u64) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.nonces.remove(nonce).is_some_and(|until_s| until_s >= now_s)
    }

    /// A token for somebody who has signed in.
    pub(super) fn open(&self, address: Address, until_s: u64, now_s: u64) -> Result<String, Problem> {
        let token = random::<32>()?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.tokens.len() >= KEPT_MAX {
            kept.tokens.retain(|_, (_, until_s)| *until_s >= now_s);
        }
        if kept.tokens.len() >= KEPT_MAX {
            return Err(full());
        }
        kept.tokens.insert(keccak256(token.as_bytes()), (address, until_s));
        Ok(token)
    }

    /// Whose token it is. Looked up by its digest, so that the time of the answer tells nothing of other tokens.
    pub(super) fn who(&self, token: &str, now_s: u64) -> Option<Address> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.tokens.get(&keccak256(token.as_bytes()));
        found.filter(|(_, until_s)| *until_s >= now_s).map(|(address, _)| *address)
    }

    /// Ends a session. Returns whether there was one.
    pub(super) fn close(&self, token: &str) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tokens.remove(&keccak256(token.as_bytes())).is_some()
    }
}

fn random<const N: usize>() -> Result<String, Problem> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Problem::internal("no random numbers", &anyhow::anyhow!(e.to_string())))?;
    Ok(hex::encode(bytes))
}

fn full() -> Problem {
    Problem::busy("too many people sign in").hint("try again in a few minutes, or sign each request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_count_once_and_tokens_until_they_expire() {
        let sessions = Sessions::default();
        let nonce = sessions.nonce(100).unwrap();
        assert!(!sessions.use_nonce("0000", 100));
        assert!(sessions.use_nonce(&nonce, 100) && !sessions.use_nonce(&nonce, 100));
        let late = sessions.nonce(100).unwrap();
        assert!(!sessions.use_nonce(&late, 100 + NONCE_S + 1));
        let address = Address::repeat_byte(1);
        let token = sessions.open(address, 200, 100).unwrap();
        assert_eq!(sessions.who(&token, 200), Some(address));
        assert_eq!((sessions.who(&token, 201), sessions.who("x", 100)), (None, None));
        assert!(sessions.close(&token) && !sessions.close(&token));
        assert_eq!(sessions.who(&token, 100), None);
    }
}
