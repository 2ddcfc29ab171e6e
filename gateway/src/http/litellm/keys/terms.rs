//! `temp_budget_increase` and `temp_budget_expiry`: more money for a while; and how terms of budgets are shown.

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::budget::{self, Budget};
use tallygate_core::money::NanoUsd;
use tallygate_core::patch::Patch;
use tallygate_core::time::{Duration, Timestamp};

use super::row::object;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::fields::Fields;

const INCREASE: &str = "temp_budget_increase";
const EXPIRY: &str = "temp_budget_expiry";

/// More money until a moment, or for a while from now on.
#[derive(Debug, Clone)]
pub(super) struct Raise {
    by: NanoUsd,
    until: Until,
}

#[derive(Debug, Clone, Copy)]
enum Until {
    Moment(Timestamp),
    For(Duration),
}

/// What a request says of a raise. Null for either takes it away.
///
/// # Errors
/// 422 if one is said without the other, 400 for what is no amount, no moment and no duration.
pub(super) fn raise(fields: &Fields<'_>) -> Result<Patch<Raise>, ApiError> {
    let by = fields.usd(INCREASE)?;
    let until = fields.id(EXPIRY, |text| until(&text))?;
    match (by, until) {
        (Patch::Keep, Patch::Keep) => Ok(Patch::Keep),
        (Patch::Set(by), Patch::Set(until)) => Ok(Patch::Set(Raise { by, until })),
        (Patch::Set(_), _) => Err(fields.missing(EXPIRY)),
        (_, Patch::Set(_)) => Err(fields.missing(INCREASE)),
        (Patch::Clear | Patch::Keep, Patch::Clear | Patch::Keep) => Ok(Patch::Clear),
    }
}

/// A moment, a day (its first moment in UTC), or a duration such as `10d`.
fn until(text: &str) -> Result<Until, String> {
    if let Ok(duration) = text.parse::<Duration>() {
        return Ok(Until::For(duration));
    }
    let moment = text.parse::<Timestamp>().or_else(|_| format!("{text}T00:00:00Z").parse());
    moment.map(Until::Moment).map_err(|_| {
        format!("`{EXPIRY}` is a moment (`2027-01-15T00:00:00Z`), a day (`2027-01-15`) or a duration (`10d`)")
    })
}

impl Raise {
    /// The raise as it is asked for at a moment.
    ///
    /// # Errors
    /// 400 if it would end beyond all years.
    pub(super) fn from(self, now: Timestamp) -> Result<budget::Raise, ApiError> {
        let until = match self.until {
            Until::Moment(moment) => moment,
            Until::For(duration) => duration
                .after(now)
                .map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.to_string()).param(EXPIRY))?,
        };
        Ok(budget::Raise { by_nano_usd: self.by, until })
    }
}

/// The terms of a budget, under LiteLLM's names. A raise is shown until it is over.
pub(in crate::http::litellm) fn shown(budget: Option<&Budget>, now: Timestamp) -> Map<String, Value> {
    let terms = budget.map(|budget| &budget.terms);
    let raise = terms.and_then(|terms| terms.raise).filter(|raise| now < raise.until);
    object(json!({
        "soft_budget": budget.and_then(Budget::soft_limit).map(usd),
        (INCREASE): raise.map(|raise| usd(raise.by_nano_usd)),
        (EXPIRY): raise.map(|raise| raise.until),
    }))
}

#[cfg(test)]
mod tests {
    use super::raise;
    use crate::http::litellm::fields::Fields;
    use tallygate_core::patch::Patch;
    use tallygate_core::time::Timestamp;

    fn read(body: &str) -> Result<Option<String>, u16> {
        let fields = Fields::read(body.as_bytes()).unwrap();
        let now: Timestamp = "2026-11-20T10:15:30Z".parse().unwrap();
        match raise(&fields).map_err(|error| error.status)? {
            Patch::Set(raise) => Ok(Some(raise.from(now).unwrap().until.to_string())),
            Patch::Keep | Patch::Clear => Ok(None),
        }
    }

    #[test]
    fn a_raise_ends_at_a_moment_on_a_day_or_after_a_while() {
        for (expiry, until) in [
            ("2027-01-15T01:02:03Z", "2027-01-15T01:02:03.000Z"),
            ("2027-01-15", "2027-01-15T00:00:00.000Z"),
            ("10d", "2026-11-30T10:15:30.000Z"),
        ] {
            let body = format!(r#"{{"temp_budget_increase":5,"temp_budget_expiry":"{expiry}"}}"#);
            assert_eq!(read(&body), Ok(Some(until.to_owned())), "{expiry}");
        }
    }

    #[test]
    fn one_is_nothing_without_the_other() {
        assert_eq!(read(r#"{"temp_budget_increase":5}"#), Err(422));
        assert_eq!(read(r#"{"temp_budget_expiry":"10d"}"#), Err(422));
        assert_eq!(read(r#"{"temp_budget_increase":5,"temp_budget_expiry":"soon"}"#), Err(400));
        assert_eq!(read(r#"{"temp_budget_increase":null}"#), Ok(None));
    }
}
