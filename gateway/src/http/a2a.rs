//! `/a2a/{agent}`: agents of the gateway's, for callers that speak the agent-to-agent protocol.
//!
//! A message is answered by the model that is selected for its conversation, through the one pipeline, with the agent's own
//! key in its realm. Who may not converse gets an answer of HTTP's; all else is an answer of the protocol's.

mod visitor;
mod card;
mod swap;
mod asking;
mod streaming;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::{Value, json};
use tallygate_core::id::ContextId;
use tallygate_core::scope::Conversation;

use super::App;
use super::body;
use super::error::ApiError;
use super::error_code::ErrorCode;
use crate::a2a::control_message::Control;
use crate::a2a::conversations::Place;
use crate::a2a::rpc::{self, Call, Fault};
use crate::a2a::{message, message::Said};
use visitor::Visitor;

/// All routes of agents.
pub(super) fn router() -> Router<App> {
    // A card has the path of the protocol's 0.3, and the one before.
    Router::new()
        .route("/a2a/{agent}", post(call))
        .route("/a2a/{agent}/.well-known/agent-card.json", get(card::show))
        .route("/a2a/{agent}/.well-known/agent.json", get(card::show))
}

/// A message in its conversation.
#[derive(Debug)]
struct Turn<'a> {
    app: &'a App,
    visitor: &'a Visitor,
    headers: &'a HeaderMap,
    /// The call's id.
    id: Value,
    context: ContextId,
    said: Said,
}

impl Turn<'_> {
    fn place(&self) -> Place {
        let agent = self.visitor.agent.id.clone();
        Place { conversation: Conversation { agent, context: self.context.clone() }, realm: self.visitor.realm.clone() }
    }

    /// The agent's message.
    fn answer(&self, text: &str, metadata: Option<Value>) -> Value {
        message::answer(&self.app.pipeline.ids.uuid().to_string(), &self.context, text, metadata)
    }
}

async fn call(
    State(app): State<App>,
    Path(agent): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let visitor = Visitor::to_call(&app, &agent, &headers).await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let Call { id, method, params } = match rpc::read(&bytes) {
        Ok(call) => call,
        Err(unread) => return Ok(json_answer(&unread.fault.answer(&unread.id))),
    };
    drop(bytes);
    let streams = match method.as_str() {
        "message/send" => false,
        "message/stream" => true,
        _ => return Ok(json_answer(&rpc::unserved(&method).answer(&id))),
    };
    let answered = match message::read(params) {
        Ok(said) => converse(&app, &visitor, &headers, &id, said, streams).await,
        Err(fault) => Err(fault),
    };
    Ok(answered.unwrap_or_else(|fault| told(streams, &fault.answer(&id))))
}

async fn converse(
    app: &App,
    visitor: &Visitor,
    headers: &HeaderMap,
    id: &Value,
    said: Said,
    streams: bool,
) -> Result<Response, Fault> {
    visitor.count(app)?;
    let control = Control::read(&said.text)?;
    let context = match said.context.clone() {
        Some(context) => context,
        None => ContextId::new(app.pipeline.ids.uuid().to_string())
            .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?,
    };
    let turn = Turn { app, visitor, headers, id: id.clone(), context, said };
    match control {
        Some(control) => {
            let text = Box::pin(swap::carry_out(&turn, control)).await?;
            Ok(told(streams, &rpc::answer(id, &turn.answer(&text, None))))
        }
        None if streams => Box::pin(streaming::stream(turn)).await,
        None => {
            let answer = Box::pin(asking::ask(&turn)).await?;
            Ok(json_answer(&rpc::answer(id, &answer)))
        }
    }
}

/// One answer, in the form that the caller waits for.
fn told(streams: bool, answer: &Value) -> Response {
    if streams { events(Body::from(event(answer))) } else { json_answer(answer) }
}

fn json_answer(answer: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
}

/// One event of a stream.
fn event(answer: &Value) -> String {
    format!("data: {answer}\n\n")
}

fn events(body: Body) -> Response {
    ([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")], body).into_response()
}

/// What an answer tells of itself beside its text.
fn metadata(model: &str, realm: &str, request: &str) -> Value {
    json!({ "tallygate": { "model": model, "realm": realm, "request": request } })
}
