//! `GET /model/info`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_core::admission;
use tallygate_core::control::Control;
use tallygate_core::registry::Model;

use super::row;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::query::Query;

/// All deployments, by the name of their model; for a virtual key those that it may call.
pub(super) async fn info(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/model/info").await?;
    let query = Query::read(&uri)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let for_operator = matches!(caller, Caller::Operator);
    let wanted = query.text("litellm_model_id");
    let mut data = Vec::new();
    for model in visible(&snapshot.control, &caller) {
        for deployment in &model.deployments {
            if wanted.is_none_or(|id| deployment.id.as_str() == id) {
                let known = app.pipeline.upstreams.known(deployment);
                data.push(row::entry(&model, deployment, known, for_operator));
            }
        }
    }
    match wanted {
        Some(id) if data.is_empty() => {
            let message = format!("Model id = {id} not found on litellm proxy");
            let error = ApiError::coded("deployment_not_found", 400, message.as_str()).param("litellm_model_id");
            Err(error.framework_detail(json!({ "error": message })))
        }
        _ => Ok(Json(json!({ "data": data }))),
    }
}

/// The models that a caller may see, by name.
pub(in crate::http::litellm) fn visible(control: &Control, caller: &Caller) -> Vec<Arc<Model>> {
    match caller {
        Caller::Operator => {
            let mut models: Vec<_> = control
                .models
                .iter()
                .map(|(_, model)| model)
                .filter(|model| model.retired.is_none())
                .cloned()
                .collect();
            models.sort_by(|a, b| (&a.name, &a.realm).cmp(&(&b.name, &b.realm)));
            models
        }
        Caller::Key(own) => admission::callable(control, &own.key).cloned().collect(),
    }
}
