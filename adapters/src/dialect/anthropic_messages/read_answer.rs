//! A whole answer of an upstream of this dialect.

use serde_json::value::RawValue;
use tallygate_core::conversation::{
    Choice, Content, Ending, Finish, LIMITS, Part, Raw, Response, Seal, SealForm, Text, Thought, ToolCall,
};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::{Kind, Said};

use super::usage::Told;
use crate::dialect::json::fields::{Fields, Place};
use crate::provider::error_body;

pub(super) fn read(body: &[u8]) -> Result<Response, Failure> {
    let garbage = || Failure::new(Kind::Protocol);
    let text = std::str::from_utf8(body).map_err(|_| garbage())?.trim();
    let mut fields = Fields::parse(text, &Place::Root).map_err(|_| garbage())?;
    match fields.told_text("type").as_deref() {
        Some("message") => {}
        Some("error") => return Err(told_error(text.as_bytes())),
        _ if fields.has("error") => return Err(told_error(text.as_bytes())),
        _ => return Err(garbage()),
    }
    let blocks = fields.told_list("content");
    let parts = blocks.into_iter().take(LIMITS.parts).filter_map(block).map(Part::from).collect();
    let mut told = Told::default();
    let mut tier = None;
    if let Some(usage) = fields.take("usage") {
        told.take(usage);
        tier = Fields::parse(usage.get(), &Place::Root).ok().and_then(|mut usage| usage.told_text("service_tier"));
    }
    let ending = ending(fields.told_text("stop_reason").as_deref(), fields.told_text("stop_sequence"));
    Ok(Response {
        id: fields.told_text("id"),
        model: fields.told_text("model"),
        choices: vec![Choice { parts, ending, logprobs: None }],
        used: told.used(true),
        service_tier: tier,
    })
}

/// An error in an answer or stream whose status was 2xx.
pub(super) fn told_error(json: &[u8]) -> Failure {
    let said = Said { status: 200, content_type: None, request_id: None, body: bytes::Bytes::copy_from_slice(json) };
    let kind = error_kind(json);
    match (kind, error_body::code(json)) {
        (Some(kind), _) => Failure { said: Some(Box::new(said)), ..Failure::new(kind) },
        (None, Some(code)) => Failure::told(said, None, Some(&code)),
        (None, None) => Failure { said: Some(Box::new(said)), ..Failure::new(Kind::ServerError) },
    }
}

/// The kind that this dialect's word for an error means.
pub(super) fn error_kind(json: &[u8]) -> Option<Kind> {
    let text = std::str::from_utf8(json).ok()?;
    let mut error = Fields::parse(text.trim(), &Place::Root).ok()?.told_fields("error")?;
    let mut details = error.told_fields("details");
    let code = details.as_mut().and_then(|details| details.told_text("error_code"));
    Some(match error.told_text("type")?.as_str() {
        // A limit that somebody set: it does not pass by waiting.
        "rate_limit_error" if code.as_deref() == Some("enforced_spend_limit_reached") => Kind::QuotaExhausted,
        "authentication_error" | "permission_error" => Kind::Unauthorized,
        "billing_error" => Kind::QuotaExhausted,
        "not_found_error" => Kind::NotFound,
        "timeout_error" => Kind::UpstreamTimeout,
        "api_error" => Kind::ServerError,
        _ => return None,
    })
}

fn block(raw: &RawValue) -> Option<Content> {
    let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
    let kind = fields.told_text("type")?;
    Some(match kind.as_str() {
        "text" => Content::Text(fields.told_some_text("text")?),
        "thinking" => Content::Thought(Thought {
            text: fields.told_text("thinking").unwrap_or_default().into(),
            seal: fields.told_some_text("signature").map(|data| Seal { form: SealForm::Signature, data }),
        }),
        "redacted_thinking" => Content::Thought(Thought {
            text: Text::default(),
            seal: Some(Seal { form: SealForm::Redacted, data: fields.told_text("data")?.into() }),
        }),
        "tool_use" => Content::ToolCall(ToolCall {
            id: fields.told_text("id")?,
            name: fields.told_text("name")?,
            arguments: fields.raw("input").map_or_else(|| "{}".into(), |input| input.as_str().into()),
            is_free: false,
            seal: None,
        }),
        _ => Content::Other { dialect: super::NAME, kind, raw: Raw::of(raw) },
    })
}

/// Why an answer ended, by its word for it.
pub(super) fn ending(told: Option<&str>, stop_sequence: Option<String>) -> Ending {
    let finish = match told {
        Some("stop_sequence") => Finish::StopSequence,
        Some("max_tokens") | Some("compaction") => Finish::Length,
        Some("model_context_window_exceeded") => Finish::ContextFull,
        Some("tool_use") => Finish::ToolCalls,
        Some("refusal") => Finish::Filtered,
        Some("pause_turn") => Finish::Paused,
        _ => Finish::Stop,
    };
    let says_more = told.filter(|word| !matches!(*word, "end_turn" | "max_tokens" | "tool_use" | "stop_sequence"));
    Ending { finish, stop_sequence: stop_sequence.map(Text::from), told: says_more.map(str::to_owned) }
}
