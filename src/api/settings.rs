//! What a publisher can set of the API: the `[api]` part of `brizo.toml`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The `[api]` part. Unknown keys are refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiSettings {
    /// Requests that one caller, known by a key, may send in a second on average; 0 for no limit.
    pub requests_per_second: u32,
    /// Requests that one caller may send at once after a pause.
    pub requests_at_once: u32,
    /// The same for one network address, over its requests that prove no caller; 0 for no limit.
    pub anonymous_per_second: u32,
    /// The same at once after a pause.
    pub anonymous_at_once: u32,
    /// Addresses of the proxies before this provider: of them the last entry of `X-Forwarded-For` says who asks.
    pub proxies: Vec<IpAddr>,
    /// Bytes of algorithms that one consumer may have on their way in.
    pub upload_quota_bytes: u64,
    /// How long a sign-in counts, in seconds.
    pub sign_in_s: u64,
    /// Whether the older endpoints take `personal_sign` over plain text, which binds no body and can be replayed.
    pub legacy_signatures: bool,
    /// Requests that may follow jobs at the same time, by events or by waiting for an answer.
    pub followers_max: u32,
    /// Those of one caller among them.
    pub followers_per_caller: u32,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            requests_per_second: 100,
            requests_at_once: 2_000,
            anonymous_per_second: 100,
            anonymous_at_once: 2_000,
            proxies: Vec::new(),
            upload_quota_bytes: 512 << 20,
            sign_in_s: 900,
            legacy_signatures: false,
            followers_max: 4_096,
            followers_per_caller: 256,
        }
    }
}
