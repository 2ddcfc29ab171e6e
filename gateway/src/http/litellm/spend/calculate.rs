//! `POST /spend/calculate`: what a call would cost, or what one did, by the prices in force and the one cost function.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::HeaderMap;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tallygate_adapters::dialect::openai_chat::answer;
use tallygate_adapters::litellm::amount::usd;
use tallygate_adapters::provider::tokens::{self, Prompt};
use tallygate_core::activity::Endpoint;
use tallygate_core::admission;
use tallygate_core::id::ModelName;
use tallygate_core::price::{Class, Price};
use tallygate_core::usage::Usage;

use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::served::{self, Served};
use crate::pipeline::refusal;

/// The cost of a model's prompt, without an answer, or of an answer that somebody kept. A key may ask for what it may call, and
/// for what the catalog knows.
///
/// Cancellation: a count that has begun is finished, and counts against the limit of counts until then.
pub(super) async fn calculate(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_any_kind(&app, &headers).await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let (name, usage, served) = match fields.text("model")?.into_value() {
        Some(model) => {
            let served = priced(&app, &caller, &model)?;
            let usage = prompt(&app, &fields, &served).await?;
            (model, usage, served)
        }
        None => {
            let answer = fields.raw("completion_response").filter(|raw| raw.get() != "null").ok_or_else(neither)?;
            let (model, usage) = kept(&fields, answer)?;
            let served = priced(&app, &caller, &model)?;
            (model, usage, served)
        }
    };
    let unpriced = || {
        let message = format!("`{name}` has no price: name a model that is registered with one, or one of the catalog");
        ApiError::new(ErrorCode::Unpriced, message).param("model")
    };
    let price: Price = served.price.ok_or_else(unpriced)?;
    let usage = Usage { requests: u64::from(price.has(Class::Request)), ..usage };
    let cost = price.cost(&usage).map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.to_string()))?;
    Ok(Json(json!({ "cost": usd(cost) })))
}

fn neither() -> ApiError {
    let message = "Bad Request - Either 'model' or 'completion_response' must be provided";
    ApiError::new(ErrorCode::ParameterInvalid, message).param("model")
}

/// How a model is served. One that is registered, and that the key may not call, is refused as a call would be.
fn priced(app: &App, caller: &Caller, named: &str) -> Result<Served, ApiError> {
    let served = served::of(app, caller, named);
    let (Caller::Key(row), Ok(name)) = (caller, ModelName::new(named)) else { return Ok(served) };
    let snapshot = app.pipeline.views.control.snapshot();
    match admission::resolve(&snapshot.control, &row.key, &name) {
        // What an alias or a selection leads to has another name.
        Ok(permit) => Ok(served::of(app, caller, permit.model.name.as_str())),
        Err(refused) if snapshot.control.visible_model(&row.key.realm, &name).is_some() => {
            Err(refusal::model(&refused, &name, Endpoint::Chat))
        }
        Err(_) => Ok(served),
    }
}

/// What the prompt alone uses.
async fn prompt(app: &App, fields: &Fields<'_>, served: &Served) -> Result<Usage, ApiError> {
    let prompt = match fields.value("messages")? {
        Value::Array(messages) => Prompt::Messages(messages),
        Value::Null => {
            let message = "Bad Request - messages must be provided if 'model' is provided";
            return Err(ApiError::new(ErrorCode::ParameterInvalid, message).param("messages"));
        }
        _ => return Err(fields.wrong("messages", "list_type", "Input should be a valid list")),
    };
    let vocabulary = served.vocabulary;
    let permit = app.counting.clone().acquire_owned().await;
    let permit = permit.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    let counted = tokio::task::spawn_blocking(move || {
        let counted = tokens::count(vocabulary, &prompt);
        drop(permit);
        counted
    });
    let counted = counted.await.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(Usage { input_tokens: counted.tokens, ..Usage::default() })
}

/// The model of an answer, and what it says that it used.
fn kept(fields: &Fields<'_>, answer: &RawValue) -> Result<(String, Usage), ApiError> {
    if !answer.get().starts_with('{') {
        return Err(fields.wrong("completion_response", "dict_type", "Input should be a valid dictionary"));
    }
    let within = Fields::read(answer.get().as_bytes())?;
    let refused = |what: &str| {
        let place = format!("completion_response.{what}");
        ApiError::new(ErrorCode::ParameterInvalid, format!("`{place}` must say what the answer used")).param(place)
    };
    let model = within.text("model")?.into_value().ok_or_else(|| refused("model"))?;
    let usage = answer::told(answer.get().as_bytes()).ok_or_else(|| refused("usage"))?;
    Ok((model, usage))
}
