//! Budgets: how much a scope may spend in a window. What was spent is not here: limits are control, spending is
//! activity, and the ledger brings both together.

mod carried;
mod fold;
mod rejection;
mod terms;

use serde::{Deserialize, Serialize};

use crate::aggregate::{Trail, event_types};
use crate::control::{Change, Control, Owner};
use crate::event::Event as AnyEvent;
use crate::id::{BudgetId, RealmId};
use crate::limits::Limits;
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::Position;
use crate::time::{Period, Timestamp};

pub use carried::{CARRIED_MAX, Carried, CarrySpend, SpendCarried, carried_in, carry};
pub use fold::evolve;
pub(crate) use fold::spread;
pub use rejection::Rejection;
pub use terms::{Raise, ReviseBudget, Revised, Terms, revise};

/// The most limits of one scope.
pub const LIMITS_MAX: usize = 8;
/// The longest grace of a soft budget: a year.
pub const GRACE_MAX_SECONDS: u64 = 366 * 24 * 60 * 60;

/// A scope's budget: one limit for each period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// The scope.
    pub scope: Scope,
    /// The realm it is accounted under.
    pub realm: Option<RealmId>,
    /// The limits. All must hold.
    pub limits: Vec<BudgetLimit>,
    /// A soft budget takes the slices of a gateway that is gone back after so long, and may be overshot by them. None for
    /// a strict one, which waits until the gateway is back.
    pub reclaim_after_seconds: Option<u64>,
    /// The named budget whose limits these are; none for limits of its own.
    pub named: Option<BudgetId>,
    /// The rate limits that come with a named budget: they hold where the scope has none of its own.
    pub rates: Limits,
    /// The soft limit that comes with a named budget: it holds where the terms have none.
    pub told_at_nano_usd: Option<NanoUsd>,
    /// What holds beside the limits.
    pub terms: Terms,
    /// What was spent elsewhere in windows of the limits.
    pub carried: Vec<Carried>,
    /// The event that set them.
    pub set: Position,
    /// Its history.
    pub trail: Trail,
}

/// At most so much in each window of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetLimit {
    /// How long a window is.
    pub period: Period,
    /// Where windows are counted from.
    pub anchor: Timestamp,
    /// The most that may be spent in one, in nano-dollars.
    pub limit_nano_usd: NanoUsd,
}

/// Asks for a scope's budget, in place of the one it has. Without limits the scope has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetBudget {
    /// The scope.
    pub scope: Scope,
    /// The limits.
    pub limits: Vec<NewBudgetLimit>,
    /// Makes the budget soft: after so long a gateway that is gone loses its slices, and the budget may be overshot by
    /// them if it still spends. When absent the budget is strict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaim_after_seconds: Option<u64>,
}

/// A limit that is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewBudgetLimit {
    /// How long a window is.
    pub period: Period,
    /// Where windows are counted from; when absent, from now, or from where the limit of this period is counted now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Timestamp>,
    /// The most that may be spent in one, in nano-dollars.
    pub limit_nano_usd: NanoUsd,
}

/// Asks that what was spent of a scope's budget count no more: all its windows begin anew. What was spent stays on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetBudget {
    /// The scope.
    pub scope: Scope,
}

/// Asks that a scope's budget be a named one, in place of the one it has. To have limits of its own again: [`SetBudget`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachBudget {
    /// The scope.
    pub scope: Scope,
    /// The named budget.
    pub budget: BudgetId,
}

/// A scope has this budget from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The scope.
    pub scope: Scope,
    /// The limits. None: the scope has no budget.
    pub limits: Vec<BudgetLimit>,
    /// After how long a soft budget reclaims the slices of a gateway that is gone; absent for a strict one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaim_after_seconds: Option<u64>,
}

/// The windows of a scope's budget began anew: what was spent before counts in none of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// The scope.
    pub scope: Scope,
    /// The limits, whose windows are counted from that moment.
    pub limits: Vec<BudgetLimit>,
}

/// A scope's budget is a named one from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// The scope.
    pub scope: Scope,
    /// The named budget.
    pub budget: BudgetId,
}

event_types! {
    /// What happens to budgets.
    pub enum Event {
        /// It was set.
        Set(Set) = "budget.set", 1;
        /// Its windows began anew.
        Reset(Reset) = "budget.reset", 1;
        /// It is a named one.
        Attached(Attached) = "budget.attached", 1;
        /// Its terms changed.
        Revised(Revised) = "budget.revised", 1;
        /// What was spent elsewhere counts in one of its windows.
        SpendCarried(SpendCarried) = "budget.spend_carried", 1;
    }
}

/// Decides [`SetBudget`].
///
/// # Errors
/// [`Rejection`].
pub fn set(state: &Control, command: &SetBudget, now: Timestamp) -> Result<Vec<Change>, Rejection> {
    let owner = owner(state, &command.scope)?;
    if command.reclaim_after_seconds.is_some_and(|seconds| !(1..=GRACE_MAX_SECONDS).contains(&seconds)) {
        return Err(Rejection::Grace);
    }
    let budget = state.budget(&command.scope);
    let current = budget.map_or(&[][..], |budget| &budget.limits);
    let limits = limits_of(&command.limits, current, now)?;
    let is_named = budget.is_some_and(|budget| budget.named.is_some());
    let same_grace = budget.and_then(|budget| budget.reclaim_after_seconds) == command.reclaim_after_seconds;
    if limits == current && same_grace && !is_named {
        return Err(Rejection::NoChange(command.scope.clone()));
    }
    let reclaim_after_seconds = command.reclaim_after_seconds;
    let set = Set { scope: command.scope.clone(), limits, reclaim_after_seconds };
    Ok(vec![Change {
        realm: owner.realm,
        stream: command.scope.budget_stream(),
        event: AnyEvent::Budget(Event::Set(set)),
        cause: owner.since.into_iter().collect(),
    }])
}

/// Whom a scope that may have a budget belongs to.
fn owner(state: &Control, scope: &Scope) -> Result<Owner, Rejection> {
    match scope {
        Scope::Context(_) => Err(Rejection::NotForScope(scope.clone())),
        _ => state.owner(scope).ok_or_else(|| Rejection::UnknownScope(scope.clone())),
    }
}

/// The limits that are asked for, in the one order that there is: windows of a period that has a limit now go on where they
/// are, unless an anchor is named.
///
/// # Errors
/// [`Rejection`].
pub(crate) fn limits_of(
    new: &[NewBudgetLimit],
    current: &[BudgetLimit],
    now: Timestamp,
) -> Result<Vec<BudgetLimit>, Rejection> {
    if new.len() > LIMITS_MAX {
        return Err(Rejection::TooMany);
    }
    let mut limits: Vec<BudgetLimit> = Vec::with_capacity(new.len());
    for new in new {
        check(new)?;
        if limits.iter().any(|limit| limit.period == new.period) {
            return Err(Rejection::PeriodTwice);
        }
        let kept = current.iter().find(|limit| limit.period == new.period).map(|limit| limit.anchor);
        let anchor = new.anchor.or(kept).unwrap_or(now);
        new.period.window_at(anchor, now).map_err(|_| Rejection::Anchor(anchor))?;
        limits.push(BudgetLimit { period: new.period, anchor, limit_nano_usd: new.limit_nano_usd });
    }
    // The order says nothing, so there is one.
    limits.sort_by_key(|limit| limit.period);
    Ok(limits)
}

fn check(new: &NewBudgetLimit) -> Result<(), Rejection> {
    if new.limit_nano_usd < NanoUsd::ZERO {
        return Err(Rejection::Negative(new.limit_nano_usd));
    }
    match new.period {
        Period::Seconds(seconds) if seconds == 0 || seconds > crate::time::DURATION_MAX_SECONDS => {
            Err(Rejection::Period)
        }
        Period::Months(months) if months == 0 || months > 1_200 => Err(Rejection::Period),
        _ => Ok(()),
    }
}

/// Decides [`ResetBudget`]. Windows of days and months are counted from the reset on, not from midnight or the first.
///
/// # Errors
/// [`Rejection`].
pub fn reset(state: &Control, command: &ResetBudget, now: Timestamp) -> Result<Vec<Change>, Rejection> {
    let scope = &command.scope;
    let owner = state.owner(scope).ok_or_else(|| Rejection::UnknownScope(scope.clone()))?;
    let budget = state.budget(scope).filter(|budget| !budget.limits.is_empty());
    let budget = budget.ok_or_else(|| Rejection::None(scope.clone()))?;
    // A window that begins at this very moment is new already.
    if budget.limits.iter().all(|limit| limit.anchor == now) {
        return Err(Rejection::NoChange(scope.clone()));
    }
    let anew = |limit: &BudgetLimit| BudgetLimit { anchor: now, ..limit.clone() };
    let reset = Reset { scope: scope.clone(), limits: budget.limits.iter().map(anew).collect() };
    Ok(vec![Change {
        realm: owner.realm,
        stream: scope.budget_stream(),
        event: AnyEvent::Budget(Event::Reset(reset)),
        cause: vec![budget.trail.changed.position],
    }])
}

/// Decides [`AttachBudget`].
///
/// # Errors
/// [`Rejection`].
pub fn attach(state: &Control, command: &AttachBudget) -> Result<Vec<Change>, Rejection> {
    let AttachBudget { scope, budget } = command.clone();
    let owner = owner(state, &scope)?;
    let named = state.named_budget(&budget).ok_or_else(|| Rejection::Unnamed(budget.clone()))?;
    let current = state.budget(&scope);
    if current.and_then(|current| current.named.as_ref()) == Some(&budget) {
        return Err(Rejection::NoChange(scope));
    }
    Ok(vec![Change {
        realm: owner.realm,
        stream: scope.budget_stream(),
        event: AnyEvent::Budget(Event::Attached(Attached { scope, budget })),
        cause: vec![named.trail.changed.position],
    }])
}

/// What takes a scope's budget away when the scope itself goes; none where it has none.
pub(crate) fn withdrawn(state: &Control, scope: &Scope) -> Option<Change> {
    let budget = state.budget(scope).filter(|budget| !budget.limits.is_empty() || budget.named.is_some())?;
    let set = Set { scope: scope.clone(), limits: Vec::new(), reclaim_after_seconds: None };
    Some(Change {
        realm: budget.realm.clone(),
        stream: scope.budget_stream(),
        event: AnyEvent::Budget(Event::Set(set)),
        cause: vec![budget.trail.changed.position],
    })
}

impl Event {
    /// The scope it is about.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        match self {
            Self::Set(data) => &data.scope,
            Self::Reset(data) => &data.scope,
            Self::Attached(data) => &data.scope,
            Self::Revised(data) => &data.scope,
            Self::SpendCarried(data) => &data.scope,
        }
    }
}

#[cfg(test)]
mod tests;
