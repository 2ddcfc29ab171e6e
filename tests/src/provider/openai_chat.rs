//! OpenAI's chat completions, and Azure's, which are called otherwise.

mod request;

use serde_json::{Value, json};

use crate::upstream::Recorded;

use super::format::{self, Asked, Format, bears_key, has_key};
use super::refusal::Refusal;
use super::route::Route;
use super::scenario::{Answer, Call, Finish, Tokens};
use super::seen::Seen;

/// Fixed, so that an answer is the same bytes each time.
const CREATED: u64 = 1_795_169_730;

/// See the module.
pub(super) struct OpenaiChat;

impl Format for OpenaiChat {
    fn authorize(&self, request: &Recorded, route: &Route) -> Result<(), Refusal> {
        if route.is_azure && !request.path.contains("api-version=") {
            return Err(Refusal::not_found("a resource without an api-version"));
        }
        let has_key = bears_key(request) || (route.is_azure && has_key(request, "api-key"));
        if has_key { Ok(()) } else { Err(Refusal::key()) }
    }

    fn read(&self, asked: Asked<'_>) -> Result<Seen, Refusal> {
        request::read(asked.body, asked.route.model.as_deref())
    }

    fn whole(&self, seen: &Seen, answer: &Answer) -> Value {
        let content = if answer.calls.is_empty() { json!(answer.text) } else { Value::Null };
        let mut message = json!({"role": "assistant", "content": content, "refusal": null});
        if let Some(reasoning) = answer.reasoning {
            message["reasoning_content"] = json!(reasoning);
        }
        if !answer.calls.is_empty() {
            let call = |call: &Call| {
                let function = json!({"name": call.name, "arguments": call.arguments.to_string()});
                json!({"id": call.id, "type": "function", "function": function})
            };
            message["tool_calls"] = answer.calls.iter().map(call).collect();
        }
        let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish(answer)});
        let mut whole = json!({"id": id(answer), "object": "chat.completion", "created": CREATED, "model": seen.model,
            "choices": [choice]});
        if let Some(tokens) = answer.tokens {
            whole["usage"] = usage(tokens);
        }
        whole
    }

    fn frames(&self, seen: &Seen, answer: &Answer) -> Vec<String> {
        let mut deltas = vec![json!({"role": "assistant", "content": "", "refusal": null})];
        deltas.extend(answer.reasoning.map(|reasoning| json!({"reasoning_content": reasoning})));
        deltas.extend(answer.pieces().map(|piece| json!({"content": piece})));
        for (index, call) in answer.calls.iter().enumerate() {
            let function = json!({"name": call.name, "arguments": ""});
            deltas.push(
                json!({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}),
            );
            // Where Anthropic sends nothing, OpenAI sends an empty object.
            let pieces = if call.argument_pieces().is_empty() { vec!["{}".to_owned()] } else { call.argument_pieces() };
            let delta = |piece: &String| json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]});
            deltas.extend(pieces.iter().map(delta));
        }
        let mut frames: Vec<String> = deltas.iter().map(|delta| chunk(seen, answer, delta, &Value::Null)).collect();
        frames.push(chunk(seen, answer, &json!({}), &json!(finish(answer))));
        if let (true, Some(tokens)) = (seen.tells_usage, answer.tokens) {
            let mut last = head(seen, answer);
            last["choices"] = json!([]);
            last["usage"] = usage(tokens);
            frames.push(format::event(&last));
        }
        frames.push("data: [DONE]\n\n".to_owned());
        frames
    }

    fn filler(&self, seen: &Seen) -> String {
        let choice = json!({"index": 0, "delta": {"content": "x"}, "logprobs": null, "finish_reason": null});
        format::event(&json!({"id": "chatcmpl-filler", "object": "chat.completion.chunk", "created": CREATED,
            "model": seen.model, "choices": [choice]}))
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        error(refusal)
    }

    fn broken(&self, refusal: &Refusal) -> String {
        format!("{}data: [DONE]\n\n", format::event(&error(refusal)))
    }
}

/// OpenAI's form of an error.
pub(super) fn error(refusal: &Refusal) -> Value {
    let kind = match refusal.status {
        429 => "requests",
        500 | 502 => "server_error",
        503 => "service_unavailable_error",
        _ => "invalid_request_error",
    };
    json!({"error": {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}})
}

fn chunk(seen: &Seen, answer: &Answer, delta: &Value, finish: &Value) -> String {
    let mut chunk = head(seen, answer);
    chunk["choices"] = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
    format::event(&chunk)
}

fn head(seen: &Seen, answer: &Answer) -> Value {
    let mut head =
        json!({"id": id(answer), "object": "chat.completion.chunk", "created": CREATED, "model": seen.model});
    if seen.tells_usage {
        head["usage"] = Value::Null;
    }
    head
}

fn id(answer: &Answer) -> String {
    format!("chatcmpl-{}", answer.number)
}

const fn finish(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop | Finish::StopAt(_) => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
    }
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "prompt_tokens": tokens.input(), "completion_tokens": tokens.output(), "total_tokens": tokens.total(),
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}
