//! Metrics of active probes: what they found, and what those cost that were calls.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use tallygate_core::money::NanoUsd;
use tallygate_core::routing::ProbeBy;
use tallygate_core::usage::Usage;

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Probes {
    ended: IntCounterVec,
    tokens: IntCounterVec,
    cost_nano_usd: IntCounter,
}

impl Probes {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let ended = counters("tallygate_probes_total", "Active probes of deployments.", &["by", "outcome"])?;
        let tokens = counters("tallygate_probe_tokens_total", "Tokens of active probes, by class.", &["class"])?;
        let cost_nano_usd =
            IntCounter::new("tallygate_probe_cost_nano_usd_total", "Cost of active probes, in nano-dollars.")?;
        registry.register(Box::new(cost_nano_usd.clone()))?;
        Ok(Self { ended, tokens, cost_nano_usd })
    }

    /// Counts a probe.
    pub(crate) fn ended(&self, by: ProbeBy, is_well: bool) {
        let outcome = if is_well { "ok" } else { "failed" };
        self.ended.with_label_values(&[by.name(), outcome]).inc();
    }

    /// Counts what one used that was a call.
    pub(crate) fn used(&self, usage: &Usage, cost: Option<NanoUsd>) {
        self.tokens.with_label_values(&["prompt"]).inc_by(usage.prompt_tokens());
        self.tokens.with_label_values(&["completion"]).inc_by(usage.output_tokens);
        self.cost_nano_usd.inc_by(cost.map_or(0, |cost| u64::try_from(cost.nano()).unwrap_or(0)));
    }
}
