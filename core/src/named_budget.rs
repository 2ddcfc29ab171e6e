//! Named budgets: limits that many scopes have together, each with money of its own. When a named budget changes, it
//! changes for all of its holders at once.
//!
//! A holder's budget keeps a copy of the limits, which the fold makes anew with each change, so that a request reads one
//! row and no name. What may be partial in memory is loaded first ([`crate::control::Needs`]).

use serde::{Deserialize, Serialize};

use crate::aggregate::{Mark, Trail, event_types};
use crate::budget::{self, BudgetLimit, NewBudgetLimit};
use crate::control::{Change, Control};
use crate::event::Event as AnyEvent;
use crate::id::BudgetId;
use crate::limits::{Limits, LimitsPatch};
use crate::money::NanoUsd;
use crate::patch::Patch;
use crate::scope::Scope;
use crate::stream::{Position, StreamId};
use crate::time::Timestamp;

/// A budget that has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedBudget {
    /// Its name.
    pub budget: BudgetId,
    /// The limits that each holder has.
    pub limits: Vec<BudgetLimit>,
    /// The rate limits that each holder has where it has none of its own.
    pub rates: Limits,
    /// The soft limit that each holder has where it has none of its own.
    pub told_at_nano_usd: Option<NanoUsd>,
    /// Since which event it is removed. The name may be registered again.
    pub removed: Option<Position>,
    /// Its history.
    pub trail: Trail,
}

/// Asks for a new named budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterNamedBudget {
    /// Its name.
    pub budget: BudgetId,
    /// The limits that each holder has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<NewBudgetLimit>,
    /// The rate limits that each holder has where it has none of its own.
    #[serde(default)]
    pub rates: Limits,
    /// Once so much counts in a window of a holder's first limit, it is told, in nano-dollars. Nothing is refused for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at_nano_usd: Option<NanoUsd>,
}

/// Asks for changes of a named budget, and so of all its holders'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviseNamedBudget {
    /// Which.
    pub budget: BudgetId,
    /// The limits, in place of those that it has; absent, they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Vec<NewBudgetLimit>>,
    /// The rate limits.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_keep")]
    pub rates: LimitsPatch,
    /// The soft limit. It goes with the last limit.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub told_at_nano_usd: Patch<NanoUsd>,
}

/// Asks that a named budget be there no more. It must have no holder: nobody's limit ends unsaid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveNamedBudget {
    /// Which.
    pub budget: BudgetId,
}

/// A named budget came to be, or came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// Its name.
    pub budget: BudgetId,
    /// The limits.
    pub limits: Vec<BudgetLimit>,
    /// The rate limits.
    pub rates: Limits,
    /// The soft limit. Schema 1 knew of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at_nano_usd: Option<NanoUsd>,
}

/// A named budget, and with it that of each holder, changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revised {
    /// Which.
    pub budget: BudgetId,
    /// The limits, if they changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Vec<BudgetLimit>>,
    /// The rate limits that changed.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_keep")]
    pub rates: LimitsPatch,
    /// The soft limit, if it changed. Schema 1 knew of none.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub told_at_nano_usd: Patch<NanoUsd>,
}

/// A named budget is there no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Which.
    pub budget: BudgetId,
}

event_types! {
    /// What happens to named budgets.
    pub enum Event {
        /// It came to be.
        Registered(Registered) = "named_budget.registered", 2;
        /// It changed.
        Revised(Revised) = "named_budget.revised", 2;
        /// It is there no more.
        Removed(Removed) = "named_budget.removed", 1;
    }
}

/// Why a command about named budgets is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The limits cannot be.
    #[error(transparent)]
    Limits(#[from] budget::Rejection),
    /// There is one of that name.
    #[error("a budget named `{0}` is already registered")]
    AlreadyRegistered(BudgetId),
    /// There is none.
    #[error("there is no budget named `{0}`")]
    NotRegistered(BudgetId),
    /// Somebody has it.
    #[error("the budget named `{budget}` is that of {holder}, and may be of others: give them another first")]
    InUse {
        /// Which.
        budget: BudgetId,
        /// The first of its holders.
        holder: Scope,
    },
    /// It has no limit that a soft one could be of.
    #[error("the budget named `{0}` has no limit: set one first, or with its soft limit")]
    NoLimit(BudgetId),
    /// The command would change nothing.
    #[error("nothing about the budget named `{0}` would change")]
    NoChange(BudgetId),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Limits(rejection) => rejection.code(),
            Self::AlreadyRegistered(_) => "named_budget_already_registered",
            Self::NotRegistered(_) => "named_budget_not_registered",
            Self::InUse { .. } => "named_budget_in_use",
            Self::NoLimit(_) => "named_budget_without_limit",
            Self::NoChange(_) => "no_change",
        }
    }
}

/// The named budget, if it is there.
///
/// # Errors
/// [`Rejection::NotRegistered`].
pub fn registered<'a>(state: &'a Control, id: &BudgetId) -> Result<&'a NamedBudget, Rejection> {
    state.named_budget(id).ok_or_else(|| Rejection::NotRegistered(id.clone()))
}

/// Decides [`RegisterNamedBudget`].
///
/// # Errors
/// [`Rejection`].
pub fn register(state: &Control, command: &RegisterNamedBudget, now: Timestamp) -> Result<Vec<Change>, Rejection> {
    if state.named_budget(&command.budget).is_some() {
        return Err(Rejection::AlreadyRegistered(command.budget.clone()));
    }
    let limits = budget::limits_of(&command.limits, &[], now)?;
    let RegisterNamedBudget { budget, limits: _, rates, told_at_nano_usd } = command.clone();
    check_told_at(&budget, told_at_nano_usd, &limits)?;
    let registered = Registered { budget, limits, rates, told_at_nano_usd };
    Ok(vec![change(Event::Registered(registered), Vec::new())])
}

/// Decides [`ReviseNamedBudget`].
///
/// # Errors
/// [`Rejection`].
pub fn revise(state: &Control, command: &ReviseNamedBudget, now: Timestamp) -> Result<Vec<Change>, Rejection> {
    let current = registered(state, &command.budget)?;
    let limits = command.limits.as_ref().map(|new| budget::limits_of(new, &current.limits, now)).transpose()?;
    let limits = limits.filter(|limits| *limits != current.limits);
    let rates = command.rates.against(&current.rates);
    let have = limits.as_ref().unwrap_or(&current.limits);
    let asked = match &command.told_at_nano_usd {
        Patch::Keep if have.is_empty() => &Patch::Clear,
        asked => asked,
    };
    let told_at_nano_usd = asked.against(current.told_at_nano_usd.as_ref());
    if let Patch::Set(amount) = &told_at_nano_usd {
        check_told_at(&command.budget, Some(*amount), have)?;
    }
    if limits.is_none() && rates.is_keep() && told_at_nano_usd.is_keep() {
        return Err(Rejection::NoChange(command.budget.clone()));
    }
    let revised = Revised { budget: command.budget.clone(), limits, rates, told_at_nano_usd };
    Ok(vec![change(Event::Revised(revised), vec![current.trail.changed.position])])
}

/// A soft limit is one of a window, and a window is one of a limit.
fn check_told_at(budget: &BudgetId, told_at: Option<NanoUsd>, limits: &[BudgetLimit]) -> Result<(), Rejection> {
    match told_at {
        Some(amount) if amount < NanoUsd::ZERO => Err(budget::Rejection::Negative(amount).into()),
        Some(_) if limits.is_empty() => Err(Rejection::NoLimit(budget.clone())),
        _ => Ok(()),
    }
}

/// Decides [`RemoveNamedBudget`].
///
/// # Errors
/// [`Rejection`].
pub fn remove(state: &Control, command: &RemoveNamedBudget) -> Result<Vec<Change>, Rejection> {
    let current = registered(state, &command.budget)?;
    // A key that was revoked holds it no more, and so on.
    if let Some(holder) = state.holders(&command.budget).find(|holder| state.owner(holder).is_some()) {
        return Err(Rejection::InUse { budget: command.budget.clone(), holder: holder.clone() });
    }
    let removed = Removed { budget: command.budget.clone() };
    Ok(vec![change(Event::Removed(removed), vec![current.trail.changed.position])])
}

fn change(event: Event, cause: Vec<Position>) -> Change {
    Change { realm: None, stream: StreamId::named_budget(event.budget()), event: AnyEvent::NamedBudget(event), cause }
}

/// Folds what happened to a named budget, and so to its holders' budgets.
pub fn evolve(state: &mut Control, event: &Event, mark: &Mark) {
    match event {
        Event::Registered(data) => {
            let row = born(state, data, mark);
            state.named_budgets.put(data.budget.clone(), row);
        }
        Event::Revised(data) => {
            state.named_budgets.update(&data.budget, |row| {
                if let Some(limits) = &data.limits {
                    row.limits.clone_from(limits);
                }
                data.rates.apply(&mut row.rates);
                data.told_at_nano_usd.apply(&mut row.told_at_nano_usd);
                row.trail.step(mark);
            });
            budget::spread(state, &data.budget, mark);
        }
        Event::Removed(data) => state.named_budgets.update(&data.budget, |row| {
            row.removed = Some(mark.position);
            row.trail.step(mark);
        }),
    }
}

/// One that comes back goes on in the stream that it had.
fn born(state: &Control, data: &Registered, mark: &Mark) -> NamedBudget {
    let trail = match state.named_budgets.get(&data.budget) {
        Some(earlier) => Trail { version: earlier.trail.version + 1, ..Trail::born(mark) },
        None => Trail::born(mark),
    };
    let Registered { budget, limits, rates, told_at_nano_usd } = data.clone();
    NamedBudget { budget, limits, rates, told_at_nano_usd, removed: None, trail }
}

impl Event {
    /// The named budget it is about.
    #[must_use]
    pub const fn budget(&self) -> &BudgetId {
        match self {
            Self::Registered(data) => &data.budget,
            Self::Revised(data) => &data.budget,
            Self::Removed(data) => &data.budget,
        }
    }
}

#[cfg(test)]
mod tests;
