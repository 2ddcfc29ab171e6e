//! Holds: placed on all accounts or on none, and ended once.

use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{Desk, acme};
use crate::lease::Event;
use crate::lease::event::Rolled;
use crate::lease::slices::{Hold, Refused};
use crate::lease::tests::{gateway, usd};
use crate::money::NanoUsd;

#[test]
fn a_hold_is_placed_on_all_accounts_or_on_none() {
    let mut desk = Desk::opened();
    // The day's slice has 100; the others have 100 too, and the refusal leaves them as they were.
    assert!(matches!(desk.place(101), Err(Refused::Short { lacking, .. }) if lacking == usd(1)));
    assert!(desk.ledger.slots().all(|slot| slot.held == usd(0)));
    let hold = desk.place(100).unwrap();
    assert!(desk.ledger.slots().all(|slot| slot.held == usd(100)));
    assert_eq!(desk.settle(hold, 60), None);
    assert_eq!(desk.day(), (40, 0, 60));
}

#[test]
fn a_hold_that_lacks_something_brings_a_refill_of_what_it_needs() {
    let mut desk = Desk::opened();
    assert!(matches!(desk.place(700), Err(Refused::Short { .. })));
    assert!(desk.ledger.take_urgent().contains(&acme()));
    desk.work();
    let hold = desk.place(700).unwrap();
    desk.ledger.release(hold);
}

#[test]
fn a_free_request_needs_no_slice() {
    let mut desk = Desk::opened();
    let all = desk.place(100).unwrap();
    let free = desk.place(0).unwrap();
    desk.ledger.release(all);
    desk.ledger.release(free);
}

#[test]
fn a_cost_above_the_hold_counts_in_full_and_is_told() {
    let mut desk = Desk::opened();
    let hold = desk.place(40).unwrap();
    assert_eq!(desk.settle(hold, 130), Some(usd(90)));
    assert_eq!(desk.day(), (-30, 0, 130));
    assert!(matches!(desk.place(1), Err(Refused::Short { .. })));
    let event = desk.propose(&acme()).unwrap().event;
    assert!(
        matches!(&event, Event::Rolled(Rolled { slices, .. }) if slices.iter().all(|roll| roll.spent_nano_usd == usd(130)))
    );
}

#[test]
fn a_hold_of_unknown_end_goes_into_suspense() {
    let mut desk = Desk::opened();
    let hold = desk.place(10).unwrap();
    desk.suspend(hold, 4);
    assert_eq!(desk.day(), (90, 0, 4));
    desk.work();
    assert_eq!(desk.day(), (90, 0, 4), "what it is thought to have cost is spent, and the rest nobody may hold");
    assert!(desk.book().accounts().all(|(_, row)| row.suspense() == usd(6)));
    let rested = desk.ledger.rested_ms(&acme(), &gateway(1), desk.ledger.epoch(&acme()).unwrap(), desk.now_ms + 7);
    assert_eq!(rested, Some(7));
}

#[derive(Debug, Clone)]
enum Act {
    Place(i64),
    Settle(usize, i64),
    Release(usize),
    Suspend(usize, i64),
    Work,
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_i64..300).prop_map(Act::Place),
        2 => (0_usize..8, 0_i64..400).prop_map(|(which, cost)| Act::Settle(which, cost)),
        1 => (0_usize..8).prop_map(Act::Release),
        1 => (0_usize..8, 0_i64..400).prop_map(|(which, cost)| Act::Suspend(which, cost)),
        2 => Just(Act::Work),
        1 => (0_u64..7_000).prop_map(Act::Wait),
    ]
}

proptest! {
    /// held = settled + released + suspense + open, and granted = spent + held + suspended + returned + free, on every
    /// account after every step; and no hold takes more than the limit, whatever requests cost.
    #[test]
    fn every_hold_ends_once_and_no_amount_is_lost(acts in prop::collection::vec(act(), 0..120)) {
        let mut desk = Desk::opened();
        let mut open: Vec<Hold> = Vec::new();
        let (mut spent, mut suspended, mut over) = (0, 0, 0);
        for act in acts {
            match act {
                Act::Place(amount) => open.extend(desk.place(amount).ok()),
                Act::Settle(which, cost) if which < open.len() => {
                    let hold = open.swap_remove(which);
                    spent += cost;
                    let told = desk.settle(hold, cost);
                    over += told.map_or(0, NanoUsd::nano);
                }
                Act::Release(which) if which < open.len() => desk.ledger.release(open.swap_remove(which)),
                Act::Suspend(which, cost) if which < open.len() => {
                    let hold = open.swap_remove(which);
                    spent += cost;
                    suspended += (hold.amount().nano() - cost).max(0);
                    let told = desk.suspend(hold, cost);
                    over += told.map_or(0, NanoUsd::nano);
                }
                Act::Work => drop(desk.work()),
                Act::Wait(ms) => desk.wait(ms),
                _ => {}
            }
            let held: i64 = open.iter().map(|hold| hold.amount().nano()).sum();
            for slot in desk.ledger.slots() {
                prop_assert!(slot.is_balanced());
                prop_assert_eq!(slot.held.nano(), held);
                prop_assert_eq!(slot.open, open.len() as u64);
                let row = desk.ledger.chains[slot.chain as usize].book.account(&slot.account).unwrap();
                let own = &row.slices()[0];
                // The equation: what the log has out is free, held, and not yet said; what it has posted and in suspense,
                // with what is not yet said, is all that was ever spent and suspended.
                prop_assert_eq!(own.out, slot.free().saturating_plus(slot.held).saturating_plus(slot.unreported)
                    .saturating_plus(slot.suspending).saturating_plus(slot.returning));
                prop_assert_eq!(row.posted.nano() + slot.unreported.nano(), spent);
                prop_assert_eq!(row.suspense().nano() + slot.suspending.nano(), suspended);
                prop_assert!(spent + suspended + held <= slot.limit.nano() + over);
            }
        }
    }
}
