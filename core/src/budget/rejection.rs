//! Why commands about budgets are refused.

use super::{CARRIED_MAX, LIMITS_MAX};
use crate::id::BudgetId;
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::time::Timestamp;

/// Why a command about budgets is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The scope does not exist.
    #[error("there is no {0} to set a budget for")]
    UnknownScope(Scope),
    /// Conversations are paid for by their agent.
    #[error("{0} has no budget of its own: set one for the agent, for its key in a realm, or for the realm")]
    NotForScope(Scope),
    /// The scope has no budget.
    #[error("{0} has no budget with a limit: set one first")]
    None(Scope),
    /// Below zero.
    #[error("a budget's limit is at least 0, not {0}")]
    Negative(NanoUsd),
    /// Two limits of one period.
    #[error("a budget has one limit for each period")]
    PeriodTwice,
    /// A period of no length, or longer than a century.
    #[error("a budget's period is at least one second and at most a hundred years")]
    Period,
    /// Windows cannot be counted from there.
    #[error("windows of a budget cannot be counted from {0}: they leave the years that can be computed with")]
    Anchor(Timestamp),
    /// A grace of no length, or longer than a year.
    #[error("a soft budget reclaims after one second at least and a year at most")]
    Grace,
    /// Too many.
    #[error("a budget has at most {LIMITS_MAX} limits")]
    TooMany,
    /// No such named budget.
    #[error("there is no budget named `{0}`")]
    Unnamed(BudgetId),
    /// A raise that is over already.
    #[error("a budget is raised until a moment to come, not {0}")]
    RaiseOver(Timestamp),
    /// The window that it was spent in is not the open one.
    #[error("the open window {}, and the one that was named {}: what was spent in another counts nowhere", end(.open), end(.said))]
    OtherWindow {
        /// When the window ends that it was spent in.
        said: Option<Timestamp>,
        /// When the open one ends.
        open: Option<Timestamp>,
    },
    /// Less than was said before.
    #[error(
        "{said} dollars are less than the {carried} that were carried over for {scope} already: what was spent is never lowered"
    )]
    CarriedLower {
        /// The scope.
        scope: Scope,
        /// What counts.
        carried: NanoUsd,
        /// What was said now.
        said: NanoUsd,
    },
    /// A name of no length, or a long one.
    #[error("where something was spent is said in 1 to 256 characters")]
    Source,
    /// Too many sources.
    #[error("a budget has at most {CARRIED_MAX} amounts that were spent elsewhere")]
    TooManyCarried,
    /// The command would change nothing.
    #[error("the budget of {0} would not change")]
    NoChange(Scope),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownScope(_) => "budget_scope_unknown",
            Self::NotForScope(_) => "budget_scope_unsupported",
            Self::None(_) => "budget_not_set",
            Self::Negative(_) => "budget_negative",
            Self::PeriodTwice => "budget_period_twice",
            Self::Period => "budget_period_invalid",
            Self::Anchor(_) => "budget_anchor_invalid",
            Self::Grace => "budget_grace_invalid",
            Self::TooMany => "budget_too_many_limits",
            Self::Unnamed(_) => "budget_name_unknown",
            Self::RaiseOver(_) => "budget_raise_over",
            Self::OtherWindow { .. } => "budget_window_other",
            Self::CarriedLower { .. } => "budget_carried_lower",
            Self::Source => "budget_source_invalid",
            Self::TooManyCarried => "budget_too_many_carried",
            Self::NoChange(_) => "no_change",
        }
    }
}

/// A window's end, in words.
fn end(at: &Option<Timestamp>) -> String {
    at.map_or_else(|| "never ends".to_owned(), |at| format!("ends at {at}"))
}
