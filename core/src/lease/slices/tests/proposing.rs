//! What a gateway says to a chain, and when.

use super::{Desk, acme, budget};
use crate::lease::allot::Policy;
use crate::lease::slices::{Refused, SliceLedger};
use crate::lease::tests::{gateway, usd};
use crate::lease::{Event, Root};
use crate::scope::Scope;
use crate::testing::samples::id;
use crate::time::Period;

#[test]
fn there_is_one_proposal_at_a_time_and_what_it_returns_cannot_be_held() {
    let mut desk = Desk::opened();
    desk.wait(6_000);
    let proposal = desk.propose(&acme()).unwrap();
    assert!(
        matches!(&proposal.event, Event::Rolled(data) if data.slices.iter().all(|roll| roll.returned_nano_usd == usd(100)))
    );
    assert_eq!(desk.propose(&acme()), None);
    assert!(matches!(desk.place(1), Err(Refused::Short { .. })));
    desk.ledger.give_up(&acme());
    let hold = desk.place(100).unwrap();
    desk.ledger.release(hold);
}

#[test]
fn a_proposal_that_lost_against_another_is_void() {
    let mut desk = Desk::opened();
    desk.wait(6_000);
    let lost = desk.propose(&acme()).unwrap();
    // Another gateway was faster: at that place stands its event.
    desk.write(&acme(), crate::lease::decide::join(desk.book(), &gateway(2)));
    assert_eq!(desk.day(), (100, 0, 0));
    let hold = desk.place(100).unwrap();
    assert_ne!(desk.propose(&Root::Gateway).map(|proposal| proposal.after), Some(lost.after.plus(9)));
    desk.ledger.release(hold);
}

#[test]
fn a_busy_gateway_writes_about_a_line_a_second_and_chain() {
    let mut desk = Desk::new();
    desk.ledger = SliceLedger::new(gateway(1), Policy::default());
    let dollars = |dollars: i64| dollars * 1_000_000_000;
    desk.budgets = vec![
        budget(Scope::Realm(id("acme")), &[(Period::Total, dollars(10_000))], 5),
        budget(Scope::Gateway, &[(Period::Total, dollars(10_000))], 6),
    ];
    assert!(desk.place(1_000_000).is_err());
    desk.ask(1_000_000);
    desk.work();
    let mut lines = 0;
    // A minute of 1,000 requests a second that hold a cent and cost a tenth of it: a dollar a second.
    for _ in 0..60_000 {
        desk.wait(1);
        let mut held = desk.place(10_000_000);
        if held.is_err() {
            lines += desk.work();
            held = desk.place(10_000_000);
        }
        desk.settle(held.unwrap(), 1_000_000);
        if !desk.ledger.take_urgent().is_empty() {
            lines += desk.work();
        }
    }
    assert!((60..=200).contains(&lines), "{lines} lines");
}

#[test]
fn an_idle_slice_goes_back_and_a_busy_one_stays() {
    let mut desk = Desk::opened();
    desk.wait(4_999);
    assert_eq!(desk.work(), 0);
    desk.wait(1);
    assert_eq!(desk.work(), 2);
    assert!(desk.book().accounts().all(|(_, row)| row.counted() == usd(0)));
    assert_eq!(desk.work(), 0, "it says nothing more");
}

#[test]
fn what_was_spent_is_reported_in_the_end_even_if_nothing_else_is_said() {
    let mut desk = Desk::opened();
    let hold = desk.place(10).unwrap();
    desk.settle(hold, 10);
    assert_eq!(desk.work(), 0);
    desk.wait(4_000);
    let busy = desk.place(1).unwrap();
    desk.wait(1_000);
    assert_eq!(desk.work(), 2);
    assert_eq!(desk.day(), (89, 1, 0));
    assert_eq!(desk.book().accounts().next().unwrap().1.posted, usd(10));
    desk.ledger.release(busy);
}

#[test]
fn autonomy_is_told_from_the_slice_that_ends_first() {
    let mut desk = Desk::opened();
    assert_eq!(desk.ledger.autonomy_seconds(), None);
    let hold = desk.place(50).unwrap();
    desk.settle(hold, 50);
    desk.wait(1_000);
    desk.work();
    assert!(desk.ledger.autonomy_seconds().is_some_and(|seconds| seconds <= 20));
}
