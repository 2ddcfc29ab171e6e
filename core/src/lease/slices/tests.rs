use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use uuid::Uuid;

use super::{Applied, Entry, Gap, Hold, Moment, Proposal, Refused, SliceLedger, Unavailable};
use crate::actor::Actor;
use crate::aggregate::{Mark, Trail};
use crate::budget::{Budget, BudgetLimit};
use crate::id::EventId;
use crate::lease::allot::Policy;
use crate::lease::checks::{Broken, Step};
use crate::lease::decide::Opening;
use crate::lease::event::{Rolled, Suspended, Why};
use crate::lease::recovery::Memory;
use crate::lease::suspense::suspend;
use crate::lease::tests::{DAY, NOON, gateway, part, usd};
use crate::lease::{AccountId, Book, Event, Root};
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::Position;
use crate::testing::samples::id;
use crate::time::{Period, Timestamp};

mod chains;
mod upkeep;

fn budget(scope: Scope, limits: &[(Period, i64)], set: u64) -> Budget {
    let mark = Mark { position: Position::new(set), at: NOON, by: Actor::operator() };
    let limit = |(period, nano): &(Period, i64)| BudgetLimit {
        period: *period,
        anchor: Timestamp::from_millis(0),
        limit_nano_usd: usd(*nano),
    };
    let limits = limits.iter().map(limit).collect();
    Budget { scope, realm: None, limits, reclaim_after_seconds: None, set: mark.position, trail: Trail::born(&mark) }
}

/// A realm's budget of 1,000 a day and 5,000 in all, below the gateway's of 10,000.
fn budgets() -> Vec<Budget> {
    vec![
        budget(Scope::Realm(id("acme")), &[(DAY, 1_000), (Period::Total, 5_000)], 5),
        budget(Scope::Gateway, &[(Period::Total, 10_000)], 6),
    ]
}

fn root_of(budget: &Budget) -> Root {
    if budget.scope == Scope::Gateway { Root::Gateway } else { Root::Realm(id("acme")) }
}

/// Slices without the manners of large amounts.
fn policy() -> Policy {
    Policy { least: usd(100), crumb: usd(1), ..Policy::default() }
}

/// A gateway and its chains: what it proposes is stored and read back.
struct Desk {
    ledger: SliceLedger,
    chains: BTreeMap<Root, Vec<(EventId, Event)>>,
    budgets: Vec<Budget>,
    now_ms: u64,
    ids: u128,
}

impl Desk {
    fn new() -> Self {
        let ledger = SliceLedger::new(gateway(1), policy());
        Self { ledger, chains: BTreeMap::new(), budgets: budgets(), now_ms: 1_000, ids: 0 }
    }

    /// All windows are open, and it has a first slice of each.
    fn opened() -> Self {
        let mut desk = Self::new();
        assert!(matches!(desk.place(10), Err(Refused::Unopened { .. })));
        desk.ask(10);
        desk.work();
        desk
    }

    fn ask(&mut self, wanted: i64) {
        for budget in &self.budgets {
            for limit in &budget.limits {
                let opening = Opening {
                    scope: budget.scope.clone(),
                    limit: limit.clone(),
                    control: budget.set,
                    posted: usd(0),
                    wanted: usd(wanted),
                };
                self.ledger.ask(&root_of(budget), opening);
            }
        }
    }

    fn place(&mut self, amount: i64) -> Result<Hold, Refused> {
        let moment = self.moment();
        self.ledger.place(self.budgets.iter(), usd(amount), moment)
    }

    fn settle(&mut self, hold: Hold, cost: i64) -> Option<NanoUsd> {
        self.ledger.settle(hold, usd(cost), self.now_ms).over
    }

    fn moment(&self) -> Moment {
        Moment { at: Timestamp::from_millis(NOON.millis() + i64::try_from(self.now_ms).unwrap()), ms: self.now_ms }
    }

    fn propose(&mut self, root: &Root) -> Option<Proposal> {
        self.ids += 1;
        let id = EventId::new(Uuid::from_u128(self.ids));
        let moment = self.moment();
        self.ledger.propose(root, &Memory::default(), id, moment)
    }

    fn store(&mut self, root: &Root, id: EventId, event: Event) {
        let book = self.ledger.book(root).cloned().unwrap_or_default();
        let step = Step::before(&book, &event);
        let mut after = book;
        after.evolve(after.position().plus(1), NOON, &event);
        // A request that cost more than it held is true, and breaks the bound (N2) alone.
        let broken = step.after(&after, &event).err().unwrap_or_default();
        assert!(broken.iter().all(|rule| matches!(rule, Broken::Bound { .. })), "{broken:?}");
        self.chains.entry(root.clone()).or_default().push((id, event));
        let position = self.chains[root].len() as u64;
        assert_eq!(self.read(root, position), Ok(Applied::Folded));
    }

    fn read(&mut self, root: &Root, position: u64) -> Result<Applied, Gap> {
        let (id, event) = &self.chains[root][usize::try_from(position).unwrap() - 1];
        let entry = Entry { id: *id, position: Position::new(position), at: NOON, event };
        self.ledger.apply(root, entry, self.now_ms)
    }

    /// Somebody else writes.
    fn write(&mut self, root: &Root, event: Event) {
        self.ids += 1;
        self.store(root, EventId::new(Uuid::from_u128(self.ids)), event);
    }

    /// Proposes and stores until there is nothing more to say.
    fn work(&mut self) -> usize {
        let mut written = 0;
        self.ledger.heard(self.now_ms);
        for root in [Root::Gateway, Root::Realm(id("acme"))] {
            while let Some(proposal) = self.propose(&root) {
                self.store(&root, proposal.id, proposal.event);
                written += 1;
                assert!(written < 50, "it never stops writing");
            }
        }
        written
    }

    fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
        self.ledger.heard(self.now_ms);
    }

    fn book(&self) -> &Book {
        self.ledger.book(&Root::Realm(id("acme"))).unwrap()
    }

    /// Free, held and unreported of the realm's day.
    fn day(&self) -> (i64, i64, i64) {
        let slot = self.ledger.slots().find(|slot| slot.is_current && slot.account.period == DAY).unwrap();
        (slot.free().nano(), slot.held.nano(), slot.unreported.nano())
    }
}

fn acme() -> Root {
    Root::Realm(id("acme"))
}

#[test]
fn nothing_is_held_before_the_windows_are_open_in_the_log() {
    let mut desk = Desk::new();
    assert!(matches!(desk.place(10), Err(Refused::Unopened { .. })));
    desk.ask(10);
    // One line joins and one opens, in each of the two chains; the slices come with the windows.
    assert_eq!(desk.work(), 4);
    let hold = desk.place(10).unwrap();
    assert_eq!(hold.accounts(), 3);
    assert_eq!(desk.day(), (90, 10, 0));
    desk.ledger.release(hold);
    assert_eq!(desk.day(), (100, 0, 0));
}

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
fn a_budget_says_that_it_is_over_only_when_it_is() {
    let mut desk = Desk::opened();
    let exhausted = |placed: Result<Hold, Refused>| match placed {
        Err(Refused::Exhausted(exhausted)) => {
            (exhausted.account.period, exhausted.limit.nano(), exhausted.posted.nano())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(exhausted(desk.place(1_001)), (DAY, 1_000, 0));
    desk.wait(10);
    assert!(matches!(desk.place(950), Err(Refused::Short { .. })));
    desk.work();
    let hold = desk.place(950).unwrap();
    desk.settle(hold, 950);
    assert_eq!(exhausted(desk.place(51)), (DAY, 1_000, 950));
    assert!(matches!(desk.place(50), Err(Refused::Short { .. })));
    desk.work();
    let hold = desk.place(50).unwrap();
    desk.settle(hold, 50);
    assert_eq!(exhausted(desk.place(0)), (DAY, 1_000, 1_000), "a used-up budget refuses a free request");
    assert_eq!(desk.ledger.available(desk.budgets.iter()), Some(usd(0)));
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
fn a_hold_of_unknown_end_goes_into_suspense() {
    let mut desk = Desk::opened();
    let hold = desk.place(10).unwrap();
    desk.ledger.suspend(hold);
    assert_eq!(desk.day(), (90, 0, 0));
    desk.work();
    assert_eq!(desk.day(), (90, 0, 0));
    assert!(desk.book().accounts().all(|(_, row)| row.suspense() == usd(10)));
    let rested = desk.ledger.rested_ms(&acme(), &gateway(1), desk.ledger.epoch(&acme()).unwrap(), desk.now_ms + 7);
    assert_eq!(rested, Some(7));
}

#[test]
fn a_lowered_limit_holds_at_once_and_recalls_what_is_free() {
    let mut desk = Desk::opened();
    let hold = desk.place(50).unwrap();
    desk.budgets[0] = budget(Scope::Realm(id("acme")), &[(DAY, 55), (Period::Total, 5_000)], 9);
    assert!(matches!(desk.place(6), Err(Refused::Exhausted(exhausted)) if exhausted.limit == usd(55)));
    desk.ledger.release(hold);
    desk.work();
    let row = desk.book().accounts().find(|(account, _)| account.period == DAY).unwrap().1.clone();
    assert!(row.counted() <= usd(55), "{row:?}");
}

#[test]
fn requests_go_on_in_the_old_window_until_the_next_is_open_in_the_log() {
    let mut desk = Desk::opened();
    let old = desk.place(10).unwrap();
    desk.wait(86_400_000);
    assert!(desk.ledger.slots().any(|slot| slot.account.period == DAY && slot.is_over(desk.moment().at)));
    // The first request after the end asks for the next window, and goes on in this one.
    let between = desk.place(10).unwrap();
    desk.work();
    let new = desk.place(10).unwrap();
    let window = |desk: &Desk, hold: &Hold| {
        let mut parts = desk.ledger.parts(hold);
        parts.find(|part| part.account.period == DAY).unwrap().account.window
    };
    assert_eq!(window(&desk, &old), window(&desk, &between));
    assert!(window(&desk, &new) > window(&desk, &old));
    // The old window's holds are settled in the old window, and then nothing of it is left.
    for hold in [old, between, new] {
        desk.settle(hold, 7);
    }
    desk.wait(6_000);
    desk.work();
    let days: Vec<i64> =
        desk.book().accounts().filter(|(id, _)| id.period == DAY).map(|(_, row)| row.posted.nano()).collect();
    assert_eq!(days, [7]);
    assert_eq!(desk.ledger.slots().filter(|slot| slot.account.period == DAY).count(), 1);
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

#[derive(Debug, Clone)]
enum Act {
    Place(i64),
    Settle(usize, i64),
    Release(usize),
    Suspend(usize),
    Work,
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_i64..300).prop_map(Act::Place),
        2 => (0_usize..8, 0_i64..400).prop_map(|(which, cost)| Act::Settle(which, cost)),
        1 => (0_usize..8).prop_map(Act::Release),
        1 => (0_usize..8).prop_map(Act::Suspend),
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
                Act::Suspend(which) if which < open.len() => {
                    let hold = open.swap_remove(which);
                    suspended += hold.amount().nano();
                    desk.ledger.suspend(hold);
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
