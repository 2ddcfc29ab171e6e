//! What holds of a budget beside its limits: a raise for a while, when somebody is told, and where requests go that it
//! cannot pay for.

use serde::{Deserialize, Serialize};

use super::{Budget, BudgetLimit, Event, Rejection};
use crate::control::{Change, Control};
use crate::event::Event as AnyEvent;
use crate::id::ModelName;
use crate::money::NanoUsd;
use crate::patch::Patch;
use crate::scope::Scope;
use crate::time::Timestamp;

/// See the module. They stay when the limits change, and go with the last of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What each limit is raised by for a while.
    pub raise: Option<Raise>,
    /// Once so much counts in a window of the first limit, it is told. Nothing is refused for it.
    pub told_at_nano_usd: Option<NanoUsd>,
    /// The model that requests go to which the budget cannot pay for, if their key may call it. Without one they are refused.
    pub downgrade_to: Option<ModelName>,
}

/// More money for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raise {
    /// By how much each limit is raised, in nano-dollars.
    pub by_nano_usd: NanoUsd,
    /// Until when. From that moment on the limits are what they were.
    pub until: Timestamp,
}

/// Asks for other terms of a scope's budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviseBudget {
    /// The scope. Its budget must have a limit.
    pub scope: Scope,
    /// What each limit is raised by for a while.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub raise: Patch<Raise>,
    /// What is told once so much counts, in nano-dollars.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub told_at_nano_usd: Patch<NanoUsd>,
    /// Where requests go that the budget cannot pay for.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub downgrade_to: Patch<ModelName>,
}

/// The terms of a scope's budget changed. Fields that did not are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revised {
    /// The scope.
    pub scope: Scope,
    /// What each limit is raised by for a while.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub raise: Patch<Raise>,
    /// What is told once so much counts.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub told_at_nano_usd: Patch<NanoUsd>,
    /// Where requests go that the budget cannot pay for.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub downgrade_to: Patch<ModelName>,
}

impl ReviseBudget {
    /// A command that changes nothing yet.
    #[must_use]
    pub const fn nothing(scope: Scope) -> Self {
        Self { scope, raise: Patch::Keep, told_at_nano_usd: Patch::Keep, downgrade_to: Patch::Keep }
    }
}

impl Revised {
    /// What the command changes, less what is so already.
    fn new(command: &ReviseBudget, current: &Terms) -> Self {
        Self {
            scope: command.scope.clone(),
            raise: command.raise.against(current.raise.as_ref()),
            told_at_nano_usd: command.told_at_nano_usd.against(current.told_at_nano_usd.as_ref()),
            downgrade_to: command.downgrade_to.against(current.downgrade_to.as_ref()),
        }
    }

    const fn is_empty(&self) -> bool {
        self.raise.is_keep() && self.told_at_nano_usd.is_keep() && self.downgrade_to.is_keep()
    }

    /// Applies the change.
    pub(super) fn apply(&self, terms: &mut Terms) {
        self.raise.apply(&mut terms.raise);
        self.told_at_nano_usd.apply(&mut terms.told_at_nano_usd);
        self.downgrade_to.apply(&mut terms.downgrade_to);
    }
}

/// Decides [`ReviseBudget`].
///
/// # Errors
/// [`Rejection`].
pub fn revise(state: &Control, command: &ReviseBudget, now: Timestamp) -> Result<Vec<Change>, Rejection> {
    let scope = &command.scope;
    let owner = state.owner(scope).ok_or_else(|| Rejection::UnknownScope(scope.clone()))?;
    let budget = state.budget(scope).filter(|budget| !budget.limits.is_empty());
    let budget = budget.ok_or_else(|| Rejection::None(scope.clone()))?;
    let revised = Revised::new(command, &budget.terms);
    if revised.is_empty() {
        return Err(Rejection::NoChange(scope.clone()));
    }
    if let Patch::Set(amount) = &revised.told_at_nano_usd {
        not_negative(*amount)?;
    }
    if let Patch::Set(raise) = &revised.raise {
        not_negative(raise.by_nano_usd)?;
        if raise.until <= now {
            return Err(Rejection::RaiseOver(raise.until));
        }
    }
    Ok(vec![Change {
        realm: owner.realm,
        stream: scope.budget_stream(),
        event: AnyEvent::Budget(Event::Revised(revised)),
        cause: vec![budget.trail.changed.position],
    }])
}

fn not_negative(amount: NanoUsd) -> Result<(), Rejection> {
    if amount < NanoUsd::ZERO { Err(Rejection::Negative(amount)) } else { Ok(()) }
}

impl Raise {
    /// What a limit is at a moment, with a raise that it may have.
    #[must_use]
    pub fn of(limit: NanoUsd, raise: Option<Self>, now: Timestamp) -> NanoUsd {
        let in_force = raise.filter(|raise| now < raise.until);
        in_force.map_or(limit, |raise| limit.saturating_plus(raise.by_nano_usd))
    }
}

impl Budget {
    /// The soft limit: that of the terms, or else the named budget's.
    #[must_use]
    pub fn soft_limit(&self) -> Option<NanoUsd> {
        self.terms.told_at_nano_usd.or(self.told_at_nano_usd)
    }

    /// One of the budget's limits as it is at a moment for a window: raised, while it is, less what was spent elsewhere in it.
    #[must_use]
    pub fn limit_at(&self, limit: &BudgetLimit, window: Timestamp, now: Timestamp) -> NanoUsd {
        let elsewhere = self.carried_in(limit.period, window);
        Raise::of(limit.limit_nano_usd, self.terms.raise, now).saturating_minus(elsewhere).at_least_zero()
    }
}
