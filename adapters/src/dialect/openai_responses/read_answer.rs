//! A whole answer of an upstream of this dialect.

use serde_json::value::RawValue;
use tallygate_core::conversation::{
    Choice, Content, Ending, Finish, LIMITS, Part, Raw, Response, Text, Thought, ToolCall, Used,
};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::{Kind, Said};
use tallygate_core::usage::Usage;

use super::seals::unpack;
use crate::dialect::json::fields::{Fields, Place};
use crate::provider::error_body;

pub(super) fn read(body: &[u8]) -> Result<Response, Failure> {
    let garbage = || Failure::new(Kind::Protocol);
    let text = std::str::from_utf8(body).map_err(|_| garbage())?.trim();
    let mut fields = Fields::parse(text, &Place::Root).map_err(|_| garbage())?;
    if fields.take("error").is_some() {
        return Err(told_error(text.as_bytes()));
    }
    response(&mut fields).ok_or_else(garbage)
}

/// An error within an answer whose status was 2xx.
pub(super) fn told_error(json: &[u8]) -> Failure {
    let said = Said { status: 200, content_type: None, request_id: None, body: bytes::Bytes::copy_from_slice(json) };
    match error_body::code(json) {
        Some(code) => Failure::told(said, None, Some(&code)),
        None => Failure { said: Some(Box::new(said)), ..Failure::new(Kind::ServerError) },
    }
}

/// A response that has ended; none for what is none.
pub(super) fn response(fields: &mut Fields<'_, '_>) -> Option<Response> {
    let status = fields.told_text("status")?;
    if !matches!(status.as_str(), "completed" | "incomplete") {
        return None;
    }
    let items = fields.told_list("output");
    let contents: Vec<Content> = items.into_iter().take(LIMITS.parts).filter_map(item).flatten().collect();
    let has_calls = contents.iter().any(|content| matches!(content, Content::ToolCall(_)));
    let details = fields.told_fields("incomplete_details");
    let reason = details.and_then(|mut details| details.told_text("reason"));
    let ending = ending(&status, reason.as_deref(), has_calls);
    let parts = contents.into_iter().map(Part::from).collect();
    Some(Response {
        id: fields.told_text("id"),
        model: fields.told_text("model"),
        choices: vec![Choice { parts, ending, logprobs: None }],
        used: fields.take("usage").and_then(used),
        service_tier: fields.told_text("service_tier"),
    })
}

/// Why an answer ended.
pub(super) fn ending(status: &str, reason: Option<&str>, has_calls: bool) -> Ending {
    let finish = match (status, reason) {
        ("incomplete", Some("content_filter")) => Finish::Filtered,
        ("incomplete", _) => Finish::Length,
        _ if has_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    };
    finish.into()
}

fn item(raw: &RawValue) -> Option<Vec<Content>> {
    let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
    let kind = fields.told_text("type")?;
    Some(match kind.as_str() {
        "message" => fields.told_list("content").into_iter().filter_map(part).collect(),
        "function_call" | "custom_tool_call" => {
            let is_free = kind == "custom_tool_call";
            let arguments = fields.told_text(if is_free { "input" } else { "arguments" }).unwrap_or_default();
            vec![Content::ToolCall(ToolCall {
                id: fields.told_text("call_id")?,
                name: fields.told_text("name")?,
                arguments: arguments.into(),
                is_free,
                seal: None,
            })]
        }
        "reasoning" => {
            let seal = fields.told_some_text("encrypted_content").map(|data| unpack(&data));
            let text = paragraphs(&mut fields, "summary").or(paragraphs(&mut fields, "content")).unwrap_or_default();
            if text.is_empty() && seal.is_none() {
                return None;
            }
            vec![Content::Thought(Thought { text, seal })]
        }
        _ => vec![Content::Other { dialect: super::NAME, kind, raw: Raw::of(raw) }],
    })
}

fn paragraphs(fields: &mut Fields<'_, '_>, name: &str) -> Option<Text> {
    let texts = fields
        .told_list(name)
        .into_iter()
        .filter_map(|raw| Fields::parse(raw.get(), &Place::Root).ok()?.told_text("text"));
    let texts: Vec<String> = texts.collect();
    (!texts.is_empty()).then(|| texts.join("\n\n").into())
}

fn part(raw: &RawValue) -> Option<Content> {
    let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
    match fields.told_text("type")?.as_str() {
        "output_text" => fields.told_some_text("text").map(Content::Text),
        "refusal" => fields.told_some_text("refusal").map(Content::Refusal),
        _ => None,
    }
}

/// What was used. Cached tokens are part of the input here, and reasoning of the output.
pub(super) fn used(raw: &RawValue) -> Option<Used> {
    let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
    let (input, output) = (fields.told_tokens("input_tokens"), fields.told_tokens("output_tokens"));
    if input.is_none() && output.is_none() {
        return None;
    }
    let mut details = fields.told_fields("input_tokens_details");
    let mut detail = |name: &str| details.as_mut().and_then(|details| details.told_tokens(name)).unwrap_or_default();
    let prompt = input.unwrap_or_default();
    let cached = detail("cached_tokens").min(prompt);
    let written = detail("cache_write_tokens").min(prompt - cached);
    let reasoning = fields.told_fields("output_tokens_details").and_then(|mut out| out.told_tokens("reasoning_tokens"));
    let usage = Usage {
        input_tokens: prompt - cached - written,
        cached_input_tokens: cached,
        cache_write_tokens: written,
        output_tokens: output.unwrap_or_default(),
        reasoning_tokens: reasoning.unwrap_or_default().min(output.unwrap_or_default()),
        ..Usage::default()
    };
    Some(Used { usage, is_final: input.is_some() && output.is_some() })
}
