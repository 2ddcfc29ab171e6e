//! `POST /global/spend/end_users`: in whose name most was spent.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_projections::{Day, Days};

use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::amount::usd;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::spent;
use crate::http::litellm::unsupported::refuse;
use crate::http::operator;

/// The most rows of one answer, as in LiteLLM.
const ROWS_MAX: usize = 100;

/// The end users in whose name most was spent, dearest first: of all days, or of those from `startTime` to `endTime`, each in
/// whole. Whom nobody registered is among them.
pub(super) async fn end_users(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    operator::authorize(&app, &headers, "/global/spend/end_users").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let bytes = if bytes.trim_ascii().is_empty() { Bytes::from_static(b"{}") } else { bytes };
    let fields = Fields::read(&bytes)?;
    // What was spent in somebody's name is not summed by key.
    refuse(&fields, &["api_key"])?;
    let days = Days { first: day(&fields, "startTime", Day::MIN)?, last: day(&fields, "endTime", Day::MAX)? };
    spent::catch_up(&app).await;
    let sums = app.pipeline.views.activity.spend_of_all_realms_by_end_user_for_operator(days);
    let mut sums: Vec<_> = sums.map_err(|error| spent::unreadable(&error))?.into_iter().collect();
    sums.sort_by_key(|(_, totals)| std::cmp::Reverse(totals.cost_nano_usd));
    let rows = sums.iter().take(ROWS_MAX).map(|(end_user, totals)| {
        json!({ "end_user": end_user, "total_count": totals.settled(), "total_spend": usd(totals.cost_nano_usd) })
    });
    Ok(Json(rows.collect()))
}

/// The day of a moment; a day by itself is one too.
fn day(fields: &Fields<'_>, name: &str, otherwise: Day) -> Result<Day, ApiError> {
    let Some(text) = fields.text(name)?.into_value().filter(|text| !text.is_empty()) else { return Ok(otherwise) };
    let date = text.split(['T', ' ']).next().unwrap_or(&text);
    let moment = format!("{date}T00:00:00Z").parse();
    moment.map(Day::of).map_err(|_| fields.refused(name, &format!("`{name}` is a date such as 2026-11-20")))
}
