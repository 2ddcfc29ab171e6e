//! A call's place at its deployment: taken when the call begins, and given back once, whatever becomes of it.

use std::sync::Arc;

use tallygate_core::port::clock::Clock;
use tallygate_core::registry::Model;
use tallygate_core::routing::{Begun, Ended, Health, How, Readiness, Steady, Terms};

use super::Pipeline;
use super::routed::routing;
use crate::upstreams::Target;

/// See the module. Dropped before its end, it says nothing of the deployment.
pub(crate) struct Running {
    target: Arc<Target>,
    clock: Arc<dyn Clock>,
    terms: Terms,
    begun: Option<Begun>,
}

/// Whether a deployment is called that cools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// No: it was ready, or to be probed, when it was ranked. Of several requests that are to be its probe one is.
    UnlessCooling,
    /// Yes: it is the last resort.
    Anyway,
}

impl Entry {
    /// How a deployment is entered that was found so.
    pub(super) const fn of(readiness: Readiness) -> Self {
        match readiness {
            Readiness::Ready | Readiness::Probe => Self::UnlessCooling,
            Readiness::Cooling { .. } => Self::Anyway,
        }
    }
}

impl Running {
    /// Takes the place, at the moment of sending. None if the deployment cools by now and is not the last resort: another
    /// request is its probe, or saw it fail.
    pub(crate) fn begin(target: &Arc<Target>, pipeline: &Pipeline, model: &Model, entry: Entry) -> Option<Self> {
        let clock = Arc::clone(&pipeline.clock);
        let begun = enter(&mut target.health(), Steady::from_millis(clock.steady_ms()), entry)?;
        let terms = terms(pipeline, model);
        Some(Self { target: Arc::clone(target), clock, terms, begun: Some(begun) })
    }

    /// The answer has begun.
    pub(crate) fn answered(&self) {
        if let Some(begun) = &self.begun {
            self.target.health().answered(self.now(), begun);
        }
    }

    /// The call has ended, with so many tokens.
    pub(crate) fn end(mut self, how: How, tokens: u64) {
        self.close(how, tokens);
    }

    fn close(&mut self, how: How, tokens: u64) {
        let Some(begun) = self.begun.take() else { return };
        self.target.health().ended(self.now(), begun, &Ended { tokens, how }, &self.terms);
    }

    fn now(&self) -> Steady {
        Steady::from_millis(self.clock.steady_ms())
    }
}

/// What is known of a model when one of its calls ends.
fn terms(pipeline: &Pipeline, model: &Model) -> Terms {
    Terms { cooldown: routing(pipeline, model).cooldown, alone: model.deployments.len() < 2 }
}

fn enter(health: &mut Health, now: Steady, entry: Entry) -> Option<Begun> {
    match entry {
        Entry::UnlessCooling => health.try_began(now),
        Entry::Anyway => Some(health.began(now)),
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.close(How::Abandoned, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, Mutex};
    use std::time::Duration;

    use tallygate_core::port::provider::failure::Kind;
    use tallygate_core::routing::{Cooldown, Ended, Health, How, Readiness, Steady, Terms};

    use super::{Entry, enter};

    const THREADS: usize = 8;

    /// One that has cooled, and waits for its probe.
    fn cooled() -> (Health, Steady) {
        let (mut health, at) = (Health::default(), Steady::from_millis(1_000));
        let terms = Terms { cooldown: Cooldown { allowed_failures: 1, first_ms: 5_000 }, alone: false };
        let how = How::Failed { kind: Kind::Refused, retry_after: None };
        let begun = health.began(at);
        health.ended(at, begun, &Ended { tokens: 0, how }, &terms);
        (health, at.plus(Duration::from_secs(6)))
    }

    #[test]
    fn of_requests_that_were_ranked_in_the_same_instant_one_is_the_probe() {
        for _ in 0..200 {
            let (health, now) = cooled();
            let (health, together) = (Mutex::new(health), Barrier::new(THREADS));
            let begin = || {
                let found = health.lock().unwrap().may_run(now);
                together.wait();
                let entered = enter(&mut health.lock().unwrap(), now, Entry::of(found));
                (found, entered.is_some())
            };
            let entered: Vec<(Readiness, bool)> = std::thread::scope(|scope| {
                let all: Vec<_> = (0..THREADS).map(|_| scope.spawn(begin)).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert!(entered.iter().all(|(found, _)| *found == Readiness::Probe), "{entered:?}");
            assert_eq!(entered.iter().filter(|(_, entered)| *entered).count(), 1, "{entered:?}");
        }
    }

    #[test]
    fn the_last_resort_is_called_though_it_cools() {
        let (mut health, now) = cooled();
        let found = health.may_run(now);
        assert!(enter(&mut health, now, Entry::of(found)).is_some(), "the probe");
        let found = health.may_run(now);
        assert!(matches!(found, Readiness::Cooling { .. }));
        assert!(enter(&mut health, now, Entry::UnlessCooling).is_none());
        assert!(enter(&mut health, now, Entry::of(found)).is_some());
    }
}
