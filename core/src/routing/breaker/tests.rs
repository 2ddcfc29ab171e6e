use std::time::Duration;

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_oneof, proptest};

use super::{Breaker, Counts, Pass, Readiness, Terms};
use crate::port::provider::failure::{Fault, Kind};
use crate::routing::tests::KINDS;
use crate::routing::{Cooldown, Steady};

const TERMS: Terms = Terms { cooldown: Cooldown { allowed_failures: 3, first_ms: 5_000 }, alone: false };

fn at(millis: u64) -> Steady {
    Steady::from_millis(millis)
}

/// A breaker and the moment, for tests that read as a story.
#[derive(Default)]
struct Story {
    breaker: Breaker,
    now: u64,
}

impl Story {
    fn call(&mut self) -> Pass {
        self.breaker.pass(at(self.now))
    }

    fn fails(&mut self, kind: Kind) -> &mut Self {
        self.fails_asking(kind, None)
    }

    fn fails_asking(&mut self, kind: Kind, told: Option<u64>) -> &mut Self {
        let pass = self.call();
        let told = told.map(Duration::from_secs);
        self.breaker.failed(at(self.now), &pass, Counts::of(kind, TERMS.alone), told, &TERMS);
        self
    }

    fn succeeds(&mut self) -> &mut Self {
        let pass = self.call();
        self.breaker.succeeded(at(self.now), &pass);
        self
    }

    fn later(&mut self, millis: u64) -> &mut Self {
        self.now += millis;
        self
    }

    fn is(&self) -> Readiness {
        self.breaker.may_run(at(self.now))
    }

    fn cools_for(&self) -> Option<u64> {
        match self.is() {
            Readiness::Cooling { until } => Some(until.millis().saturating_sub(self.now)),
            Readiness::Ready | Readiness::Probe => None,
        }
    }
}

#[test]
fn the_third_failure_in_a_row_cools_and_a_success_between_starts_the_row_anew() {
    let mut story = Story::default();
    story.succeeds().succeeds().succeeds().fails(Kind::ServerError).fails(Kind::Refused).succeeds();
    story.fails(Kind::ServerError).fails(Kind::ConnectTimeout);
    assert_eq!(story.is(), Readiness::Ready);
    story.fails(Kind::Overloaded);
    assert_eq!(story.cools_for(), Some(5_000));
}

#[test]
fn more_than_half_of_five_calls_cool_though_no_three_fail_in_a_row() {
    let mut story = Story::default();
    story.fails(Kind::Reset).fails(Kind::Reset).succeeds().succeeds();
    assert_eq!(story.is(), Readiness::Ready);
    story.fails(Kind::Reset);
    assert_eq!(story.cools_for(), Some(5_000));
}

#[test]
fn half_of_the_calls_are_not_more_than_half() {
    let mut story = Story::default();
    for _ in 0..20 {
        story.succeeds().fails(Kind::Reset).later(100);
    }
    assert_eq!(story.is(), Readiness::Ready);
}

#[test]
fn a_rate_limit_cools_at_once_if_there_is_somewhere_else_to_go() {
    let mut story = Story::default();
    story.fails(Kind::RateLimited);
    assert_eq!(story.cools_for(), Some(5_000));
    assert_eq!(Counts::of(Kind::RateLimited, true), Counts::Never);
}

#[test]
fn the_upstreams_own_word_decides_how_long_within_bounds() {
    for (told, cools) in [(0, 1_000), (20, 20_000), (86_400, 300_000)] {
        let mut story = Story::default();
        story.fails_asking(Kind::RateLimited, Some(told));
        assert_eq!(story.cools_for(), Some(cools));
    }
}

#[test]
fn what_an_operator_must_mend_cools_long() {
    for kind in [Kind::Unauthorized, Kind::NotFound, Kind::QuotaExhausted, Kind::CredentialUnusable] {
        let mut story = Story::default();
        story.fails(kind);
        assert_eq!(story.cools_for(), Some(60_000), "{kind:?}");
        story.later(60_000).fails(kind);
        assert_eq!(story.cools_for(), Some(120_000), "{kind:?}");
    }
}

#[test]
fn no_fault_of_a_client_ever_cools_anything() {
    for kind in KINDS.iter().copied().filter(|kind| kind.fault() == Fault::Client) {
        let mut story = Story::default();
        for _ in 0..100 {
            story.fails(kind);
        }
        assert_eq!(story.is(), Readiness::Ready, "{kind:?}");
    }
}

#[test]
fn every_failure_of_an_upstream_but_a_long_answer_cools_in_time() {
    for kind in KINDS.iter().copied().filter(|kind| kind.fault() != Fault::Client && *kind != Kind::TooLarge) {
        let mut story = Story::default();
        story.fails(kind).fails(kind).fails(kind);
        assert!(story.cools_for().is_some(), "{kind:?}");
    }
}

#[test]
fn one_probe_closes_it_and_what_failed_before_is_forgotten() {
    let mut story = Story::default();
    story.fails(Kind::Reset).fails(Kind::Reset).fails(Kind::Reset).later(5_000);
    assert_eq!(story.is(), Readiness::Probe);
    let probe = story.call();
    assert!(matches!(story.is(), Readiness::Cooling { .. }));
    story.breaker.answered(&probe);
    assert_eq!(story.is(), Readiness::Ready);
    story.breaker.succeeded(at(story.now), &probe);
    story.fails(Kind::Reset).fails(Kind::Reset);
    assert_eq!(story.is(), Readiness::Ready);
}

#[test]
fn each_probe_that_fails_doubles_the_cooldown_up_to_a_minute() {
    let mut story = Story::default();
    story.fails(Kind::Reset).fails(Kind::Reset).fails(Kind::Reset);
    let mut cooled = Vec::new();
    for _ in 0..6 {
        let cools = story.cools_for().unwrap();
        cooled.push(cools);
        story.later(cools).fails(Kind::Reset);
    }
    assert_eq!(cooled, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
}

#[test]
fn a_probe_whose_client_left_or_was_wrong_makes_room_for_the_next() {
    let mut story = Story::default();
    story.fails(Kind::Reset).fails(Kind::Reset).fails(Kind::Reset).later(5_000);
    let probe = story.call();
    story.breaker.abandoned(&probe);
    assert_eq!(story.is(), Readiness::Probe);
    story.fails(Kind::InvalidRequest);
    assert_eq!(story.is(), Readiness::Probe);
}

#[test]
fn calls_that_began_before_it_opened_neither_close_it_nor_make_it_longer() {
    let mut story = Story::default();
    let (well, ill) = (story.call(), story.call());
    story.fails(Kind::Reset).fails(Kind::Reset).fails(Kind::Reset).later(1_000);
    story.breaker.succeeded(at(story.now), &well);
    assert_eq!(story.cools_for(), Some(4_000));
    story.breaker.failed(at(story.now), &ill, Counts::Long, None, &TERMS);
    assert_eq!(story.cools_for(), Some(4_000));
}

#[test]
fn the_last_resort_closes_it_by_succeeding_and_learns_when_to_come_back_by_failing() {
    let mut story = Story::default();
    story.fails(Kind::Reset).fails(Kind::Reset).fails(Kind::Reset);
    story.later(1_000).fails(Kind::Reset);
    assert_eq!(story.cools_for(), Some(4_000));
    story.fails_asking(Kind::Overloaded, Some(30));
    assert_eq!(story.cools_for(), Some(30_000));
    story.succeeds();
    assert_eq!(story.is(), Readiness::Ready);
}

#[test]
fn with_a_cooldown_of_zero_nothing_cools_and_what_cooled_is_free() {
    let mut story = Story::default();
    story.fails(Kind::Unauthorized);
    let terms = Terms { cooldown: Cooldown::NEVER, alone: false };
    let pass = story.call();
    story.breaker.failed(at(0), &pass, Counts::Long, None, &terms);
    assert_eq!(story.is(), Readiness::Ready);
    for _ in 0..100 {
        let pass = story.call();
        story.breaker.failed(at(0), &pass, Counts::Long, None, &terms);
    }
    assert_eq!(story.is(), Readiness::Ready);
}

/// What may happen to a breaker: time, a call that begins, one of those that run that ends.
#[derive(Debug, Clone)]
enum Step {
    Later(u64),
    Begin,
    End(usize, Option<Counts>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let counts = prop_oneof![Just(Counts::Never), Just(Counts::Towards), Just(Counts::AtOnce), Just(Counts::Long)];
    let step = prop_oneof![
        (0_u64..70_000).prop_map(Step::Later),
        Just(Step::Begin),
        (any::<usize>(), proptest::option::of(counts)).prop_map(|(which, counts)| Step::End(which, counts)),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn at_most_one_probe_is_out_whatever_happens(steps in steps()) {
        let mut breaker = Breaker::default();
        let mut running: Vec<Pass> = Vec::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Later(millis) => now += millis,
                Step::Begin => running.push(breaker.pass(at(now))),
                Step::End(which, counts) if !running.is_empty() => {
                    let pass = running.swap_remove(which % running.len());
                    match counts {
                        None => breaker.succeeded(at(now), &pass),
                        Some(counts) => breaker.failed(at(now), &pass, counts, None, &TERMS),
                    }
                }
                Step::End(..) => {}
            }
            let probes = running.iter().filter(|pass| pass.is_probe && pass.turn == breaker.turn).count();
            prop_assert!(probes <= 1);
            // While the probe is out nobody else is sent as one.
            prop_assert!(probes == 0 || breaker.may_run(at(now)) != Readiness::Probe);
            // And a cooldown ends.
            if let Readiness::Cooling { until } = breaker.may_run(at(now)) {
                prop_assert!(until <= at(now + 300_000));
            }
        }
        // When all calls have ended, nothing keeps it from its probe.
        for pass in running {
            breaker.abandoned(&pass);
        }
        let cools = matches!(breaker.may_run(at(now + 300_000)), Readiness::Cooling { .. });
        prop_assert!(!cools);
    }
}
