//! A whole answer of an upstream of this dialect.

use serde_json::value::RawValue;
use tallygate_core::conversation::{
    Choice, Content, Ending, Finish, LIMITS, Part, Raw, Response, Seal, SealForm, Text, Thought, ToolCall, Used,
};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

use super::super::error::within_answer;
use super::super::usage::Told;
use crate::dialect::ids;
use crate::dialect::json::fields::{Fields, Place, Value};
use crate::provider::vendor_fields;

pub(super) fn read(body: &[u8], seed: &str) -> Result<Response, Failure> {
    let garbage = || Failure::new(Kind::Protocol);
    // Some upstreams send blank lines to keep a connection open.
    let text = std::str::from_utf8(body).map_err(|_| garbage())?.trim();
    let mut fields = Fields::parse(text, &Place::Root).map_err(|_| garbage())?;
    if fields.take("error").is_some() {
        return Err(within_answer(text.as_bytes(), 200));
    }
    let mut choices: Vec<Choice> = Vec::new();
    for (index, raw) in (0..).zip(fields.told_list("choices").into_iter().take(LIMITS.choices)) {
        choices.push(choice(raw, seed, index).ok_or_else(garbage)?);
    }
    if choices.is_empty() {
        return Err(garbage());
    }
    Ok(Response {
        id: fields.told_text("id"),
        model: fields.told_text("model"),
        choices,
        used: fields.take("usage").and_then(used),
        service_tier: fields.told_text("service_tier"),
    })
}

fn choice(raw: &RawValue, seed: &str, index: u32) -> Option<Choice> {
    let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
    let mut message = fields.told_fields("message")?;
    let mut parts = thoughts(&mut message);
    parts.extend(contents(&mut message));
    parts.extend(message.told_some_text("refusal").map(Content::Refusal));
    for (number, raw) in (0..).zip(message.told_list("tool_calls").into_iter().take(LIMITS.calls)) {
        let missing_id = || ids::minted(seed, index, number);
        parts.push(Content::ToolCall(call(raw, missing_id)?));
    }
    if let Some(old) = message.take("function_call") {
        let mut fields = Fields::parse(old.get(), &Place::Root).ok()?;
        parts.push(Content::ToolCall(ToolCall {
            id: ids::minted(seed, index, 0),
            name: fields.told_text("name")?,
            arguments: fields.told_text("arguments").unwrap_or_default().into(),
            is_free: false,
            seal: None,
        }));
    }
    let has_calls = parts.iter().any(|content| matches!(content, Content::ToolCall(_)));
    Some(Choice {
        parts: parts.into_iter().map(Part::from).collect(),
        ending: ending(fields.told_text("finish_reason").as_deref(), has_calls),
        logprobs: fields.take("logprobs").map(Raw::of),
    })
}

fn thoughts(message: &mut Fields<'_, '_>) -> Vec<Content> {
    let shown = message.told_some_text("reasoning_content").or(message.told_some_text("reasoning"));
    let blocks = message.told_list("thinking_blocks");
    let mut thoughts: Vec<Content> = blocks.into_iter().filter_map(sealed_thought).collect();
    if thoughts.is_empty() {
        thoughts.extend(shown.map(|text| Content::Thought(Thought { text, seal: None })));
    }
    thoughts
}

fn sealed_thought(raw: &RawValue) -> Option<Content> {
    let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
    let text: Text = fields.told_text("thinking").unwrap_or_default().into();
    let signature = fields.told_some_text("signature").map(|data| Seal { form: SealForm::Signature, data });
    let redacted = fields.told_some_text("data").map(|data| Seal { form: SealForm::Redacted, data });
    Some(Content::Thought(Thought { text, seal: signature.or(redacted) }))
}

/// The content of a message or a delta: a text, or parts of text and reasoning.
pub(super) fn contents(message: &mut Fields<'_, '_>) -> Vec<Content> {
    let Some(raw) = message.take("content") else { return Vec::new() };
    let value = Value::new(raw, &Place::Root);
    if let Ok(text) = value.text() {
        return if text.is_empty() { Vec::new() } else { vec![Content::Text(text)] };
    }
    let part = |value: Value<'_, '_>| {
        let mut fields = value.fields()?;
        if let Some(text) = fields.told_some_text("text") {
            return Ok(vec![Content::Text(text)]);
        }
        let thoughts = fields.told_list("thinking");
        let texts =
            thoughts.into_iter().filter_map(|raw| Fields::parse(raw.get(), &Place::Root).ok()?.told_some_text("text"));
        Ok(texts.map(|text| Content::Thought(Thought { text, seal: None })).collect())
    };
    value.list(LIMITS.parts, part).unwrap_or_default().into_iter().flatten().collect()
}

fn call(raw: &RawValue, missing_id: impl Fn() -> String) -> Option<ToolCall> {
    let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
    let id = fields.told_text("id").filter(|id| !id.is_empty()).unwrap_or_else(missing_id);
    let mark = fields.take("extra_content").and_then(|raw| vendor_fields::mark(Value::new(raw, &Place::Root)));
    let (id, mark_in_id) = vendor_fields::split_mark(&id);
    let seal = mark.or(mark_in_id).map(|data| Seal { form: SealForm::Mark, data });
    let custom = fields.told_fields("custom");
    let is_free = custom.is_some();
    let mut inner = custom.or_else(|| fields.told_fields("function"))?;
    let arguments = inner.take(if is_free { "input" } else { "arguments" });
    // Some vendors send the arguments as an object.
    let arguments = arguments.map(|raw| {
        let value = Value::new(raw, &Place::Root);
        value.text().unwrap_or_else(|_| value.raw().as_str().into())
    });
    Some(ToolCall { id, name: inner.told_text("name")?, arguments: arguments.unwrap_or_default(), is_free, seal })
}

/// Why an answer ended, by its word for it. A vendor's own word is kept.
pub(super) fn ending(told: Option<&str>, has_calls: bool) -> Ending {
    let finish = match told {
        Some("length" | "model_length" | "insufficient_system_resource") => Finish::Length,
        Some("content_filter") => Finish::Filtered,
        Some("tool_calls" | "function_call") => Finish::ToolCalls,
        // Not all vendors have a word of its own for an answer that calls tools.
        _ if has_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    };
    let known = ["stop", "length", "tool_calls", "function_call", "content_filter"];
    let told = told.filter(|word| !known.contains(word)).map(str::to_owned);
    Ending { finish, stop_sequence: None, told }
}

/// What was used, if an upstream told anything of it.
pub(super) fn used(raw: &RawValue) -> Option<Used> {
    let told = Told::read(raw).filter(|told| !told.is_empty())?;
    let metered = told.metered(0, 0);
    Some(Used { usage: metered.usage, is_final: !metered.estimated })
}
