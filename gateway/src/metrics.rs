//! Metrics. Every label has few values, whatever clients send: endpoint, code, outcome, vendor.

mod settled;
mod probes;

use prometheus::{Encoder as _, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};
use tallygate_core::activity::{Endpoint, RequestSettled};

use probes::Probes;
use settled::Settled;

/// The gateway's metrics, and the registry they are in.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    settled: Settled,
    refused: IntCounterVec,
    sign_ins: IntCounterVec,
    pub(crate) activity_waiting: IntGauge,
    pub(crate) position: IntGauge,
    pub(crate) clientless: IntGauge,
    pub(crate) journal_writable: IntGauge,
    pub(crate) agents_connected: IntGauge,
    pub(crate) spending: SpendingMetrics,
    pub(crate) bound_violations: IntCounter,
    pub(crate) soft_limits: IntCounter,
    pub(crate) probes: Probes,
}

/// Figures of holds and slices, as they are when they are asked for.
#[derive(Debug, Clone)]
pub(crate) struct SpendingMetrics {
    pub(crate) slices: IntGauge,
    pub(crate) holds_open: IntGauge,
    pub(crate) held_nano_usd: IntGauge,
    pub(crate) suspense_nano_usd: IntGauge,
    pub(crate) autonomy_seconds: IntGauge,
    pub(crate) unheard_seconds: IntGauge,
}

impl Metrics {
    /// Fresh metrics in a registry of their own.
    ///
    /// # Errors
    /// When two metrics share a name: a defect.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let settled = Settled::new(&registry)?;
        let probes = Probes::new(&registry)?;
        let refused = Opts::new("tallygate_requests_refused_total", "Requests refused, by code.");
        let refused = IntCounterVec::new(refused, &["endpoint", "code"])?;
        registry.register(Box::new(refused.clone()))?;
        let sign_ins = Opts::new("tallygate_sign_ins_total", "Attempts to sign in, by what came of them.");
        let sign_ins = IntCounterVec::new(sign_ins, &["outcome"])?;
        registry.register(Box::new(sign_ins.clone()))?;
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let waiting = gauge("tallygate_activity_waiting_events", "Records that are not in the activity log yet.")?;
        let position = gauge("tallygate_control_position", "The control position that requests are answered from.")?;
        let clientless = gauge("tallygate_requests_clientless", "Requests that go on without their client.")?;
        let journal_writable =
            gauge("tallygate_journal_writable", "Whether the journal can be written: what happens survives a kill.")?;
        let agents_connected = gauge("tallygate_agents_connected", "Agents that are connected to this gateway.")?;
        let bound_violations = IntCounter::new(
            "tallygate_budget_bound_violations_total",
            "Requests that cost more than was held for them.",
        )?;
        registry.register(Box::new(bound_violations.clone()))?;
        let soft_limits = IntCounter::new(
            "tallygate_budget_soft_limits_reached_total",
            "Windows of budgets that have reached their soft limit, as told by this gateway.",
        )?;
        registry.register(Box::new(soft_limits.clone()))?;
        let spending = SpendingMetrics {
            slices: gauge("tallygate_lease_slices", "Slices of budgets that this gateway has.")?,
            holds_open: gauge("tallygate_holds_open", "Requests that hold something on budgets.")?,
            held_nano_usd: gauge("tallygate_held_nano_usd", "What they hold, over all budgets, in nano-dollars.")?,
            suspense_nano_usd: gauge(
                "tallygate_suspense_nano_usd",
                "Held by requests whose end nobody knows, over all gateways and budgets, in nano-dollars.",
            )?,
            autonomy_seconds: gauge(
                "tallygate_lease_autonomy_seconds",
                "How long this gateway can spend without the lease log; a day at most.",
            )?,
            unheard_seconds: gauge(
                "tallygate_lease_unheard_seconds",
                "How long the lease log was not heard of; -1 before it was.",
            )?,
        };
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self {
            registry,
            settled,
            refused,
            sign_ins,
            activity_waiting: waiting,
            position,
            clientless,
            journal_writable,
            agents_connected,
            spending,
            bound_violations,
            soft_limits,
            probes,
        })
    }

    /// Where others register their own.
    pub(crate) const fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn refused(&self, endpoint: Endpoint, code: &str) {
        self.refused.with_label_values(&[endpoint.call_type(), code]).inc();
    }

    /// Counts an attempt to sign in: `started`, `refused` or `limited`.
    pub(crate) fn sign_in(&self, outcome: &'static str) {
        self.sign_ins.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn settled(&self, settled: &RequestSettled) {
        self.settled.count(settled);
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric cannot be written: a defect.
    pub(crate) fn text(&self) -> Result<String, prometheus::Error> {
        let mut buffer = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }
}
