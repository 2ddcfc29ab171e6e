//! `GET /customer/info` and `/customer/list`.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::Value;
use tallygate_core::id::RealmId;

use super::{find, row};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::fields;
use crate::http::litellm::query::Query;
use crate::http::litellm::spent;

const SIZE_MAX: u64 = 1_000;
const PAGE_MAX: u64 = u32::MAX as u64;

/// One end user, for those who manage them.
pub(super) async fn info(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, uri.path()).await?;
    let query = Query::read(&uri)?;
    let missing = || fields::located("query", &["end_user_id"], "missing", "Field required", &Value::Null);
    let id = query.text("end_user_id").ok_or_else(missing)?;
    let team = team(&query)?;
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let found = find::named(&snapshot.control, &caller, id, team.as_ref(), "end_user_id")?;
    row::row(&app, &snapshot.control, found).map(|row| Json(Value::Object(row)))
}

/// All end users that the caller manages: a page of them, the first thousand where none is named.
pub(super) async fn list(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, uri.path()).await?;
    let query = Query::read(&uri)?;
    let page = query.number("page", 1, 1..=PAGE_MAX)?;
    let size = query.number("size", SIZE_MAX, 1..=SIZE_MAX)?;
    let team = team(&query)?;
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let all = find::all(&snapshot.control, &caller);
    let wanted = all.filter(|row| team.is_none() || row.end_user.realm == team);
    let skip = usize::try_from((page - 1) * size).unwrap_or(usize::MAX);
    let rows = wanted.skip(skip).take(usize::try_from(size).unwrap_or(1));
    let rows = rows.map(|end_user| row::row(&app, &snapshot.control, end_user).map(Value::Object));
    Ok(Json(Value::Array(rows.collect::<Result<_, _>>()?)))
}

fn team(query: &Query) -> Result<Option<RealmId>, ApiError> {
    let invalid = |error: tallygate_core::id::InvalidId| {
        ApiError::new(ErrorCode::ParameterInvalid, error.to_string()).param("team_id")
    };
    query.text("team_id").map(|team| RealmId::new(team).map_err(invalid)).transpose()
}
