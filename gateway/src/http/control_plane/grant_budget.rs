//! `monthlyBudgetUsd` of a grant: the most that a realm, and what nests in it, may spend on the model in a calendar month of
//! UTC.

use serde_json::value::RawValue;
use tallygate_core::budget::{NewBudgetLimit, SetBudget};
use tallygate_core::control::Control;
use tallygate_core::id::{ModelName, RealmId};
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::time::{Alignment, Period, Timestamp};

use super::asked::refused;
use crate::http::error::ApiError;

const PARAM: &str = "monthlyBudgetUsd";
const MONTH: Period = Period::Months(1);

/// The command that sets the monthly limit of a model within a realm, and leaves its other limits; none if there is nothing to set.
///
/// # Errors
/// 400 for what is no amount of zero or more.
pub(super) fn set(
    control: &Control,
    (realm, model): (&RealmId, &ModelName),
    amount: Option<&RawValue>,
    now: Timestamp,
) -> Result<Option<SetBudget>, ApiError> {
    let Some(amount) = amount.map(RawValue::get).filter(|text| *text != "null") else { return Ok(None) };
    let limit_nano_usd = NanoUsd::parse_usd_limit(amount)
        .map_err(|error| refused(PARAM, format!("`{PARAM}` must be a number of dollars: {error}")))?;
    let scope = Scope::Model(realm.clone(), model.clone());
    let current = control.budget(&scope);
    let limits = current.map(|budget| budget.limits.as_slice()).unwrap_or_default();
    let kept = limits.iter().filter(|limit| limit.period != MONTH).map(|limit| NewBudgetLimit {
        period: limit.period,
        anchor: None,
        limit_nano_usd: limit.limit_nano_usd,
    });
    // Where there are months already they go on as they are: what was spent in this one counts.
    let anchor = match limits.iter().any(|limit| limit.period == MONTH) {
        true => None,
        false => Some(Alignment::Month.floor(now).map_err(|error| refused(PARAM, error))?),
    };
    let monthly = NewBudgetLimit { period: MONTH, anchor, limit_nano_usd };
    let reclaim_after_seconds = current.and_then(|budget| budget.reclaim_after_seconds);
    Ok(Some(SetBudget { scope, limits: kept.chain([monthly]).collect(), reclaim_after_seconds }))
}
