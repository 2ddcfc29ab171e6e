//! How many tokens a prompt is, asked in the dialects that have a route for it: `POST /v1/messages/count_tokens` and
//! `POST /v1beta/models/{model}:countTokens`. It is counted here, as `/utils/token_counter` does, and costs nothing.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_adapters::provider::doors::{Asks, GENERATE, MESSAGES};
use tallygate_adapters::provider::tokens::{self, Prompt, Vocabulary};
use tallygate_core::admission;
use tallygate_core::id::ModelName;

use super::App;
use super::body;
use super::error::ApiError;
use super::error_code::ErrorCode;
use crate::pipeline::received::Received;
use crate::pipeline::refusal;

/// `POST /v1/messages/count_tokens`.
pub(super) async fn of_messages(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let names = ["system", "tools"];
    match counted(&app, (MESSAGES, None), &headers, body, (&names, "messages")).await {
        Ok(tokens) => Json(json!({ "input_tokens": tokens })).into_response(),
        Err(error) => error.of_asker(MESSAGES).into_response(),
    }
}

/// `POST /v1beta/models/{model}:countTokens`.
pub(super) async fn of_contents(app: &App, model: &str, headers: &HeaderMap, body: Body) -> Response {
    let names = ["systemInstruction", "system_instruction", "tools", "generateContentRequest"];
    match counted(app, (GENERATE, Some(model)), headers, body, (&names, "contents")).await {
        Ok(tokens) => Json(json!({ "totalTokens": tokens })).into_response(),
        Err(error) => error.of_asker(GENERATE).into_response(),
    }
}

/// Counts what stands under some names, and the list of turns.
async fn counted(
    app: &App,
    (asks, path_model): (Asks, Option<&str>),
    headers: &HeaderMap,
    body: Body,
    (names, turns): (&[&str], &str),
) -> Result<u64, ApiError> {
    let endpoint = asks.endpoint();
    let received = Received::new(&app.pipeline, endpoint, headers);
    let caller = received.authenticate(&app.pipeline, headers).await?;
    let bytes = body::read(&app.pipeline.settings, headers, body).await?;
    let mut asked: Value = serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::new(ErrorCode::BodyInvalid, format!("Invalid JSON payload: {error}")))?;
    let model = path_model.or_else(|| asked.get("model")?.as_str());
    let missing = || ApiError::new(ErrorCode::ParameterInvalid, "the field `model` is missing").param("model");
    let model = model.ok_or_else(missing)?;
    let name = ModelName::new(model)
        .map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.to_string()).param("model"))?;
    let permit = admission::resolve(&caller.snapshot.control, &caller.caller.key, &name)
        .map_err(|refused| refusal::model(&refused, &name, endpoint))?;
    let served = permit.model.deployments.first();
    let vocabulary = served.and_then(|served| Vocabulary::of(&served.vendor, &served.upstream_model));
    let prompt = Prompt::Turns(prompt(&mut asked, names, turns));
    let permit = app.counting.clone().acquire_owned().await;
    let permit = permit.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    let count = tokio::task::spawn_blocking(move || {
        let count = tokens::count(vocabulary, &prompt);
        drop(permit);
        count
    });
    Ok(count.await.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?.tokens)
}

fn prompt(asked: &mut Value, names: &[&str], turns: &str) -> Vec<Value> {
    let mut all: Vec<Value> = names.iter().filter_map(|name| asked.get_mut(name).map(Value::take)).collect();
    match asked.get_mut(turns).map(Value::take) {
        Some(Value::Array(list)) => all.extend(list),
        Some(one) => all.push(one),
        None => {}
    }
    all
}
