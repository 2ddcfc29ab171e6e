//! `/spend/tags` and `/global/spend/tags`: what was spent under each tag. A request with several tags counts for each, so
//! these sums are not what was spent in all.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::id::TagName;
use tallygate_core::time::Day;
use tallygate_projections::{Days, Named, Spent, Totals};

use super::filter;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::query::Query;
use crate::http::litellm::spent;
use crate::http::operator;

/// LiteLLM's word for no choice among tags.
const ALL: &str = "all-tags";

/// Each tag, dearest first: of the days that are asked for, or of all.
pub(super) async fn tags(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/spend/tags").await?;
    let days = filter::days(&Query::read(&uri)?)?;
    let days = days.map_or(Days::ALL, |(first, last)| Days { first: Day::of(first), last: Day::of(last) });
    let rows = dearest(&app, days).await?.into_iter().map(|(tag, totals)| {
        json!({ "individual_request_tag": tag, "log_count": totals.settled(), "total_spend": usd(totals.cost_nano_usd) })
    });
    Ok(Json(rows.collect()))
}

/// The same in the shape of LiteLLM's own pages: of days that must be named, and of some tags if they are.
pub(super) async fn of_days(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/global/spend/tags").await?;
    let query = Query::read(&uri)?;
    let missing =
        || ApiError::new(ErrorCode::ParameterInvalid, "Please provide start_date and end_date").param("start_date");
    let (first, last) = filter::days(&query)?.ok_or_else(missing)?;
    let named: Option<Vec<&str>> = query.text("tags").map(|tags| tags.split(',').map(str::trim).collect());
    let wanted = named.filter(|tags| !tags.contains(&ALL));
    let days = Days { first: Day::of(first), last: Day::of(last) };
    let rows = dearest(&app, days).await?.into_iter();
    let rows = rows.filter(|(tag, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(&tag.as_str())));
    let rows = rows
        .map(|(tag, totals)| json!({ "name": tag, "spend": usd(totals.cost_nano_usd), "log_count": totals.settled() }));
    Ok(Json(json!({ "spend_per_tag": rows.collect::<Vec<_>>() })))
}

/// The names of all tags that requests had.
pub(super) async fn names(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/global/spend/all_tag_names").await?;
    spent::catch_up(&app).await;
    let names: Vec<TagName> = sums(&app, Days::ALL)?.into_keys().collect();
    Ok(Json(json!({ "tag_names": names })))
}

async fn dearest(app: &App, days: Days) -> Result<Vec<(TagName, Totals)>, ApiError> {
    spent::catch_up(app).await;
    let mut sums: Vec<_> = sums(app, days)?.into_iter().collect();
    sums.sort_by_key(|(_, totals)| std::cmp::Reverse(totals.cost_nano_usd));
    Ok(sums)
}

/// What was asked under each tag by the keys of all realms.
fn sums(app: &App, days: Days) -> Result<BTreeMap<TagName, Totals>, ApiError> {
    let mut sums: BTreeMap<TagName, Totals> = BTreeMap::new();
    let snapshot = app.pipeline.views.control.snapshot();
    for (realm, _) in snapshot.control.realms.iter() {
        let add = |Spent { of, totals }: Spent<Named<TagName>>| {
            sums.entry(of.name).or_default().add(&totals);
            Ok(())
        };
        let read = app.pipeline.views.activity.each_tag((realm, None), days, add);
        read.map_err(|error| spent::unreadable(&error))?;
    }
    Ok(sums)
}
