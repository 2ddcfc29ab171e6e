//! `GET /models/list` and `GET /models/providers`: what may be chosen.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::asked::{self, Whose};
use super::chooser::Chooser;
use super::named::Names;
use super::shown::Shown;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;

/// The models that the caller may choose, by provider and name.
pub(super) async fn models(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let vendors = app.pipeline.upstreams.vendors();
    let row = |(id, models): (String, Vec<Value>)| {
        let name = vendors.get(&id).map_or(id.as_str(), |vendor| vendor.name.as_str());
        json!({ "id": id, "name": name, "models": models })
    };
    Ok(Json(by_provider(&app, &uri, &headers).await?.into_iter().map(row).collect()))
}

/// The providers of those models.
pub(super) async fn providers(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    Ok(Json(by_provider(&app, &uri, &headers).await?.into_keys().map(Value::from).collect()))
}

async fn by_provider(app: &App, uri: &Uri, headers: &HeaderMap) -> Result<BTreeMap<String, Vec<Value>>, ApiError> {
    let caller = Caller::of_any_kind(app, headers).await?;
    let asked: Whose = asked::query(uri)?;
    let chooser = Chooser::new(app, &caller, asked.scope.as_deref())?;
    let snapshot = app.pipeline.views.control.snapshot();
    let vendors = app.pipeline.upstreams.vendors();
    let names = Names { control: &snapshot.control, vendors, realm: &chooser.realm() };
    let mut providers: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for model in chooser.callable(&snapshot.control) {
        if let Some(shown) = Shown::new(&names, &app.pipeline, &chooser, &model) {
            providers.entry(shown.provider).or_default().push(shown.info);
        }
    }
    Ok(providers)
}
