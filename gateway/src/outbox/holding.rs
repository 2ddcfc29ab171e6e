//! Holds: placed on the slices, written to the journal, and ended once.

use std::sync::MutexGuard;

use tallygate_core::activity::Charged;
use tallygate_core::budget::Budget;
use tallygate_core::id::RequestId;
use tallygate_core::lease::decide::Opening;
use tallygate_core::lease::slices::{Hold, Moment, Refused, Unavailable};
use tallygate_core::lease::{Root, SliceLedger};
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::stream::Position;
use tallygate_core::time::{Period, Timestamp};

use super::{Desk, Happened, Outbox};
use crate::sabotage::Sabotage;

/// A hold that ends by itself: dropped without a settlement it is released.
#[derive(Debug)]
pub(crate) struct Held {
    outbox: Outbox,
    hold: Option<Hold>,
    charged: Vec<Charged>,
    /// Whether any of the budgets must not be overshot, whatever becomes of the request.
    is_strict: bool,
}

impl Outbox {
    /// Holds an amount on every budget of a chain, or on none. The request may be sent once the hold is
    /// [written down](Outbox::written_down).
    pub(crate) fn place(&self, budgets: &[&Budget], amount: NanoUsd, request: RequestId) -> Result<Held, Refused> {
        let now = self.moment();
        let mut desk = self.desk();
        let Desk { ledger, journal, is_short, .. } = &mut *desk;
        let placed = ledger.place(budgets.iter().copied(), amount, now);
        *is_short |= matches!(placed, Err(Refused::Short { .. }));
        let mut hold = placed?;
        if Sabotage::CheckThenAdd.is_done() {
            ledger.release(hold);
            hold = ledger.place(budgets.iter().copied(), NanoUsd::ZERO, now)?;
        }
        journal.held(ledger, &hold, request);
        let charged = ledger.parts(&hold).map(|part| part.charged.clone()).collect();
        // What others needed may count as met by this: they say again what they need.
        self.tell_short(desk);
        let is_strict = budgets.iter().any(|budget| budget.reclaim_after_seconds.is_none());
        Ok(Held { outbox: self.clone(), hold: Some(hold), charged, is_strict })
    }

    /// The most that could be held on every budget of a chain; none without budgets.
    pub(crate) fn available(&self, budgets: &[&Budget]) -> Option<NanoUsd> {
        self.desk().ledger.available(budgets.iter().copied(), self.0.clock.now())
    }

    /// What certainly counts in the open window of a limit, and when that window began.
    pub(crate) fn counted(&self, scope: &Scope, period: Period) -> Option<(Timestamp, NanoUsd)> {
        self.desk().ledger.counted(scope, period)
    }

    /// Asks the log for a chain to take part in, and for windows that are not open.
    pub(crate) fn ask(&self, openings: impl IntoIterator<Item = (Root, Option<Opening>)>) {
        let mut desk = self.desk();
        for (root, opening) in openings {
            if let Some(opening) = opening {
                desk.ledger.ask(&root, opening);
            }
            desk.leases.wanted.insert(root);
        }
        drop(desk);
        self.hurry();
    }

    /// Ends a request that held something, and records what happened: it survives the process once it is
    /// [written down](Outbox::written_down). Tells by how much it cost more than it held.
    pub(crate) fn settle(&self, held: Held, cost: NanoUsd, happened: Happened) -> Option<NanoUsd> {
        self.end_hold(held, cost, happened, false)
    }

    /// As [`Outbox::settle`], of a request that was cut off: `cost` is what was seen of it. What it held beyond that goes
    /// into suspense, unless all its budgets are soft.
    pub(crate) fn suspend(&self, held: Held, cost: NanoUsd, happened: Happened) -> Option<NanoUsd> {
        let is_strict = held.is_strict && !Sabotage::ForgetUnseen.is_done();
        self.end_hold(held, cost, happened, is_strict)
    }

    fn end_hold(&self, mut held: Held, cost: NanoUsd, happened: Happened, is_unknown: bool) -> Option<NanoUsd> {
        let again = Sabotage::SettleTwice.is_done().then(|| happened.clone());
        let draft = self.draft(happened);
        let now_ms = self.0.clock.steady_ms();
        let mut desk = self.desk();
        let mut over = None;
        if let Some(hold) = held.hold.take() {
            let Desk { ledger, journal, records, .. } = &mut *desk;
            let waiting = draft.and_then(|draft| records.place(draft));
            // A record that cannot be made is lost, and the money is not.
            let (position, record): (Position, &[u8]) =
                waiting.as_ref().map_or((Position::START, &[]), |waiting| (waiting.position, &waiting.unsealed));
            let settled = if is_unknown {
                journal.suspended(&hold, cost, position, record);
                ledger.suspend(hold, cost, now_ms)
            } else {
                journal.settled(&hold, cost, position, record);
                ledger.settle(hold, cost, now_ms)
            };
            over = settled.over;
            if let Some(waiting) = waiting {
                records.push(waiting);
            }
        }
        self.tell_short(desk);
        self.0.arrived.notify_one();
        if let Some(happened) = again {
            self.note(happened);
        }
        over.filter(|_| !Sabotage::CheckThenAdd.is_done())
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { at: self.0.clock.now(), ms: self.0.clock.steady_ms() }
    }

    fn release(&self, hold: Hold) {
        let mut desk = self.desk();
        let Desk { ledger, journal, .. } = &mut *desk;
        // It goes with the next write: a process that is killed before leaves it in suspense.
        journal.released(&hold);
        ledger.release(hold);
        self.tell_short(desk);
    }

    /// A slice has changed: whoever found one too small before tries again.
    fn tell_short(&self, mut desk: MutexGuard<'_, Desk>) {
        let is_short = std::mem::take(&mut desk.is_short);
        drop(desk);
        if is_short {
            self.0.changed.notify_waiters();
        }
    }
}

impl Held {
    /// The accounts that are held on. Taken once, for the record of what was charged.
    pub(crate) fn take_charged(&mut self) -> Vec<Charged> {
        std::mem::take(&mut self.charged)
    }

    /// How much is held on each account.
    pub(crate) fn amount(&self) -> NanoUsd {
        self.hold.as_ref().map_or(NanoUsd::ZERO, Hold::amount)
    }

    /// The rule before each send: whether the request may be sent still. If not, the hold is to be dropped.
    pub(crate) fn check(&self) -> Result<(), Unavailable> {
        let Some(hold) = &self.hold else { return Ok(()) };
        let now_ms = self.outbox.0.clock.steady_ms();
        let ledger: &SliceLedger = &self.outbox.desk().ledger;
        ledger.check(hold, now_ms)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            self.outbox.release(hold);
        }
    }
}
