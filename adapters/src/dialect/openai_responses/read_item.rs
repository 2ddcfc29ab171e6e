//! Items of a request's input, and the messages that they are.

use std::collections::BTreeMap;

use tallygate_core::conversation::{
    Content, LIMITS, Message, Part, Role, Seal, SealForm, Source, Text, Thought, ToolCall, ToolResult,
};

use super::seals::unpack;
use crate::dialect::json::fields::{Fields, Value};
use crate::dialect::media;
use crate::dialect::rejection::{Reason, Rejection};

/// Reads the input: a text, or items. Items of the model that follow each other are one message.
pub(super) fn input(value: Value<'_, '_>) -> Result<Vec<Message>, Rejection> {
    if value.is_text() {
        return Ok(vec![Message::new(Role::User, [Content::Text(value.text()?)])]);
    }
    let mut messages: Vec<Message> = Vec::new();
    for (role, parts) in value.list(LIMITS.messages, item)? {
        match messages.last_mut() {
            Some(last) if last.role == role && matches!(role, Role::Assistant | Role::Tool) => last.parts.extend(parts),
            _ => messages.push(Message { role, name: None, parts }),
        }
    }
    messages.iter_mut().for_each(|message| mark_calls(&mut message.parts));
    name_results(&mut messages);
    Ok(messages)
}

/// A mark that stands before a call is the call's.
fn mark_calls(parts: &mut Vec<Part>) {
    let mut marks: Vec<Option<Seal>> = Vec::new();
    let is_mark = |part: &Part| match &part.content {
        Content::Thought(Thought { text, seal: Some(seal) }) => text.is_empty() && seal.form == SealForm::Mark,
        _ => false,
    };
    let mut kept = Vec::with_capacity(parts.len());
    for mut part in std::mem::take(parts) {
        if is_mark(&part) {
            if let Content::Thought(Thought { seal, .. }) = part.content {
                marks.push(seal);
            }
            continue;
        }
        if let Content::ToolCall(call) = &mut part.content
            && let Some(mark) = marks.pop()
        {
            call.seal = mark;
        }
        kept.push(part);
    }
    *parts = kept;
}

fn name_results(messages: &mut [Message]) {
    let mut names = BTreeMap::new();
    for message in messages {
        for call in message.calls() {
            names.insert(call.id.clone(), call.name.clone());
        }
        for part in &mut message.parts {
            if let Content::ToolResult(result) = &mut part.content {
                result.name = names.get(&result.call_id).cloned();
            }
        }
    }
}

fn item(value: Value<'_, '_>) -> Result<(Role, Vec<Part>), Rejection> {
    let mut fields = value.fields()?;
    let kind = fields.string("type")?.unwrap_or_else(|| "message".to_owned());
    let one = |content: Content| vec![Part::from(content)];
    match kind.as_str() {
        "message" => message(fields),
        "function_call" | "custom_tool_call" => {
            let is_free = kind == "custom_tool_call";
            let (id, name) = (fields.string("call_id")?, fields.string("name")?);
            let arguments = fields.text(if is_free { "input" } else { "arguments" })?;
            let call = ToolCall {
                id: fields.require("call_id", id)?,
                name: fields.require("name", name)?,
                arguments: arguments.unwrap_or_default(),
                is_free,
                seal: None,
            };
            Ok((Role::Assistant, one(Content::ToolCall(call))))
        }
        "function_call_output" | "custom_tool_call_output" => {
            let id = fields.string("call_id")?;
            let parts = fields.with("output", content)?;
            let result = ToolResult {
                call_id: fields.require("call_id", id)?,
                name: None,
                parts: parts.unwrap_or_default(),
                is_error: fields.string("status")?.as_deref() == Some("failed"),
            };
            Ok((Role::Tool, one(Content::ToolResult(result))))
        }
        "reasoning" => {
            let shown = texts(&mut fields, "summary")?.or(texts(&mut fields, "content")?);
            let seal = fields.string("encrypted_content")?.map(|value| unpack(&value));
            let text = shown.unwrap_or_default();
            Ok((Role::Assistant, one(Content::Thought(Thought { text, seal }))))
        }
        "item_reference" => Err(value.reject(Reason::Unsupported)),
        _ => {
            let other = Content::Other { dialect: super::NAME, kind, raw: value.raw() };
            Ok((Role::Assistant, one(other)))
        }
    }
}

/// Texts of parts as paragraphs; none if there are none.
fn texts(fields: &mut Fields<'_, '_>, name: &str) -> Result<Option<Text>, Rejection> {
    let texts = fields
        .with(name, |value| value.list(LIMITS.parts, |item| Ok(item.fields()?.string("text")?.unwrap_or_default())))?;
    Ok(texts.map(|texts| texts.join("\n\n")).filter(|text| !text.is_empty()).map(Text::from))
}

fn message(mut fields: Fields<'_, '_>) -> Result<(Role, Vec<Part>), Rejection> {
    let role = fields.string("role")?;
    let role = match fields.require("role", role)?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        "developer" => Role::Developer,
        _ => {
            let rule = "must be `user`, `assistant`, `system` or `developer`";
            return Err(fields.reject("role", Reason::Value(rule)));
        }
    };
    let parts = fields.with("content", content)?;
    Ok((role, fields.require("content", parts)?))
}

fn content(value: Value<'_, '_>) -> Result<Vec<Part>, Rejection> {
    if value.is_text() {
        return Ok(vec![Content::Text(value.text()?).into()]);
    }
    value.list(LIMITS.parts, part).map(|parts| parts.into_iter().map(Part::from).collect())
}

fn part(value: Value<'_, '_>) -> Result<Content, Rejection> {
    let mut fields = value.fields()?;
    let kind = fields.string("type")?;
    let kind = fields.require("type", kind)?;
    Ok(match kind.as_str() {
        "input_text" | "output_text" | "text" => {
            let text = fields.text("text")?;
            Content::Text(fields.require("text", text)?)
        }
        "refusal" => {
            let text = fields.text("refusal")?;
            Content::Refusal(fields.require("refusal", text)?)
        }
        "input_image" => {
            let detail = fields.string("detail")?;
            let source = match (fields.string("image_url")?, fields.string("file_id")?) {
                (Some(url), _) => media::source(&url),
                (None, id) => Source::Id(fields.require("image_url", id)?),
            };
            Content::Image { source, detail }
        }
        "input_file" => {
            let name = fields.text("filename")?;
            let source = match (fields.string("file_data")?, fields.string("file_url")?) {
                (Some(data), _) => media::source(&data),
                (None, Some(url)) => Source::Url(url.into()),
                (None, None) => {
                    let id = fields.string("file_id")?;
                    Source::Id(fields.require("file_data", id)?)
                }
            };
            Content::File { source, name }
        }
        "input_audio" => {
            let sound = fields.with("input_audio", media::sound)?;
            fields.require("input_audio", sound)?
        }
        _ => Content::Other { dialect: super::NAME, kind, raw: value.raw() },
    })
}
