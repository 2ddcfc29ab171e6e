//! `/spend/keys`, `/spend/users`, and `/global/spend/*` by key, model, team and provider: who spent most, dearest first.
//! For the operator alone.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::money::NanoUsd;
use tallygate_core::time::{Day, Timestamp};
use tallygate_projections::{Days, KeyRow, Spent};

use super::daily::in_detail;
use super::filter;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::keys::of_user::of_users;
use crate::http::litellm::keys::{find, row as key_row};
use crate::http::litellm::query::Query;
use crate::http::litellm::{spent, teams, users};
use crate::http::operator;

/// The most rows of one answer.
const ROWS_MAX: u64 = 1_000;
/// How many days are summed where nobody names any: today and the 29 before.
const DAYS_DEFAULT: i64 = 30;
const MILLIS_PER_DAY: i64 = 86_400_000;

/// The rows of the keys that cost most.
pub(super) async fn keys(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/spend/keys").await?;
    let rows = dearest(&app, &Query::read(&uri)?, ROWS_MAX).await?;
    let rows = rows.iter().map(|(row, _)| key_row::row(&app, row).map(Value::Object));
    Ok(Json(Value::Array(rows.collect::<Result<_, _>>()?)))
}

/// The keys that cost most, with what they cost in all.
pub(super) async fn global_keys(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/global/spend/keys").await?;
    let rows = dearest(&app, &Query::read(&uri)?, 10).await?;
    let shown = |(row, cost): &(KeyRow, NanoUsd)| {
        json!({ "api_key": row.key.hash.to_string(), "key_alias": row.key.alias, "key_name": row.key.shown,
                "total_spend": usd(*cost) })
    };
    Ok(Json(rows.iter().map(shown).collect()))
}

async fn dearest(app: &App, query: &Query, rows: u64) -> Result<Vec<(KeyRow, NanoUsd)>, ApiError> {
    let limit = usize::try_from(query.number("limit", rows, 1..=ROWS_MAX)?).unwrap_or(1);
    spent::catch_up(app).await;
    let ranking = app.pipeline.views.activity.dearest_keys_of_all_realms_for_operator(limit);
    let ranking = ranking.map_err(|error| spent::unreadable(&error))?;
    let mut rows = Vec::with_capacity(ranking.len());
    for Spent { of: (_, key), totals } in ranking {
        let row = app.pipeline.views.control.key_by_id(key).map_err(|error| find::unreadable(&error))?;
        // The operator's own key is in no view.
        rows.extend(row.map(|row| (row, totals.cost_nano_usd)));
    }
    Ok(rows)
}

/// The rows of users, or of one.
pub(super) async fn users(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/spend/users").await?;
    let query = Query::read(&uri)?;
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let wanted = control
        .users
        .iter()
        .map(|(_, user)| user.as_ref())
        .filter(|user| user.removed.is_none() && query.text("user_id").is_none_or(|id| user.id.as_str() == id));
    let wanted: Vec<_> = wanted.take(usize::try_from(ROWS_MAX).unwrap_or(1)).collect();
    let keys = of_users(&app, wanted.iter().map(|user| user.id.clone()).collect()).await?;
    let rows = wanted.iter().map(|user| {
        let keys = keys.get(&user.id).map_or(&[][..], Vec::as_slice);
        users::row::row(&app, control, user, keys).map(Value::Object)
    });
    let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
    rows.sort_by(|one, other| spend(other).total_cmp(&spend(one)));
    Ok(Json(Value::Array(rows)))
}

/// For the order of rows alone.
fn spend(row: &Value) -> f64 {
    row["spend"].as_f64().unwrap_or_default()
}

/// The models that cost most, under their public names.
pub(super) async fn models(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/global/spend/models").await?;
    let limit = usize::try_from(Query::read(&uri)?.number("limit", 10, 1..=ROWS_MAX)?).unwrap_or(1);
    spent::catch_up(&app).await;
    let sums = app.pipeline.views.activity.spend_of_all_realms_by_model_for_operator();
    let mut sums = sums.map_err(|error| spent::unreadable(&error))?;
    sums.sort_by_key(|sum| std::cmp::Reverse(sum.totals.cost_nano_usd));
    let shown = |sum: &Spent<_>| json!({ "model": sum.of, "total_spend": usd(sum.totals.cost_nano_usd) });
    Ok(Json(sums.iter().take(limit).map(shown).collect()))
}

/// What teams spent, by day and in all: of the days that are asked for, or the last thirty. Each without what nests in it.
pub(super) async fn teams(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/global/spend/teams").await?;
    let days = days(&app, &Query::read(&uri)?)?;
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let mut by_day: BTreeMap<Timestamp, BTreeMap<String, NanoUsd>> = BTreeMap::new();
    let mut in_all: BTreeMap<String, NanoUsd> = BTreeMap::new();
    for realm in teams::row::teams(&snapshot.control) {
        let name = realm.name.clone().unwrap_or_else(|| realm.id.to_string());
        let sums =
            app.pipeline.views.activity.spend_by_day(&realm.id, days).map_err(|error| spent::unreadable(&error))?;
        for Spent { of, totals } in sums {
            add(by_day.entry(of.start()).or_default(), &name, totals.cost_nano_usd);
            add(&mut in_all, &name, totals.cost_nano_usd);
        }
    }
    let daily = by_day.into_iter().map(|(day, sums)| {
        let mut shown: serde_json::Map<String, Value> = sums.into_iter().map(|(name, sum)| (name, usd(sum))).collect();
        shown.insert("date".to_owned(), json!(day.day()));
        Value::Object(shown)
    });
    let mut ranking: Vec<(&String, &NanoUsd)> = in_all.iter().collect();
    ranking.sort_by_key(|(_, sum)| std::cmp::Reverse(**sum));
    let totals: Vec<Value> =
        ranking.iter().map(|(name, sum)| json!({ "team_id": name, "total_spend": usd(**sum) })).collect();
    Ok(Json(json!({
        "daily_spend": daily.collect::<Vec<_>>(),
        "teams": in_all.keys().collect::<Vec<_>>(),
        "total_spend_per_team": totals,
    })))
}

/// What each vendor's answers cost: of the days that are asked for, or the last thirty.
pub(super) async fn providers(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/global/spend/provider").await?;
    let days = days(&app, &Query::read(&uri)?)?;
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let mut sums: BTreeMap<String, NanoUsd> = BTreeMap::new();
    for (realm, _) in snapshot.control.realms.iter() {
        for Spent { of, totals } in in_detail(&app, realm, days)? {
            add(&mut sums, of.vendor.as_str(), totals.cost_nano_usd);
        }
    }
    let mut ranking: Vec<_> = sums.into_iter().collect();
    ranking.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
    Ok(Json(ranking.into_iter().map(|(vendor, sum)| json!({ "provider": vendor, "spend": usd(sum) })).collect()))
}

fn add(sums: &mut BTreeMap<String, NanoUsd>, of: &str, more: NanoUsd) {
    let sum = sums.entry(of.to_owned()).or_default();
    *sum = sum.saturating_plus(more);
}

/// The days that are asked for, or the last thirty.
///
/// # Errors
/// 400 for what is no date, or for one date without the other.
pub(super) fn days(app: &App, query: &Query) -> Result<Days, ApiError> {
    if let Some((first, last)) = filter::days(query)? {
        return Ok(Days { first: Day::of(first), last: Day::of(last) });
    }
    let now = app.pipeline.clock.now();
    let first = Timestamp::from_millis(now.millis().saturating_sub((DAYS_DEFAULT - 1) * MILLIS_PER_DAY));
    Ok(Days { first: Day::of(first), last: Day::of(now) })
}
