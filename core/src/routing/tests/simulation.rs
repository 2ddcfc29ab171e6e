//! A gateway in front of ten deployments of which one fails, at 200 requests a second, in time that is made up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::WELL;
use crate::id::ModelName;
use crate::port::provider::failure::Kind;
use crate::routing::shuffle::next;
use crate::routing::{
    Ask, Attempts, Begun, Candidate, Cooldown, Ended, Failed, Health, How, Next, Readiness, Routing, Steady, Strategy,
    Terms, rank,
};

const DEPLOYMENTS: usize = 10;
/// The one that fails.
const ILL: usize = 3;
/// Two hundred requests a second.
const EVERY_MS: u64 = 5;
const SECONDS: u64 = 30;

/// What the run showed.
#[derive(Debug, Default)]
struct Seen {
    succeeded: u64,
    failed: u64,
    /// Calls of the one that fails, after the first second.
    late_calls: u64,
    /// Those of them that were probes.
    late_probes: u64,
}

struct Request {
    attempts: Attempts,
}

/// What happens at a moment.
enum Happening {
    Calls(Request, usize),
    Ends(Request, usize, Begun),
}

struct World {
    routing: Routing,
    health: Vec<Health>,
    /// The moments of what is to come, and where it is.
    queue: BinaryHeap<Reverse<(u64, usize)>>,
    happenings: Vec<Option<Happening>>,
    random: u64,
    fails_with: (Kind, u64),
    seen: Seen,
}

impl World {
    fn new(routing: Routing, fails_with: (Kind, u64), seed: u64) -> Self {
        let health = (0..DEPLOYMENTS).map(|_| Health::default()).collect();
        let (queue, happenings) = (BinaryHeap::new(), Vec::new());
        Self { routing, health, queue, happenings, random: seed, fails_with, seen: Seen::default() }
    }

    fn run(mut self) -> Seen {
        for number in 0..(SECONDS * 1_000 / EVERY_MS) {
            let arrival = number * EVERY_MS;
            self.until(arrival);
            let attempts = Attempts::on(ModelName::new("m").unwrap(), &self.routing);
            let first = self.ranked(arrival)[0].index;
            self.calls(arrival, Request { attempts }, first);
        }
        self.until(u64::MAX);
        self.seen
    }

    fn until(&mut self, moment: u64) {
        while let Some(Reverse((at, place))) = self.queue.peek().copied().filter(|next| next.0.0 <= moment) {
            self.queue.pop();
            match self.happenings[place].take().unwrap() {
                Happening::Calls(request, index) => self.calls(at, request, index),
                Happening::Ends(request, index, begun) => self.ends(at, request, index, begun),
            }
        }
    }

    fn later(&mut self, at: u64, happening: Happening) {
        self.queue.push(Reverse((at, self.happenings.len())));
        self.happenings.push(Some(happening));
    }

    fn random(&mut self) -> u64 {
        self.random = next(self.random);
        self.random
    }

    fn ranked(&mut self, now: u64) -> Vec<crate::routing::Ranked> {
        let candidates: Vec<Candidate<'_>> = self
            .health
            .iter()
            .map(|health| Candidate { health: health.snapshot(Steady::from_millis(now)), ..WELL })
            .collect();
        let random = next(self.random);
        self.random = random;
        rank(&Ask { strategy: self.routing.strategy, tags: &[], random }, &candidates).unwrap()
    }

    fn calls(&mut self, now: u64, request: Request, index: usize) {
        let at = Steady::from_millis(now);
        if index == ILL && now > 1_000 {
            self.seen.late_calls += 1;
            self.seen.late_probes += u64::from(self.health[ILL].may_run(at) == Readiness::Probe);
        }
        let begun = self.health[index].began(at);
        let takes = if index == ILL { self.fails_with.1 } else { 50 + self.random() % 100 };
        self.later(now + takes, Happening::Ends(request, index, begun));
    }

    fn ends(&mut self, now: u64, mut request: Request, index: usize, begun: Begun) {
        let at = Steady::from_millis(now);
        let terms = Terms { cooldown: self.routing.cooldown, alone: false };
        if index != ILL {
            self.health[index].answered(at, &begun);
            self.health[index].ended(at, begun, &Ended { tokens: 100, how: How::Succeeded }, &terms);
            self.seen.succeeded += 1;
            return;
        }
        let kind = self.fails_with.0;
        let how = How::Failed { kind, retry_after: None };
        self.health[index].ended(at, begun, &Ended { tokens: 0, how }, &terms);
        let (ranked, random) = (self.ranked(now), self.random());
        match request.attempts.failed(
            &Failed { index, kind, retry_after: None, started: false, retries: None },
            &ranked,
            random,
        ) {
            Next::Again { index, after } => {
                let wait = u64::try_from(after.as_millis()).unwrap();
                self.later(now + wait, Happening::Calls(request, index));
            }
            Next::Fallback { .. } | Next::GiveUp { .. } => self.seen.failed += 1,
        }
    }
}

const FAILURES: [(Kind, u64); 4] =
    [(Kind::ServerError, 20), (Kind::Refused, 0), (Kind::RateLimited, 5), (Kind::Unauthorized, 30)];

#[test]
fn ten_deployments_of_which_one_fails_serve_and_traffic_leaves_it_within_a_second() {
    let strategies = [Strategy::Weighted, Strategy::LeastBusy, Strategy::LowestLatency, Strategy::Usage];
    for (seed, (strategy, fails_with)) in
        (1..).zip(strategies.into_iter().flat_map(|strategy| FAILURES.map(|failure| (strategy, failure))))
    {
        let seen = World::new(Routing { strategy, ..Routing::default() }, fails_with, seed).run();
        let all = seen.succeeded + seen.failed;
        assert_eq!(all, SECONDS * 1_000 / EVERY_MS);
        assert!(seen.succeeded * 1_000 >= all * 999, "{strategy:?} {fails_with:?} {seen:?}");
        assert_eq!(seen.late_calls, seen.late_probes, "{strategy:?} {fails_with:?} {seen:?}");
        // Cooldowns of 5, 10 and 20 s begin within half a minute.
        assert!(seen.late_probes <= 3, "{strategy:?} {fails_with:?} {seen:?}");
    }
}

#[test]
fn without_a_cooldown_traffic_does_not_leave_the_one_that_fails() {
    let routing = Routing { cooldown: Cooldown::NEVER, ..Routing::default() };
    let seen = World::new(routing, FAILURES[0], 1).run();
    // A tenth of all, and nobody is any the wiser.
    assert!(seen.late_calls > 500, "{seen:?}");
}

#[test]
fn without_retries_those_that_meet_it_before_it_cools_fail_and_no_others() {
    let routing = Routing { retries: 0, ..Routing::default() };
    let seen = World::new(routing, FAILURES[0], 1).run();
    assert!((1..20).contains(&seen.failed), "{seen:?}");
    assert!(seen.failed >= seen.late_probes);
}
