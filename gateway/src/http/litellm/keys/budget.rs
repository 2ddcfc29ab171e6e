//! `max_budget` and `budget_duration`: one limit, whose windows begin where LiteLLM's do; or `budget_id`: a named budget.

use serde_json::Value;
use tallygate_core::budget::{AttachBudget, Budget, BudgetLimit, NewBudgetLimit, ReviseBudget, SetBudget, Terms};
use tallygate_core::command::Command;
use tallygate_core::id::BudgetId;
use tallygate_core::money::NanoUsd;
use tallygate_core::patch::Patch;
use tallygate_core::scope::Scope;
use tallygate_core::time::{Alignment, Duration, Period, TimeError, Timestamp};

use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::fields::Fields;

use super::terms;

const DURATION: &str = "budget_duration";
const NAME: &str = "budget_id";

/// What a request says about a budget.
#[derive(Debug, Clone)]
pub(in crate::http::litellm) struct BudgetRequest {
    named: Patch<BudgetId>,
    soft: Patch<NanoUsd>,
    raise: Patch<terms::Raise>,
    max: Patch<NanoUsd>,
    windows: Patch<Windows>,
}

/// The windows of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Windows {
    period: Period,
    aligned: Alignment,
}

impl BudgetRequest {
    /// Reads it.
    ///
    /// # Errors
    /// 422 for another type, 400 for what is no amount or no duration.
    pub(in crate::http::litellm) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            named: fields.id(NAME, BudgetId::new)?,
            soft: fields.usd("soft_budget")?,
            raise: terms::raise(fields)?,
            max: fields.usd("max_budget")?,
            windows: fields.id(DURATION, |text| windows(&text))?,
        })
    }

    /// The soft limit.
    pub(in crate::http::litellm) const fn soft(&self) -> &Patch<NanoUsd> {
        &self.soft
    }

    /// The commands that make the budget of a scope what is said; none where nothing is said.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub(in crate::http::litellm) fn commands(
        &self,
        scope: Scope,
        current: Option<&Budget>,
        now: Timestamp,
    ) -> Result<Vec<Command>, ApiError> {
        let raise = self.raise.clone().try_map(|raise| raise.from(now))?;
        let revise =
            ReviseBudget { told_at_nano_usd: self.soft.clone(), raise, ..ReviseBudget::nothing(scope.clone()) };
        let sets = matches!(revise.told_at_nano_usd, Patch::Set(_)) || matches!(revise.raise, Patch::Set(_));
        let command = self.command(scope.clone(), current, now)?;
        let keeps_a_limit = match &command {
            Some(Command::SetBudget(data)) => !data.limits.is_empty(),
            Some(_) => true,
            None => current.is_some_and(|current| !current.limits.is_empty()),
        };
        if sets && !keeps_a_limit {
            let message = "a soft or raised budget needs a limit: send `max_budget` or `budget_id` too";
            let param = if matches!(self.soft, Patch::Set(_)) { "soft_budget" } else { "temp_budget_increase" };
            return Err(ApiError::new(ErrorCode::ParameterInvalid, message).param(param));
        }
        // To take away what is not there is to say nothing: clients send nulls routinely. With the last limit all terms go.
        let has_terms = current.is_some_and(|current| current.terms != Terms::default());
        let is_said = sets || (has_terms && keeps_a_limit && revise != ReviseBudget::nothing(scope));
        Ok(command.into_iter().chain(is_said.then(|| revise.into())).collect())
    }

    /// The command that makes the limits of a scope what is said; none where nothing is said. A named budget is the whole of
    /// it; limits of its own take the place of a named one, and change nothing for others who have that.
    ///
    /// # Errors
    /// 400 if both are said, or there is more than one limit now: LiteLLM's fields cannot say which one they mean.
    fn command(&self, scope: Scope, current: Option<&Budget>, now: Timestamp) -> Result<Option<Command>, ApiError> {
        let says_limits = matches!(self.max, Patch::Set(_)) || matches!(self.windows, Patch::Set(_));
        if let Patch::Set(budget) = &self.named {
            if says_limits {
                let message = "a budget has a name or limits of its own: send `budget_id` or `max_budget`, not both";
                return Err(ApiError::new(ErrorCode::ParameterInvalid, message).param(NAME));
            }
            return Ok(Some(AttachBudget { scope, budget: budget.clone() }.into()));
        }
        let named = current.filter(|current| current.named.is_some());
        let reclaim_after_seconds = current.and_then(|current| current.reclaim_after_seconds);
        let set = |limits| Command::from(SetBudget { scope, limits, reclaim_after_seconds });
        if named.is_some() && self.named == Patch::Clear && !says_limits {
            return Ok(Some(set(Vec::new())));
        }
        let limits = match named {
            Some(_) if !says_limits => None,
            Some(_) => self.limits(&[], now)?,
            None => self.limits(current.map_or(&[][..], |current| &current.limits), now)?,
        };
        Ok(limits.map(set))
    }

    /// The limits that are to be in force, if they are to change. A duration without an amount limits nothing.
    ///
    /// # Errors
    /// 400 if there is more than one limit now: LiteLLM's fields cannot say which one they mean.
    pub(in crate::http::litellm) fn limits(
        &self,
        current: &[BudgetLimit],
        now: Timestamp,
    ) -> Result<Option<Vec<NewBudgetLimit>>, ApiError> {
        if self.max.is_keep() && self.windows.is_keep() {
            return Ok(None);
        }
        if current.len() > 1 {
            let message = "it has limits for several periods: change them with the command SetBudget of /api/commands";
            return Err(ApiError::new(ErrorCode::ParameterInvalid, message).param("max_budget"));
        }
        let current = current.first();
        let limit = match self.max {
            Patch::Set(max) => Some(max),
            Patch::Clear => None,
            Patch::Keep => current.map(|current| current.limit_nano_usd),
        };
        let Some(limit_nano_usd) = limit else { return Ok(current.map(|_| Vec::new())) };
        let (period, aligned) = match self.windows {
            Patch::Set(windows) => (windows.period, Some(windows.aligned)),
            Patch::Clear => (Period::Total, None),
            Patch::Keep => (current.map_or(Period::Total, |current| current.period), None),
        };
        // Windows of the same length go on where they are: to say again what is so must not forget what was spent.
        let goes_on = current.is_some_and(|current| current.period == period);
        let anchor = match aligned.filter(|_| !goes_on) {
            Some(aligned) => Some(aligned.floor(now).map_err(|error| refused(&error))?),
            None => None,
        };
        Ok(Some(vec![NewBudgetLimit { period, anchor, limit_nano_usd }]))
    }
}

fn refused(error: &TimeError) -> ApiError {
    ApiError::new(ErrorCode::ParameterInvalid, error.to_string()).param(DURATION)
}

/// LiteLLM's windows: `1d` from midnight, `7d` and weeks from Monday, `30d` and months from the first of the month,
/// other days from today's midnight, hours, minutes and seconds from a multiple of themselves. In UTC.
fn windows(text: &str) -> Result<Windows, TimeError> {
    let windows = |period, aligned| Ok(Windows { period, aligned });
    match text.parse::<Duration>()? {
        Duration::Months(months) => windows(Period::Months(months), Alignment::Month),
        Duration::Seconds(_) if text == "30d" => windows(Period::Months(1), Alignment::Month),
        Duration::Seconds(seconds) if text == "7d" || text.ends_with('w') => {
            windows(Period::Seconds(seconds), Alignment::Week)
        }
        Duration::Seconds(seconds) if text.ends_with('d') => windows(Period::Seconds(seconds), Alignment::Day),
        Duration::Seconds(seconds) => windows(Period::Seconds(seconds), Alignment::Multiple(seconds)),
    }
}

/// When the window that is open now ends, as LiteLLM's `budget_reset_at`.
pub(in crate::http::litellm) fn resets_at(limit: &BudgetLimit, now: Timestamp) -> Value {
    let window = limit.period.window_at(limit.anchor, now).ok();
    window.and_then(|window| window.end).map_or(Value::Null, |end| Value::String(end.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{BudgetRequest, windows};
    use crate::http::litellm::fields::Fields;
    use tallygate_adapters::litellm::duration;
    use tallygate_core::budget::{BudgetLimit, NewBudgetLimit};
    use tallygate_core::money::NanoUsd;
    use tallygate_core::time::{Alignment, Period, Timestamp};

    const SECONDS_OF_A_DAY: u64 = 86_400;
    const SECONDS_OF_A_WEEK: u64 = 7 * SECONDS_OF_A_DAY;
    const A_FRIDAY: &str = "2026-11-20T10:15:30Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn limits(body: &str, current: &[BudgetLimit]) -> Option<Vec<NewBudgetLimit>> {
        let fields = Fields::read(body.as_bytes()).unwrap();
        BudgetRequest::read(&fields).unwrap().limits(current, at(A_FRIDAY)).unwrap()
    }

    fn daily(limit: i64) -> BudgetLimit {
        let anchor = at("2026-11-01T00:00:00Z");
        BudgetLimit { period: Period::Seconds(SECONDS_OF_A_DAY), anchor, limit_nano_usd: NanoUsd::new(limit) }
    }

    #[test]
    fn windows_begin_where_litellms_do() {
        for (text, period, aligned) in [
            ("1d", Period::Seconds(SECONDS_OF_A_DAY), Alignment::Day),
            ("10d", Period::Seconds(10 * SECONDS_OF_A_DAY), Alignment::Day),
            ("7d", Period::Seconds(SECONDS_OF_A_WEEK), Alignment::Week),
            ("2w", Period::Seconds(2 * SECONDS_OF_A_WEEK), Alignment::Week),
            ("30d", Period::Months(1), Alignment::Month),
            ("3mo", Period::Months(3), Alignment::Month),
            ("24h", Period::Seconds(SECONDS_OF_A_DAY), Alignment::Multiple(SECONDS_OF_A_DAY)),
            ("90m", Period::Seconds(5_400), Alignment::Multiple(5_400)),
            ("45s", Period::Seconds(45), Alignment::Multiple(45)),
        ] {
            let found = windows(text).unwrap();
            assert_eq!((found.period, found.aligned), (period, aligned), "{text}");
        }
        for text in ["", "30", "d", "1 d", "-1d", "0d", "1y", "1e3d", "24hr"] {
            assert!(windows(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_period_is_written_as_it_is_read() {
        for text in ["1d", "7d", "30d", "3mo", "12h", "90m", "45s"] {
            assert_eq!(duration::written(windows(text).unwrap().period).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_new_budget_is_one_limit() {
        let found = limits(r#"{"max_budget":50,"budget_duration":"7d"}"#, &[]).unwrap();
        assert_eq!(found[0].period, Period::Seconds(SECONDS_OF_A_WEEK));
        assert_eq!(found[0].anchor, Some(at("2026-11-16T00:00:00Z")));
        assert_eq!(found[0].limit_nano_usd, NanoUsd::new(50_000_000_000));
        let total = limits(r#"{"max_budget":0}"#, &[]).unwrap();
        assert_eq!((total[0].period, total[0].limit_nano_usd), (Period::Total, NanoUsd::ZERO));
        assert_eq!(limits("{}", &[]), None);
        assert_eq!(limits(r#"{"budget_duration":"7d","max_budget":null}"#, &[]), None, "it limits nothing");
    }

    #[test]
    fn a_change_of_the_amount_keeps_the_windows_and_what_was_spent_in_them() {
        for body in [r#"{"max_budget":2}"#, r#"{"max_budget":2,"budget_duration":"1d"}"#] {
            let found = limits(body, &[daily(1)]).unwrap();
            let goes_on = (Period::Seconds(SECONDS_OF_A_DAY), None, NanoUsd::new(2_000_000_000));
            assert_eq!((found[0].period, found[0].anchor, found[0].limit_nano_usd), goes_on, "{body}");
        }
        let found = limits(r#"{"budget_duration":"1h"}"#, &[daily(1)]).unwrap();
        assert_eq!((found[0].period, found[0].limit_nano_usd), (Period::Seconds(3_600), NanoUsd::new(1)));
        assert_eq!(limits(r#"{"budget_duration":null}"#, &[daily(1)]).unwrap()[0].period, Period::Total);
        assert_eq!(limits(r#"{"max_budget":null}"#, &[daily(1)]), Some(Vec::new()));
    }

    #[test]
    fn limits_of_several_periods_are_not_for_these_fields() {
        let fields = Fields::read(br#"{"max_budget":1}"#).unwrap();
        let two = [daily(1), BudgetLimit { period: Period::Total, ..daily(1) }];
        let error = BudgetRequest::read(&fields).unwrap().limits(&two, at(A_FRIDAY)).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some("max_budget")));
    }
}
