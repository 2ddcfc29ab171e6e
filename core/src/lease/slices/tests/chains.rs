//! What the log a gateway follows, and its own stop, do to its slices.

use uuid::Uuid;

use super::{Desk, acme, policy};
use crate::id::EventId;
use crate::lease::event::{Joined, Suspended, Why};
use crate::lease::recovery::Memory;
use crate::lease::slices::{Applied, Entry, Gap, Refused, SliceLedger, Unavailable};
use crate::lease::suspense::suspend;
use crate::lease::tests::{DAY, NOON, gateway, part, usd};
use crate::lease::{AccountId, Epoch, Event};
use crate::scope::Scope;
use crate::stream::Position;
use crate::testing::samples::id;
use crate::time::Period;

#[test]
fn what_is_read_twice_is_applied_once_and_a_gap_is_found() {
    let mut desk = Desk::opened();
    let before = desk.day();
    assert_eq!(desk.read(&acme(), 2), Ok(Applied::Known));
    assert_eq!(desk.read(&acme(), 1), Ok(Applied::Known));
    assert_eq!(desk.day(), before);
    let ahead = Entry {
        id: EventId::new(Uuid::nil()),
        position: Position::new(9),
        at: NOON,
        event: &desk.chains[&acme()][0].1,
    };
    let gap = desk.ledger.apply(&acme(), ahead, 1_000);
    assert_eq!(gap, Err(Gap { known: Position::new(2), found: Position::new(9) }));
}

#[test]
fn two_boots_that_join_at_once_are_not_taken_for_one() {
    let mut desk = Desk::new();
    desk.ask(10);
    let mine = desk.propose(&acme()).unwrap();
    // The other process of the same name proposed the very same event, and its line got in.
    desk.write(&acme(), mine.event.clone());
    assert_eq!(desk.ledger.epoch(&acme()), None);
    assert!(matches!(desk.propose(&acme()).unwrap().event, Event::Joined(data) if data.epoch.get() == 2));
}

#[test]
fn a_fenced_boot_holds_nothing_more_and_says_what_it_knows() {
    let mut desk = Desk::opened();
    let running = desk.place(60).unwrap();
    desk.write(&acme(), crate::lease::decide::join(desk.book(), &gateway(1)));
    assert!(desk.ledger.is_fenced(&acme()));
    assert_eq!(desk.place(1), Err(Refused::Unavailable(Unavailable::Fenced)));
    assert_eq!(desk.ledger.check(&running, desk.now_ms), Err(Unavailable::Fenced));
    assert_eq!(desk.propose(&acme()), None, "its request still runs");
    let recovered = crate::lease::recovery::wind_up(desk.book(), &gateway(1), &Memory::default()).unwrap();
    let recovered = crate::lease::suspense::recover(desk.book(), recovered).unwrap();
    desk.write(&acme(), recovered);
    desk.settle(running, 45);
    let proposal = desk.propose(&acme()).unwrap();
    desk.store(&acme(), proposal.id, proposal.event);
    let (posted, counted) = desk.book().accounts().map(|(_, row)| (row.posted, row.counted())).next().unwrap();
    assert_eq!((posted, counted), (usd(45), usd(45)));
    assert_eq!(desk.propose(&acme()), None);
}

#[test]
fn a_gateway_that_was_thought_gone_takes_its_slice_back() {
    let mut desk = Desk::opened();
    let running = desk.place(60).unwrap();
    let epoch = desk.ledger.epoch(&acme()).unwrap();
    let slices = part(100);
    let day: Vec<AccountId> = desk.book().accounts().map(|(account, _)| account.clone()).collect();
    let account = day.into_iter().find(|account| account.period == DAY).unwrap();
    let slices = slices.into_iter().map(|one| crate::lease::event::Part { account: account.clone(), ..one }).collect();
    let gone = Suspended { gateway: gateway(1), epoch, why: Why::GatewayGone, slices };
    let event = suspend(desk.book(), gone).unwrap();
    desk.write(&acme(), event);
    assert!(matches!(desk.place(1), Err(Refused::Short { .. })));
    assert!(matches!(desk.propose(&acme()).unwrap().event, Event::Resumed(_)));
    desk.ledger.give_up(&acme());
    let proposal = desk.propose(&acme()).unwrap();
    desk.store(&acme(), proposal.id, proposal.event);
    assert_eq!(desk.day(), (40, 60, 0));
    desk.ledger.release(running);
}

#[test]
fn a_gateway_that_hears_nothing_stops_at_its_age_limit() {
    let mut desk = Desk::opened();
    let hold = desk.place(10).unwrap();
    desk.now_ms += policy().age_ms;
    let later = desk.place(10).unwrap();
    desk.now_ms += 1;
    assert_eq!(desk.place(10), Err(Refused::Unavailable(Unavailable::Stale)));
    assert_eq!(desk.ledger.check(&hold, desk.now_ms), Err(Unavailable::Stale));
    desk.ledger.heard(desk.now_ms);
    assert_eq!(desk.ledger.check(&hold, desk.now_ms), Ok(()));
    desk.ledger.release(hold);
    desk.ledger.release(later);
}

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
