//! Whether this gateway may answer: how long ago its state was known to be that of the log, and whether other gateways of
//! the log contradict it.
//!
//! Requests ask for both with two loads from memory; the tasks in here find them out.

mod claim;
mod exchange;
mod freshness;
mod peers;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use prometheus::{Gauge, IntCounter, IntGauge, Opts, Registry};
use tallygate_adapters::nats::broadcast::Topic;
use tallygate_core::envelope::MacKey;
use tallygate_core::id::WriterId;
use tallygate_projections::Views;
use tokio::task::JoinSet;

use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::logs::Logs;
use exchange::Exchange;

/// How a client that is refused for the age of the state should wait: about as long as it takes to ask the log again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What is known of this gateway's state. One for the whole gateway.
#[derive(Debug)]
pub(crate) struct Standing {
    began: Instant,
    /// Milliseconds from `began` to the last moment at which the state was known to be all of the log.
    fresh_at_ms: AtomicU64,
    age_max: Duration,
    diverged: OnceLock<String>,
    metrics: StandingMetrics,
}

/// What is told of it.
#[derive(Debug)]
pub(crate) struct StandingMetrics {
    age_seconds: Gauge,
    age_limit_seconds: Gauge,
    pub(crate) peers: IntGauge,
    pub(crate) contradictions: IntCounter,
    pub(crate) claims_refused: IntCounter,
}

impl StandingMetrics {
    /// Makes and registers them.
    ///
    /// # Errors
    /// When one of their names is registered already: a defect.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| -> Result<Gauge, prometheus::Error> {
            let gauge = Gauge::with_opts(Opts::new(name, help))?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let peers = IntGauge::new("tallygate_peers", "Other gateways of the log that were heard of lately.")?;
        registry.register(Box::new(peers.clone()))?;
        Ok(Self {
            age_seconds: gauge("tallygate_control_age_seconds", "How long ago the state was known to be the log's.")?,
            age_limit_seconds: gauge("tallygate_control_age_limit_seconds", "From this age on requests are refused.")?,
            peers,
            contradictions: counter(
                "tallygate_contradictions_total",
                "Times that another gateway said another thing of the same place in the control log.",
            )?,
            claims_refused: counter(
                "tallygate_claims_refused_total",
                "Messages about the control log that no gateway of this installation made.",
            )?,
        })
    }
}

impl Standing {
    /// Fresh as of now: the views have just caught up with the log.
    pub(crate) fn new(age_max: Duration, metrics: StandingMetrics) -> Self {
        metrics.age_limit_seconds.set(age_max.as_secs_f64());
        Self { began: Instant::now(), fresh_at_ms: AtomicU64::new(0), age_max, diverged: OnceLock::new(), metrics }
    }

    /// Whether requests may be answered from the state at a moment.
    ///
    /// # Errors
    /// The answer for the client.
    pub(crate) fn check(&self, now: Instant) -> Result<(), ApiError> {
        if let Some(why) = self.divergence() {
            return Err(ApiError::new(ErrorCode::Diverged, format!("this gateway has stopped serving: {why}")));
        }
        let age = self.age(now);
        if age <= self.age_max {
            return Ok(());
        }
        let message = format!(
            "this gateway has not heard of the log for {} s, and answers from state of {} s at most: try again",
            age.as_secs(),
            self.age_max.as_secs()
        );
        Err(ApiError::new(ErrorCode::StateTooOld, message).retry_after(RETRY_AFTER))
    }

    /// How long before a moment the state was known to be all of the log.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        let fresh_at = self.began + Duration::from_millis(self.fresh_at_ms.load(Ordering::Relaxed));
        now.saturating_duration_since(fresh_at)
    }

    /// Notes that the state holds all that was in the log at a moment.
    pub(crate) fn was_fresh_at(&self, moment: Instant) {
        let since = moment.saturating_duration_since(self.began);
        self.fresh_at_ms.fetch_max(u64::try_from(since.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Stops serving for good: only a start, which compares views and log, makes this gateway serve again.
    pub(crate) fn diverge(&self, why: String) {
        tracing::error!(why, "this gateway stops serving");
        let _ = self.diverged.set(why);
    }

    /// Why this gateway has stopped serving, if it has.
    pub(crate) fn divergence(&self) -> Option<&str> {
        self.diverged.get().map(String::as_str)
    }

    /// Why requests are refused now, in words that tell nothing of the inside; none when they are not.
    pub(crate) fn reason(&self, now: Instant) -> Option<&'static str> {
        match self.check(now) {
            Ok(()) => None,
            Err(error) if error.code == ErrorCode::Diverged.as_str() => Some("other gateways contradict this one"),
            Err(_) => Some("the control log has been away for too long"),
        }
    }

    pub(crate) const fn metrics(&self) -> &StandingMetrics {
        &self.metrics
    }

    /// Brings the metrics to a moment.
    pub(crate) fn measure(&self, now: Instant) {
        self.metrics.age_seconds.set(self.age(now).as_secs_f64());
    }
}

/// Finds out how this gateway stands, until the tasks are dropped.
pub(crate) fn watch(
    standing: &Arc<Standing>,
    logs: &Logs,
    views: &Views,
    gateway: &WriterId,
    mac: &MacKey,
) -> JoinSet<()> {
    let mut watching = JoinSet::new();
    watching.spawn(freshness::keep(Arc::clone(standing), Arc::clone(&logs.control), views.clone()));
    if let Some(broadcast) = logs.broadcast(Topic::Heads) {
        let (gateway, mac, views) = (gateway.clone(), mac.clone(), views.clone());
        watching.spawn(Exchange { broadcast, gateway, mac, views, standing: Arc::clone(standing) }.run());
    }
    watching
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use prometheus::Registry;

    use super::{Standing, StandingMetrics};

    fn standing(seconds: u64) -> Standing {
        Standing::new(Duration::from_secs(seconds), StandingMetrics::new(&Registry::new()).unwrap())
    }

    #[test]
    fn state_is_answered_from_up_to_its_age_and_again_once_the_log_is_heard_of() {
        let standing = standing(30);
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert!(standing.check(after(29)).is_ok());
        let refused = standing.check(after(32)).unwrap_err();
        assert_eq!((refused.code, refused.status, refused.retry_after_seconds), ("state_too_old", 503, Some(2)));
        standing.was_fresh_at(after(31));
        standing.was_fresh_at(after(5));
        assert!(standing.check(after(60)).is_ok(), "an answer that was slow makes nothing older");
        assert_eq!(standing.reason(after(70)), Some("the control log has been away for too long"));
    }

    #[test]
    fn a_gateway_that_diverged_serves_no_more_however_fresh_it_is() {
        let standing = standing(30);
        standing.diverge("two say so".to_owned());
        standing.diverge("a later word changes nothing".to_owned());
        let refused = standing.check(Instant::now()).unwrap_err();
        assert_eq!((refused.code, refused.status), ("diverged", 503));
        assert!(refused.message.ends_with("two say so"), "{}", refused.message);
    }
}
