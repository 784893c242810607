//! How often somebody may ask: a bucket of tokens for each key and for each network address. In memory, bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use brizo_receipt::Address;

use super::ApiState;
use super::problem::Problem;

/// Buckets that are remembered. Beyond it those that are full again are forgotten, which changes nothing for anybody.
const BUCKETS_MAX: usize = 100_000;
/// Paths that are asked by machines that watch the provider; they are never refused for their number.
const WATCHED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Whose bucket it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// Somebody who proved a key.
    Key(Address),
    /// Somebody who did not.
    Peer(IpAddr),
}

/// How much a bucket holds, and how fast it fills.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_second: u64,
    at_once: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: u64,
    filled_s: u64,
}

/// The buckets.
#[derive(Debug)]
pub(super) struct Limits {
    keys: Rate,
    peers: Rate,
    buckets: Mutex<HashMap<Who, Bucket>>,
}

impl Limits {
    pub(super) fn new(settings: &super::ApiSettings) -> Self {
        let rate = |per_second: u32, at_once: u32| Rate {
            per_second: per_second.into(),
            at_once: u64::from(at_once).max(1),
        };
        Self {
            keys: rate(settings.requests_per_second, settings.requests_at_once),
            peers: rate(settings.anonymous_per_second, settings.anonymous_at_once),
            buckets: Mutex::default(),
        }
    }

    fn rate(&self, who: Who) -> Rate {
        if matches!(who, Who::Key(_)) { self.keys } else { self.peers }
    }

    /// Takes `tokens` (0 only looks). Returns after how many seconds there is one again, if there is none.
    fn take(&self, who: Who, tokens: u64, now_s: u64) -> Result<(), u32> {
        let rate = self.rate(who);
        if rate.per_second == 0 {
            return Ok(());
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|who, bucket| {
                filled(*bucket, self.rate(*who), now_s).tokens < self.rate(*who).at_once
            });
        }
        let there = buckets.get(&who).copied().unwrap_or(Bucket { tokens: rate.at_once, filled_s: now_s });
        let mut bucket = filled(there, rate, now_s);
        if bucket.tokens == 0 {
            return Err(1);
        }
        bucket.tokens -= tokens.min(bucket.tokens);
        buckets.insert(who, bucket);
        Ok(())
    }

    /// One request of a proven caller.
    pub(super) fn caller(&self, address: Address, now_s: u64) -> Result<(), Problem> {
        self.take(Who::Key(address), 1, now_s).map_err(too_many)
    }
}

fn filled(bucket: Bucket, rate: Rate, now_s: u64) -> Bucket {
    let gained = now_s.saturating_sub(bucket.filled_s).saturating_mul(rate.per_second);
    Bucket { tokens: bucket.tokens.saturating_add(gained).min(rate.at_once), filled_s: now_s }
}

fn too_many(after_s: u32) -> Problem {
    Problem::too_many("rate_limited", "more requests than one caller may send", after_s)
        .hint("wait as long as Retry-After says; follow a job with `?wait=` or its events instead of asking again and again")
}

/// Counts requests that prove no caller: those without a header, and those whose header was not good.
pub(super) async fn anonymous(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<std::net::SocketAddr>>().map(|peer| peer.0.ip());
    let Some(peer) = peer.filter(|_| !WATCHED.contains(&request.uri().path())) else {
        return next.run(request).await;
    };
    let peer = asker(peer, &state.shared.settings.proxies, request.headers());
    let limits = &state.shared.limits;
    let signed = request.headers().contains_key(header::AUTHORIZATION);
    if let Err(after_s) = limits.take(Who::Peer(peer), u64::from(!signed), state.clock.now_s()) {
        return too_many(after_s).into_response();
    }
    let response = next.run(request).await;
    if signed && response.status() == StatusCode::UNAUTHORIZED {
        // The answer is made; who asks once too often learns it with the next request.
        let _ = limits.take(Who::Peer(peer), 1, state.clock.now_s());
    }
    response
}

/// Who asks: the peer, or whom a known proxy names. One host has a whole /64 of IPv6, so that is what is counted. A socket for
/// both families shows an IPv4 peer inside an IPv6 address; it is the same peer.
fn asker(peer: IpAddr, proxies: &[IpAddr], headers: &HeaderMap) -> IpAddr {
    let peer = peer.to_canonical();
    let is_proxy = proxies.iter().any(|proxy| proxy.to_canonical() == peer);
    let named = headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    let named = named.and_then(|value| value.rsplit(',').next()).and_then(|last| last.trim().parse().ok());
    match named.filter(|_| is_proxy).map_or(peer, |named: IpAddr| named.to_canonical()) {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_proxies_are_believed_and_only_their_own_word() {
        let [proxy, stranger, client]: [IpAddr; 3] =
            ["127.0.0.1", "192.0.2.9", "198.51.100.7"].map(|text| text.parse().unwrap());
        let mut headers = HeaderMap::new();
        assert_eq!(asker(proxy, &[proxy], &headers), proxy);
        headers.append("x-forwarded-for", "203.0.113.1, 198.51.100.7".parse().unwrap());
        assert_eq!(asker(proxy, &[proxy], &headers), client, "the last entry is the proxy's own");
        assert_eq!(asker(stranger, &[proxy], &headers), stranger);
        headers.append("x-forwarded-for", "nonsense".parse().unwrap());
        assert_eq!(asker(proxy, &[proxy], &headers), proxy);
        let [one, other]: [IpAddr; 2] = ["2001:db8::1", "2001:db8::ffff:1"].map(|text| text.parse().unwrap());
        assert_eq!(asker(one, &[], &headers), asker(other, &[], &headers));
    }

    #[test]
    fn an_address_of_ipv4_inside_one_of_ipv6_is_the_same_one() {
        let [proxy, mapped, client]: [IpAddr; 3] =
            ["127.0.0.1", "::ffff:127.0.0.1", "198.51.100.7"].map(|text| text.parse().unwrap());
        let mut headers = HeaderMap::new();
        assert_eq!(asker(mapped, &[], &headers), proxy);
        headers.append("x-forwarded-for", "::ffff:198.51.100.7".parse().unwrap());
        for (peer, known) in [(proxy, mapped), (mapped, proxy), (mapped, mapped)] {
            assert_eq!(asker(peer, &[known], &headers), client, "{peer} {known}");
        }
    }

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let settings = super::super::ApiSettings {
            requests_per_second: 2,
            requests_at_once: 3,
            anonymous_per_second: 0,
            ..Default::default()
        };
        let limits = Limits::new(&settings);
        let (one, other) = (Who::Key(Address::repeat_byte(1)), Who::Key(Address::repeat_byte(2)));
        for _ in 0..3 {
            assert_eq!(limits.take(one, 1, 100), Ok(()));
        }
        assert_eq!(limits.take(one, 1, 100), Err(1));
        assert_eq!(limits.take(other, 1, 100), Ok(()), "everybody has their own");
        assert_eq!((limits.take(one, 1, 101), limits.take(one, 1, 101)), (Ok(()), Ok(())));
        assert_eq!(limits.take(one, 0, 101), Err(1), "looking shows that it is empty");
        assert_eq!(limits.take(one, 1, 50), Err(1), "a clock that goes back gives nothing");
        for _ in 0..10 {
            assert_eq!(limits.take(Who::Peer(IpAddr::from([127, 0, 0, 1])), 1, 100), Ok(()), "0 is no limit");
        }
    }

    #[test]
    fn memory_is_bounded_by_forgetting_who_is_at_rest() {
        let settings = super::super::ApiSettings { requests_at_once: 5, ..Default::default() };
        let limits = Limits::new(&settings);
        for number in 0..BUCKETS_MAX as u64 {
            let mut address = Address::ZERO;
            address.0[12..].copy_from_slice(&number.to_be_bytes());
            limits.take(Who::Key(address), 1, 100).unwrap();
        }
        limits.take(Who::Key(Address::repeat_byte(9)), 1, 200).unwrap();
        assert_eq!(limits.buckets.lock().unwrap().len(), 1);
    }
}
