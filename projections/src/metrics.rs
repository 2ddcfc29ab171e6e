//! What the followers count. The caller registers it, and reads it by scraping.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use tallygate_core::stream::{Log, Offset};

/// Counters and gauges of both followers, labelled by log.
#[derive(Debug, Clone)]
pub struct Metrics {
    lines: IntCounterVec,
    quarantined: IntCounterVec,
    groups: IntCounterVec,
    rows: IntCounterVec,
    rebuilds: IntCounterVec,
    read: IntGaugeVec,
    applied: IntGaugeVec,
    following: IntGaugeVec,
    waiting_for_disk: IntGaugeVec,
}

/// Lines of a log that are in no chain of it, whoever put them there.
#[derive(Debug, Clone)]
pub struct SkippedLines {
    /// Sealed by no gateway of this installation.
    pub forged: IntCounter,
    /// True, and published a second time.
    pub repeated: IntCounter,
}

/// The handles of one log.
#[derive(Debug, Clone)]
pub(crate) struct LogMetrics {
    pub(crate) lines: IntCounter,
    pub(crate) forged: IntCounter,
    pub(crate) repeated: IntCounter,
    pub(crate) undecodable: IntCounter,
    pub(crate) groups: IntCounter,
    pub(crate) rows: IntCounter,
    pub(crate) rebuilds: IntCounter,
    pub(crate) read: IntGauge,
    pub(crate) applied: IntGauge,
    pub(crate) following: IntGauge,
    pub(crate) waiting_for_disk: IntGauge,
}

impl LogMetrics {
    /// Notes that a group of rows was written, up to an offset.
    pub(crate) fn applied(&self, rows: usize, offset: Offset) {
        self.groups.inc();
        self.rows.inc_by(u64::try_from(rows).unwrap_or(u64::MAX));
        self.applied.set(gauged(offset));
    }

    /// Notes that entries were read, up to an offset.
    pub(crate) fn read(&self, offset: Offset) {
        self.read.set(gauged(offset));
    }
}

fn gauged(offset: Offset) -> i64 {
    i64::try_from(offset.get()).unwrap_or(i64::MAX)
}

impl Metrics {
    /// Makes the metrics, registered nowhere.
    ///
    /// # Errors
    /// When a name or label breaks Prometheus's rules: a defect of this file.
    pub fn new() -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let gauge = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["log"]);
        Ok(Self {
            lines: counter("tallygate_views_lines_total", "True lines that were folded into the views.", &["log"])?,
            quarantined: counter(
                "tallygate_views_quarantined_lines_total",
                "Lines that were forged or published again, or that this version cannot read.",
                &["log", "reason"],
            )?,
            groups: counter("tallygate_views_groups_total", "Groups of events that were written at once.", &["log"])?,
            rows: counter("tallygate_views_rows_total", "Rows that were written.", &["log"])?,
            rebuilds: counter(
                "tallygate_views_rebuilds_total",
                "Views that could not be trusted and are made again from the log.",
                &["log"],
            )?,
            read: gauge("tallygate_views_read_offset", "The last offset of the log that was read.")?,
            applied: gauge(
                "tallygate_views_applied_offset",
                "The offset of the log that the views stand for. What was read beyond it is the lag.",
            )?,
            following: gauge("tallygate_views_following", "1 while the log is followed, 0 while it is not.")?,
            waiting_for_disk: gauge(
                "tallygate_views_waiting_for_disk",
                "1 while the disk takes no rows of the views, which go on in memory as long as there is room; 0 otherwise.",
            )?,
        })
    }

    /// Registers all of them.
    ///
    /// # Errors
    /// When one of their names is registered already.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        let counters = [&self.lines, &self.quarantined, &self.groups, &self.rows, &self.rebuilds];
        let gauges = [&self.read, &self.applied, &self.following, &self.waiting_for_disk];
        let counters = counters.into_iter().map(|metric| Box::new(metric.clone()) as Box<dyn Collector>);
        let gauges = gauges.into_iter().map(|metric| Box::new(metric.clone()) as Box<dyn Collector>);
        counters.chain(gauges).try_for_each(|metric| registry.register(metric))
    }

    /// True lines of a log that were read, so far.
    #[must_use]
    pub fn lines(&self, log: Log) -> u64 {
        self.of(log).lines.get()
    }

    /// Whether the views of a log wait for a disk that takes no rows.
    #[must_use]
    pub fn waits_for_disk(&self, log: Log) -> bool {
        self.of(log).waiting_for_disk.get() > 0
    }

    /// Lines of a log that were forged or published again, or could not be read, so far.
    #[must_use]
    pub fn quarantined(&self, log: Log) -> u64 {
        let of_log = self.of(log);
        of_log.forged.get() + of_log.repeated.get() + of_log.undecodable.get()
    }

    /// What is skipped of the lease log, which no view of this crate follows.
    #[must_use]
    pub fn skipped_of_lease(&self) -> SkippedLines {
        let of = |reason| self.quarantined.with_label_values(&[Log::Lease.name(), reason]);
        SkippedLines { forged: of("forged"), repeated: of("repeated") }
    }

    pub(crate) fn of(&self, log: Log) -> LogMetrics {
        let log = log.name();
        LogMetrics {
            lines: self.lines.with_label_values(&[log]),
            forged: self.quarantined.with_label_values(&[log, "forged"]),
            repeated: self.quarantined.with_label_values(&[log, "repeated"]),
            undecodable: self.quarantined.with_label_values(&[log, "undecodable"]),
            groups: self.groups.with_label_values(&[log]),
            rows: self.rows.with_label_values(&[log]),
            rebuilds: self.rebuilds.with_label_values(&[log]),
            read: self.read.with_label_values(&[log]),
            applied: self.applied.with_label_values(&[log]),
            following: self.following.with_label_values(&[log]),
            waiting_for_disk: self.waiting_for_disk.with_label_values(&[log]),
        }
    }
}
