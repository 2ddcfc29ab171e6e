//! Anthropic's Messages.

mod request;

use serde_json::{Value, json};

use crate::upstream::Recorded;

use super::format::{Asked, Format, bears_key, has_key, named_event};
use super::refusal::Refusal;
use super::route::Route;
use super::scenario::{Answer, Finish, SIGNATURE, Tokens};
use super::seen::Seen;

/// The versions of the interface; the newer one takes less.
const VERSIONS: [&str; 2] = ["2023-06-01", "2026-10-21"];

/// See the module.
pub(super) struct AnthropicMessages;

impl Format for AnthropicMessages {
    fn authorize(&self, request: &Recorded, _route: &Route) -> Result<(), Refusal> {
        if !has_key(request, "x-api-key") && !bears_key(request) {
            return Err(Refusal::key());
        }
        match request.header("anthropic-version") {
            Some(version) if VERSIONS.contains(&version) => Ok(()),
            Some(_) => Err(Refusal::invalid("anthropic-version", "is not a valid version")),
            None => Err(Refusal::invalid("anthropic-version", "header is required")),
        }
    }

    fn read(&self, asked: Asked<'_>) -> Result<Seen, Refusal> {
        let is_newer = asked.request.header("anthropic-version") == Some(VERSIONS[1]);
        request::read(asked.body, asked.route.task, is_newer)
    }

    fn whole(&self, seen: &Seen, answer: &Answer) -> Value {
        let mut message = head(seen, answer);
        message["content"] = content(answer).into();
        message["stop_reason"] = json!(stop_reason(answer));
        message["stop_sequence"] = stop_sequence(answer);
        if let Some(tokens) = answer.tokens {
            message["usage"] = usage(tokens);
        }
        message
    }

    fn frames(&self, seen: &Seen, answer: &Answer) -> Vec<String> {
        let mut start = head(seen, answer);
        if let Some(tokens) = answer.tokens {
            // What is known before the answer; the last event revises it.
            start["usage"] = usage(Tokens { fresh: tokens.fresh.saturating_sub(1), text: 1, reasoning: 0, ..tokens });
        }
        let mut events = vec![json!({"type": "message_start", "message": start}), json!({"type": "ping"})];
        for (index, block) in content(answer).into_iter().enumerate() {
            block_events(index, &block, answer, &mut events);
        }
        let ending = json!({"stop_reason": stop_reason(answer), "stop_sequence": stop_sequence(answer)});
        let mut last = json!({"type": "message_delta", "delta": ending});
        if let Some(tokens) = answer.tokens {
            last["usage"] = usage(tokens);
        }
        events.push(last);
        events.push(json!({"type": "message_stop"}));
        events.iter().map(named_event).collect()
    }

    fn filler(&self, _seen: &Seen) -> String {
        let delta = json!({"type": "text_delta", "text": "x"});
        named_event(&json!({"type": "content_block_delta", "index": 0, "delta": delta}))
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        let kind = match refusal.status {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            504 => "timeout_error",
            529 => "overloaded_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        json!({"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": "req_simulated"})
    }

    fn broken(&self, refusal: &Refusal) -> String {
        named_event(&self.refusal(refusal))
    }
}

fn head(seen: &Seen, answer: &Answer) -> Value {
    json!({"id": format!("msg_{}", answer.number), "type": "message", "role": "assistant", "model": seen.model,
        "content": [], "stop_reason": null, "stop_sequence": null})
}

fn content(answer: &Answer) -> Vec<Value> {
    let thinking = |text| json!({"type": "thinking", "thinking": text, "signature": SIGNATURE});
    let mut blocks: Vec<Value> = answer.reasoning.map(thinking).into_iter().collect();
    if answer.calls.is_empty() {
        blocks.push(json!({"type": "text", "text": answer.text}));
    }
    let call = |call: &super::scenario::Call| json!({"type": "tool_use", "id": format!("toolu_{}", call.id), "name": call.name, "input": call.arguments});
    blocks.extend(answer.calls.iter().map(call));
    blocks
}

/// The events of one block of the content.
fn block_events(index: usize, block: &Value, answer: &Answer, events: &mut Vec<Value>) {
    let kind = block["type"].as_str().unwrap_or_default();
    let (empty, deltas) = match kind {
        "thinking" => (
            json!({"type": "thinking", "thinking": "", "signature": ""}),
            vec![
                json!({"type": "thinking_delta", "thinking": block["thinking"]}),
                json!({"type": "signature_delta", "signature": SIGNATURE}),
            ],
        ),
        "text" => (
            json!({"type": "text", "text": ""}),
            answer.pieces().map(|piece| json!({"type": "text_delta", "text": piece})).collect(),
        ),
        _ => {
            let call = answer.calls.iter().find(|call| block["id"] == format!("toolu_{}", call.id));
            let pieces = call.map(super::scenario::Call::argument_pieces).unwrap_or_default();
            // The vendor begins with an empty piece, and sends no other for a call without arguments.
            let pieces = std::iter::once(String::new()).chain(pieces);
            let delta = |piece| json!({"type": "input_json_delta", "partial_json": piece});
            let empty = json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}});
            (empty, pieces.map(delta).collect())
        }
    };
    events.push(json!({"type": "content_block_start", "index": index, "content_block": empty}));
    events.extend(deltas.iter().map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})));
    events.push(json!({"type": "content_block_stop", "index": index}));
}

const fn stop_reason(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop => "end_turn",
        Finish::StopAt(_) => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::Calls => "tool_use",
    }
}

fn stop_sequence(answer: &Answer) -> Value {
    if let Finish::StopAt(stop) = &answer.finish { json!(stop) } else { Value::Null }
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "input_tokens": tokens.fresh, "cache_read_input_tokens": tokens.cached,
        "cache_creation_input_tokens": tokens.written,
        "cache_creation": {"ephemeral_5m_input_tokens": tokens.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": tokens.output(), "output_tokens_details": {"thinking_tokens": tokens.reasoning},
        "service_tier": "standard",
    })
}
