//! One slice as its gateway sees it: what the log says, and what has happened since.

use super::super::allot::Rate;
use super::super::book::{Book, Slice};
use super::super::{AccountId, Epoch, wide};
use crate::activity::Charged;
use crate::budget::{Budget, BudgetLimit, Raise};
use crate::id::WriterId;
use crate::money::NanoUsd;
use crate::stream::Position;
use crate::time::Timestamp;

/// A slice of one account.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The account.
    pub account: AccountId,
    /// The same, for settlements.
    pub(super) charged: Charged,
    /// Its number in this process. It is never used again.
    pub serial: u32,
    pub(super) chain: u32,
    /// Whether its window is the open one.
    pub is_current: bool,
    /// When its window ends, by the calendar.
    pub ends_at: Option<Timestamp>,
    /// The newest limit that was seen, in the log or in a request's snapshot.
    pub limit: NanoUsd,
    /// By how much the limit is lower for what was spent elsewhere in the window.
    pub(super) elsewhere: NanoUsd,
    /// When the raise ends that the limit has now, and the limit after it.
    falls: Option<(Timestamp, NanoUsd)>,
    pub(super) control: Position,

    // What the log says.
    pub(super) out: NanoUsd,
    pub(super) gone: NanoUsd,
    pub(super) posted: NanoUsd,
    pub(super) suspense: NanoUsd,
    pub(super) others_out: NanoUsd,

    // What has happened since.
    /// Held by requests that run.
    pub held: NanoUsd,
    /// How many requests run against it.
    pub open: u64,
    /// Settled under this epoch, ever.
    pub spent: NanoUsd,
    /// Settled, and not in the log yet.
    pub unreported: NanoUsd,
    /// Of unknown end, and not in the log yet.
    pub suspending: NanoUsd,
    /// Proposed to be given back.
    pub(super) returning: NanoUsd,

    // What decides the next refill.
    pub(super) rate: Rate,
    pub(super) low_water: NanoUsd,
    pub(super) need: NanoUsd,
    pub(super) need_at_ms: u64,
    pub(super) wanted: NanoUsd,
    pub(super) used_at_ms: u64,
    pub(super) unreported_since_ms: u64,
    flow: Flow,
    /// What the log said when the slot was made: an earlier slot of the same account was let go of.
    suspended_before: NanoUsd,
}

/// What became of all that was ever held: held = settled + released + suspense + open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// Held, ever.
    pub held: u128,
    /// Ended by settlement. The amounts that were held, not what they cost.
    pub settled: u128,
    /// Ended by release.
    pub released: u128,
    /// Ended in suspense.
    pub suspended: u128,
}

impl Slot {
    pub(super) fn new(serial: u32, chain: u32, account: AccountId, now_ms: u64) -> Self {
        let zero = NanoUsd::ZERO;
        Self {
            charged: Charged::from(account.clone()),
            account,
            serial,
            chain,
            is_current: false,
            ends_at: None,
            limit: zero,
            elsewhere: zero,
            falls: None,
            control: Position::START,
            out: zero,
            gone: zero,
            posted: zero,
            suspense: zero,
            others_out: zero,
            held: zero,
            open: 0,
            spent: zero,
            unreported: zero,
            suspending: zero,
            returning: zero,
            rate: Rate::from(now_ms),
            low_water: zero,
            need: zero,
            need_at_ms: 0,
            wanted: zero,
            used_at_ms: now_ms,
            unreported_since_ms: 0,
            flow: Flow::default(),
            suspended_before: zero,
        }
    }

    /// What may still be held. Below zero when requests cost more than they held.
    #[must_use]
    pub const fn free(&self) -> NanoUsd {
        self.out
            .saturating_minus(self.held)
            .saturating_minus(self.unreported)
            .saturating_minus(self.suspending)
            .saturating_minus(self.returning)
    }

    /// What certainly counts against the limit: what others have in their slices may come back, this will not.
    #[must_use]
    pub const fn counted(&self) -> NanoUsd {
        self.posted
            .saturating_plus(self.suspense)
            .saturating_plus(self.unreported)
            .saturating_plus(self.suspending)
            .saturating_plus(self.held)
    }

    /// What became of all that was held.
    #[must_use]
    pub const fn flow(&self) -> Flow {
        self.flow
    }

    /// Whether nothing hangs on it: it may be forgotten.
    pub(super) fn is_empty(&self) -> bool {
        let zero = NanoUsd::ZERO;
        self.open == 0
            && [self.out, self.gone, self.unreported, self.suspending, self.returning].iter().all(|sum| *sum == zero)
    }

    /// A request's snapshot knows this limit. A budget that is raised for a while has two limits by one event, and the
    /// clock says which.
    pub(super) fn heed_limit(&mut self, budget: &Budget, limit: &BudgetLimit, now: Timestamp) {
        if budget.set >= self.control {
            let raise = budget.terms.raise.filter(|raise| now < raise.until);
            let window = self.account.window;
            self.limit = budget.limit_at(limit, window, now);
            self.elsewhere = Raise::of(limit.limit_nano_usd, raise, now).saturating_minus(self.limit);
            self.falls = raise.map(|raise| (raise.until, budget.limit_at(limit, window, raise.until)));
            self.control = budget.set;
        }
    }

    fn learn_limit(&mut self, limit: NanoUsd, set: Position) {
        if set > self.control {
            self.limit = limit;
            self.elsewhere = NanoUsd::ZERO;
            self.falls = None;
            self.control = set;
        }
    }

    /// Ends a raise that is over, though no request came since.
    pub(super) fn end_raise(&mut self, now: Timestamp) {
        if let Some((_, limit)) = self.falls.take_if(|(end, _)| *end <= now) {
            self.limit = limit;
        }
    }

    /// Goes on from what the log says of this boot, when an earlier slot of the account was let go of.
    pub(super) fn go_on(&mut self, own: &Slice) {
        self.spent = own.spent;
        self.suspended_before = own.suspended;
    }

    pub(super) fn mirror(&mut self, book: &Book, gateway: &WriterId, epoch: Option<Epoch>) {
        self.is_current = book.is_current(&self.account);
        let Some(row) = book.account(&self.account) else {
            let zero = NanoUsd::ZERO;
            (self.out, self.gone, self.suspense, self.others_out) = (zero, zero, zero, zero);
            return;
        };
        self.learn_limit(row.limit, row.control);
        self.ends_at = row.ends_at;
        self.posted = row.posted;
        self.suspense = row.suspense();
        let own = epoch.and_then(|epoch| row.slice(gateway, epoch));
        self.out = own.map_or(NanoUsd::ZERO, |slice| slice.out);
        self.gone = own.map_or(NanoUsd::ZERO, |slice| slice.gone);
        self.others_out = row.out().saturating_minus(self.out.at_least_zero());
    }

    pub(super) fn take(&mut self, amount: NanoUsd, now_ms: u64) {
        self.held = self.held.saturating_plus(amount);
        self.open += 1;
        self.flow.held += unsigned(amount);
        self.used_at_ms = now_ms;
        if amount >= self.need {
            self.need = NanoUsd::ZERO;
        }
    }

    pub(super) fn settle(&mut self, amount: NanoUsd, cost: NanoUsd, now_ms: u64) {
        self.let_go(amount);
        self.flow.settled += unsigned(amount);
        self.spend(cost, now_ms);
    }

    /// The cost counts as spent; what was held beyond it, nobody knows.
    pub(super) fn suspend(&mut self, amount: NanoUsd, cost: NanoUsd, now_ms: u64) {
        self.let_go(amount);
        let rest = amount.saturating_minus(cost).at_least_zero();
        self.flow.settled += unsigned(amount.saturating_minus(rest));
        self.flow.suspended += unsigned(rest);
        self.suspending = self.suspending.saturating_plus(rest);
        self.spend(cost, now_ms);
    }

    fn spend(&mut self, cost: NanoUsd, now_ms: u64) {
        if self.unreported == NanoUsd::ZERO {
            self.unreported_since_ms = now_ms;
        }
        self.spent = self.spent.saturating_plus(cost);
        self.unreported = self.unreported.saturating_plus(cost);
        self.rate.add(cost);
    }

    pub(super) fn release(&mut self, amount: NanoUsd) {
        self.let_go(amount);
        self.flow.released += unsigned(amount);
    }

    fn let_go(&mut self, amount: NanoUsd) {
        self.held = self.held.saturating_minus(amount);
        self.open = self.open.saturating_sub(1);
    }

    /// Put into suspense under this epoch, ever.
    #[must_use]
    pub fn suspended(&self) -> NanoUsd {
        let since = NanoUsd::new(i64::try_from(self.flow.suspended).unwrap_or(i64::MAX));
        self.suspended_before.saturating_plus(since)
    }

    /// Whether held = settled + released + suspense + open.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let Flow { held, settled, released, suspended } = self.flow;
        held == settled + released + suspended + unsigned(self.held)
    }
}

/// Amounts that are held are zero or more.
fn unsigned(amount: NanoUsd) -> u128 {
    u128::try_from(wide(amount)).unwrap_or(0)
}
