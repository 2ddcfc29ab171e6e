//! Settings of the request path, each with its default.

use std::time::Duration;

use http::HeaderName;
use tallygate_core::port::provider::Timeouts;
use tallygate_core::routing::{ProbeBy, Routing};

/// How requests are served.
#[derive(Debug, Clone)]
pub(crate) struct RequestSettings {
    /// The longest request body, in bytes. Anthropic's own limit is 32 MB; no client sends more.
    pub(crate) body_max_bytes: usize,
    /// How long a request body may take to arrive.
    pub(crate) body_timeout: Duration,
    /// The longest buffered answer, in bytes.
    pub(crate) answer_max_bytes: usize,
    /// How long a request waits for the position that it demands.
    pub(crate) min_position_wait: Duration,
    /// How old the state may be that requests are answered from.
    pub(crate) staleness_max: Duration,
    /// The status of a refused budget: 422 as LiteLLM 1.109, 400 as 1.80, or 429.
    pub(crate) budget_exceeded_status: u16,
    /// Headers that name the end user in whose name it is asked, beside LiteLLM's own.
    pub(crate) end_user_headers: Vec<HeaderName>,
    /// How many streams that hold money of budgets are read to their end at once after their clients left. Others are cut.
    pub(crate) abandoned_streams_max: usize,
    /// Whether a request whose client has left is tried again when an attempt fails.
    pub(crate) retries_abandoned: bool,
    /// How requests are routed whose model says nothing of its own.
    pub(crate) routing: Routing,
    /// How long to wait for upstreams.
    pub(crate) timeouts: Timeouts,
    /// How deployments are probed that say nothing of it.
    pub(crate) probes: ProbeSettings,
}

/// How deployments are actively probed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProbeSettings {
    /// How often; none for not at all.
    pub(crate) interval: Option<Duration>,
    /// How long a probe may take.
    pub(crate) timeout: Duration,
    /// How they are asked.
    pub(crate) by: ProbeBy,
}

impl Default for RequestSettings {
    fn default() -> Self {
        Self {
            body_max_bytes: 32 * 1024 * 1024,
            body_timeout: Duration::from_secs(60),
            answer_max_bytes: 64 * 1024 * 1024,
            min_position_wait: Duration::from_secs(5),
            staleness_max: Duration::from_secs(30),
            budget_exceeded_status: 422,
            end_user_headers: Vec::new(),
            abandoned_streams_max: 1_000,
            retries_abandoned: false,
            routing: Routing::default(),
            timeouts: Timeouts::default(),
            probes: ProbeSettings { interval: None, timeout: Duration::from_secs(10), by: ProbeBy::List },
        }
    }
}
