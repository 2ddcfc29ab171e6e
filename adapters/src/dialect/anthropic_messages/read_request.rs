//! A client's request in this dialect.

use tallygate_core::conversation::{
    Content, Effort, Format, LIMITS, Message, Part, Reasoning, Request, Role, Sampling, Schema, Switch, Tool,
    ToolChoice, ToolKind,
};

use super::read_block;
use crate::dialect::bodies;
use crate::dialect::json::fields::{Fields, Place, Value};
use crate::dialect::marks::cache_point;
use crate::dialect::openai_chat::OUTPUT_TOKENS_MAX;
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::wire::PathSays;

pub(super) fn read(body: &[u8], path: &PathSays<'_>) -> Result<Request, Rejection> {
    let mut fields = Fields::parse(bodies::strict(body)?, &Place::Root)?;
    let model = bodies::model(&mut fields, path)?;
    let max_tokens = fields.count("max_tokens")?;
    let max_tokens = fields.require("max_tokens", max_tokens)?;
    if !(1..=OUTPUT_TOKENS_MAX).contains(&max_tokens) {
        return Err(fields.reject("max_tokens", Reason::Value("must be at least 1")));
    }
    let mut messages: Vec<Message> = Vec::new();
    if let Some(parts) = fields.with("system", read_block::content)? {
        messages.push(Message { role: Role::System, name: None, parts });
    }
    let turns = fields.with("messages", |value| value.list(LIMITS.messages, turn))?;
    messages.extend(fields.require("messages", turns)?.into_iter().flatten());
    name_results(&mut messages);
    if let Some(cache) = fields.with("cache_control", cache_point)?
        && let Some(last) = messages.last_mut().and_then(|message| message.parts.last_mut())
    {
        last.cache = Some(cache);
    }
    let sampling = Sampling {
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.count("top_k")?,
        ..Sampling::default()
    };
    let stop = fields.with("stop_sequences", |value| value.list(LIMITS.stops, |item| item.text()))?;
    let mut request = Request {
        model,
        messages,
        max_output_tokens: Some(max_tokens),
        sampling,
        stop: stop.unwrap_or_default(),
        tools: fields.with("tools", |value| value.list(LIMITS.tools, tool))?.unwrap_or_default(),
        user: fields.with("metadata", |value| value.fields()?.text("user_id"))?.flatten(),
        service_tier: fields.string("service_tier")?,
        streams: fields.flag("stream")?.unwrap_or_default(),
        // Streams of this dialect always tell their usage.
        asks_for_usage: true,
        ..Request::default()
    };
    reasoning_and_form(&mut fields, &mut request)?;
    choice(&mut fields, &mut request)?;
    request.extras = bodies::carried(fields, super::NAME)?;
    Ok(request)
}

/// A turn as messages: results of tools are a message of their own, before what the user says.
fn turn(value: Value<'_, '_>) -> Result<Vec<Message>, Rejection> {
    let mut fields = value.fields()?;
    let role = fields.string("role")?;
    let role = match fields.require("role", role)?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(fields.reject("role", Reason::Value("must be `user`, `assistant` or `system`"))),
    };
    let parts = fields.with("content", read_block::content)?;
    let parts = fields.require("content", parts)?;
    let (results, rest): (Vec<Part>, Vec<Part>) =
        parts.into_iter().partition(|part| matches!(part.content, Content::ToolResult(_)));
    let mut messages = Vec::new();
    if rest.is_empty() && results.is_empty() || !rest.is_empty() {
        messages.push(Message { role, name: None, parts: rest });
    }
    if !results.is_empty() {
        messages.insert(0, Message { role: Role::Tool, name: None, parts: results });
    }
    Ok(messages)
}

/// Results name no tool in this dialect: their calls do.
fn name_results(messages: &mut [Message]) {
    let mut names = std::collections::BTreeMap::new();
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

fn tool(value: Value<'_, '_>) -> Result<Tool, Rejection> {
    let mut fields = value.fields()?;
    let kind = fields.string("type")?;
    let name = fields.string("name")?;
    let cache = fields.with("cache_control", cache_point)?;
    if let Some(kind) = kind.filter(|kind| kind != "custom") {
        let kind_of = ToolKind::Hosted { dialect: super::NAME, raw: value.raw() };
        let name = name.unwrap_or(kind);
        return Ok(Tool { name, description: None, kind: kind_of, strict: None, cache });
    }
    Ok(Tool {
        name: fields.require("name", name)?,
        description: fields.text("description")?,
        kind: ToolKind::Function { parameters: fields.with("input_schema", |value| value.raw_object())? },
        strict: fields.flag("strict")?,
        cache,
    })
}

fn choice(fields: &mut Fields<'_, '_>, request: &mut Request) -> Result<(), Rejection> {
    let choice = fields.with("tool_choice", |value| {
        let mut fields = value.fields()?;
        let is_single = fields.flag("disable_parallel_tool_use")?;
        let kind = fields.string("type")?;
        let choice = match fields.require("type", kind)?.as_str() {
            "auto" => ToolChoice::Auto,
            "any" => ToolChoice::Required,
            "none" => ToolChoice::None,
            "tool" => {
                let name = fields.string("name")?;
                ToolChoice::Named(fields.require("name", name)?)
            }
            _ => return Err(fields.reject("type", Reason::Value("must be `auto`, `any`, `tool` or `none`"))),
        };
        Ok((choice, is_single))
    })?;
    if let Some((choice, is_single)) = choice {
        request.tool_choice = Some(choice);
        request.parallel_tools = is_single.map(|is_single| !is_single);
    }
    Ok(())
}

fn reasoning_and_form(fields: &mut Fields<'_, '_>, request: &mut Request) -> Result<(), Rejection> {
    let switch = fields.with("thinking", |value| {
        let mut fields = value.fields()?;
        let kind = fields.string("type")?;
        match fields.require("type", kind)?.as_str() {
            "enabled" => {
                let budget = fields.count("budget_tokens")?;
                Ok(Switch::Budget(fields.require("budget_tokens", budget)?))
            }
            "adaptive" => Ok(Switch::Auto),
            "disabled" => Ok(Switch::Off),
            _ => Err(fields.reject("type", Reason::Value("must be `enabled`, `adaptive` or `disabled`"))),
        }
    })?;
    let config = fields.with("output_config", |value| {
        let mut fields = value.fields()?;
        let effort = fields.with("effort", |value| {
            Effort::of_name(&value.string()?).ok_or_else(|| value.reject(Reason::Value("is no effort that is known")))
        })?;
        let format = fields.with("format", |value| {
            let mut fields = value.fields()?;
            let schema = fields.with("schema", |value| value.raw_object())?;
            let schema = fields.require("schema", schema)?;
            Ok(Format::Schema(Schema { name: None, description: None, schema, strict: Some(true) }))
        })?;
        Ok((effort, format))
    })?;
    let (effort, format) = config.unwrap_or_default();
    request.reasoning = Reasoning { switch, effort, summary: None };
    request.format = format;
    Ok(())
}
