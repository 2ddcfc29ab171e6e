//! Google's `generateContent`.

mod request;
mod spelling;

use serde_json::{Value, json};

use crate::upstream::Recorded;

use super::format::{Asked, Format, event, has_key};
use super::refusal::Refusal;
use super::route::Route;
use super::scenario::{Answer, Finish, SIGNATURE, Tokens};
use super::seen::Seen;

/// See the module.
pub(super) struct GeminiGenerate;

impl Format for GeminiGenerate {
    fn authorize(&self, request: &Recorded, _route: &Route) -> Result<(), Refusal> {
        let in_query = request.query("key") == Some(super::KEY);
        if has_key(request, "x-goog-api-key") || in_query {
            return Ok(());
        }
        // Google says 400 of a wrong key, and 403 of none.
        let is_there = request.header("x-goog-api-key").is_some();
        Err(Refusal { status: if is_there { 400 } else { 403 }, ..Refusal::key() })
    }

    fn read(&self, asked: Asked<'_>) -> Result<Seen, Refusal> {
        let model = asked.route.model.as_deref().unwrap_or_default();
        if asked.route.streams && asked.request.query("alt") != Some("sse") {
            return Err(Refusal::invalid("alt", "only streams of server-sent events are simulated"));
        }
        let body = spelling::one(asked.body.clone());
        // A count of tokens may wrap the whole request.
        let seen = request::read(body.get("generateContentRequest").unwrap_or(&body), model)?;
        Ok(Seen { streams: asked.route.streams, ..seen })
    }

    fn whole(&self, seen: &Seen, answer: &Answer) -> Value {
        let mut parts = reasoning(answer);
        if answer.calls.is_empty() {
            parts.push(json!({"text": answer.text}));
        }
        parts.extend(calls(answer));
        response(seen, answer, &parts, Some(finish(answer)))
    }

    fn frames(&self, seen: &Seen, answer: &Answer) -> Vec<String> {
        let mut parts = reasoning(answer);
        if answer.calls.is_empty() {
            parts.extend(answer.pieces().map(|piece| json!({"text": piece})));
        }
        parts.extend(calls(answer));
        let part = |part: &Value| event(&response(seen, answer, std::slice::from_ref(part), None));
        let mut frames: Vec<String> = parts.iter().map(part).collect();
        // The last one has no text, and the signature of what was said.
        let last = json!({"text": "", "thoughtSignature": SIGNATURE});
        frames.push(event(&response(seen, answer, &[last], Some(finish(answer)))));
        frames
    }

    fn filler(&self, seen: &Seen) -> String {
        let content = json!({"role": "model", "parts": [{"text": "x"}]});
        event(&json!({"candidates": [{"content": content, "index": 0}], "modelVersion": seen.model}))
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        let status = match refusal.status {
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            503 => "UNAVAILABLE",
            504 => "DEADLINE_EXCEEDED",
            500.. => "INTERNAL",
            _ => "INVALID_ARGUMENT",
        };
        let mut error = json!({"code": refusal.status, "message": refusal.message, "status": status});
        if refusal.code == Some("invalid_api_key") {
            error["details"] = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
                "domain": "googleapis.com"}]);
        }
        if refusal.status == 429 {
            error["details"] = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]);
        }
        json!({"error": error})
    }

    fn broken(&self, refusal: &Refusal) -> String {
        event(&self.refusal(refusal))
    }
}

fn reasoning(answer: &Answer) -> Vec<Value> {
    answer.reasoning.map(|text| json!({"text": text, "thought": true})).into_iter().collect()
}

/// The calls. Only the first of those that are made at once is signed, and none has an id.
fn calls(answer: &Answer) -> Vec<Value> {
    let call = |(index, call): (usize, &super::scenario::Call)| {
        let mut part = json!({"functionCall": {"name": call.name, "args": call.arguments}});
        if index == 0 {
            part["thoughtSignature"] = json!(SIGNATURE);
        }
        part
    };
    answer.calls.iter().enumerate().map(call).collect()
}

fn response(seen: &Seen, answer: &Answer, parts: &[Value], finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
    }
    let mut response = json!({"candidates": [candidate], "modelVersion": seen.model,
        "responseId": format!("response-{}", answer.number)});
    if let Some(tokens) = answer.tokens {
        // Before the end, what was generated so far.
        let so_far = if finish.is_some() { tokens } else { Tokens { text: 1, reasoning: 0, ..tokens } };
        response["usageMetadata"] = usage(so_far);
    }
    response
}

const fn finish(answer: &Answer) -> &'static str {
    match answer.finish {
        // The vendor says so of calls too.
        Finish::Stop | Finish::StopAt(_) | Finish::Calls => "STOP",
        Finish::Length => "MAX_TOKENS",
    }
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "promptTokenCount": tokens.input(), "cachedContentTokenCount": tokens.cached,
        "candidatesTokenCount": tokens.text, "thoughtsTokenCount": tokens.reasoning,
        "totalTokenCount": tokens.total(),
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens.input()}],
    })
}
