//! A client's request in this dialect.

use tallygate_core::conversation::{
    Content, Effort, Extra, Format, LIMITS, Message, Reasoning, Request, Role, Sampling, Schema, Tool, ToolChoice,
    ToolKind,
};

use super::read_item;
use crate::dialect::bodies;
use crate::dialect::json::fields::{Fields, Place, Value};
use crate::dialect::openai_chat::OUTPUT_TOKENS_MAX;
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::wire::PathSays;

/// Fields that refer to what another server keeps.
const STATEFUL: [&str; 2] = ["conversation", "prompt"];

pub(super) fn read(body: &[u8], path: &PathSays<'_>) -> Result<Request, Rejection> {
    let mut fields = Fields::parse(bodies::strict(body)?, &Place::Root)?;
    let model = bodies::model(&mut fields, path)?;
    for name in STATEFUL {
        if fields.take(name).is_some() {
            return Err(fields.reject(name, Reason::Unsupported));
        }
    }
    if fields.flag("background")? == Some(true) {
        return Err(fields.reject("background", Reason::Unsupported));
    }
    let mut messages = Vec::new();
    let instructions = fields.text("instructions")?;
    messages.extend(instructions.map(|text| Message::new(Role::System, [Content::Text(text)])));
    let input = fields.with("input", read_item::input)?;
    messages.extend(fields.require("input", input)?);
    let max_output_tokens = fields.count("max_output_tokens")?;
    if max_output_tokens.is_some_and(|limit| !(1..=OUTPUT_TOKENS_MAX).contains(&limit)) {
        return Err(fields.reject("max_output_tokens", Reason::Value("must be at least 1")));
    }
    let text = fields.with("text", text)?.unwrap_or_default();
    let mut request = Request {
        model,
        messages,
        max_output_tokens,
        sampling: Sampling {
            temperature: fields.number("temperature")?,
            top_p: fields.number("top_p")?,
            top_logprobs: fields.count("top_logprobs")?,
            ..Sampling::default()
        },
        tools: fields.with("tools", |value| value.list(LIMITS.tools, tool))?.unwrap_or_default(),
        tool_choice: fields.with("tool_choice", tool_choice)?,
        parallel_tools: fields.flag("parallel_tool_calls")?,
        format: text.0,
        reasoning: fields.with("reasoning", reasoning)?.unwrap_or_default(),
        user: fields.text("user")?,
        metadata: fields.with("metadata", |value| value.raw_object())?,
        service_tier: fields.string("service_tier")?,
        streams: fields.flag("stream")?.unwrap_or_default(),
        // Answers of this dialect always tell their usage.
        asks_for_usage: true,
        ..Request::default()
    };
    fields.take("stream_options");
    fields.take("background");
    request.extras = bodies::carried(fields, super::NAME)?;
    request.extras.fields.extend(text.1);
    Ok(request)
}

fn text(value: Value<'_, '_>) -> Result<(Option<Format>, Option<Extra>), Rejection> {
    let mut fields = value.fields()?;
    let format = fields.with("format", |value| {
        let mut fields = value.fields()?;
        match fields.string("type")?.as_deref() {
            Some("json_object") => Ok(Format::Json),
            Some("json_schema") => {
                let schema = fields.with("schema", |value| value.raw_object())?;
                Ok(Format::Schema(Schema {
                    name: fields.string("name")?,
                    description: fields.text("description")?,
                    schema: fields.require("schema", schema)?,
                    strict: fields.flag("strict")?,
                }))
            }
            _ => Ok(Format::Text),
        }
    })?;
    let verbosity = fields.raw("verbosity").map(|value| Extra { name: "verbosity".to_owned(), value });
    Ok((format, verbosity))
}

fn reasoning(value: Value<'_, '_>) -> Result<Reasoning, Rejection> {
    let mut fields = value.fields()?;
    let effort = fields.with("effort", |value| {
        Effort::of_name(&value.string()?).ok_or_else(|| value.reject(Reason::Value("is no effort that is known")))
    })?;
    Ok(Reasoning { switch: None, effort, summary: fields.string("summary")? })
}

fn tool(value: Value<'_, '_>) -> Result<Tool, Rejection> {
    let mut fields = value.fields()?;
    let kind = fields.string("type")?;
    let kind = fields.require("type", kind)?;
    let kind_of = match kind.as_str() {
        "function" => ToolKind::Function { parameters: fields.with("parameters", |value| value.raw_object())? },
        "custom" => ToolKind::Free { format: fields.raw("format") },
        _ => {
            let hosted = ToolKind::Hosted { dialect: super::NAME, raw: value.raw() };
            return Ok(Tool { name: kind, description: None, kind: hosted, strict: None, cache: None });
        }
    };
    let name = fields.string("name")?;
    Ok(Tool {
        name: fields.require("name", name)?,
        description: fields.text("description")?,
        kind: kind_of,
        strict: fields.flag("strict")?,
        cache: None,
    })
}

fn tool_choice(value: Value<'_, '_>) -> Result<ToolChoice, Rejection> {
    if value.is_text() {
        return match value.string()?.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            _ => Err(value.reject(Reason::Value("must be `auto`, `none`, `required` or a tool"))),
        };
    }
    let mut fields = value.fields()?;
    let kind = fields.string("type")?.unwrap_or_default();
    if kind == "allowed_tools" {
        let required = fields.string("mode")?.as_deref() == Some("required");
        let names = fields.with("tools", |value| {
            value.list(LIMITS.tools, |item| {
                let mut fields = item.fields()?;
                let name = fields.string("name")?;
                fields.require("name", name)
            })
        })?;
        return Ok(ToolChoice::Among { names: fields.require("tools", names)?, required });
    }
    // A tool that the provider runs is named by its type.
    Ok(ToolChoice::Named(fields.string("name")?.unwrap_or(kind)))
}
