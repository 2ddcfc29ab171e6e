//! What tests of slices share: a gateway whose proposals are stored and read back.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Applied, Entry, Gap, Hold, Moment, Proposal, Refused, SliceLedger};
use crate::actor::Actor;
use crate::aggregate::{Mark, Trail};
use crate::budget::{Budget, BudgetLimit};
use crate::end_user::EndUserRef;
use crate::id::EventId;
use crate::lease::allot::Policy;
use crate::lease::checks::{Broken, Step};
use crate::lease::decide::Opening;
use crate::lease::recovery::Memory;
use crate::lease::tests::{DAY, NOON, gateway, usd};
use crate::lease::{Book, Event, Root};
use crate::limits::Limits;
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::Position;
use crate::tag::TagRef;
use crate::testing::samples::id;
use crate::time::{Period, Timestamp};

mod windows;
mod holding;
mod proposing;
mod chains;
mod conservation;
mod upkeep;

fn budget(scope: Scope, limits: &[(Period, i64)], set: u64) -> Budget {
    let mark = Mark { position: Position::new(set), at: NOON, by: Actor::operator() };
    let limit = |(period, nano): &(Period, i64)| BudgetLimit {
        period: *period,
        anchor: Timestamp::from_millis(0),
        limit_nano_usd: usd(*nano),
    };
    let limits = limits.iter().map(limit).collect();
    Budget {
        scope,
        realm: None,
        limits,
        reclaim_after_seconds: None,
        named: None,
        rates: Limits::default(),
        told_at_nano_usd: None,
        terms: crate::budget::Terms::default(),
        carried: Vec::new(),
        set: mark.position,
        trail: Trail::born(&mark),
    }
}

/// A realm's budget of 1,000 a day and 5,000 in all, below the gateway's of 10,000.
fn budgets() -> Vec<Budget> {
    vec![
        budget(Scope::Realm(id("acme")), &[(DAY, 1_000), (Period::Total, 5_000)], 5),
        budget(Scope::Gateway, &[(Period::Total, 10_000)], 6),
    ]
}

fn root_of(budget: &Budget) -> Root {
    match &budget.scope {
        Scope::Gateway | Scope::EndUser(EndUserRef { realm: None, .. }) | Scope::Tag(TagRef { realm: None, .. }) => {
            Root::Gateway
        }
        _ => Root::Realm(id("acme")),
    }
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
                let opening = Opening::new(budget, limit, usd(0), usd(wanted));
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

    fn suspend(&mut self, hold: Hold, cost: i64) -> Option<NanoUsd> {
        self.ledger.suspend(hold, usd(cost), self.now_ms).over
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
