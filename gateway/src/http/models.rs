//! `GET /v1/models`: the models that a key may call, in the shape that its client expects.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{ETAG, USER_AGENT};
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_adapters::provider::doors::MESSAGES_HEADER;
use tallygate_core::activity::Endpoint;
use tallygate_core::admission::{self, Rule};
use tallygate_core::id::ModelName;
use tallygate_core::registry::Model;

use super::App;
use super::error::ApiError;
use super::error_code::ErrorCode;
use crate::pipeline::authenticated::Authenticated;
use crate::pipeline::received::Received;
use crate::pipeline::refusal;

/// The moment that LiteLLM says every model was made.
const CREATED: u64 = 1_677_610_602;
/// The same moment, as text.
const CREATED_AT: &str = "2023-02-28T18:56:42Z";
/// The context that is told of a model that says nothing of its own, in tokens.
const CONTEXT_TOKENS: u64 = 128_000;

/// `GET /v1/models`. Who sends `anthropic-version` gets that vendor's list; who sends `client_version` or is one of the
/// coding agents that do, a catalog; all others OpenAI's list.
pub(super) async fn list(State(app): State<App>, headers: HeaderMap, uri: Uri) -> Result<Response, ApiError> {
    let caller = caller(&app, &headers).await?;
    let models = callable(&caller);
    let names = models.iter().map(|model| &model.name);
    if headers.contains_key(MESSAGES_HEADER) {
        return Ok(Json(turns_list(names)).into_response());
    }
    if wants_catalog(&headers, &uri) {
        let rows: Vec<Value> =
            models.iter().enumerate().map(|(place, model)| catalog_row(&app, place, model)).collect();
        // What the list says changes with the log alone.
        let tag = format!("\"{}\"", caller.snapshot.position());
        return Ok(([(ETAG, tag)], Json(json!({ "models": rows }))).into_response());
    }
    let data: Vec<Value> = names.map(|name| object(name, "openai")).collect();
    Ok(Json(json!({ "data": data, "object": "list" })).into_response())
}

/// `GET /v1/models/{id}`. An id may hold slashes.
pub(super) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let caller = caller(&app, &headers).await?;
    let not_found = || {
        let message = format!("The model `{id}` does not exist or is not accessible");
        ApiError::new(ErrorCode::ModelNotFound, message).status(404).param("model")
    };
    let name = ModelName::new(&id).map_err(|_| not_found())?;
    match admission::resolve(&caller.snapshot.control, &caller.caller.key, &name) {
        Ok(permit) if headers.contains_key(MESSAGES_HEADER) => Ok(Json(turns_object(&permit.model.name))),
        Ok(permit) => {
            let vendor = permit.model.deployments.first().map_or("openai", |deployment| deployment.vendor.as_str());
            Ok(Json(object(&permit.model.name, vendor)))
        }
        Err(refused) if refused.rule == Rule::Quarantined => Err(refusal::model(&refused, &name, Endpoint::Models)),
        Err(_) => Err(not_found()),
    }
}

/// `GET /v1beta/models`: the list of clients that name a method with the model.
pub(super) async fn by_method(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = caller(&app, &headers).await?;
    let rows: Vec<Value> = callable(&caller).into_iter().map(|model| method_object(&app, model)).collect();
    Ok(Json(json!({ "models": rows })))
}

/// `GET /v1beta/models/{id}`.
pub(super) async fn one_by_method(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let caller = caller(&app, &headers).await?;
    let name = ModelName::new(&id).ok();
    let permit = name.and_then(|name| admission::resolve(&caller.snapshot.control, &caller.caller.key, &name).ok());
    let permit = permit.ok_or_else(|| {
        let message = format!("The model `{id}` does not exist or is not accessible");
        ApiError::new(ErrorCode::ModelNotFound, message).status(404).param("model")
    })?;
    Ok(Json(method_object(&app, &permit.model)))
}

async fn caller(app: &App, headers: &HeaderMap) -> Result<Authenticated, ApiError> {
    Received::new(&app.pipeline, Endpoint::Models, headers).authenticate(&app.pipeline, headers).await
}

/// The models that the key may call, by name.
fn callable(caller: &Authenticated) -> Vec<&Model> {
    let key = &caller.caller.key;
    let callable = admission::callable(&caller.snapshot.control, key);
    let mut models: Vec<&Model> = callable.map(AsRef::as_ref).collect();
    models.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    models
}

fn wants_catalog(headers: &HeaderMap, uri: &Uri) -> bool {
    let asks = uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("client_version=")));
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    asks || agent.strip_prefix("codex").is_some_and(|rest| rest.starts_with(['-', '_', ' ', '/']))
}

fn object(name: &ModelName, owner: &str) -> Value {
    json!({ "id": name, "object": "model", "created": CREATED, "owned_by": owner })
}

fn turns_object(name: &ModelName) -> Value {
    json!({ "type": "model", "id": name, "display_name": name, "created_at": CREATED_AT })
}

fn turns_list<'m>(names: impl Iterator<Item = &'m ModelName>) -> Value {
    let data: Vec<Value> = names.map(turns_object).collect();
    let id = |row: Option<&Value>| row.map_or(Value::Null, |row| row["id"].clone());
    json!({ "first_id": id(data.first()), "last_id": id(data.last()), "has_more": false, "data": data })
}

fn method_object(app: &App, model: &Model) -> Value {
    let (context, answer) = lengths(app, model);
    json!({
        "name": format!("models/{}", model.name),
        "displayName": model.name,
        "inputTokenLimit": context,
        "outputTokenLimit": answer,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    })
}

/// What coding agents read of a catalog: what a model can, and how much fits into it.
fn catalog_row(app: &App, place: usize, model: &Model) -> Value {
    json!({
        "slug": model.name,
        "display_name": model.name,
        "description": "",
        "default_reasoning_level": "medium",
        "supported_reasoning_levels": [
            { "effort": "low", "description": "a little" },
            { "effort": "medium", "description": "some" },
            { "effort": "high", "description": "much" },
        ],
        "shell_type": "shell_command",
        "visibility": "list",
        "minimal_client_version": "0.0.0",
        "supported_in_api": true,
        "priority": place,
        "context_window": lengths(app, model).0,
    })
}

/// The longest prompt and the longest answer of a model, in tokens.
fn lengths(app: &App, model: &Model) -> (u64, u64) {
    let served = model.deployments.first();
    let known = served.and_then(|deployment| app.pipeline.upstreams.known(deployment));
    let context = known.and_then(|known| known.longest_context_tokens).unwrap_or(CONTEXT_TOKENS);
    let own = served.and_then(|deployment| deployment.max_output_tokens);
    let answer = own.or_else(|| known.and_then(|known| known.max_output_tokens)).unwrap_or(CONTEXT_TOKENS);
    (context, answer.min(context))
}
