//! Metrics of requests that ended. Every request counts here, so each counter is found once, when it is made, and not by
//! its labels each time.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};
use tallygate_core::activity::{Endpoint, Outcome, RequestSettled};

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    /// In the order of [`Endpoint::ALL`].
    by_endpoint: Arc<[OfEndpoint]>,
    prompt_tokens: IntCounter,
    completion_tokens: IntCounter,
    duration_seconds: Histogram,
}

#[derive(Debug, Clone)]
struct OfEndpoint {
    succeeded: IntCounter,
    failed: IntCounter,
    disconnected: IntCounter,
    cost_nano_usd: IntCounter,
}

impl Settled {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let ended = counters("tallygate_requests_settled_total", "Requests that ended.", &["endpoint", "outcome"])?;
        let cost = counters("tallygate_cost_nano_usd_total", "Cost settled, in nano-dollars.", &["endpoint"])?;
        let tokens = counters("tallygate_tokens_total", "Tokens settled, by class.", &["class"])?;
        let buckets = vec![0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
        let duration = Histogram::with_opts(
            HistogramOpts::new("tallygate_request_duration_seconds", "Time of settled requests.").buckets(buckets),
        )?;
        registry.register(Box::new(duration.clone()))?;
        let of = |endpoint: Endpoint| {
            let endpoint = endpoint.call_type();
            OfEndpoint {
                succeeded: ended.with_label_values(&[endpoint, "succeeded"]),
                failed: ended.with_label_values(&[endpoint, "failed"]),
                disconnected: ended.with_label_values(&[endpoint, "disconnected"]),
                cost_nano_usd: cost.with_label_values(&[endpoint]),
            }
        };
        Ok(Self {
            by_endpoint: Endpoint::ALL.map(of).into(),
            prompt_tokens: tokens.with_label_values(&["prompt"]),
            completion_tokens: tokens.with_label_values(&["completion"]),
            duration_seconds: duration,
        })
    }

    pub(super) fn count(&self, settled: &RequestSettled) {
        let place = Endpoint::ALL.iter().position(|endpoint| *endpoint == settled.endpoint);
        let Some(of) = place.and_then(|place| self.by_endpoint.get(place)) else { return };
        match settled.outcome {
            Outcome::Succeeded => of.succeeded.inc(),
            Outcome::Failed => of.failed.inc(),
            Outcome::Disconnected => of.disconnected.inc(),
        }
        of.cost_nano_usd.inc_by(settled.cost_nano_usd.map_or(0, |cost| u64::try_from(cost.nano()).unwrap_or(0)));
        self.prompt_tokens.inc_by(settled.usage.prompt_tokens());
        self.completion_tokens.inc_by(settled.usage.output_tokens);
        self.duration_seconds.observe(Duration::from_millis(settled.duration_ms).as_secs_f64());
    }
}
