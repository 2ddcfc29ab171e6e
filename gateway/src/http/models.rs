//! `GET /v1/models`: the models that a key may call, in OpenAI's shape.

use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_core::activity::Endpoint;
use tallygate_core::admission::{self, Rule};
use tallygate_core::id::ModelName;

use super::App;
use super::error::ApiError;
use super::error_code::ErrorCode;
use crate::pipeline::received::Received;
use crate::pipeline::refusal;

/// The moment that LiteLLM says every model was made.
const CREATED: u64 = 1_677_610_602;

/// `GET /v1/models`.
pub(super) async fn list(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Received::new(&app.pipeline, Endpoint::Models, &headers).authenticate(&app.pipeline, &headers).await?;
    let key = &caller.caller.key;
    let mut names: Vec<&ModelName> =
        caller.snapshot.control.callable_models(&key.realm, &key.models).map(|model| &model.name).collect();
    names.sort_unstable();
    let data: Vec<Value> = names.into_iter().map(|name| object(name, "openai")).collect();
    Ok(Json(json!({ "data": data, "object": "list" })))
}

/// `GET /v1/models/{id}`. An id may hold slashes.
pub(super) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let caller = Received::new(&app.pipeline, Endpoint::Models, &headers).authenticate(&app.pipeline, &headers).await?;
    let not_found = || {
        let message = format!("The model `{id}` does not exist or is not accessible");
        ApiError::new(ErrorCode::ModelNotFound, message).status(404).param("model")
    };
    let name = ModelName::new(&id).map_err(|_| not_found())?;
    match admission::resolve(&caller.snapshot.control, &caller.caller.key, &name) {
        Ok(permit) => {
            let vendor = permit.model.deployments.first().map_or("openai", |deployment| deployment.vendor.as_str());
            Ok(Json(object(&permit.model.name, vendor)))
        }
        Err(refused) if refused.rule == Rule::Quarantined => Err(refusal::model(&refused, &name, Endpoint::Models)),
        Err(_) => Err(not_found()),
    }
}

fn object(name: &ModelName, owner: &str) -> Value {
    json!({ "id": name, "object": "model", "created": CREATED, "owned_by": owner })
}
