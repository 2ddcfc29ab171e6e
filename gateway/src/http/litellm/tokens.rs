//! `POST /utils/token_counter`: how many tokens a prompt is, by a vocabulary or by an estimate.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_adapters::provider::tokens::{self, Count, Prompt, Vocabulary};

use super::caller::Caller;
use super::fields::Fields;
use super::served::{self, Served};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// Counts. Any key may ask, for any model: to count a text takes no permission to send it.
///
/// Cancellation: a count that has begun is finished, and counts against the limit of counts until then.
pub(super) async fn count(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_any_kind(&app, &headers).await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let requested = fields.text("model")?.into_value().ok_or_else(|| fields.missing("model"))?;
    let prompt = prompt(&fields)?;
    let Served { vocabulary, upstream_model, .. } = served::of(&app, &caller, &requested);
    let permit = app.counting.clone().acquire_owned().await;
    let permit = permit.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    let counted = tokio::task::spawn_blocking(move || {
        let counted = tokens::count(vocabulary, &prompt);
        drop(permit);
        counted
    });
    let Count { tokens, vocabulary } =
        counted.await.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(Json(json!({
        "total_tokens": tokens,
        "request_model": requested,
        "model_used": upstream_model,
        "tokenizer_type": if vocabulary.is_some() { "openai_tokenizer" } else { "estimate" },
        "tallygate": { "vocabulary": vocabulary.map(Vocabulary::as_str), "estimated": vocabulary.is_none() },
        "original_response": null,
    })))
}

/// What is to be counted: the first of `messages`, `contents` and `prompt` that is there.
fn prompt(fields: &Fields<'_>) -> Result<Prompt, ApiError> {
    for name in ["messages", "contents"] {
        match fields.value(name)? {
            Value::Null => {}
            Value::Array(messages) => return Ok(Prompt::Messages(messages)),
            Value::String(text) => return Ok(Prompt::Text(text)),
            _ => return Err(fields.wrong(name, "list_type", "Input should be a valid list")),
        }
    }
    fields.text("prompt")?.into_value().map(Prompt::Text).ok_or_else(|| {
        ApiError::new(ErrorCode::ParameterInvalid, "prompt or messages or contents must be provided").param("prompt")
    })
}
