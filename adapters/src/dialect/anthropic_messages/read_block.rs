//! Blocks of a request.

use tallygate_core::conversation::{
    Content, LIMITS, Part, Seal, SealForm, Source, Text, Thought, ToolCall, ToolResult,
};

use crate::dialect::json::fields::{Fields, Value};
use crate::dialect::marks::cache_point;
use crate::dialect::rejection::Rejection;

/// Content: a text, or blocks.
pub(super) fn content(value: Value<'_, '_>) -> Result<Vec<Part>, Rejection> {
    if value.is_text() {
        return Ok(vec![Content::Text(value.text()?).into()]);
    }
    value.list(LIMITS.parts, block)
}

fn block(value: Value<'_, '_>) -> Result<Part, Rejection> {
    let mut fields = value.fields()?;
    let kind = fields.string("type")?;
    let kind = fields.require("type", kind)?;
    let cache = fields.with("cache_control", cache_point)?;
    let other = |kind: &str| Content::Other { dialect: super::NAME, kind: kind.to_owned(), raw: value.raw() };
    let content = match kind.as_str() {
        "text" => Content::Text(needed(&mut fields, "text")?),
        "image" => match fields.with("source", source)?.flatten() {
            Some(source) => Content::Image { source, detail: None },
            None => other(&kind),
        },
        "document" => match fields.with("source", source)?.flatten() {
            Some(source) => Content::File { source, name: fields.text("title")? },
            None => other(&kind),
        },
        "tool_use" => Content::ToolCall(call(&mut fields)?),
        "tool_result" => Content::ToolResult(result(&mut fields)?),
        "thinking" => Content::Thought(Thought {
            text: needed(&mut fields, "thinking")?,
            seal: fields
                .text("signature")?
                .filter(|data| !data.is_empty())
                .map(|data| Seal { form: SealForm::Signature, data }),
        }),
        "redacted_thinking" => {
            let data = needed(&mut fields, "data")?;
            Content::Thought(Thought { text: Text::default(), seal: Some(Seal { form: SealForm::Redacted, data }) })
        }
        _ => other(&kind),
    };
    Ok(Part { content, cache })
}

fn needed(fields: &mut Fields<'_, '_>, name: &str) -> Result<Text, Rejection> {
    let text = fields.text(name)?;
    fields.require(name, text)
}

/// Where media are; none for a form that has no counterpart.
fn source(value: Value<'_, '_>) -> Result<Option<Source>, Rejection> {
    let mut fields = value.fields()?;
    let kind = fields.string("type")?;
    Ok(match fields.require("type", kind)?.as_str() {
        "base64" => {
            let media_type = fields.string("media_type")?;
            let media_type = fields.require("media_type", media_type)?;
            Some(Source::Base64 { media_type, data: needed(&mut fields, "data")? })
        }
        "text" => Some(Source::Plain(needed(&mut fields, "data")?)),
        "url" => Some(Source::Url(needed(&mut fields, "url")?)),
        "file" => fields.string("file_id")?.map(Source::Id),
        _ => None,
    })
}

fn call(fields: &mut Fields<'_, '_>) -> Result<ToolCall, Rejection> {
    let (id, name) = (fields.string("id")?, fields.string("name")?);
    let input = fields.with("input", |value| value.raw_object())?;
    Ok(ToolCall {
        id: fields.require("id", id)?,
        name: fields.require("name", name)?,
        arguments: input.map_or_else(|| "{}".into(), |input| input.as_str().into()),
        is_free: false,
        seal: None,
    })
}

fn result(fields: &mut Fields<'_, '_>) -> Result<ToolResult, Rejection> {
    let id = fields.string("tool_use_id")?;
    Ok(ToolResult {
        call_id: fields.require("tool_use_id", id)?,
        name: None,
        parts: fields.with("content", content)?.unwrap_or_default(),
        is_error: fields.flag("is_error")?.unwrap_or_default(),
    })
}
