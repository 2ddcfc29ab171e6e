//! Ollama's chat. It takes any key and none.

use serde_json::{Value, json};

use crate::upstream::Recorded;

use super::format::{Asked, Format};
use super::part::{Part, is_base64};
use super::refusal::Refusal;
use super::route::Route;
use super::scenario::{Answer, Call, Finish, Tokens};
use super::seen::{Seen, Shape, Tool};

const CREATED: &str = "2026-11-20T10:15:30.123456Z";

/// See the module.
pub(super) struct OllamaChat;

impl Format for OllamaChat {
    fn authorize(&self, _request: &Recorded, _route: &Route) -> Result<(), Refusal> {
        Ok(())
    }

    fn read(&self, asked: Asked<'_>) -> Result<Seen, Refusal> {
        read(asked.body)
    }

    fn whole(&self, seen: &Seen, answer: &Answer) -> Value {
        let mut message = json!({"role": "assistant", "content": answer.text});
        if let Some(reasoning) = answer.reasoning {
            message["thinking"] = json!(reasoning);
        }
        if !answer.calls.is_empty() {
            message["tool_calls"] = answer.calls.iter().map(call).collect();
        }
        last(seen, &message, answer)
    }

    fn frames(&self, seen: &Seen, answer: &Answer) -> Vec<String> {
        let mut messages = Vec::new();
        messages.extend(answer.reasoning.map(|text| json!({"role": "assistant", "content": "", "thinking": text})));
        messages.extend(answer.pieces().map(|piece| json!({"role": "assistant", "content": piece})));
        let called = |each: &Call| json!({"role": "assistant", "content": "", "tool_calls": [call(each)]});
        messages.extend(answer.calls.iter().map(called));
        let mut frames: Vec<String> = messages.iter().map(|message| line(&part(seen, message))).collect();
        frames.push(line(&last(seen, &json!({"role": "assistant", "content": ""}), answer)));
        frames
    }

    fn filler(&self, seen: &Seen) -> String {
        line(&part(seen, &json!({"role": "assistant", "content": "x"})))
    }

    fn refusal(&self, refusal: &Refusal) -> Value {
        json!({"error": refusal.message})
    }

    fn broken(&self, refusal: &Refusal) -> String {
        line(&self.refusal(refusal))
    }

    fn stream_type(&self) -> &'static str {
        "application/x-ndjson"
    }
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

/// A call; older servers give it no id, and this one is old.
fn call(call: &Call) -> Value {
    json!({"function": {"name": call.name, "arguments": call.arguments}})
}

fn part(seen: &Seen, message: &Value) -> Value {
    json!({"model": seen.model, "created_at": CREATED, "message": message, "done": false})
}

fn last(seen: &Seen, message: &Value, answer: &Answer) -> Value {
    let mut last = part(seen, message);
    last["done"] = json!(true);
    last["done_reason"] = json!(if answer.finish == Finish::Length { "length" } else { "stop" });
    for name in ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"] {
        last[name] = json!(1_000_000);
    }
    if let Some(tokens) = answer.tokens {
        counted(tokens, &mut last);
    }
    last
}

/// It counts neither what was cached nor what was reasoning apart.
fn counted(tokens: Tokens, last: &mut Value) {
    last["prompt_eval_count"] = json!(tokens.input());
    last["eval_count"] = json!(tokens.output());
}

/// Reads a request. The server itself overlooks what it does not know; a translation should send nothing of the kind.
fn read(body: &Value) -> Result<Seen, Refusal> {
    let body = Part::of(body, "")?;
    body.only(&[
        "model",
        "messages",
        "tools",
        "format",
        "options",
        "stream",
        "think",
        "keep_alive",
        "truncate",
        "shift",
        "logprobs",
        "top_logprobs",
    ])?;
    let mut seen = Seen { model: body.text("model")?.to_owned(), parallel: true, ..Seen::default() };
    seen.streams = body.flag_or("stream", true)?;
    seen.reasons = body.get("think").is_some_and(|think| *think != json!(false));
    seen.shape = match body.get("format") {
        None => None,
        Some(Value::String(word)) if word == "json" => Some(Shape::Json),
        Some(schema @ Value::Object(_)) => Some(Shape::Schema(schema.clone())),
        Some(_) => return Err(body.invalid("format", "must be \"json\" or a schema")),
    };
    if let Some(options) = body.part("options")? {
        seen.stops = options.texts("stop")?;
        // Less than nothing is no limit.
        let limit = options.get("num_predict").and_then(Value::as_i64);
        seen.output_max = limit.and_then(|limit| u64::try_from(limit).ok());
    }
    for tool in body.parts("tools")? {
        let function = tool.part("function")?.ok_or_else(|| Refusal::missing(&tool.at("function")))?;
        let schema = function.get("parameters").cloned().unwrap_or_else(|| json!({}));
        seen.tools.push(Tool { name: function.text("name")?.to_owned(), schema });
    }
    for message in body.parts("messages")? {
        read_message(&message, &mut seen)?;
    }
    Ok(seen)
}

fn read_message(message: &Part<'_>, seen: &mut Seen) -> Result<(), Refusal> {
    message.only(&["role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id"])?;
    let content = message.text_if("content")?.unwrap_or_default().to_owned();
    for image in message.texts("images")? {
        if !is_base64(&image) {
            return Err(message.invalid("images", "illegal base64 data"));
        }
        seen.images += 1;
    }
    match message.text("role")? {
        "system" => seen.system.push(content),
        "user" => seen.text = content,
        "assistant" => {
            seen.results.clear();
            for call in message.parts("tool_calls")? {
                let function = call.part("function")?.ok_or_else(|| Refusal::missing(&call.at("function")))?;
                function.text("name")?;
                Part::of(function.required("arguments")?, &function.at("arguments"))?;
            }
        }
        "tool" => seen.results.push(content),
        _ => return Err(message.invalid("role", "is none of system, user, assistant and tool")),
    }
    Ok(())
}
