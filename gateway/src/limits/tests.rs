use std::time::Duration;

use governor::clock::FakeRelativeClock;
use tallygate_core::id::RealmId;
use tallygate_core::limits::Limits as Quotas;
use tallygate_core::scope::Scope;

use super::{Kind, Limits};

fn quotas(requests: Option<u64>, tokens: Option<u64>, parallel: Option<u32>) -> Quotas {
    Quotas { requests_per_minute: requests, tokens_per_minute: tokens, parallel_requests: parallel }
}

fn limits() -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (Limits::with_clock(clock.clone()), clock)
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
