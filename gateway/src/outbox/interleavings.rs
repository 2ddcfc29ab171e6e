//! The real outbox under every order in which callers, the lease log and the activity log may take turns at it.
//!
//! Its state lies behind one lock, and nothing waits while that is held. So what threads can do to one another is decided
//! by who takes the lock next, and by who is told of what: [`switch`] lets a model checker decide before each time, with
//! the waiting parties woken by the very notifications that wake them in the gateway. No task has a timeout here: one
//! that is not told waits for ever, and that is found.

use std::cell::Cell;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shuttle::future::block_on;
use shuttle::thread;
use tallygate_core::activity::{CommandRefused, Event};
use tallygate_core::actor::Actor;
use tallygate_core::aggregate::{Mark, Trail};
use tallygate_core::budget::{Budget, BudgetLimit};
use tallygate_core::envelope::MacKey;
use tallygate_core::id::{RealmId, RequestId, WriterId};
use tallygate_core::lease::Root;
use tallygate_core::lease::allot::Policy;
use tallygate_core::lease::decide::Opening;
use tallygate_core::lease::slices::Refused;
use tallygate_core::limits::Limits;
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::stream::Position;
use tallygate_core::testing::manual_clock::ManualClock;
use tallygate_core::testing::seeded_ids::SeededIds;
use tallygate_core::time::{Period, Timestamp};

use super::{Happened, Outbox, open};

thread_local! {
    static IS_CHECKED: Cell<bool> = const { Cell::new(false) };
}

const MAC: MacKey = MacKey::new([1; 32]);
/// Three of the callers can be paid, and one whose request costs nothing.
const LIMIT: NanoUsd = NanoUsd::new(100_000_000);
const HELD: NanoUsd = NanoUsd::new(30_000_000);
const COSTS: [i64; 5] = [30_000_000, 30_000_000, 30_000_000, 30_000_000, 0];
/// Orders that are tried of each test.
const ORDERS: usize = 1_500;
/// The same orders every time.
const SEED: u64 = 7;

/// Called before the lock is taken: under the checker somebody else may take it first.
pub(super) fn switch() {
    if IS_CHECKED.get() {
        thread::yield_now();
    }
}

/// Tries orders until one fails.
fn check(history: impl Fn() + Send + Sync + 'static) {
    IS_CHECKED.set(true);
    shuttle::check_random_with_seed(history, SEED, ORDERS);
    IS_CHECKED.set(false);
}

/// That an order is found which fails.
fn finds_out(history: impl Fn() + Send + Sync + std::panic::UnwindSafe + 'static) -> bool {
    let found = catch_unwind(|| check(history)).is_err();
    IS_CHECKED.set(false);
    found
}

fn budget(scope: Scope) -> Budget {
    let mark = Mark { position: Position::new(5), at: Timestamp::from_millis(0), by: Actor::operator() };
    let limit = BudgetLimit { period: Period::Total, anchor: Timestamp::from_millis(0), limit_nano_usd: LIMIT };
    let trail = Trail::born(&mark);
    Budget {
        scope,
        realm: None,
        limits: vec![limit],
        reclaim_after_seconds: None,
        named: None,
        rates: Limits::default(),
        told_at_nano_usd: None,
        terms: tallygate_core::budget::Terms::default(),
        carried: Vec::new(),
        set: mark.position,
        trail,
    }
}

fn budgets() -> Vec<Budget> {
    vec![budget(Scope::Realm(RealmId::default_realm())), budget(Scope::Gateway)]
}

fn openings(budgets: &[Budget]) -> Vec<(Root, Option<Opening>)> {
    let opening = |budget: &Budget| {
        let root = match &budget.scope {
            Scope::Gateway => Root::Gateway,
            _ => Root::Realm(RealmId::default_realm()),
        };
        (root, Some(Opening::new(budget, &budget.limits[0], NanoUsd::ZERO, HELD)))
    };
    budgets.iter().map(opening).collect()
}

fn happened() -> Happened {
    let (kind, code, message) = ("IssueKey".to_owned(), "x".to_owned(), "no".to_owned());
    let event = Event::CommandRefused(CommandRefused { command: None, kind, code, message });
    Happened { realm: None, actor: Actor::operator(), cause: Vec::new(), event }
}

/// How callers go about it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As the gateway's own do.
    Proper,
    /// The budget is looked at in one turn, and charged in another.
    CheckThenAdd,
    /// It begins to listen only after it asked.
    ListensLate,
}

/// One request. Tells what it cost; none if a budget refused it.
fn call(outbox: &Outbox, cost: NanoUsd, manner: Manner) -> Option<NanoUsd> {
    let budgets = budgets();
    let chain: Vec<&Budget> = budgets.iter().collect();
    let request = RequestId::new(outbox.0.ids.uuid());
    if manner == Manner::CheckThenAdd && outbox.available(&chain) < Some(HELD) {
        return None;
    }
    let amount = if manner == Manner::CheckThenAdd { NanoUsd::ZERO } else { HELD };
    loop {
        let early = (manner != Manner::ListensLate).then(|| outbox.changed());
        match outbox.place(&chain, amount, request) {
            Ok(held) => {
                assert!(block_on(outbox.written_down()), "the journal is whole");
                if cost > NanoUsd::ZERO {
                    outbox.settle(held, cost, happened());
                    assert!(block_on(outbox.written_down()), "the journal is whole");
                }
                return Some(cost);
            }
            Err(Refused::Exhausted(_)) => return None,
            Err(Refused::Short { .. }) => outbox.hurry(),
            Err(_) => outbox.ask(openings(&budgets)),
        }
        match early {
            Some(changed) => block_on(changed),
            None => block_on(outbox.changed()),
        }
    }
}

/// Writes to the lease log what is proposed, and reads it back, until it is to stop.
fn lease(outbox: &Outbox, stops: &AtomicBool) {
    loop {
        let is_last = stops.load(Ordering::SeqCst);
        for root in outbox.roots(true) {
            while let Some(line) = outbox.propose(&root, &MAC) {
                outbox.appended(&line, &MAC).unwrap();
            }
        }
        if is_last {
            return;
        }
        block_on(outbox.urgent());
    }
}

/// Takes records to the activity log, as its writer does, until no more will come.
fn write(outbox: &Outbox) -> u64 {
    let mut written = 0;
    loop {
        let (waiting, is_closed) = outbox.waiting();
        match waiting {
            0 if is_closed => return written,
            0 => block_on(outbox.arrived()),
            _ => {
                for record in outbox.take(2) {
                    written += 1;
                    assert_eq!(record.position, Position::new(written), "records come once each, and in order");
                }
                outbox.written(Position::new(written));
            }
        }
    }
}

/// Five callers, the lease log and the activity log at one outbox.
fn history(manner: Manner) {
    let folder = tempfile::tempdir().unwrap();
    let writer = WriterId::new("gw").unwrap();
    let (clock, ids) = (Arc::new(ManualClock::default()), Arc::new(SeededIds::new(1)));
    let outbox = open(folder.path(), &writer, Position::START, Policy::default(), (clock, ids)).unwrap();
    outbox.heard(1);
    let stops = Arc::new(AtomicBool::new(false));
    let leasing = spawn(&outbox, {
        let stops = Arc::clone(&stops);
        move |outbox| lease(outbox, &stops)
    });
    let writing = spawn(&outbox, write);
    let callers: Vec<_> =
        COSTS.map(|cost| spawn(&outbox, move |outbox| call(outbox, NanoUsd::new(cost), manner))).into();
    let spent: Vec<NanoUsd> = callers.into_iter().filter_map(|caller| caller.join().unwrap()).collect();
    let records = spent.iter().filter(|cost| **cost > NanoUsd::ZERO).count() as u64;
    let total = spent.iter().fold(NanoUsd::ZERO, |sum, cost| sum.saturating_plus(*cost));
    assert!(spent.len() >= 3, "three can be paid in any order: {spent:?}");
    assert!(total <= LIMIT, "{total:?} was spent");
    outbox.close();
    assert_eq!(writing.join().unwrap(), records, "every settlement is recorded once");
    // What it is to do on its last round must be there before it hears that it is the last.
    outbox.retire();
    stops.store(true, Ordering::SeqCst);
    outbox.hurry();
    leasing.join().unwrap();
    assert_eq!((outbox.figures().open, outbox.figures().held), (0, NanoUsd::ZERO));
    let desk = outbox.desk();
    for slot in desk.ledger.slots() {
        assert!(slot.is_balanced());
        assert_eq!((slot.spent, slot.unreported), (total, NanoUsd::ZERO), "what was spent is in the lease log");
    }
}

fn spawn<T: Send + 'static>(
    outbox: &Outbox,
    work: impl FnOnce(&Outbox) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let outbox = outbox.clone();
    thread::spawn(move || work(&outbox))
}

#[test]
fn callers_and_logs_in_any_order_spend_within_the_budget_and_nobody_waits_for_ever() {
    check(|| history(Manner::Proper));
}

#[test]
fn a_budget_that_is_checked_first_and_charged_later_is_found_out() {
    assert!(finds_out(|| history(Manner::CheckThenAdd)));
}

#[test]
fn a_caller_that_listens_too_late_is_found_out() {
    assert!(finds_out(|| history(Manner::ListensLate)));
}
