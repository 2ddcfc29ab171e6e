use super::super::decide::{join, roll as decide_roll};
use super::super::event::{Closer, Why};
use super::super::tests::{Chain, account, closed, gateway, reclaimed, recovered, resumed, roll, suspended, usd};
use super::super::{Epoch, Rejection};
use super::{Rest, close, reclaim, recover, resume, suspend};

const RESTED: Rest = Rest { needed_ms: 1, passed_ms: 1 };

/// The first gateway was not heard of, and its slice of 100 is in suspense.
fn gone() -> Chain {
    Chain::opened().with(|book| suspend(book, suspended(1, 1, Why::GatewayGone, 100)))
}

/// The first gateway has booted again.
fn rebooted() -> Chain {
    let mut chain = Chain::opened();
    chain.fold(&join(&chain.book, &gateway(1)));
    chain
}

#[test]
fn money_in_suspense_counts_and_nobody_can_have_it() {
    let chain = gone();
    assert_eq!(chain.figures(), (0, 0, 100));
    let all = decide_roll(&chain.book, roll(2, 1, 0, 0, Some((901, 1_000, 5))));
    assert_eq!(all, Err(Rejection::Exhausted(account())));
    assert!(decide_roll(&chain.book, roll(2, 1, 0, 0, Some((900, 1_000, 5)))).is_ok());
}

#[test]
fn no_more_of_a_slice_is_suspended_than_there_is_but_by_its_own_gateway() {
    let chain = Chain::opened();
    let too_much = suspend(&chain.book, suspended(1, 1, Why::GatewayGone, 101));
    assert_eq!(too_much, Err(Rejection::Overdrawn(account())));
    // What a request held may be more than is left after another one that cost more than it held.
    assert!(suspend(&chain.book, suspended(1, 1, Why::OutcomeUnknown, 101)).is_ok());
    let fenced = suspend(&rebooted().book, suspended(1, 1, Why::OutcomeUnknown, 10));
    assert_eq!(fenced, Err(Rejection::Fenced { mine: Epoch::new(1), newest: Epoch::new(2) }));
    assert_eq!(suspend(&chain.book, suspended(1, 1, Why::GatewayGone, 0)), Err(Rejection::Malformed));
    assert!(matches!(suspend(&chain.book, suspended(2, 1, Why::GatewayGone, 1)), Err(Rejection::UnknownAccount(_))));
}

#[test]
fn a_gateway_that_comes_back_has_its_slice_back() {
    assert_eq!(gone().with(|book| resume(book, resumed(1, 1, 100))).figures(), (0, 100, 0));
    assert_eq!(resume(&gone().book, resumed(1, 1, 101)), Err(Rejection::Overdrawn(account())));
    let mut chain = gone();
    chain.fold(&join(&chain.book, &gateway(1)));
    assert!(matches!(resume(&chain.book, resumed(1, 1, 100)), Err(Rejection::Fenced { .. })));
}

#[test]
fn a_gateway_that_comes_back_does_not_take_back_what_has_an_unknown_end() {
    let chain = Chain::opened().with(|book| suspend(book, suspended(1, 1, Why::OutcomeUnknown, 40)));
    assert_eq!(resume(&chain.book, resumed(1, 1, 40)), Err(Rejection::Overdrawn(account())));
}

#[test]
fn an_earlier_boot_is_wound_up_whole_or_not_at_all() {
    let chain = rebooted();
    for (spent, suspended, returned) in [(10, 20, 71), (10, 20, 69), (0, 0, 0), (101, 1, 0)] {
        let wound = recover(&chain.book, recovered(1, 2, spent, suspended, returned));
        assert_eq!(wound, Err(Rejection::Overdrawn(account())), "{spent} {suspended} {returned}");
    }
    let done = chain.with(|book| recover(book, recovered(1, 2, 10, 20, 70)));
    assert_eq!(done.figures(), (10, 0, 20));
}

#[test]
fn what_an_earlier_boot_spent_beyond_its_slice_is_recorded() {
    let chain = rebooted();
    let mut book = chain.book.clone();
    let event = recover(&book, recovered(1, 2, 130, 0, 0)).unwrap();
    book.evolve(book.position().plus(1), crate::time::Timestamp::from_millis(0), &event);
    assert_eq!(book.account(&account()).unwrap().posted, usd(130));
}

#[test]
fn what_was_thought_gone_is_wound_up_by_the_next_boot() {
    let mut chain = gone();
    chain.fold(&join(&chain.book, &gateway(1)));
    assert_eq!(chain.with(|book| recover(book, recovered(1, 2, 10, 20, 70))).figures(), (10, 0, 20));
}

#[test]
fn only_the_newest_boot_winds_up_and_only_older_ones() {
    let chain = rebooted();
    assert!(matches!(recover(&chain.book, recovered(1, 1, 0, 100, 0)), Err(Rejection::Fenced { .. })));
    assert!(matches!(recover(&chain.book, recovered(2, 2, 0, 100, 0)), Err(Rejection::Fenced { .. })));
    assert!(matches!(recover(&chain.book, recovered(1, 3, 0, 100, 0)), Err(Rejection::Fenced { .. })));
}

#[test]
fn suspense_ends_as_spent_or_returned_and_no_more_is_returned_than_there_is() {
    let why = Why::GatewayGone;
    assert_eq!(gone().with(|book| close(book, closed(why, Closer::Provider, 30, 70), RESTED)).figures(), (30, 0, 0));
    let part = gone().with(|book| close(book, closed(why, Closer::Operator, 0, 40), RESTED));
    assert_eq!(part.figures(), (0, 0, 60));
    let too_much = close(&gone().book, closed(why, Closer::Operator, 30, 71), RESTED);
    assert_eq!(too_much, Err(Rejection::Overdrawn(account())));
    let other = close(&gone().book, closed(Why::OutcomeUnknown, Closer::Operator, 0, 1), RESTED);
    assert_eq!(other, Err(Rejection::Overdrawn(account())));
    assert_eq!(close(&gone().book, closed(why, Closer::Operator, 0, 0), RESTED), Err(Rejection::Malformed));
}

#[test]
fn more_may_have_been_spent_than_was_in_suspense() {
    let chain = gone();
    let mut book = chain.book.clone();
    let event = close(&book, closed(Why::GatewayGone, Closer::Provider, 130, 0), RESTED).unwrap();
    book.evolve(book.position().plus(1), crate::time::Timestamp::from_millis(0), &event);
    let row = book.account(&account()).unwrap();
    assert_eq!((row.posted, row.suspense()), (usd(130), usd(0)));
}

#[test]
fn a_soft_budget_takes_a_slice_back_after_its_grace_and_says_what_it_risks() {
    let early = reclaim(&gone().book, reclaimed(60_000, 100), 59_999);
    assert_eq!(early, Err(Rejection::TooEarly(account())));
    assert_eq!(reclaim(&gone().book, reclaimed(60_000, 101), 60_000), Err(Rejection::Overdrawn(account())));
    let chain = gone().with(|book| reclaim(book, reclaimed(60_000, 100), 60_000));
    assert_eq!(chain.figures(), (0, 0, 0));
    assert_eq!(chain.book.account(&account()).unwrap().exposed, usd(100));
    // A slice that is in nobody's suspense is never taken.
    assert_eq!(reclaim(&Chain::opened().book, reclaimed(0, 1), 0), Err(Rejection::Overdrawn(account())));
}
