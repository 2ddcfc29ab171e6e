//! `POST /utils/token_counter`: how many tokens a prompt is, by a vocabulary or by an estimate.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_adapters::provider::tokens::{self, Count, Prompt, Vocabulary};
use tallygate_core::id::{ModelName, RealmId, VendorId};

use super::caller::Caller;
use super::fields::Fields;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// Under which name a model is served, and by which vocabulary it reads.
struct Served {
    vocabulary: Option<Vocabulary>,
    upstream_model: String,
}

/// Counts. Any key may ask, for any model: to count a text takes no permission to send it.
///
/// Cancellation: a count that has begun is finished, and counts against the limit of counts until then.
pub(super) async fn count(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_any_kind(&app, &headers).await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let requested = fields.text("model")?.into_value().ok_or_else(|| fields.missing("model"))?;
    let prompt = prompt(&fields)?;
    let Served { vocabulary, upstream_model } = served(&app, &caller, &requested);
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

/// The first deployment of the model that the caller sees by this name; else what the name itself says.
fn served(app: &App, caller: &Caller, requested: &str) -> Served {
    let snapshot = app.pipeline.views.control.snapshot();
    let realm = match caller {
        Caller::Operator => RealmId::default_realm(),
        Caller::Key(row) => row.key.realm.clone(),
    };
    let name = ModelName::new(requested).ok();
    let model = name.and_then(|name| snapshot.control.visible_model(&realm, &name));
    let served = |vendor: &VendorId, upstream_model: &str| Served {
        vocabulary: Vocabulary::of(vendor, upstream_model),
        upstream_model: upstream_model.to_owned(),
    };
    if let Some(deployment) = model.and_then(|model| model.deployments.first()) {
        return served(&deployment.vendor, &deployment.upstream_model);
    }
    match app.pipeline.upstreams.vendors().resolve(requested, None, false) {
        Ok((vendor, model)) => served(&vendor.id, model),
        Err(_) => Served { vocabulary: None, upstream_model: requested.to_owned() },
    }
}
