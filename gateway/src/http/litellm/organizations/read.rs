//! `GET /organization/info` and `GET /organization/list`.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::row;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::fields::located;
use crate::http::litellm::query::Query;
use crate::http::litellm::spent;
use crate::http::litellm::teams::find;
use crate::http::litellm::teams::request::is_organization;

/// An organization with its teams. One that is not the caller's to know is as one that is not there.
pub(super) async fn info(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/organization/info").await?;
    let query = Query::read(&uri)?;
    let name = "organization_id";
    let id = query.text(name).ok_or_else(|| located("query", &[name], "missing", "Field required", &json!(null)))?;
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let realm = find::by_id(&snapshot.control, id, name)?;
    if !caller.may_know(&snapshot.control, &realm.id) {
        return Err(find::not_found(id, name));
    }
    Ok(Json(Value::Object(row::organization(&app, &snapshot.control, realm, true)?)))
}

/// All organizations that the caller may know: the realms that were made as such.
pub(super) async fn list(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/organization/list").await?;
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let realms = control.realms.iter().map(|(_, realm)| realm.as_ref());
    let wanted = realms.filter(|realm| {
        realm.removed.is_none() && is_organization(&realm.metadata) && caller.may_know(control, &realm.id)
    });
    let rows = wanted.map(|realm| row::organization(&app, control, realm, true).map(Value::Object));
    Ok(Json(Value::Array(rows.collect::<Result<_, _>>()?)))
}
