use std::time::Duration;

use governor::clock::FakeRelativeClock;
use tallygate_core::id::{RealmId, WriterId};
use tallygate_core::limits::Limits as Quotas;
use tallygate_core::portion::{LimitId, Portion};
use tallygate_core::scope::Scope;

use super::{Kind, Limits};

fn quotas(requests: Option<u64>, tokens: Option<u64>, parallel: Option<u32>) -> Quotas {
    Quotas { requests_per_minute: requests, tokens_per_minute: tokens, parallel_requests: parallel }
}

fn limits() -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (Limits::with_clock(clock.clone(), None), clock)
}

#[test]
fn a_minutes_worth_of_requests_may_come_at_once_and_refills_evenly() {
    let (limits, clock) = limits();
    let chain = [(Scope::Gateway, quotas(Some(3), None, None))];
    for remaining in [2, 1, 0] {
        let share = limits.take(&chain, 0).unwrap();
        assert_eq!(share.left[0].remaining, remaining);
        share.settle(0);
    }
    let limited = limits.take(&chain, 0).unwrap_err();
    assert_eq!((limited.kind, limited.limit, limited.remaining), (Kind::Requests, 3, 0));
    assert!(limited.retry_after > Duration::from_secs(19) && limited.retry_after <= Duration::from_secs(20));
    clock.advance(limited.retry_after + Duration::from_millis(1));
    limits.take(&chain, 0).unwrap().settle(0);
    assert!(limits.take(&chain, 0).is_err());
}

#[test]
fn tokens_are_corrected_to_what_was_used() {
    let (limits, _clock) = limits();
    let chain = [(Scope::Gateway, quotas(None, Some(60), None))];
    limits.take(&chain, 50).unwrap().settle(5);
    let share = limits.take(&chain, 50).unwrap();
    assert_eq!(share.left[0].remaining, 5);
    share.settle(80);
    let limited = limits.take(&chain, 1).unwrap_err();
    assert_eq!(limited.kind, Kind::Tokens);
    assert!(limited.retry_after > Duration::from_secs(25), "the debt is paid first: {limited:?}");
}

#[test]
fn a_request_larger_than_a_minute_runs_when_nothing_else_did() {
    let (limits, _clock) = limits();
    let chain = [(Scope::Gateway, quotas(None, Some(60), None))];
    let share = limits.take(&chain, 1_000_000).unwrap();
    assert!(limits.take(&chain, 1).is_err());
    drop(share);
    limits.take(&chain, 1).unwrap().settle(1);
}

#[test]
fn requests_at_once_end_when_their_share_does() {
    let (limits, _clock) = limits();
    let chain = [(Scope::Gateway, quotas(None, None, Some(2)))];
    let first = limits.take(&chain, 0).unwrap();
    let second = limits.take(&chain, 0).unwrap();
    assert_eq!(limits.take(&chain, 0).unwrap_err().kind, Kind::Parallel);
    first.settle(0);
    drop(limits.take(&chain, 0).unwrap());
    drop(second);
}

#[test]
fn what_a_refused_request_took_is_given_back() {
    let (limits, _clock) = limits();
    let realm = Scope::Realm(RealmId::default_realm());
    let chain = [(Scope::Gateway, quotas(Some(5), Some(100), Some(1))), (realm, quotas(Some(1), None, None))];
    limits.take(&chain, 10).unwrap().settle(10);
    for _ in 0..20 {
        assert_eq!(limits.take(&chain, 10).unwrap_err().kind, Kind::Requests);
    }
    let share = limits.take(&chain[..1], 0).unwrap();
    assert_eq!((share.left[0].remaining, share.left[1].remaining), (3, 90));
}

#[test]
fn a_changed_quota_does_not_refill() {
    let (limits, _clock) = limits();
    let chain = |requests| [(Scope::Gateway, quotas(Some(requests), None, None))];
    for _ in 0..10 {
        limits.take(&chain(10), 0).unwrap().settle(0);
    }
    assert!(limits.take(&chain(5), 0).is_err());
    assert_eq!(limits.take(&chain(20), 0).unwrap().left[0].remaining, 9);
}

#[test]
fn a_limit_of_zero_refuses_everything() {
    let (limits, _clock) = limits();
    for zero in [quotas(Some(0), None, None), quotas(None, Some(0), None), quotas(None, None, Some(0))] {
        assert!(limits.take(&[(Scope::Gateway, zero)], 0).is_err());
    }
}

/// Limits of a gateway that divides them with one other.
fn divided() -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    let limits = Limits::with_clock(clock.clone(), Some(gateway("a")));
    limits.among(vec![gateway("a"), gateway("b")]);
    (limits, clock)
}

fn gateway(id: &str) -> WriterId {
    WriterId::new(id).unwrap()
}

fn hold(limits: &Limits<FakeRelativeClock>, kind: Kind, held: u64) -> Option<u64> {
    limits.set(&LimitId { scope: Scope::Gateway, kind }, Portion { held: Some(held), elsewhere: 0 })
}

/// How many requests go through now.
fn through(limits: &Limits<FakeRelativeClock>, quotas: Quotas) -> usize {
    let chain = [(Scope::Gateway, quotas)];
    std::iter::from_fn(|| limits.take(&chain, 0).ok().map(|share| share.settle(0))).take(1_000).count()
}

#[test]
fn a_portion_lets_its_part_through_at_once_and_refills_at_its_part_of_the_rate() {
    let (limits, clock) = divided();
    let quotas = quotas(Some(120), None, None);
    assert_eq!(through(&limits, quotas), 60);
    clock.advance(Duration::from_secs(10));
    assert_eq!(through(&limits, quotas), 10);
    assert_eq!(hold(&limits, Kind::Requests, 250_000), Some(0));
    clock.advance(Duration::from_secs(10));
    assert_eq!(through(&limits, quotas), 5);
    clock.advance(Duration::from_secs(600));
    assert_eq!(through(&limits, quotas), 30);
}

#[test]
fn another_portion_refills_nothing_and_gives_up_what_was_unused() {
    let (limits, _clock) = divided();
    let quotas = quotas(Some(100), None, None);
    let chain = [(Scope::Gateway, quotas)];
    for _ in 0..40 {
        limits.take(&chain, 0).unwrap().settle(0);
    }
    for millionths in [900_000, 500_000, 900_000] {
        assert_eq!(hold(&limits, Kind::Requests, millionths), Some(0));
    }
    assert_eq!(limits.take(&chain, 0).unwrap().left[0].remaining, 9, "ten of a hundred were left, and still are");
    assert_eq!(hold(&limits, Kind::Requests, 50_000), Some(50_000), "ten are left, five may stay");
    assert_eq!(through(&limits, quotas), 5);
    limits.take_over(&LimitId { scope: Scope::Gateway, kind: Kind::Requests }, 30_000);
    assert_eq!(through(&limits, quotas), 3, "what another did not use is there at once");
}

#[test]
fn a_request_larger_than_the_portion_runs_from_rest_and_counts_whole() {
    let (limits, clock) = divided();
    let chain = [(Scope::Gateway, quotas(None, Some(60), None))];
    hold(&limits, Kind::Tokens, 500_000);
    limits.take(&chain, 50).unwrap().settle(50);
    let limited = limits.take(&chain, 1).unwrap_err();
    assert_eq!((limited.limit, limited.remaining), (60, 0));
    // Thirty at once and twenty of debt, at half a token a second.
    clock.advance(Duration::from_secs(39));
    assert!(limits.take(&chain, 1).is_err());
    clock.advance(Duration::from_secs(4));
    limits.take(&chain, 1).unwrap().settle(1);
    assert!(limits.take(&chain, 50).is_err(), "not from rest");
}

#[test]
fn without_a_place_one_runs_where_none_is_known_to_run_elsewhere() {
    let (limits, _clock) = divided();
    let chain = [(Scope::Gateway, quotas(None, None, Some(2)))];
    let limit = LimitId { scope: Scope::Gateway, kind: Kind::Parallel };
    drop(limits.take(&chain, 0).unwrap());
    limits.set(&limit, Portion { held: Some(0), elsewhere: 1 });
    let running = limits.take(&chain, 0).unwrap();
    assert_eq!(limits.take(&chain, 0).unwrap_err().kind, Kind::Parallel);
    drop(running);
    limits.set(&limit, Portion { held: Some(0), elsewhere: 2 });
    assert!(limits.take(&chain, 0).is_err());
}

#[test]
fn what_is_asked_is_told_once_a_tick_and_what_is_refused_before_it() {
    let (limits, _clock) = divided();
    let quotas = quotas(Some(120), None, Some(4));
    let chain = [(Scope::Gateway, quotas)];
    let running = limits.take(&chain, 0).unwrap();
    assert_eq!(limits.asked(false), []);
    hold(&limits, Kind::Parallel, 1);
    assert!(limits.take(&chain, 0).is_err());
    let demand = |is_tick| {
        let asked = limits.asked(is_tick);
        asked.into_iter().map(|asked| (asked.limit.kind, asked.demand, asked.refused)).collect::<Vec<_>>()
    };
    let expected = vec![(Kind::Requests, 1_000_000, false), (Kind::Parallel, 2, true)];
    assert_eq!(demand(false), expected);
    assert_eq!(demand(true), expected);
    assert_eq!(demand(true), [(Kind::Parallel, 1, false)], "what runs is told until it ends");
    drop(running);
    assert_eq!(demand(true), []);
}
