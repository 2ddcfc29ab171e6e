use super::super::checks::{Broken, Step};
use super::super::decide::{join, open, roll as decide_roll};
use super::super::event::Why;
use super::super::suspense::{close, suspend};
use super::super::tests::{Chain, DAY, NOON, account, closed, gateway, opening, roll, suspended, usd};
use super::super::{Epoch, Event};
use super::Book;
use crate::lease::event::Closer;
use crate::lease::suspense::Rest;
use crate::stream::Position;
use crate::time::Timestamp;

#[test]
fn a_book_that_is_stored_and_loaded_is_the_same() {
    let chain = Chain::opened().with(|book| suspend(book, suspended(1, 1, Why::OutcomeUnknown, 40)));
    // Bincode is what rows are stored in; a self-describing format with keys that are text is not enough.
    let rows: Vec<_> = chain.book.accounts().map(|(id, row)| (id.clone(), row.clone())).collect();
    let text = serde_json::to_string(&rows).unwrap();
    let again: Vec<(super::AccountId, super::Account)> = serde_json::from_str(&text).unwrap();
    assert_eq!(again, rows);
}

#[test]
fn a_slice_of_an_older_boot_is_forgotten_when_nothing_is_in_it() {
    let mut chain = Chain::opened().with(|book| decide_roll(book, roll(1, 1, 100, 0, None)));
    assert!(chain.book.account(&account()).unwrap().slice(&gateway(1), Epoch::new(1)).is_some());
    chain.fold(&join(&chain.book, &gateway(1)));
    let chain = chain.with(|book| decide_roll(book, roll(2, 1, 0, 0, Some((5, 1_000, 5)))));
    assert!(chain.book.account(&account()).unwrap().slice(&gateway(1), Epoch::new(1)).is_none());
    assert_eq!(chain.figures(), (100, 5, 0));
}

#[test]
fn a_window_that_is_over_stays_while_something_of_it_is_in_suspense() {
    let mut chain = Chain::opened().with(|book| suspend(book, suspended(1, 1, Why::OutcomeUnknown, 100)));
    let tomorrow = Timestamp::from_millis(NOON.millis() + 86_400_000);
    chain.write(open(&chain.book, &gateway(1), Epoch::new(1), &[opening(1_000, 5, 0)], tomorrow));
    assert_eq!(chain.figures(), (0, 0, 100));
    chain.write(close(&chain.book, closed(Why::OutcomeUnknown, Closer::WindowEnd, 100, 0), Rest::NONE));
    assert!(chain.book.account(&account()).is_none());
    assert!(chain.book.was_opened(&account()));
    assert!(chain.book.current(&account().scope, DAY).is_some());
}

#[test]
fn an_event_about_what_is_wound_up_changes_nothing() {
    let mut book = Book::default();
    book.evolve(Position::new(1), NOON, &Event::Rolled(roll(1, 1, 5, 0, None)));
    assert_eq!(book.accounts().count(), 0);
    assert_eq!(book.position(), Position::new(1));
}

/// The checks bite: each rule is broken by an event that no decision would write.
#[test]
fn a_step_that_breaks_a_rule_is_named() {
    let broken = |event: Event| {
        let mut book = Chain::opened().book;
        let step = Step::before(&book, &event);
        book.evolve(book.position().plus(1), NOON, &event);
        step.after(&book, &event).unwrap_err()
    };
    let too_much = broken(Event::Rolled(roll(2, 1, 0, 0, Some((901, 1_000, 5)))));
    assert!(matches!(too_much[..], [Broken::Admission { counted: 1_001, limit: 1_000, .. }]), "{too_much:?}");
    let too_dear = broken(Event::Rolled(roll(1, 1, 130, 0, None)));
    assert!(matches!(too_dear[..], [Broken::Bound { over: 30, .. }]), "{too_dear:?}");
    let returned = broken(Event::Rolled(roll(1, 1, 0, 101, None)));
    assert!(matches!(returned[..], [Broken::Closure(_), ..]), "{returned:?}");
    let gone = broken(Event::Suspended(suspended(1, 1, Why::GatewayGone, 101)));
    assert!(matches!(gone[..], [Broken::Closure(_), ..]), "{gone:?}");
    let mut book = Chain::opened().book;
    let event = Event::Suspended(suspended(1, 1, Why::OutcomeUnknown, 10));
    let step = Step::before(&book, &event);
    // Another event than the one that is said: what counts got smaller, and nothing explains it.
    book.evolve(book.position().plus(1), NOON, &Event::Rolled(roll(1, 1, 0, 10, None)));
    let lost = step.after(&book, &event).unwrap_err();
    assert!(matches!(lost[..], [Broken::Durability { before: 100, after: 90, explained: 0, .. }]), "{lost:?}");
    assert_eq!(usd(1).nano(), 1);
}
