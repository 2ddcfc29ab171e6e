//! The messages of a request.

use std::collections::BTreeMap;

use tallygate_core::conversation::{
    CachePoint, Content, LIMITS, Message, Part, Role, Seal, SealForm, Source, Text, Thought, ToolCall, ToolResult,
};

use crate::dialect::json::fields::{Fields, Value};
use crate::dialect::marks::cache_point;
use crate::dialect::media;
use crate::dialect::rejection::{Reason, Rejection};
use crate::provider::vendor_fields;

pub(super) fn messages(value: Value<'_, '_>) -> Result<Vec<Message>, Rejection> {
    let mut messages = value.list(LIMITS.messages, message)?;
    number_old_calls(&mut messages);
    name_results(&mut messages);
    Ok(messages)
}

/// Old calls have no ids: their number in the conversation is one. A result is of the newest call of its function.
fn number_old_calls(messages: &mut [Message]) {
    let mut newest: BTreeMap<String, String> = BTreeMap::new();
    let mut count = 0;
    for part in messages.iter_mut().flat_map(|message| &mut message.parts) {
        match &mut part.content {
            Content::ToolCall(call) if call.id == old_id(&call.name) => {
                let id = format!("function_{count}");
                count += 1;
                newest.insert(std::mem::replace(&mut call.id, id.clone()), id);
            }
            Content::ToolResult(result) => {
                if let Some(id) = newest.get(&result.call_id) {
                    result.call_id.clone_from(id);
                }
            }
            _ => {}
        }
    }
}

fn message(value: Value<'_, '_>) -> Result<Message, Rejection> {
    let mut fields = value.fields()?;
    let role = fields.string("role")?;
    let role = match fields.require("role", role)?.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => return result(fields),
        _ => {
            let rule = "must be `system`, `developer`, `user`, `assistant` or `tool`";
            return Err(fields.reject("role", Reason::Value(rule)));
        }
    };
    let mut parts = if role == Role::Assistant { thoughts(&mut fields)? } else { Vec::new() };
    let content = fields.with("content", content)?;
    if content.is_none() && role != Role::Assistant {
        return Err(fields.reject("content", Reason::Missing));
    }
    parts.extend(content.unwrap_or_default());
    if let Some(cache) = fields.with("cache_control", cache_point)?
        && let Some(last) = parts.last_mut()
    {
        last.cache = Some(cache);
    }
    if role == Role::Assistant {
        let refusal = fields.text("refusal")?.map(Content::Refusal);
        parts.extend(refusal.map(Part::from));
        let calls = fields.with("tool_calls", |value| value.list(LIMITS.calls, call))?;
        parts.extend(calls.unwrap_or_default().into_iter().map(|call| Part::from(Content::ToolCall(call))));
        parts.extend(fields.with("function_call", old_call)?.map(|call| Part::from(Content::ToolCall(call))));
        let sound = fields.raw("audio");
        let other = sound.map(|raw| Content::Other { dialect: super::NAME, kind: "audio".to_owned(), raw });
        parts.extend(other.map(Part::from));
    }
    Ok(Message { role, name: fields.string("name")?, parts })
}

/// Reasoning of an earlier answer: sealed blocks, or else its text.
fn thoughts(fields: &mut Fields<'_, '_>) -> Result<Vec<Part>, Rejection> {
    let shown = fields.text("reasoning_content")?.or(fields.text("reasoning")?).filter(|text| !text.is_empty());
    let blocks = fields.with("thinking_blocks", |value| value.list(LIMITS.parts, thought))?.unwrap_or_default();
    let thoughts =
        if blocks.is_empty() { shown.into_iter().map(|text| Thought { text, seal: None }).collect() } else { blocks };
    Ok(thoughts.into_iter().map(|thought| Part::from(Content::Thought(thought))).collect())
}

fn thought(value: Value<'_, '_>) -> Result<Thought, Rejection> {
    let mut fields = value.fields()?;
    let seal = |form, data| Seal { form, data };
    if fields.string("type")?.as_deref() == Some("redacted_thinking") {
        let data = fields.text("data")?;
        let data = fields.require("data", data)?;
        return Ok(Thought { text: Text::default(), seal: Some(seal(SealForm::Redacted, data)) });
    }
    Ok(Thought {
        text: fields.text("thinking")?.unwrap_or_default(),
        seal: fields.text("signature")?.map(|data| seal(SealForm::Signature, data)),
    })
}

fn call(value: Value<'_, '_>) -> Result<ToolCall, Rejection> {
    let mut fields = value.fields()?;
    let kind = fields.string("type")?;
    let id = fields.string("id")?;
    let (id, mark) = vendor_fields::split_mark(&fields.require("id", id)?);
    let mark = mark.or(fields.with("extra_content", |value| Ok(vendor_fields::mark(value)))?.flatten());
    let seal = mark.map(|data| Seal { form: SealForm::Mark, data });
    let is_free = kind.as_deref() == Some("custom");
    let (inner, argument) = if is_free { ("custom", "input") } else { ("function", "arguments") };
    let call = fields.with(inner, |value| {
        let mut fields = value.fields()?;
        let name = fields.string("name")?;
        let arguments = fields.text(argument)?.unwrap_or_default();
        Ok(ToolCall { id, name: fields.require("name", name)?, arguments, is_free, seal })
    })?;
    fields.require(inner, call)
}

fn old_call(value: Value<'_, '_>) -> Result<ToolCall, Rejection> {
    let mut fields = value.fields()?;
    let name = fields.string("name")?;
    let name = fields.require("name", name)?;
    let arguments = fields.text("arguments")?.unwrap_or_default();
    Ok(ToolCall { id: old_id(&name), name, arguments, is_free: false, seal: None })
}

/// What stands for the id of an old call until it is numbered.
fn old_id(name: &str) -> String {
    format!("function_{name}")
}

fn result(mut fields: Fields<'_, '_>) -> Result<Message, Rejection> {
    let name = fields.string("name")?;
    let id = fields.string("tool_call_id")?.map(|id| vendor_fields::split_mark(&id).0);
    let id = id.or_else(|| name.as_deref().map(old_id));
    let parts = fields.with("content", content)?.unwrap_or_default();
    let result = ToolResult { call_id: fields.require("tool_call_id", id)?, name, parts, is_error: false };
    Ok(Message::new(Role::Tool, [Content::ToolResult(result)]))
}

/// Results name no tool in this dialect: their calls do.
fn name_results(messages: &mut [Message]) {
    let mut names = BTreeMap::new();
    for message in messages {
        for call in message.calls() {
            names.insert(call.id.clone(), call.name.clone());
        }
        for part in &mut message.parts {
            if let Content::ToolResult(result) = &mut part.content {
                result.name = result.name.take().or_else(|| names.get(&result.call_id).cloned());
            }
        }
    }
}

fn content(value: Value<'_, '_>) -> Result<Vec<Part>, Rejection> {
    if value.is_text() {
        return Ok(vec![Content::Text(value.text()?).into()]);
    }
    value.list(LIMITS.parts, part)
}

fn part(value: Value<'_, '_>) -> Result<Part, Rejection> {
    let mut fields = value.fields()?;
    let kind = fields.string("type")?;
    let kind = fields.require("type", kind)?;
    let breakpoint = fields.with("prompt_cache_breakpoint", |_| Ok(CachePoint::Default))?;
    let cache = fields.with("cache_control", cache_point)?.or(breakpoint);
    let content = match kind.as_str() {
        "text" => {
            let text = fields.text("text")?;
            Content::Text(fields.require("text", text)?)
        }
        "refusal" => {
            let text = fields.text("refusal")?;
            Content::Refusal(fields.require("refusal", text)?)
        }
        "image_url" => {
            let image = fields.with("image_url", image)?;
            fields.require("image_url", image)?
        }
        "input_audio" => {
            let sound = fields.with("input_audio", media::sound)?;
            fields.require("input_audio", sound)?
        }
        "file" => {
            let file = fields.with("file", file)?;
            fields.require("file", file)?
        }
        _ => Content::Other { dialect: super::NAME, kind, raw: value.raw() },
    };
    Ok(Part { content, cache })
}

fn image(value: Value<'_, '_>) -> Result<Content, Rejection> {
    if value.is_text() {
        return Ok(Content::Image { source: media::source(&value.string()?), detail: None });
    }
    let mut fields = value.fields()?;
    let url = fields.string("url")?;
    let source = media::source(&fields.require("url", url)?);
    Ok(Content::Image { source, detail: fields.string("detail")? })
}

fn file(value: Value<'_, '_>) -> Result<Content, Rejection> {
    let mut fields = value.fields()?;
    let name = fields.text("filename")?;
    if let Some(id) = fields.string("file_id")? {
        return Ok(Content::File { source: Source::Id(id), name });
    }
    let data = fields.string("file_data")?;
    let data = fields.require("file_data", data)?;
    let source = match media::source(&data) {
        // Some clients leave the prefix of the data URL out.
        Source::Url(data) if !data.contains("://") => {
            let media_type = media::type_of_name(name.as_deref().unwrap_or_default()).to_owned();
            Source::Base64 { media_type, data }
        }
        source => source,
    };
    Ok(Content::File { source, name })
}
