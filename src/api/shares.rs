//! Places for work that is heavy for each who asks: so many in all, and so few for each caller that nobody has all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use brizo_receipt::Address;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// The places.
#[derive(Debug)]
pub(super) struct Shares {
    all: Arc<Semaphore>,
    each: usize,
    /// Of those who have a place, or wait for one.
    own: Mutex<HashMap<Address, Arc<Semaphore>>>,
}

/// A place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    _own: Option<OwnedSemaphorePermit>,
    _all: OwnedSemaphorePermit,
}

impl Shares {
    pub(super) fn new(all: usize, each: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), each, own: Mutex::default() }
    }

    /// Waits for a place. Without `who` it is for nobody in particular, as a look that many share.
    ///
    /// # Errors
    /// When the provider ends.
    pub(super) async fn wait(&self, who: Option<Address>) -> Result<Share, Problem> {
        let closed = |e: AcquireError| Problem::internal("the places are gone", &e.into());
        // Their own first: who waits for that holds up nobody.
        let own = match who {
            Some(who) => Some(self.of(who).acquire_owned().await.map_err(closed)?),
            None => None,
        };
        let all = self.all.clone().acquire_owned().await.map_err(closed)?;
        Ok(Share { _own: own, _all: all })
    }

    /// A place, if there is one now.
    pub(super) fn now(&self, who: Address) -> Option<Share> {
        let own = self.of(who).try_acquire_owned().ok()?;
        let all = self.all.clone().try_acquire_owned().ok()?;
        Some(Share { _own: Some(own), _all: all })
    }

    fn of(&self, who: Address) -> Arc<Semaphore> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        // Places and those who wait hold their semaphore; one that nobody holds has all its places.
        own.retain(|_, places| Arc::strong_count(places) > 1);
        own.entry(who).or_insert_with(|| Arc::new(Semaphore::new(self.each))).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn nobody_has_all_places_and_each_is_given_back() {
        let shares = Shares::new(4, 2);
        let [greedy, other] = [1, 2].map(Address::repeat_byte);
        let mut held = [shares.wait(Some(greedy)).await.ok(), shares.wait(Some(greedy)).await.ok()];
        let mut third = pin!(shares.wait(Some(greedy)));
        let waits = poll_fn(|context| Poll::Ready(third.as_mut().poll(context).is_pending())).await;
        assert!(waits && shares.now(greedy).is_none(), "two are theirs");
        let others = [shares.now(other), shares.now(other)];
        assert!(others.iter().all(Option::is_some), "who waits for their own holds up nobody");
        let mut shared = pin!(shares.wait(None));
        let waits = poll_fn(|context| Poll::Ready(shared.as_mut().poll(context).is_pending())).await;
        assert!(waits && shares.now(Address::repeat_byte(3)).is_none(), "there are four");
        held[0] = None;
        drop(shared.await);
        drop(third.await);
        drop((held, others));
        assert_eq!(shares.all.available_permits(), 4);
        assert!(shares.now(other).is_some());
        assert_eq!(
            shares.own.lock().unwrap().len(),
            1,
            "only who holds or held one a moment ago is remembered"
        );
    }
}
