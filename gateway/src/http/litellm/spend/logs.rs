//! `GET /spend/logs`.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_projections::{PAGE_ROWS_MAX, Page, UsageFilter, UsagePage, UsageRecord};

use super::filter::{Filter, Keys};
use super::{daily, record};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::query::Query;
use crate::http::litellm::spent;

/// How many records are looked through for those of one user.
const LOOKED_THROUGH_MAX: usize = 20 * PAGE_ROWS_MAX;
/// Beyond so many pages nobody turns: a narrower question is meant.
const PAGES_MAX: u64 = 100_000;

/// Requests, newest first: a `page` of `page_size`, which is at most [`PAGE_ROWS_MAX`]. With dates, sums by day, unless `summarize=false`.
pub(super) async fn logs(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/spend/logs").await?;
    let query = Query::read(&uri)?;
    let Some(filter) = Filter::read(&app, &query, &caller)? else { return Ok(Json(json!([]))) };
    let size = to_usize(query.number("page_size", PAGE_ROWS_MAX as u64, 1..=PAGE_ROWS_MAX as u64)?);
    let page = Page { skip: size * to_usize(query.number("page", 1, 1..=PAGES_MAX)? - 1), rows: size };
    let summarize = query.text("summarize").is_none() || query.flag("summarize")?;
    spent::catch_up(&app).await;
    // Records are on disk, a thousand of them in milliseconds.
    let read = tokio::task::spawn_blocking(move || match filter.view_days().filter(|_| summarize) {
        Some(days) if filter.id.is_none() => daily::sums(&app, &filter, days),
        _ => rows(&app, &filter, page),
    });
    read.await.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?.map(Json)
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn rows(app: &App, filter: &Filter, wanted: Page) -> Result<Value, ApiError> {
    let mut keys = Keys::new(app);
    let mut row = |record: &UsageRecord| {
        let key = record.key().map(|id| keys.get(id)).transpose()?.flatten();
        let user = key.and_then(|key| key.user.as_ref()).map(|user| user.as_str());
        Ok::<_, ApiError>(is_of_user(record, user, filter).then(|| record::row(record, key)))
    };
    if filter.user.is_none() {
        let page = read(app, filter, wanted)?;
        return page.records.iter().filter_map(|record| row(record).transpose()).collect();
    }
    // Whose they are is not known before they are read.
    let (mut rows, mut skip, enough) = (Vec::new(), 0, wanted.skip + wanted.rows);
    loop {
        let page = read(app, filter, Page { skip, rows: PAGE_ROWS_MAX })?;
        for record in &page.records {
            rows.extend(row(record)?);
        }
        skip += page.records.len();
        if rows.len() >= enough || skip >= LOOKED_THROUGH_MAX || !page.more || page.records.is_empty() {
            return Ok(rows.into_iter().skip(wanted.skip).take(wanted.rows).collect());
        }
    }
}

/// Whose request it was: by the record, or by the key as it is now.
fn is_of_user(record: &UsageRecord, of_key: Option<&str>, filter: &Filter) -> bool {
    let recorded = match &record.ending {
        tallygate_projections::Ending::Settled(settled) => settled.user.as_ref().map(|user| user.as_str()),
        tallygate_projections::Ending::Refused(_) => of_key,
    };
    filter.user.as_deref().is_none_or(|user| recorded == Some(user))
}

fn read(app: &App, filter: &Filter, page: Page) -> Result<UsagePage, ApiError> {
    let wanted = UsageFilter {
        key: filter.key,
        id: filter.id.clone(),
        from: filter.days.map(|(from, _)| from),
        before: filter.before(),
    };
    let view = &app.pipeline.views.activity;
    let page = match &filter.realm {
        Some(realm) => view.usage_of_realm(Some(realm), &wanted, page),
        None => view.usage_of_all_realms_for_operator(&wanted, page),
    };
    page.map_err(|error| spent::unreadable(&error))
}
