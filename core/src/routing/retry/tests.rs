use std::time::Duration;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{Attempts, Failed, Next, Why};
use crate::id::ModelName;
use crate::port::provider::failure::{Kind, Retry};
use crate::routing::shuffle::next;
use crate::routing::tests::KINDS;
use crate::routing::{ATTEMPTS_MAX, BACKOFF_MAX, RETRY_AFTER_MAX, Ranked, Readiness, Routing, Steady};

fn name(text: &str) -> ModelName {
    ModelName::new(text).unwrap()
}

fn names(texts: &[&str]) -> Vec<ModelName> {
    texts.iter().map(|text| name(text)).collect()
}

fn on(routing: &Routing) -> Attempts {
    Attempts::on(name("asked"), routing)
}

fn ranked(index: usize, readiness: Readiness) -> Ranked {
    Ranked { index, score: 0, readiness, used_up: false }
}

fn well(index: usize) -> Ranked {
    ranked(index, Readiness::Ready)
}

fn cooling(index: usize) -> Ranked {
    ranked(index, Readiness::Cooling { until: Steady::from_millis(9) })
}

fn failed(index: usize, kind: Kind) -> Failed {
    Failed { index, kind, retry_after: None, started: false, retries: None }
}

fn at_once(index: usize) -> Next {
    Next::Again { index, after: Duration::ZERO }
}

fn after(index: usize, millis: u64) -> Next {
    Next::Again { index, after: Duration::from_millis(millis) }
}

fn fallback(model: &str) -> Next {
    Next::Fallback { model: name(model) }
}

const fn give_up(why: Why) -> Next {
    Next::GiveUp { why }
}

#[test]
fn another_deployment_that_is_well_is_tried_at_once() {
    let mut attempts = on(&Routing::default());
    assert_eq!(attempts.failed(&failed(0, Kind::Reset), &[well(0), well(1), well(2)], 0), at_once(1));
    assert_eq!(attempts.failed(&failed(1, Kind::Reset), &[well(0), well(1), well(2)], 0), at_once(2));
    assert_eq!(attempts.failed(&failed(2, Kind::Reset), &[well(0), well(1)], 0), give_up(Why::RetriesUsed));
}

#[test]
fn the_only_deployment_is_asked_again_after_a_wait_that_grows() {
    let mut attempts = on(&Routing { retries: 3, ..Routing::default() });
    let failed = failed(0, Kind::ServerError);
    assert_eq!(attempts.failed(&failed, &[well(0)], 0), after(0, 500));
    assert_eq!(attempts.failed(&failed, &[well(0)], 0), after(0, 1_000));
    // It cools by now; it is the only one all the same.
    assert_eq!(attempts.failed(&failed, &[cooling(0)], 0), after(0, 2_000));
    assert_eq!(attempts.failed(&failed, &[cooling(0)], 0), give_up(Why::RetriesUsed));
}

#[test]
fn an_upstream_is_waited_for_as_long_as_it_asks_and_not_for_more_than_a_minute() {
    let asking = |seconds| Failed { retry_after: Some(Duration::from_secs(seconds)), ..failed(0, Kind::RateLimited) };
    let routing = Routing::default();
    assert_eq!(on(&routing).failed(&asking(60), &[well(0)], 0), after(0, 60_000));
    assert_eq!(on(&routing).failed(&asking(61), &[well(0)], 0), give_up(Why::AskedToWait));
    assert_eq!(on(&routing).failed(&asking(61), &[well(1), cooling(0)], 0), at_once(1));
    // Another one did not ask for anything.
    assert_eq!(on(&routing).failed(&asking(61), &[cooling(1), cooling(0)], 0), after(1, 500));
}

#[test]
fn after_the_first_byte_nothing_is_tried() {
    let mut attempts = on(&Routing { fallbacks: names(&["b"]), ..Routing::default() });
    let started = Failed { started: true, ..failed(0, Kind::Reset) };
    assert_eq!(attempts.failed(&started, &[well(0), well(1)], 0), give_up(Why::Started));
}

#[test]
fn what_nobody_would_do_is_tried_nowhere() {
    for kind in KINDS.iter().copied().filter(|kind| kind.retry() == Retry::Never) {
        let mut attempts = on(&Routing { fallbacks: names(&["b"]), ..Routing::default() });
        let next = attempts.failed(&failed(0, kind), &[well(0), well(1)], 0);
        assert_eq!(next, give_up(Why::NotRetryable), "{kind:?}");
    }
}

#[test]
fn what_only_another_one_can_do_never_goes_back() {
    for kind in KINDS.iter().copied().filter(|kind| kind.retry() == Retry::Other) {
        let mut attempts = on(&Routing { retries: 5, ..Routing::default() });
        assert_eq!(attempts.failed(&failed(0, kind), &[well(0), well(1)], 0), at_once(1), "{kind:?}");
        // The second fails by itself: it is asked again, the first is not.
        assert_eq!(attempts.failed(&failed(1, Kind::Reset), &[well(0), well(1)], 0), after(1, 500), "{kind:?}");
        assert_eq!(on(&Routing::default()).failed(&failed(0, kind), &[well(0)], 0), give_up(Why::NoneLeft), "{kind:?}");
    }
}

#[test]
fn without_retries_the_first_failure_is_the_last() {
    let mut attempts = on(&Routing { retries: 0, ..Routing::default() });
    assert_eq!(attempts.failed(&failed(0, Kind::Reset), &[well(0), well(1)], 0), give_up(Why::RetriesUsed));
}

#[test]
fn when_the_retries_are_used_the_fallbacks_are_gone_through_in_order_each_with_its_own_retries() {
    let mut attempts = on(&Routing { retries: 1, fallbacks: names(&["b", "c"]), ..Routing::default() });
    let both = [well(0), well(1)];
    assert_eq!(attempts.failed(&failed(0, Kind::Reset), &both, 0), at_once(1));
    assert_eq!(attempts.failed(&failed(1, Kind::Reset), &both, 0), fallback("b"));
    attempts.arrived(&Routing { retries: 0, fallbacks: names(&["never"]), ..Routing::default() });
    assert_eq!(attempts.failed(&failed(0, Kind::Reset), &both, 0), fallback("c"));
    attempts.arrived(&Routing { retries: 1, ..Routing::default() });
    assert_eq!(attempts.hops(), 2);
    assert_eq!(attempts.failed(&failed(0, Kind::Reset), &both, 0), at_once(1));
    assert_eq!(attempts.failed(&failed(1, Kind::Reset), &both, 0), give_up(Why::RetriesUsed));
}

#[test]
fn a_fallback_goes_before_a_rate_limit_and_before_what_cools() {
    let routing = Routing { fallbacks: names(&["b"]), ..Routing::default() };
    assert_eq!(on(&routing).failed(&failed(0, Kind::RateLimited), &[well(0)], 0), fallback("b"));
    assert_eq!(on(&routing).failed(&failed(0, Kind::Overloaded), &[cooling(0), cooling(1)], 0), fallback("b"));
    assert_eq!(on(&routing).failed(&failed(0, Kind::Overloaded), &[well(0)], 0), after(0, 500));
}

#[test]
fn a_reason_of_its_own_has_fallbacks_of_its_own_and_then_the_general_ones() {
    let routing = Routing {
        fallbacks: names(&["general"]),
        context_window_fallbacks: names(&["longer"]),
        content_policy_fallbacks: names(&["milder"]),
        ..Routing::default()
    };
    let both = [well(0), well(1)];
    let mut attempts = on(&routing);
    assert_eq!(attempts.failed(&failed(0, Kind::ContextTooLong), &both, 0), fallback("longer"));
    attempts.arrived(&Routing { retries: 0, ..Routing::default() });
    assert_eq!(attempts.failed(&failed(0, Kind::ContextTooLong), &both, 0), fallback("general"));
    assert_eq!(on(&routing).failed(&failed(0, Kind::ContentFiltered), &both, 0), fallback("milder"));
}

#[test]
fn a_fallback_that_the_caller_may_not_use_leads_to_the_next_one() {
    let mut attempts = on(&Routing { retries: 0, fallbacks: names(&["b", "c"]), ..Routing::default() });
    assert_eq!(attempts.failed(&failed(0, Kind::Reset), &[well(0)], 0), fallback("b"));
    assert_eq!(attempts.refused(), fallback("c"));
    assert_eq!(attempts.refused(), give_up(Why::NoneLeft));
}

#[test]
fn a_requests_own_fallbacks_go_before_the_models_and_no_model_is_gone_to_twice() {
    let routing = Routing { retries: 0, fallbacks: names(&["b"]), ..Routing::default() };
    let mut attempts = on(&routing).with_fallbacks(names(&["asked", "c", "c", "d", "e", "f", "g", "h"]));
    for model in ["c", "d", "e", "f", "g"] {
        assert_eq!(attempts.failed(&failed(0, Kind::Reset), &[well(0)], 0), fallback(model));
        attempts.arrived(&routing);
    }
    assert_eq!(attempts.failed(&failed(0, Kind::Reset), &[well(0)], 0), give_up(Why::RetriesUsed));
}

proptest! {
    #[test]
    fn attempts_are_bounded_and_go_only_where_they_may(
        seed in any::<u64>(), retries in 0_u8..=10, deployments in 1_usize..6, fallbacks in 0_usize..=5,
    ) {
        let lists: Vec<ModelName> = (0..fallbacks).map(|number| name(&format!("m-{number}"))).collect();
        let routing = Routing { retries, fallbacks: lists.clone(), context_window_fallbacks: lists, ..Routing::default() };
        let mut attempts = on(&routing);
        let (mut random, mut index, mut calls, mut banned) = (seed, 0, 0, Vec::new());
        loop {
            calls += 1;
            random = next(random);
            let kind = KINDS[usize::try_from(random % 25).unwrap()];
            let retry_after = random.is_multiple_of(3).then(|| Duration::from_secs((random >> 8) % 120));
            let started = random.is_multiple_of(50);
            let order: Vec<Ranked> = (0..deployments)
                .map(|index| if (random >> (16 + index)) & 1 == 0 { well(index) } else { cooling(index) })
                .collect();
            if kind.retry() == Retry::Other {
                banned.push(index);
            }
            match attempts.failed(&Failed { index, kind, retry_after, started, retries: None }, &order, random) {
                Next::Again { index: next, after } => {
                    prop_assert!(!started && kind.retry() != Retry::Never);
                    prop_assert!(next < deployments && !banned.contains(&next));
                    prop_assert!(after <= BACKOFF_MAX.max(RETRY_AFTER_MAX));
                    index = next;
                }
                Next::Fallback { .. } => {
                    prop_assert!(!started && kind.retry() != Retry::Never);
                    banned.clear();
                    index = 0;
                    attempts.arrived(&routing);
                }
                Next::GiveUp { .. } => break,
            }
        }
        prop_assert!(calls <= ATTEMPTS_MAX);
        prop_assert!(attempts.hops() <= fallbacks);
        prop_assert_eq!(attempts.made, calls);
    }
}

#[test]
fn a_deployment_may_say_how_often_a_request_is_tried_again() {
    let of = |index, retries| Failed { retries: Some(retries), ..failed(index, Kind::Reset) };
    let order = [well(0), well(1), well(2), well(3)];
    let mut attempts = on(&Routing::default());
    assert_eq!(attempts.failed(&of(0, 0), &order, 0), give_up(Why::RetriesUsed));
    let mut attempts = on(&Routing { retries: 0, ..Routing::default() });
    assert_eq!(attempts.failed(&of(0, 2), &order, 0), at_once(1));
    assert_eq!(attempts.failed(&of(1, 2), &order, 0), at_once(2));
    assert_eq!(
        attempts.failed(&failed(2, Kind::Reset), &order, 0),
        give_up(Why::RetriesUsed),
        "the last one says nothing"
    );
}

#[test]
fn one_that_another_request_took_as_its_probe_is_passed_over() {
    let mut attempts = on(&Routing::default());
    let probe = ranked(1, Readiness::Probe);
    assert_eq!(attempts.failed(&failed(0, Kind::Reset), &[probe, well(2)], 0), at_once(1));
    assert_eq!(attempts.overtaken(&failed(0, Kind::Reset), &[well(2), cooling(1)], 0), at_once(2));
    let mut attempts = on(&Routing { fallbacks: names(&["other"]), ..Routing::default() });
    assert_eq!(attempts.failed(&failed(0, Kind::Reset), &[probe], 0), at_once(1));
    assert_eq!(attempts.overtaken(&failed(0, Kind::Reset), &[cooling(1)], 0), fallback("other"));
}
