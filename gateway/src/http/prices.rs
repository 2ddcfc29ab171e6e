//! `GET /api/prices`: what each deployment in service costs, exactly, and since which event.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_core::price::Unpriced;

use super::App;
use super::error::ApiError;
use super::operator;

/// All deployments in service with their prices. One without a price is said to have none, which is not a price of zero.
pub(super) async fn list(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/prices").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let models = snapshot.control.models.iter().map(|(_, model)| model).filter(|model| model.retired.is_none());
    let deployments: Vec<Value> = models
        .flat_map(|model| model.deployments.iter().map(move |deployment| (model, deployment)))
        .map(|(model, deployment)| {
            let in_force = deployment.price.as_ref();
            json!({
                "model": model.id,
                "name": model.name,
                "realm": model.realm,
                "deployment": deployment.id,
                "vendor": deployment.vendor,
                "upstream_model": deployment.upstream_model,
                "price": in_force.map(|in_force| &in_force.price),
                "price_position": in_force.map(|in_force| in_force.position),
                "unpriced_reason": in_force.is_none().then_some(Unpriced::NoPrice),
            })
        })
        .collect();
    Ok(Json(json!({ "position": snapshot.position(), "deployments": deployments })))
}
