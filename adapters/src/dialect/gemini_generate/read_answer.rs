//! A whole answer of an upstream of this dialect, and what its stream's chunks share with it.

use serde_json::value::RawValue;
use tallygate_core::conversation::{
    Choice, Content, Ending, Finish, LIMITS, Part, Response, Seal, SealForm, Text, Thought, ToolCall, Used,
};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::{Kind, Said};
use tallygate_core::usage::Usage;

use super::problem;
use crate::dialect::ids;
use crate::dialect::json::fields::{Fields, Place};

pub(super) fn read(body: &[u8], seed: &str) -> Result<Response, Failure> {
    let garbage = || Failure::new(Kind::Protocol);
    let text = std::str::from_utf8(body).map_err(|_| garbage())?.trim();
    if text.starts_with('[') {
        return Err(told_error(text).unwrap_or_else(garbage));
    }
    let mut fields = Fields::parse(text, &Place::Root).map_err(|_| garbage())?;
    if fields.has("error") {
        return Err(told_error(text).unwrap_or_else(garbage));
    }
    let mut choices: Vec<Choice> = Vec::new();
    for (index, raw) in (0..).zip(fields.told_list("candidates").into_iter().take(LIMITS.choices)) {
        choices.push(candidate(raw, seed, index).ok_or_else(garbage)?);
    }
    if choices.is_empty() {
        choices.push(blocked(&mut fields).ok_or_else(garbage)?);
    }
    Ok(Response {
        id: fields.told_text("responseId"),
        model: fields.told_text("modelVersion"),
        choices,
        used: fields.take("usageMetadata").and_then(used),
        service_tier: None,
    })
}

/// An error within an answer whose status was 2xx; none if there is none after all.
pub(super) fn told_error(text: &str) -> Option<Failure> {
    let status = problem::status(text.as_bytes())?;
    let body = bytes::Bytes::copy_from_slice(text.as_bytes());
    Some(problem::read(Said { status, content_type: None, request_id: None, body }, None))
}

/// A prompt that was blocked is an answer without words.
pub(super) fn blocked(fields: &mut Fields<'_, '_>) -> Option<Choice> {
    let reason = fields.told_fields("promptFeedback")?.told_text("blockReason")?;
    let ending = Ending { finish: Finish::Filtered, stop_sequence: None, told: Some(reason) };
    Some(Choice { parts: Vec::new(), ending, logprobs: None })
}

fn candidate(raw: &RawValue, seed: &str, index: u32) -> Option<Choice> {
    let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
    let parts = fields.told_fields("content").map(|mut content| content.told_list("parts")).unwrap_or_default();
    let mut calls = 0;
    let mut contents = Vec::new();
    for raw in parts.into_iter().take(LIMITS.parts) {
        match piece(raw)? {
            Piece::Text(text, mark) => {
                contents.extend(text.map(Content::Text));
                contents.extend(mark.map(|seal| Content::Thought(Thought { text: Text::default(), seal: Some(seal) })));
            }
            Piece::Thought(text, seal) => match (contents.last_mut(), seal) {
                (Some(Content::Thought(Thought { text: before, seal: None })), seal) => {
                    before.push_str(&text);
                    if let Some(Content::Thought(thought)) = contents.last_mut() {
                        thought.seal = seal;
                    }
                }
                (_, seal) => contents.push(Content::Thought(Thought { text, seal })),
            },
            Piece::Call { id, name, arguments, seal } => {
                let id = id.unwrap_or_else(|| ids::minted(seed, index, calls));
                calls += 1;
                contents.push(Content::ToolCall(ToolCall { id, name, arguments, is_free: false, seal }));
            }
            Piece::Other => {}
        }
    }
    Some(Choice {
        parts: contents.into_iter().map(Part::from).collect(),
        ending: ending(fields.told_text("finishReason").as_deref(), calls > 0),
        logprobs: None,
    })
}

/// A part of an answer.
pub(super) enum Piece {
    Text(Option<Text>, Option<Seal>),
    Thought(Text, Option<Seal>),
    Call {
        id: Option<String>,
        name: String,
        arguments: Text,
        seal: Option<Seal>,
    },
    /// Code that ran, images: nothing in other dialects.
    Other,
}

pub(super) fn piece(raw: &RawValue) -> Option<Piece> {
    let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
    let mark = fields.told_some_text("thoughtSignature").map(|data| Seal { form: SealForm::Mark, data });
    let is_thought = fields.take("thought").is_some_and(|raw| raw.get() == "true");
    if let Some(mut call) = fields.told_fields("functionCall") {
        let Some(name) = call.told_text("name") else { return Some(Piece::Other) };
        let arguments = call.raw("args").filter(tallygate_core::conversation::Raw::is_object);
        let arguments = arguments.map_or_else(|| "{}".into(), |args| Text::from(args.as_str()));
        let id = call.told_text("id").filter(|id| !id.is_empty());
        return Some(Piece::Call { id, name, arguments, seal: mark });
    }
    let text = fields.told_some_text("text");
    Some(match text {
        Some(text) if is_thought => Piece::Thought(text, mark),
        None if mark.is_none() => Piece::Other,
        text => Piece::Text(text, mark),
    })
}

/// Why an answer ended, by its word for it.
pub(super) fn ending(told: Option<&str>, has_calls: bool) -> Ending {
    let finish = match told {
        // There is no word of its own for an answer that calls tools.
        Some("STOP") | None if has_calls => Finish::ToolCalls,
        Some("MAX_TOKENS") => Finish::Length,
        Some(
            "SAFETY"
            | "RECITATION"
            | "LANGUAGE"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "IMAGE_OTHER"
            | "NO_IMAGE"
            | "OTHER",
        ) => Finish::Filtered,
        _ => Finish::Stop,
    };
    let told = told.filter(|word| !matches!(*word, "STOP" | "MAX_TOKENS")).map(str::to_owned);
    Ending { finish, stop_sequence: None, told }
}

/// What was used. The prompt holds the cached tokens, the candidates leave the thoughts out.
pub(super) fn used(raw: &RawValue) -> Option<Used> {
    let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
    let prompt = fields.told_tokens("promptTokenCount");
    let tools = fields.told_tokens("toolUsePromptTokenCount").unwrap_or_default();
    let cached = fields.told_tokens("cachedContentTokenCount").unwrap_or_default();
    let candidates = fields.told_tokens("candidatesTokenCount");
    let thoughts = fields.told_tokens("thoughtsTokenCount");
    let total = fields.told_tokens("totalTokenCount");
    if prompt.is_none() && candidates.is_none() && thoughts.is_none() {
        return None;
    }
    let input = prompt.unwrap_or_default().saturating_add(tools);
    let cached = cached.min(input);
    let reasoning = thoughts.unwrap_or_default();
    // No candidates at all are left out, and so is their count.
    let is_final = prompt.is_some() && (candidates.is_some() || thoughts.is_some() || total.is_some());
    let usage = Usage {
        input_tokens: input - cached,
        cached_input_tokens: cached,
        output_tokens: candidates.unwrap_or_default().saturating_add(reasoning),
        reasoning_tokens: reasoning,
        ..Usage::default()
    };
    Some(Used { usage, is_final })
}
