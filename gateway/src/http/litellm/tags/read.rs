//! `POST /tag/info` and `GET /tag/list`.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Map, Value, json};
use tallygate_core::id::TagName;
use tallygate_core::time::Day;
use tallygate_projections::Days;

use super::refused::not_found;
use super::request::team;
use super::{find, row, used};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::query::Query;
use crate::http::litellm::spend::filter;
use crate::http::litellm::spent;

/// The most tags of one question.
const NAMES_MAX: usize = 500;
/// What LiteLLM says of a tag that nobody registered.
const DYNAMIC: &str =
    "This is just a spend tag that was passed dynamically in a request. It does not control any LLM models.";

/// Tags by their names, each with its budget. One that is not there is an error.
pub(super) async fn info(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/tag/info").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let names = fields.texts("names")?.into_value().ok_or_else(|| fields.missing("names"))?;
    if names.len() > NAMES_MAX {
        return Err(fields.refused("names", &format!("at most {NAMES_MAX} tags are asked for at once")));
    }
    let team = team(&fields)?;
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let (mut rows, mut missing) = (Map::new(), Vec::new());
    for name in names {
        match find::named(&snapshot.control, &caller, &name, team.as_ref()) {
            Ok(found) => {
                rows.insert(name, Value::Object(row::row(&app, &snapshot.control, found)?));
            }
            Err(error) if error.status == 404 => missing.push(format!("'{name}'")),
            Err(error) => return Err(error),
        }
    }
    if missing.is_empty() {
        return Ok(Json(Value::Object(rows)));
    }
    Err(not_found(&format!("Tags not found: [{}]", missing.join(", ")), "names"))
}

/// The tags that are registered, and those that requests had beside them: of all days, or of those that are asked for.
pub(super) async fn list(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/tag/list").await?;
    let days = filter::days(&Query::read(&uri)?)?;
    let days = days.map_or(Days::ALL, |(first, last)| Days { first: Day::of(first), last: Day::of(last) });
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let registered = find::all(&snapshot.control, &caller);
    let rows = registered.map(|tag| row::row(&app, &snapshot.control, tag).map(Value::Object));
    let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
    let known: BTreeSet<&TagName> = find::all(&snapshot.control, &caller).map(|tag| &tag.tag.name).collect();
    let mut others: BTreeMap<TagName, (Day, Day)> = BTreeMap::new();
    used::each(&app, &caller, days, |spent| {
        let (name, day) = (&spent.of.name, spent.of.detail.day);
        if !known.contains(name) {
            let (first, last) = others.entry(name.clone()).or_insert((day, day));
            (*first, *last) = ((*first).min(day), (*last).max(day));
        }
    })?;
    rows.extend(others.into_iter().map(|(name, (first, last))| {
        json!({
            "name": name, "description": DYNAMIC, "models": null,
            "created_at": first.start(), "updated_at": last.start(),
        })
    }));
    Ok(Json(Value::Array(rows)))
}
