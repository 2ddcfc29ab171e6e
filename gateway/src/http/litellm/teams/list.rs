//! `GET /team/list` and `GET /v2/team/list`.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Map, Value, json};
use tallygate_core::control::Control;
use tallygate_core::realm::Realm;

use super::{find, row};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::query::Query;
use crate::http::litellm::spent;

const SIZE_DEFAULT: u64 = 10;
const SIZE_MAX: u64 = 100;
const PAGE_MAX: u64 = u32::MAX as u64;

/// All teams that the caller may know.
pub(super) async fn all(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/team/list").await?;
    let query = Query::read(&uri)?;
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let teams = wanted(&snapshot.control, &caller, &query);
    let rows = teams.iter().map(|realm| shown(&app, &snapshot.control, realm));
    Ok(Json(Value::Array(rows.collect::<Result<_, _>>()?)))
}

/// The same, a page at a time, newest first.
pub(super) async fn paged(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/v2/team/list").await?;
    let query = Query::read(&uri)?;
    let page = query.number("page", 1, 1..=PAGE_MAX)?;
    let size = query.number("page_size", SIZE_DEFAULT, 1..=SIZE_MAX)?;
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let mut teams = wanted(&snapshot.control, &caller, &query);
    teams.sort_by_key(|realm| std::cmp::Reverse(realm.trail.created.position));
    let total = teams.len() as u64;
    let skip = usize::try_from((page - 1) * size).unwrap_or(usize::MAX);
    let on_page = teams.into_iter().skip(skip).take(usize::try_from(size).unwrap_or(1));
    let rows = on_page.map(|realm| shown(&app, &snapshot.control, realm)).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({
        "teams": rows, "total": total, "page": page, "page_size": size, "total_pages": total.div_ceil(size),
    })))
}

/// The teams that are asked for and that the caller may know.
fn wanted<'a>(control: &'a Control, caller: &Caller, query: &Query) -> Vec<&'a Realm> {
    let (user, parent) = (query.text("user_id"), query.text("organization_id"));
    let (id, alias) = (query.text("team_id"), query.text("team_alias"));
    let has_user = |realm: &Realm| {
        user.is_none_or(|id| find::members(control, &realm.id).iter().any(|(user, _)| user.id.as_str() == id))
    };
    let is_wanted = |realm: &&Realm| {
        caller.may_know(control, &realm.id)
            && parent.is_none_or(|wanted| realm.parent.as_ref().is_some_and(|parent| parent.as_str() == wanted))
            && id.is_none_or(|wanted| realm.id.as_str() == wanted)
            && alias.is_none_or(|wanted| realm.name.as_deref().is_some_and(|name| name.contains(wanted)))
            && has_user(realm)
    };
    row::teams(control).filter(is_wanted).collect()
}

/// A team as a list shows it: without its keys, which `/key/list?team_id=` tells.
fn shown(app: &App, control: &Control, realm: &Realm) -> Result<Value, ApiError> {
    let mut fields: Map<String, Value> = row::team(app, control, realm)?;
    fields.insert("keys".to_owned(), json!([]));
    Ok(Value::Object(fields))
}
