//! `GET /api/agents/{did}/realm-llm`: what an agent could use, realm by realm.

use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use serde_json::{Value, json};

use super::connect::base_url;
use super::{find, realm_key, shown};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::operator;

/// The realms of an agent with the models that each may call.
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/agents/{agent}/realm-llm").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let agent = find::agent(control, &id)?;
    let realms: Result<Vec<Value>, ApiError> = agent
        .realms
        .iter()
        .enumerate()
        .map(|(place, membership)| {
            let realm = find::realm(control, membership.realm.as_str())?;
            Ok(json!({
                "realmId": realm.id,
                "realmName": shown::name_of(realm),
                "isPrimary": place == 0,
                "hasVirtualKey": realm_key::find(&app, &realm.id)?.is_some(),
                "models": shown::models_of(control, &realm.id),
            }))
        })
        .collect();
    // The gateway is the proxy, so there always is one.
    Ok(Json(json!({ "litellmConfigured": true, "litellmBaseUrl": base_url(&app, &headers), "realms": realms? })))
}
