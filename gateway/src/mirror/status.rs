//! How the mirror stands: told to operators, and counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::{Gauge, IntCounter, IntGauge, Registry};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tallygate_core::endpoint::BaseUrl;
use tallygate_core::stream::Position;
use tallygate_core::time::Timestamp;

use super::target::Target;

/// The most objects that are remembered as not mirrored: those of the newest events. All are counted.
const REMEMBERED_MAX: usize = 1_000;
/// The most of them that are told.
const TOLD_MAX: usize = 100;

/// An object that the proxy does not have as it is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotMirrored {
    /// Why.
    pub(super) reason: String,
    /// The position at which that was found.
    pub(super) position: Position,
}

/// How the mirror stands. Shared by the task and by who tells of it.
#[derive(Debug)]
pub(crate) struct Status {
    pub(super) proxy: BaseUrl,
    told: Mutex<Told>,
    metrics: MirrorMetrics,
}

#[derive(Debug, Default)]
struct Told {
    position: Position,
    waiting: usize,
    /// When the oldest event was decided that is not carried over.
    oldest: Option<Timestamp>,
    error: Option<(Timestamp, String)>,
    not_mirrored: BTreeMap<Target, NotMirrored>,
}

#[derive(Debug)]
struct MirrorMetrics {
    position: IntGauge,
    behind_events: IntGauge,
    behind_seconds: Gauge,
    failures: IntCounter,
    not_mirrored: IntGauge,
    not_mirrored_total: IntCounter,
}

impl Status {
    /// Nothing is carried over yet.
    ///
    /// # Errors
    /// When a metric has the name of another: a defect.
    pub(super) fn new(proxy: BaseUrl, registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = MirrorMetrics {
            position: IntGauge::new("tallygate_mirror_position", "The control position that the proxy has all of.")?,
            behind_events: IntGauge::new("tallygate_mirror_behind_events", "Events that the proxy does not have yet.")?,
            behind_seconds: Gauge::new(
                "tallygate_mirror_behind_seconds",
                "How old the oldest event is that the proxy does not have yet; 0 when it has all.",
            )?,
            failures: IntCounter::new(
                "tallygate_mirror_failures_total",
                "Times that the proxy could not be asked, or failed.",
            )?,
            not_mirrored: IntGauge::new(
                "tallygate_mirror_not_mirrored",
                "Objects that the proxy does not have as they are here.",
            )?,
            not_mirrored_total: IntCounter::new(
                "tallygate_mirror_not_mirrored_total",
                "Times that an object was found that the proxy cannot have as it is here.",
            )?,
        };
        for gauge in [&metrics.position, &metrics.behind_events, &metrics.not_mirrored] {
            registry.register(Box::new(gauge.clone()))?;
        }
        registry.register(Box::new(metrics.behind_seconds.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.not_mirrored_total.clone()))?;
        Ok(Self { proxy, told: Mutex::default(), metrics })
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // Nothing panics while it is held that would leave it in need of repair.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many objects wait, the first since an event of some moment.
    pub(super) fn waits(&self, waiting: usize, oldest: Option<Timestamp>) {
        let mut told = self.lock();
        (told.waiting, told.oldest) = (waiting, oldest);
        if waiting == 0 {
            told.error = None;
        }
    }

    /// All up to a position is carried over, and will be known to be after a restart.
    pub(super) fn reached(&self, position: Position) {
        self.lock().position = position;
    }

    /// The proxy could not be asked, or failed.
    pub(super) fn failed(&self, now: Timestamp, message: String) {
        self.metrics.failures.inc();
        self.lock().error = Some((now, message));
    }

    /// What was remembered when the process before ended.
    pub(super) fn remember(&self, not_mirrored: Vec<(Target, NotMirrored)>) {
        self.lock().not_mirrored = not_mirrored.into_iter().collect();
    }

    /// The proxy does not have an object as it is here.
    pub(super) fn not_mirrored(&self, target: Target, not: NotMirrored) {
        self.metrics.not_mirrored_total.inc();
        let mut told = self.lock();
        told.not_mirrored.insert(target, not);
        if told.not_mirrored.len() > REMEMBERED_MAX {
            let oldest = told.not_mirrored.iter().min_by_key(|(_, not)| not.position).map(|(target, _)| target.clone());
            oldest.iter().for_each(|target| drop(told.not_mirrored.remove(target)));
        }
    }

    /// The proxy has it now. Whether it had not.
    pub(super) fn in_step(&self, target: &Target) -> bool {
        self.lock().not_mirrored.remove(target).is_some()
    }

    /// What is not mirrored, to be kept.
    pub(super) fn remembered(&self) -> Vec<(Target, NotMirrored)> {
        self.lock().not_mirrored.iter().map(|(target, not)| (target.clone(), not.clone())).collect()
    }

    /// Brings the metrics to where the views are.
    pub(crate) fn measure(&self, head: Position, now: Timestamp) {
        let told = self.lock();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.position.set(number(told.position.get()));
        self.metrics.behind_events.set(number(told.behind(head)));
        self.metrics.behind_seconds.set(told.behind_seconds(head, now));
        self.metrics.not_mirrored.set(number(told.not_mirrored.len() as u64));
    }

    /// How it stands, for the operator.
    pub(crate) fn told(&self, head: Position, now: Timestamp) -> Value {
        let told = self.lock();
        let mut newest: Vec<_> = told.not_mirrored.iter().collect();
        newest.sort_by_key(|(_, not)| std::cmp::Reverse(not.position));
        let shown = newest.iter().take(TOLD_MAX);
        let shown = shown
            .map(|(target, not)| json!({ "what": target.to_string(), "reason": not.reason, "position": not.position }));
        json!({
            "state": if told.behind(head) == 0 { "in_step" } else if told.error.is_some() { "failing" } else { "behind" },
            "proxy": self.proxy,
            "position": told.position,
            "head": head,
            "behind_events": told.behind(head),
            "behind_seconds": told.behind_seconds(head, now),
            "waiting": told.waiting,
            "last_error": told.error.as_ref().map(|(at, message)| json!({ "at": at, "message": message })),
            "not_mirrored_count": told.not_mirrored.len(),
            "not_mirrored": shown.collect::<Vec<_>>(),
        })
    }
}

impl Told {
    fn behind(&self, head: Position) -> u64 {
        head.get().saturating_sub(self.position.get())
    }

    fn behind_seconds(&self, head: Position, now: Timestamp) -> f64 {
        let oldest = self.oldest.filter(|_| self.behind(head) > 0);
        oldest.map_or(0.0, |at| std::time::Duration::from_millis(now.millis_since(at)).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;
    use tallygate_core::stream::Position;
    use tallygate_core::testing::samples::{id, key_id};
    use tallygate_core::time::Timestamp;

    use super::{NotMirrored, REMEMBERED_MAX, Status, TOLD_MAX, Target};

    fn status() -> Status {
        Status::new("http://127.0.0.1:4001".parse().unwrap(), &Registry::new()).unwrap()
    }

    fn not(position: u64) -> NotMirrored {
        NotMirrored { reason: "why".to_owned(), position: Position::new(position) }
    }

    #[test]
    fn the_lag_is_told_in_events_and_in_seconds_and_the_error_until_all_is_there() {
        let (status, head) = (status(), Position::new(10));
        status.failed(Timestamp::from_millis(5_000), "nobody answers".to_owned());
        status.waits(2, Some(Timestamp::from_millis(1_000)));
        status.reached(Position::new(4));
        let told = status.told(head, Timestamp::from_millis(4_500));
        assert_eq!(
            (&told["state"], &told["behind_events"], &told["behind_seconds"]),
            (&"failing".into(), &6.into(), &3.5.into())
        );
        assert_eq!(told["last_error"]["message"], "nobody answers");
        status.waits(0, None);
        status.reached(head);
        let told = status.told(head, Timestamp::from_millis(9_000));
        assert_eq!((&told["state"], &told["behind_seconds"]), (&"in_step".into(), &0.0.into()));
        assert!(told["last_error"].is_null());
    }

    #[test]
    fn the_newest_that_are_not_mirrored_are_remembered_and_fewer_told() {
        let status = status();
        for number in 0..=REMEMBERED_MAX {
            status.not_mirrored(Target::Key(key_id(number as u128 + 1)), not(number as u64));
        }
        let told = status.told(Position::START, Timestamp::from_millis(0));
        assert_eq!(told["not_mirrored_count"], REMEMBERED_MAX);
        assert_eq!(told["not_mirrored"].as_array().unwrap().len(), TOLD_MAX);
        assert_eq!(told["not_mirrored"][0]["position"], REMEMBERED_MAX);
        assert!(!status.in_step(&Target::Key(key_id(1))), "the oldest was forgotten");
        assert!(status.in_step(&Target::Key(key_id(2))));
        status.not_mirrored(Target::Team(id("acme")), not(1));
        assert_eq!(status.remembered().len(), REMEMBERED_MAX);
    }
}
