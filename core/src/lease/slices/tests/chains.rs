//! What the log a gateway follows, and its own stop, do to its slices.

use uuid::Uuid;

use super::{Applied, Desk, Entry, Refused, SliceLedger, Unavailable, acme, policy};
use crate::id::EventId;
use crate::lease::event::Joined;
use crate::lease::tests::{DAY, NOON, gateway, usd};
use crate::lease::{Epoch, Event};
use crate::scope::Scope;
use crate::stream::Position;
use crate::testing::samples::id;
use crate::time::Period;

#[test]
fn a_gateway_that_is_about_to_stop_reports_and_returns_everything_at_once() {
    let mut desk = Desk::opened();
    let hold = desk.place(10).unwrap();
    desk.settle(hold, 7);
    assert_eq!(desk.work(), 0, "there is time");
    desk.ledger.retire();
    assert_eq!(desk.work(), 2);
    assert!(desk.book().accounts().all(|(_, row)| (row.posted, row.out()) == (usd(7), usd(0))));
}

#[test]
fn a_place_that_is_no_gateways_line_is_passed_over_and_what_follows_is_applied() {
    let mut desk = Desk::opened();
    let lost = desk.chains[&acme()].len() as u64 + 1;
    let id = EventId::new(Uuid::from_u128(999));
    let event = Event::Joined(Joined { gateway: gateway(2), epoch: Epoch::new(1) });
    let at = |position| Entry { id, position: Position::new(position), at: NOON, event: &event };
    assert!(desk.ledger.apply(&acme(), at(lost + 1), 1).is_err(), "there is a gap");
    desk.ledger.skip(&acme(), Position::new(lost + 1));
    assert!(desk.ledger.apply(&acme(), at(lost + 1), 1).is_err(), "only the next place can be passed over");
    desk.ledger.skip(&acme(), Position::new(lost));
    assert_eq!(desk.ledger.apply(&acme(), at(lost + 1), 1), Ok(Applied::Folded));
}

#[test]
fn in_a_chain_that_cannot_be_read_nothing_more_is_held_or_written() {
    let mut desk = Desk::opened();
    let hold = desk.place(10).unwrap();
    desk.ledger.lose_track(&acme());
    assert_eq!(desk.place(10), Err(Refused::Unavailable(Unavailable::Unreadable)));
    assert_eq!(desk.ledger.check(&hold, desk.now_ms), Err(Unavailable::Unreadable), "nor is what is held sent");
    desk.ledger.release(hold);
    desk.wait(10_000);
    assert!(desk.propose(&acme()).is_none());
}

#[test]
fn what_counts_in_a_window_is_told_whether_it_was_used_here_or_not() {
    let mut desk = Desk::opened();
    let scope = Scope::Realm(id("acme"));
    let hold = desk.place(10).unwrap();
    let (window, counted) = desk.ledger.counted(&scope, DAY).unwrap();
    assert_eq!(counted, usd(10));
    desk.settle(hold, 7);
    desk.wait(5_000);
    desk.work();
    let mut other = SliceLedger::new(gateway(2), policy());
    for (index, (id, event)) in desk.chains[&acme()].iter().enumerate() {
        let entry = Entry { id: *id, position: Position::new(index as u64 + 1), at: NOON, event };
        other.apply(&acme(), entry, 1).unwrap();
    }
    assert_eq!(other.counted(&scope, DAY), Some((window, usd(7))));
    assert_eq!(other.counted(&scope, Period::Seconds(1)), None);
}
