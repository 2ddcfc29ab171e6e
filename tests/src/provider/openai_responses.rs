//! OpenAI's Responses.

mod events;
mod request;

use serde_json::{Value, json};

use crate::upstream::Recorded;

use super::format::{Asked, Format, bears_key, named_event};
use super::openai_chat;
use super::refusal::Refusal;
use super::route::Route;
use super::scenario::{Answer, Call, Finish, SIGNATURE, Tokens};
use super::seen::Seen;

/// Fixed, so that an answer is the same bytes each time.
const CREATED: u64 = 1_795_169_730;

/// See the module.
pub(super) struct OpenaiResponses;

impl Format for OpenaiResponses {
    fn authorize(&self, request: &Recorded, _route: &Route) -> Result<(), Refusal> {
        if bears_key(request) { Ok(()) } else { Err(Refusal::key()) }
    }

    fn read(&self, asked: Asked<'_>) -> Result<Seen, Refusal> {
        request::read(asked.body, asked.stored)
    }

    fn whole(&self, seen: &Seen, answer: &Answer) -> Value {
        response(seen, answer, &output(answer))
    }

    fn frames(&self, seen: &Seen, answer: &Answer) -> Vec<String> {
        events::of(seen, answer)
    }

    fn filler(&self, _seen: &Seen) -> String {
        named_event(&json!({"type": "response.output_text.delta", "item_id": "msg_filler", "output_index": 0,
            "content_index": 0, "delta": "x", "logprobs": [], "sequence_number": 0}))
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        openai_chat::error(refusal)
    }

    fn broken(&self, refusal: &Refusal) -> String {
        named_event(&json!({"type": "error", "code": refusal.code.unwrap_or("server_error"),
            "message": refusal.message, "param": null, "sequence_number": 99}))
    }
}

/// The id of the answer to the request of this number.
pub(super) fn id(number: usize) -> String {
    format!("resp_{number}")
}

/// The items of an answer.
pub(super) fn output(answer: &Answer) -> Vec<Value> {
    let number = answer.number;
    let reasoning = |text| {
        json!({"type": "reasoning", "id": format!("rs_{number}"), "summary": [{"type": "summary_text", "text": text}],
            "encrypted_content": SIGNATURE})
    };
    let mut items: Vec<Value> = answer.reasoning.map(reasoning).into_iter().collect();
    if answer.calls.is_empty() {
        let text = json!({"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []});
        let status = if answer.finish == Finish::Length { "incomplete" } else { "completed" };
        items.push(json!({"type": "message", "id": format!("msg_{number}"), "status": status, "role": "assistant",
            "content": [text]}));
    }
    let call = |call: &Call| {
        json!({"type": "function_call", "id": format!("fc_{}", call.id), "call_id": call.id, "name": call.name,
            "arguments": call.arguments.to_string(), "status": "completed"})
    };
    items.extend(answer.calls.iter().map(call));
    items
}

/// A whole response with these items.
fn response(seen: &Seen, answer: &Answer, output: &[Value]) -> Value {
    let is_cut = answer.finish == Finish::Length;
    let why = if is_cut { json!({"reason": "max_output_tokens"}) } else { Value::Null };
    let status = if is_cut { "incomplete" } else { "completed" };
    let mut response = json!({
        "id": id(answer.number), "object": "response", "created_at": CREATED, "status": status, "error": null,
        "incomplete_details": why, "instructions": null, "max_output_tokens": seen.output_max, "model": seen.model,
        "output": output, "parallel_tool_calls": seen.parallel, "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null}, "store": seen.kept.is_some(), "temperature": 1.0,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "truncation": "disabled", "user": null, "metadata": {}, "usage": null,
    });
    if let Some(tokens) = answer.tokens {
        response["usage"] = usage(tokens);
    }
    response
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "input_tokens": tokens.input(), "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": tokens.output(), "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.total(),
    })
}
