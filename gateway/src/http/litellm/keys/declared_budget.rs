//! The gateway's own budget, as a configuration file declares it.

use tallygate_core::actor::Actor;
use tallygate_core::budget::{Budget, NewBudgetLimit, SetBudget};
use tallygate_core::scope::Scope;
use tallygate_core::time::Timestamp;

use super::budget::BudgetRequest;
use crate::http::error::ApiError;
use crate::http::litellm::fields::Fields;

/// The command that makes the gateway's budget what a file says: `fields` are `max_budget` and `budget_duration`, none where
/// the file says nothing. None where it is so already, or was not the file's to begin with.
///
/// # Errors
/// 400 for what is no amount or no duration, and for a budget that others gave several limits.
pub(crate) fn command(
    fields: Option<&str>,
    current: Option<&Budget>,
    file: &Actor,
    now: Timestamp,
) -> Result<Option<SetBudget>, ApiError> {
    let set = |limits| SetBudget { scope: Scope::Gateway, limits, reclaim_after_seconds: None };
    let Some(fields) = fields else {
        let is_the_files =
            current.is_some_and(|current| current.trail.changed.by == *file && !current.limits.is_empty());
        return Ok(is_the_files.then(|| set(Vec::new())));
    };
    let there = current.map_or(&[][..], |current| &current.limits);
    let request = BudgetRequest::read(&Fields::read(fields.as_bytes())?)?;
    let limits = request.limits(there, now)?.unwrap_or_default();
    let same = |new: &NewBudgetLimit, is: &tallygate_core::budget::BudgetLimit| {
        new.period == is.period && new.limit_nano_usd == is.limit_nano_usd
    };
    let is_so = limits.len() == there.len() && limits.iter().zip(there).all(|(new, is)| same(new, is));
    Ok((!is_so).then(|| set(limits)))
}
