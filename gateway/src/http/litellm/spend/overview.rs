//! `/global/spend/logs` and `/global/activity`: the whole gateway by day, for the operator alone.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::time::Timestamp;
use tallygate_projections::{Spent, Totals};

use super::daily::in_detail;
use super::ranking::days;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::query::Query;
use crate::http::litellm::spent;
use crate::http::operator;

/// What was spent on each day. Days without requests are left out.
pub(super) async fn by_day(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/global/spend/logs").await?;
    let days = days(&app, &Query::read(&uri)?)?;
    spent::catch_up(&app).await;
    let sums = app.pipeline.views.activity.spend_of_all_realms_by_day_for_operator(days);
    let sums = sums.map_err(|error| spent::unreadable(&error))?;
    let shown = |sum: &Spent<_>| json!({ "date": day(sum), "spend": usd(sum.totals.cost_nano_usd) });
    Ok(Json(sums.iter().map(shown).collect()))
}

fn day(sum: &Spent<tallygate_core::time::Day>) -> String {
    sum.of.start().day()
}

/// Requests and tokens of each day.
pub(super) async fn activity(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/global/activity").await?;
    let days = days(&app, &Query::read(&uri)?)?;
    spent::catch_up(&app).await;
    let sums = app.pipeline.views.activity.spend_of_all_realms_by_day_for_operator(days);
    let sums = sums.map_err(|error| spent::unreadable(&error))?;
    let by_day = sums.into_iter().map(|sum| (sum.of.start(), sum.totals)).collect();
    Ok(Json(counts(&by_day)))
}

/// The same of each model, under its public name.
pub(super) async fn activity_by_model(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/global/activity/model").await?;
    let days = days(&app, &Query::read(&uri)?)?;
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let mut models: BTreeMap<String, BTreeMap<Timestamp, Totals>> = BTreeMap::new();
    for (realm, _) in snapshot.control.realms.iter() {
        for Spent { of, totals } in in_detail(&app, realm, days)? {
            models.entry(of.model.to_string()).or_default().entry(of.day.start()).or_default().add(&totals);
        }
    }
    let shown = models.iter().map(|(model, by_day)| {
        let mut counts = counts(by_day);
        counts["model"] = json!(model);
        counts
    });
    Ok(Json(shown.collect()))
}

/// LiteLLM's two sums, by day and in all. What was refused reached no model and is not counted.
fn counts(by_day: &BTreeMap<Timestamp, Totals>) -> Value {
    let tokens = |totals: &Totals| totals.usage.total_tokens();
    let daily = by_day.iter().map(|(day, totals)| {
        json!({ "date": label(*day), "api_requests": totals.settled(), "total_tokens": tokens(totals) })
    });
    json!({
        "daily_data": daily.collect::<Vec<_>>(),
        "sum_api_requests": by_day.values().map(Totals::settled).sum::<u64>(),
        "sum_total_tokens": by_day.values().map(tokens).sum::<u64>(),
    })
}

/// `Jan 02`, as LiteLLM labels a day.
fn label(day: Timestamp) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = day.day();
    let month = text.get(5..7).and_then(|month| month.parse::<usize>().ok()).and_then(|month| MONTHS.get(month - 1));
    format!("{} {}", month.unwrap_or(&""), text.get(8..10).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn a_day_is_labelled_as_litellm_does() {
        assert_eq!(label("2026-01-02T00:00:00Z".parse().unwrap()), "Jan 02");
        assert_eq!(label("2026-12-31T10:00:00Z".parse().unwrap()), "Dec 31");
    }
}
