//! A budget of LiteLLM's, as the commands that make the same one here: with its windows, and with what was spent in the one that
//! is open.

use serde_json::Value;
use tallygate_core::budget::{AttachBudget, CarrySpend, NewBudgetLimit};
use tallygate_core::command::Command;
use tallygate_core::id::BudgetId;
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::time::{Period, Timestamp, Window};

use super::super::budget::BudgetRequest;
use crate::http::error::ApiError;
use crate::http::litellm::fields::Fields;

/// Where what is carried over was spent.
const SOURCE: &str = "litellm";

/// What LiteLLM says was spent of a budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// `spend`.
    pub(crate) amount: NanoUsd,
    /// `budget_reset_at`: when the window ends that it was spent in.
    pub(crate) resets_at: Option<Timestamp>,
}

/// What makes a budget here.
#[derive(Debug, Default)]
pub(crate) struct ImportedBudget {
    pub(crate) commands: Vec<Command>,
    /// What was spent in the open window. It needs the budget first.
    pub(crate) spend: Option<CarrySpend>,
    /// Why something was spent that does not count here.
    pub(crate) uncounted: Option<&'static str>,
}

/// A budget of a scope's own. `fields` are `max_budget`, `budget_duration` and `soft_budget`.
///
/// # Errors
/// 400 for what is no amount or no duration.
pub(crate) fn own(fields: &Value, scope: Scope, spent: Spent, now: Timestamp) -> Result<ImportedBudget, ApiError> {
    let body = fields.to_string();
    let mut commands = BudgetRequest::read(&Fields::read(body.as_bytes())?)?.commands(scope.clone(), None, now)?;
    let mut limits = Vec::new();
    for command in &mut commands {
        if let Command::SetBudget(set) = command {
            align(&mut set.limits, spent.resets_at, now);
            limits.clone_from(&set.limits);
        }
    }
    let (spend, uncounted) = carried(&limits, scope, spent, now);
    Ok(ImportedBudget { commands, spend, uncounted })
}

/// A named budget, with the limits that it has.
pub(crate) fn named(
    budget: BudgetId,
    limits: &[NewBudgetLimit],
    scope: Scope,
    spent: Spent,
    now: Timestamp,
) -> ImportedBudget {
    let commands = vec![AttachBudget { scope: scope.clone(), budget }.into()];
    let (spend, uncounted) = carried(limits, scope, spent, now);
    ImportedBudget { commands, spend, uncounted }
}

/// The limits of a named budget, and its soft limit.
///
/// # Errors
/// 400 for what is no amount or no duration.
pub(crate) fn limits_of(
    fields: &Value,
    resets_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Vec<NewBudgetLimit>, Option<NanoUsd>), ApiError> {
    let body = fields.to_string();
    let request = BudgetRequest::read(&Fields::read(body.as_bytes())?)?;
    let mut limits = request.limits(&[], now)?.unwrap_or_default();
    align(&mut limits, resets_at, now);
    Ok((limits, request.soft().clone().into_value()))
}

/// Lets windows end where they end there, if that can be: the one that is open there is open here.
fn align(limits: &mut [NewBudgetLimit], resets_at: Option<Timestamp>, now: Timestamp) {
    let Some(end) = resets_at.filter(|end| *end > now) else { return };
    for limit in limits {
        let anchor = limit.period.anchor_of_end(end).ok().flatten().filter(|anchor| *anchor <= now);
        if window(limit, now).and_then(|window| window.end) != Some(end) && anchor.is_some() {
            let known = std::mem::replace(&mut limit.anchor, anchor);
            // A day that a short month does not have.
            if window(limit, now).and_then(|window| window.end) != Some(end) {
                limit.anchor = known;
            }
        }
    }
}

fn window(limit: &NewBudgetLimit, now: Timestamp) -> Option<Window> {
    limit.period.window_at(limit.anchor.unwrap_or(now), now).ok()
}

/// What was spent counts in the window that is open, if it is the same as there.
fn carried(
    limits: &[NewBudgetLimit],
    scope: Scope,
    spent: Spent,
    now: Timestamp,
) -> (Option<CarrySpend>, Option<&'static str>) {
    let Some(limit) = limits.first().filter(|_| spent.amount > NanoUsd::ZERO) else { return (None, None) };
    let carry = CarrySpend {
        scope,
        period: limit.period,
        ends_at: spent.resets_at.filter(|_| limit.period != Period::Total),
        source: SOURCE.to_owned(),
        spent_nano_usd: spent.amount,
    };
    match spent.resets_at {
        _ if limit.period == Period::Total => (Some(carry), None),
        None => (None, Some("no end of its window is known: it begins anew")),
        // It would be set to zero there by now.
        Some(end) if end <= now => (None, None),
        Some(end) if window(limit, now).and_then(|window| window.end) == Some(end) => (Some(carry), None),
        Some(_) => (None, Some("its window does not end as those here do: it begins anew")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tallygate_core::command::Command;
    use tallygate_core::money::NanoUsd;
    use tallygate_core::scope::Scope;
    use tallygate_core::time::Timestamp;

    use super::{ImportedBudget, Spent, own};

    const NOW: &str = "2026-11-20T10:15:30Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn of(duration: Option<&str>, resets_at: Option<&str>) -> ImportedBudget {
        let fields = json!({ "max_budget": 5, "budget_duration": duration });
        let spent = Spent { amount: NanoUsd::new(2), resets_at: resets_at.map(at) };
        own(&fields, Scope::Gateway, spent, at(NOW)).unwrap()
    }

    fn anchor(budget: &ImportedBudget) -> Option<Timestamp> {
        let Some(Command::SetBudget(set)) = budget.commands.first() else { panic!("{budget:?}") };
        set.limits[0].anchor
    }

    #[test]
    fn what_was_spent_in_a_window_counts_where_the_window_ends_as_it_does_there() {
        for (duration, resets_at, begins) in [
            ("30d", "2026-12-01T00:00:00Z", "2026-11-01T00:00:00Z"),
            ("30d", "2026-12-04T09:00:00Z", "2026-11-04T09:00:00Z"),
            ("1d", "2026-11-21T00:00:00Z", "2026-11-20T00:00:00Z"),
            ("10d", "2026-11-22T00:00:00Z", "2026-11-12T00:00:00Z"),
        ] {
            let budget = of(Some(duration), Some(resets_at));
            assert_eq!(anchor(&budget), Some(at(begins)), "{duration} {resets_at}");
            assert_eq!(budget.spend.map(|spend| spend.spent_nano_usd), Some(NanoUsd::new(2)), "{duration} {resets_at}");
        }
        assert!(of(None, None).spend.is_some(), "a window without end");
    }

    #[test]
    fn what_was_spent_in_another_window_does_not_count_and_it_is_said_why() {
        let over = of(Some("30d"), Some("2026-11-01T00:00:00Z"));
        assert!(over.spend.is_none() && over.uncounted.is_none(), "there it is zero by now: {over:?}");
        for resets_at in [None, Some("2027-03-01T00:00:00Z")] {
            let budget = of(Some("30d"), resets_at);
            assert_eq!(anchor(&budget), Some(at("2026-11-01T00:00:00Z")), "{resets_at:?}");
            assert!(budget.spend.is_none() && budget.uncounted.is_some(), "{resets_at:?}");
        }
    }
}
