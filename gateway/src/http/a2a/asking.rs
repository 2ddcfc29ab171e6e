//! A message for the model: through the pipeline, as a chat of the agent's own key.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tallygate_adapters::dialect::client_request::ClientRequest;
use tallygate_adapters::dialect::openai_chat::Operation;
use tallygate_core::activity::Endpoint;
use tallygate_core::admission;
use tallygate_core::agent::Membership;
use tallygate_core::agent::effective::{Effective, Idle, effective_within};
use tallygate_core::control::Control;
use tallygate_core::id::{ModelName, SlotName};
use tallygate_core::registry::Model;

use super::{Turn, metadata};
use crate::a2a::conversations::Recalled;
use crate::a2a::rpc::Fault;
use crate::agents::told::key_of;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::pipeline::received::Received;
use crate::pipeline::refusal;

/// What an agent answers a conversation with.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) membership: Membership,
    pub(super) model: Arc<Model>,
}

/// The model that a conversation has now, and the place of the agent whose key calls it.
///
/// # Errors
/// The agent has nothing to answer with, and why.
pub(super) fn serving(turn: &Turn<'_>, control: &Control) -> Result<Serving, ApiError> {
    let pipeline = &turn.app.pipeline;
    let (agent, context) = (&turn.visitor.agent, Some(&turn.context));
    let key = |membership: &Membership| key_of(pipeline, membership);
    match effective_within(control, agent, context, pipeline.clock.now(), &key) {
        Ok(Effective::Gateway { membership, model, .. }) => Ok(Serving { membership: membership.clone(), model }),
        Ok(Effective::Manual(_)) => Err(idle(turn, "manual")),
        Err(why) => Err(idle(turn, Idle::word(why))),
    }
}

fn idle(turn: &Turn<'_>, reason: &'static str) -> ApiError {
    let mend = match reason {
        "manual" => {
            "it is told to use a server past the gateway: clear its configuration, or choose a model for the conversation"
        }
        "no_realm" => "it is in no realm: let it join one",
        "no_model" => "its realms may call no model: grant them one",
        "not_granted" => {
            "the model that it is to use is not granted to its realm any more: grant it, or choose another"
        }
        "model_gone" => "the model that it is to use is not served any more: choose another",
        "realm_suspended" => "its realm is suspended: resume it",
        "key_unusable" => "its key does not work: give it another one",
        _ => "something that decides about it cannot be read by this version: upgrade the gateway",
    };
    let message = format!("the agent `{}` has nothing to answer with: {mend}", turn.visitor.agent.name);
    ApiError::new(ErrorCode::AgentIdle, message).details(json!({ "reason": reason }))
}

/// An answer on its way.
pub(super) struct Asked {
    pub(super) response: Response,
    pub(super) metadata: Value,
}

/// Asks the model, as a stream or not.
///
/// # Errors
/// The answer for the caller. What was asked is recorded and settled as any request.
pub(super) async fn run(turn: &Turn<'_>, streams: bool) -> Result<Asked, ApiError> {
    let pipeline = &turn.app.pipeline;
    let snapshot = pipeline.views.control.snapshot();
    let Serving { membership, model } = serving(turn, &snapshot.control)?;
    let received = Received::new(pipeline, Endpoint::Chat, turn.headers).within(turn.context.clone());
    let id = received.id;
    let authenticated = received.authenticate_agent(pipeline, &membership)?;
    let key = &authenticated.caller.key;
    let current = ModelName::new(SlotName::current().as_str());
    // By the slot where it leads there, so that the selection is on record with the request.
    let by_slot = current.ok().filter(|slot| {
        let permit = admission::resolve_within(&authenticated.snapshot.control, key, Some(&turn.context), slot);
        permit.is_ok_and(|permit| permit.model.id == model.id)
    });
    let name = by_slot.as_ref().unwrap_or(&model.name);
    let body = chat(name, turn.app.agents.conversations().recall(&turn.place()), &turn.said.text, streams);
    let request = ClientRequest::by_fields(Operation::Chat, body, None).map_err(|error| refusal::request(&error));
    let request = request.map_err(|error| authenticated.refuse(pipeline, error))?;
    let response = authenticated.resolve(pipeline, request)?.admit(pipeline)?.call(pipeline).await?;
    let metadata = metadata(model.name.as_str(), membership.realm.as_str(), &id.to_string());
    Ok(Asked { response, metadata })
}

/// The chat: the prompt, what was said before, and what is asked now.
fn chat(model: &ModelName, recalled: Recalled, asked: &str, streams: bool) -> Bytes {
    let Recalled { prompt, turns } = recalled;
    let says = |role: &str, text: &str| json!({ "role": role, "content": text });
    let mut messages: Vec<Value> = prompt.iter().map(|prompt| says("system", prompt)).collect();
    for (question, answer) in &turns {
        messages.extend([says("user", question), says("assistant", answer)]);
    }
    messages.push(says("user", asked));
    let mut body = json!({ "model": model, "messages": messages });
    if streams {
        body["stream"] = json!(true);
    }
    body.to_string().into()
}

/// Asks, and waits for the whole answer.
///
/// # Errors
/// As [`run`], and an answer without text.
pub(super) async fn ask(turn: &Turn<'_>) -> Result<Value, Fault> {
    let Asked { response, metadata } = run(turn, false).await?;
    // The pipeline has the answer whole already, within its own limit.
    let body = response.into_body().collect().await.map_err(|_| no_text())?.to_bytes();
    let answer: Value = serde_json::from_slice(&body).map_err(|_| no_text())?;
    let text = answer.pointer("/choices/0/message/content").and_then(Value::as_str).filter(|text| !text.is_empty());
    let text = text.ok_or_else(no_text)?;
    turn.app.agents.conversations().note(&turn.place(), &turn.said.text, text);
    Ok(turn.answer(text, Some(metadata)))
}

/// Of an answer that says nothing, such as one of reasoning alone.
pub(super) const NO_TEXT: &str = "the model's answer has no text: ask again, or choose another model";

fn no_text() -> Fault {
    Fault::new(Fault::INTERNAL, NO_TEXT)
}
