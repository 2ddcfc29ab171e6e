//! Active probes: deployments are asked now and then whether they are well, whether or not requests go there.
//!
//! Off unless the gateway or a deployment says so. A probe goes by the same breaker as requests do: while a deployment
//! cools it is left alone, after that the probe may be the one call that is let through, and its failure counts as any
//! other. It belongs to no key and is paid from no budget; what it used is counted by metrics and recorded in activity.

mod plan;
mod probe;

use std::sync::Arc;
use std::time::Duration;

use tallygate_core::routing::Steady;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::plan::Plan;
use crate::pipeline::Pipeline;

/// How often it is looked at which deployments are due.
const TICK: Duration = Duration::from_millis(250);
/// The most probes at once. Those that are due beyond them wait for the next tick.
const PROBES_MAX: usize = 16;

/// Probes deployments until the gateway is stopped.
pub(crate) struct Prober {
    pipeline: Arc<Pipeline>,
    stopped: watch::Receiver<bool>,
}

impl Prober {
    pub(crate) fn new(pipeline: &Arc<Pipeline>, stopped: watch::Receiver<bool>) -> Self {
        Self { pipeline: Arc::clone(pipeline), stopped }
    }

    /// Runs until the gateway is stopped. Probes that are out then are given up.
    pub(crate) async fn run(mut self) {
        let (mut plan, mut out) = (Plan::default(), JoinSet::new());
        loop {
            tokio::select! {
                _ = self.stopped.wait_for(|stopped| *stopped) => return,
                () = tokio::time::sleep(TICK) => {}
            }
            while out.try_join_next().is_some() {}
            let now = Steady::from_millis(self.pipeline.clock.steady_ms());
            plan.follow(&self.pipeline.views.control.snapshot(), &self.pipeline.settings.probes, now);
            for due in plan.due(now, PROBES_MAX.saturating_sub(out.len())) {
                let pipeline = Arc::clone(&self.pipeline);
                out.spawn(async move { probe::probe(&pipeline, &due).await });
            }
        }
    }
}
