//! How many tokens a prompt is, asked in the dialects that have a route for it: `POST /v1/messages/count_tokens` and
//! `POST /v1beta/models/{model}:countTokens`. It costs nothing.
//!
//! A deployment whose provider counts in the same dialect is asked; where there is none, or none answers, the prompt is
//! counted here, as `/utils/token_counter` does. A header says which.

mod by_provider;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use tallygate_adapters::provider::doors::{Asks, GENERATE, MESSAGES};
use tallygate_adapters::provider::tokens::{self, Prompt, Vocabulary};
use tallygate_core::admission;
use tallygate_core::id::ModelName;

use self::by_provider::{Asked, ByProvider};
use super::App;
use super::body;
use super::error::ApiError;
use super::error_code::ErrorCode;
use crate::pipeline::received::Received;
use crate::pipeline::refusal;

/// Says who counted: the deployment, or `gateway`.
const COUNTED_BY: HeaderName = HeaderName::from_static("x-tallygate-counted-by");

/// A route that counts, and what its bodies look like.
struct Form {
    asks: Asks,
    /// What of a prompt stands beside the turns.
    beside: &'static [&'static str],
    /// Where the turns stand.
    turns: &'static str,
    /// Where the answer has the count.
    count: &'static str,
}

const OF_MESSAGES: Form =
    Form { asks: MESSAGES, beside: &["system", "tools"], turns: "messages", count: "input_tokens" };
const OF_CONTENTS: Form = Form {
    asks: GENERATE,
    beside: &["systemInstruction", "system_instruction", "tools", "generateContentRequest"],
    turns: "contents",
    count: "totalTokens",
};

/// `POST /v1/messages/count_tokens`.
pub(super) async fn of_messages(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    answer(&app, &OF_MESSAGES, None, &headers, body).await
}

/// `POST /v1beta/models/{model}:countTokens`.
pub(super) async fn of_contents(app: &App, model: &str, headers: &HeaderMap, body: Body) -> Response {
    answer(app, &OF_CONTENTS, Some(model), headers, body).await
}

async fn answer(app: &App, form: &Form, path_model: Option<&str>, headers: &HeaderMap, body: Body) -> Response {
    match counted(app, form, path_model, headers, body).await {
        Ok(Counted::Here(tokens)) => ([(COUNTED_BY, "gateway")], Json(json!({ form.count: tokens }))).into_response(),
        Ok(Counted::ByProvider(told)) => {
            let head = [(COUNTED_BY, told.deployment), (CONTENT_TYPE, "application/json".to_owned())];
            (head, told.body).into_response()
        }
        Err(error) => error.of_asker(form.asks).into_response(),
    }
}

enum Counted {
    /// So many tokens.
    Here(u64),
    /// The provider's own answer.
    ByProvider(ByProvider),
}

async fn counted(
    app: &App,
    form: &Form,
    path_model: Option<&str>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Counted, ApiError> {
    let endpoint = form.asks.endpoint();
    let received = Received::new(&app.pipeline, endpoint, headers).forwarding(headers);
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
    let to_ask = Asked { form, caller: &caller, model: &permit.model, body: &asked };
    if let Some(told) = by_provider::ask(app, &to_ask).await? {
        return Ok(Counted::ByProvider(told));
    }
    let served = permit.model.deployments.first();
    let vocabulary = served.and_then(|served| Vocabulary::of(&served.vendor, &served.upstream_model));
    let prompt = Prompt::Turns(prompt(&mut asked, form));
    let permit = app.counting.clone().acquire_owned().await;
    let permit = permit.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    let count = tokio::task::spawn_blocking(move || {
        let count = tokens::count(vocabulary, &prompt);
        drop(permit);
        count
    });
    let count = count.await.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(Counted::Here(count.tokens))
}

fn prompt(asked: &mut Value, form: &Form) -> Vec<Value> {
    let mut all: Vec<Value> = form.beside.iter().filter_map(|name| asked.get_mut(name).map(Value::take)).collect();
    match asked.get_mut(form.turns).map(Value::take) {
        Some(Value::Array(list)) => all.extend(list),
        Some(one) => all.push(one),
        None => {}
    }
    all
}
