//! What was spent elsewhere, before a scope's budget was counted here: it counts in the window that it was spent in, and can
//! only become more.
//!
//! Such an amount lowers what the window's limit leaves to be given out; who tells people of the budget adds it back to both.

use serde::{Deserialize, Serialize};

use super::{Budget, BudgetLimit, Event, Rejection};
use crate::control::{Change, Control};
use crate::event::Event as AnyEvent;
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::time::{Period, Timestamp};

/// The most amounts of one budget: some sources for each of its limits.
pub const CARRIED_MAX: usize = 16;
/// The longest name of a source.
const SOURCE_MAX_CHARACTERS: usize = 256;

/// An amount that was spent elsewhere in a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The limit's period.
    pub period: Period,
    /// When the window began.
    pub window: Timestamp,
    /// Where it was spent.
    pub source: String,
    /// How much, in nano-dollars.
    pub spent_nano_usd: NanoUsd,
    /// What of it counts no more, since the window that never ends began anew after it was said.
    pub forgotten_nano_usd: NanoUsd,
}

/// Asks that what was spent elsewhere in a window that is open count here too.
///
/// It says what was spent there so far, not what came since it was last said: said again, it is counted once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarrySpend {
    /// The scope. Its budget must have a limit of the period.
    pub scope: Scope,
    /// The limit's period.
    pub period: Period,
    /// When the window ends that it was spent in; absent for one without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// Where it was spent.
    pub source: String,
    /// How much was spent there in all, in nano-dollars.
    pub spent_nano_usd: NanoUsd,
}

/// So much was spent elsewhere in a window, in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpendCarried {
    /// The scope.
    pub scope: Scope,
    /// The limit's period.
    pub period: Period,
    /// When the window began.
    pub window: Timestamp,
    /// Where it was spent.
    pub source: String,
    /// How much, in nano-dollars.
    pub spent_nano_usd: NanoUsd,
}

impl Carried {
    /// Whether it is of a window. There is one without end at a time.
    fn counts_in(&self, period: Period, window: Timestamp) -> bool {
        self.period == period && (period == Period::Total || self.window == window)
    }

    /// What of it counts.
    const fn counted(&self) -> NanoUsd {
        self.spent_nano_usd.saturating_minus(self.forgotten_nano_usd)
    }

    /// Whether it stays beside a limit. Where a window without end begins anew, what was said counts no more, and is
    /// remembered, since its source will say it again with what came since.
    fn stays(&mut self, limit: &BudgetLimit) -> bool {
        if self.is_of(limit) {
            return true;
        }
        let begins_anew = self.period == limit.period && self.period == Period::Total;
        if begins_anew {
            (self.window, self.forgotten_nano_usd) = (limit.anchor, self.spent_nano_usd);
        }
        begins_anew
    }

    /// Whether a limit still has the window.
    fn is_of(&self, limit: &BudgetLimit) -> bool {
        let begins = || limit.period.window_at(limit.anchor, self.window).map(|window| window.start);
        self.period == limit.period
            && limit.anchor <= self.window
            && (limit.period == Period::Total || begins() == Ok(self.window))
    }
}

/// What of several amounts counts in a window, together.
#[must_use]
pub fn carried_in(carried: &[Carried], period: Period, window: Timestamp) -> NanoUsd {
    let amounts = carried.iter().filter(|carried| carried.counts_in(period, window));
    amounts.fold(NanoUsd::ZERO, |sum, carried| sum.saturating_plus(carried.counted()))
}

/// Decides [`CarrySpend`].
///
/// # Errors
/// [`Rejection`].
pub fn carry(state: &Control, command: &CarrySpend, now: Timestamp) -> Result<Vec<Change>, Rejection> {
    let CarrySpend { scope, period, ends_at, source, spent_nano_usd } = command.clone();
    let owner = state.owner(&scope).ok_or_else(|| Rejection::UnknownScope(scope.clone()))?;
    let none = || Rejection::None(scope.clone());
    let budget = state.budget(&scope).ok_or_else(none)?;
    let limit = budget.limits.iter().find(|limit| limit.period == period).ok_or_else(none)?;
    if spent_nano_usd < NanoUsd::ZERO {
        return Err(Rejection::Negative(spent_nano_usd));
    }
    if !(1..=SOURCE_MAX_CHARACTERS).contains(&source.chars().count()) {
        return Err(Rejection::Source);
    }
    let open = limit.period.window_at(limit.anchor, now).map_err(|_| Rejection::Anchor(limit.anchor))?;
    if open.end != ends_at {
        return Err(Rejection::OtherWindow { said: ends_at, open: open.end });
    }
    let window = open.start;
    let is_known = |carried: &&Carried| carried.counts_in(period, window) && carried.source == source;
    let known = budget.carried.iter().find(is_known);
    let before = known.map_or(NanoUsd::ZERO, |known| known.spent_nano_usd);
    if spent_nano_usd == before {
        return Err(Rejection::NoChange(scope));
    }
    if spent_nano_usd < before {
        return Err(Rejection::CarriedLower { scope, carried: before, said: spent_nano_usd });
    }
    if known.is_none() && others(budget, period, window).count() >= CARRIED_MAX {
        return Err(Rejection::TooManyCarried);
    }
    let carried = SpendCarried { scope, period, window, source, spent_nano_usd };
    Ok(vec![Change {
        realm: owner.realm,
        stream: command.scope.budget_stream(),
        cause: vec![budget.trail.changed.position],
        event: AnyEvent::Budget(Event::SpendCarried(carried)),
    }])
}

/// What stays beside an amount that is carried into a window: what counts in it, and in windows of other periods.
fn others(budget: &Budget, period: Period, window: Timestamp) -> impl Iterator<Item = &Carried> {
    budget.carried.iter().filter(move |carried| carried.period != period || carried.counts_in(period, window))
}

impl Budget {
    /// What was spent elsewhere in a window, and counts in it.
    #[must_use]
    pub fn carried_in(&self, period: Period, window: Timestamp) -> NanoUsd {
        carried_in(&self.carried, period, window)
    }

    /// What was carried into windows of a period.
    #[must_use]
    pub fn carried_of(&self, period: Period) -> Vec<Carried> {
        self.carried.iter().filter(|carried| carried.period == period).cloned().collect()
    }

    /// Folds an amount: it takes the place of what the same source said before, and windows that are over are forgotten.
    pub(super) fn carry(&mut self, data: &SpendCarried) {
        let SpendCarried { scope: _, period, window, source, spent_nano_usd } = data.clone();
        let is_same = |other: &&Carried| other.counts_in(period, window) && other.source == source;
        let known = self.carried.iter().find(is_same);
        let forgotten_nano_usd = known.map_or(NanoUsd::ZERO, |known| known.forgotten_nano_usd);
        let mut carried: Vec<Carried> = others(self, period, window).filter(|other| !is_same(other)).cloned().collect();
        carried.push(Carried { period, window, source, spent_nano_usd, forgotten_nano_usd });
        self.carried = carried;
    }

    /// Forgets what was carried into windows that the limits have no more.
    pub(super) fn forget_carried(&mut self) {
        let Self { carried, limits, .. } = self;
        carried.retain_mut(|carried| limits.iter().any(|limit| carried.stays(limit)));
    }
}

#[cfg(test)]
mod tests;
