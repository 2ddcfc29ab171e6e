//! What a gateway knows of one deployment: how many calls run there, how fast it answers, what it used of its minute, and
//! whether it cools.
//!
//! Time comes in; who owns the value locks it. Each call that began must be ended, on every way out: a probe that is
//! never ended keeps its deployment cooling.

use std::time::Duration;

use super::breaker::{Breaker, Counts, Pass, Readiness, Terms};
use super::lately::{LastCalls, Lately};
use super::latency::Latency;
use super::per_minute::PerMinute;
use super::seen::{Seen, SeenProbe};
use super::steady::Steady;
use crate::port::provider::failure::{Failure, Kind};

/// The health of one deployment, as one gateway sees it. A new one is well, idle and unmeasured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    breaker: Breaker,
    in_flight: u32,
    latency: Latency,
    requests: PerMinute,
    tokens: PerMinute,
    seen: Seen,
    last: LastCalls,
}

/// A call that began and has not ended. It is given back to the [`Health`] that made it.
#[derive(Debug)]
#[must_use = "a call that began must be ended: its place stays taken until then"]
pub struct Begun {
    at: Steady,
    pass: Pass,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The tokens of prompt and answer, as far as they are known.
    pub tokens: u64,
    /// How.
    pub how: How,
}

/// Well or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The answer came whole.
    Succeeded,
    /// It failed.
    Failed {
        /// With what.
        kind: Kind,
        /// How long the upstream asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// It was an active probe by list, and that failed: it counts as a failed call, and is told as what it is.
    Unlisted {
        /// With what.
        kind: Kind,
        /// How long the upstream asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The client left, or the call was not made after all.
    Abandoned,
}

/// What of a deployment's health decides where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether a call may go there.
    pub readiness: Readiness,
    /// The calls that run there, from this gateway.
    pub in_flight: u32,
    /// The mean time to its first byte; none before it has answered.
    pub latency: Option<Duration>,
    /// The requests of the last minute.
    pub requests_in_minute: u64,
    /// The tokens of the calls that ended in the last minute.
    pub tokens_in_minute: u64,
}

impl Health {
    /// Whether a call may go there.
    #[must_use]
    pub fn may_run(&self, now: Steady) -> Readiness {
        self.breaker.may_run(now)
    }

    /// What decides where a request goes.
    #[must_use]
    pub fn snapshot(&self, now: Steady) -> Snapshot {
        Snapshot {
            readiness: self.may_run(now),
            in_flight: self.in_flight,
            latency: self.latency.mean(now),
            requests_in_minute: self.requests.count(now),
            tokens_in_minute: self.tokens.count(now),
        }
    }

    /// Begins a call, whatever the state: as the probe if it is time for one, as the last resort if it cools.
    pub fn began(&mut self, now: Steady) -> Begun {
        self.in_flight = self.in_flight.saturating_add(1);
        self.requests.add(now, 1);
        Begun { at: now, pass: self.breaker.pass(now) }
    }

    /// Begins a call unless the deployment cools: none if another request was the probe, or saw it fail, since it was
    /// ranked. The next candidate is tried then.
    pub fn try_began(&mut self, now: Steady) -> Option<Begun> {
        match self.may_run(now) {
            Readiness::Ready | Readiness::Probe => Some(self.began(now)),
            Readiness::Cooling { .. } => None,
        }
    }

    /// The answer to a call has begun: it is measured, and a probe has done its work.
    pub fn answered(&mut self, now: Steady, begun: &Begun) {
        let latency = now.since(begun.at);
        self.latency.measure(now, latency);
        self.last.begun(now, latency);
        self.breaker.answered(&begun.pass);
        self.seen.answered(now);
    }

    /// Ends a call.
    #[expect(clippy::needless_pass_by_value, reason = "a call ends once")]
    pub fn ended(&mut self, now: Steady, begun: Begun, ended: &Ended, terms: &Terms) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.tokens.add(now, ended.tokens);
        match ended.how {
            How::Succeeded => {
                self.breaker.succeeded(now, &begun.pass);
                self.seen.answered(now);
                self.last.ended(now, true);
            }
            How::Abandoned => self.breaker.abandoned(&begun.pass),
            How::Failed { kind, retry_after } | How::Unlisted { kind, retry_after } => {
                self.breaker.failed(now, &begun.pass, Counts::of(kind, terms.alone), retry_after, terms);
                if matches!(ended.how, How::Failed { .. }) {
                    self.seen.failed(now, kind);
                    self.last_failed(now, kind);
                }
            }
        }
    }

    /// The fault of a request is none of the deployment's, and there is nothing to be seen of it in how often that fails.
    fn last_failed(&mut self, now: Steady, kind: Kind) {
        if Counts::of(kind, false) != Counts::Never {
            self.last.ended(now, false);
        }
    }

    /// Adds what its last calls came to.
    pub fn add_to(&self, lately: &mut Lately, now: Steady) {
        self.last.add_to(lately, now);
    }

    /// An active probe has ended. It was begun and ended as any other call.
    pub fn probed(&mut self, probe: SeenProbe) {
        self.seen.probed(probe);
    }

    /// What was last seen of it.
    #[must_use]
    pub const fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Whether people need not look after it: calls may go there, and the newest word on it is not a failure.
    #[must_use]
    pub fn is_well(&self, now: Steady) -> bool {
        self.may_run(now) == Readiness::Ready && self.seen.is_well()
    }
}

impl How {
    /// A failure as what it says of the deployment.
    #[must_use]
    pub const fn failed(failure: &Failure) -> Self {
        Self::Failed { kind: failure.kind, retry_after: failure.retry_after }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Ended, Health, How};
    use crate::port::provider::failure::Kind;
    use crate::routing::{Cooldown, Lately, ProbeBy, Readiness, SeenProbe, Steady, Terms};

    const TERMS: Terms = Terms { cooldown: Cooldown { allowed_failures: 1, first_ms: 5_000 }, alone: false };

    fn at(millis: u64) -> Steady {
        Steady::from_millis(millis)
    }

    #[test]
    fn a_list_that_failed_cools_and_is_taken_back_by_one_that_came() {
        let mut health = Health::default();
        let probe = |millis, failed| SeenProbe { at: at(millis), by: ProbeBy::List, failed };
        let begun = health.began(at(1_000));
        let how = How::Unlisted { kind: Kind::Refused, retry_after: None };
        health.ended(at(1_000), begun, &Ended { tokens: 0, how }, &TERMS);
        health.probed(probe(1_000, Some(Kind::Refused)));
        assert!(matches!(health.may_run(at(1_000)), Readiness::Cooling { .. }) && !health.seen().is_well());
        let begun = health.began(at(7_000));
        health.ended(at(7_000), begun, &Ended { tokens: 0, how: How::Abandoned }, &TERMS);
        health.probed(probe(7_000, None));
        assert!(health.seen().is_well());
        assert_eq!(health.may_run(at(7_000)), Readiness::Probe, "a request has the last word");
        assert!(!health.is_well(at(7_000)));
    }

    #[test]
    fn a_call_is_counted_while_it_runs_and_its_tokens_when_it_has_ended() {
        let mut health = Health::default();
        let begun = health.began(at(1_000));
        let snapshot = health.snapshot(at(1_000));
        assert_eq!((snapshot.in_flight, snapshot.requests_in_minute, snapshot.tokens_in_minute), (1, 1, 0));
        assert_eq!(snapshot.latency, None);
        health.answered(at(1_250), &begun);
        health.ended(at(2_000), begun, &Ended { tokens: 40, how: How::Succeeded }, &TERMS);
        let snapshot = health.snapshot(at(2_000));
        assert_eq!((snapshot.in_flight, snapshot.requests_in_minute, snapshot.tokens_in_minute), (0, 1, 40));
        assert_eq!(snapshot.latency, Some(Duration::from_millis(250)));
    }

    #[test]
    fn what_is_seen_lately_is_of_calls_that_say_something_of_the_deployment() {
        let mut health = Health::default();
        let mut call = |answers: bool, how: How| {
            let begun = health.began(at(0));
            if answers {
                health.answered(at(20), &begun);
            }
            health.ended(at(30), begun, &Ended { tokens: 0, how }, &TERMS);
        };
        call(true, How::Succeeded);
        call(true, How::Abandoned);
        for kind in [Kind::InvalidRequest, Kind::RateLimited, Kind::ServerError] {
            call(false, How::Failed { kind, retry_after: None });
        }
        call(false, How::Unlisted { kind: Kind::Refused, retry_after: None });
        let mut lately = Lately::default();
        health.add_to(&mut lately, at(40));
        assert_eq!((lately.ended(), lately.succeeded()), (3, 1));
        assert_eq!(lately.latency_p50(), Some(Duration::from_millis(20)));
    }

    #[test]
    fn a_failure_is_no_measure_of_speed() {
        let mut health = Health::default();
        let begun = health.began(at(0));
        let how = How::Failed { kind: Kind::Refused, retry_after: None };
        health.ended(at(1), begun, &Ended { tokens: 0, how }, &TERMS);
        assert_eq!(health.snapshot(at(1)).latency, None);
    }

    #[test]
    fn who_comes_too_late_for_the_probe_does_not_begin() {
        let mut health = Health::default();
        let begun = health.began(at(0));
        let how = How::Failed { kind: Kind::ServerError, retry_after: None };
        health.ended(at(0), begun, &Ended { tokens: 0, how }, &TERMS);
        assert!(health.try_began(at(4_999)).is_none());
        assert_eq!(health.may_run(at(5_000)), Readiness::Probe);
        let probe = health.try_began(at(5_000)).unwrap();
        assert!(health.try_began(at(5_000)).is_none());
        health.answered(at(5_010), &probe);
        assert!(health.try_began(at(5_010)).is_some());
    }
}
