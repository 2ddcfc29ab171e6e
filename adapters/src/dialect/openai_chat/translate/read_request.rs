//! A client's request in this dialect. The strict parser of the pass-through decides first, so that both ways refuse the
//! same bodies.

use bytes::Bytes;
use tallygate_core::conversation::{
    Effort, Extras, Format, LIMITS, Reasoning, Request, Sampling, Schema, Switch, Text, Tool, ToolChoice, ToolKind,
};

use super::super::Operation;
use super::super::fields::{Fate, fate, folded};
use super::read_message;
use crate::dialect::json::fields::{Fields, Place, Value};
use crate::dialect::marks::cache_point;
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::wire::PathSays;

pub(super) fn read(body: &[u8], path: &PathSays<'_>) -> Result<Request, Rejection> {
    let checked = super::super::Request::parse(Operation::Chat, Bytes::copy_from_slice(body), path.model)?;
    let text = std::str::from_utf8(body).unwrap_or_default();
    let mut fields = Fields::parse(text, &Place::Root)?;
    fields.take("model");
    let messages = fields.with("messages", read_message::messages)?;
    let max_output_tokens = checked.output_limit();
    fields.take("max_tokens");
    fields.take("max_completion_tokens");
    let mut request = Request {
        model: checked.model().as_str().to_owned(),
        messages: fields.require("messages", messages)?,
        max_output_tokens,
        sampling: sampling(&mut fields)?,
        stop: fields.with("stop", stop)?.unwrap_or_default(),
        choices: fields.count("n")?,
        format: fields.with("response_format", format)?,
        reasoning: reasoning(&mut fields)?,
        user: fields.text("user")?,
        metadata: fields.with("metadata", |value| value.raw_object())?,
        service_tier: fields.string("service_tier")?,
        parallel_tools: fields.flag("parallel_tool_calls")?,
        streams: checked.streams(),
        asks_for_usage: checked.asks_for_usage(),
        ..Request::default()
    };
    fields.take("stream");
    fields.take("stream_options");
    tools(&mut fields, &mut request)?;
    let mut rest = fields.rest();
    rest.retain(|extra| fate(&folded(&extra.name)) != Fate::KeptBack && extra.value.as_str() != "null");
    request.extras = Extras { dialect: super::NAME, fields: rest };
    Ok(request)
}

fn sampling(fields: &mut Fields<'_, '_>) -> Result<Sampling, Rejection> {
    Ok(Sampling {
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.count("top_k")?,
        min_p: fields.number("min_p")?,
        seed: fields.number("seed")?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        logit_bias: fields.with("logit_bias", |value| value.raw_object())?,
        logprobs: fields.flag("logprobs")?,
        top_logprobs: fields.count("top_logprobs")?,
    })
}

fn stop(value: Value<'_, '_>) -> Result<Vec<Text>, Rejection> {
    if value.is_text() { Ok(vec![value.text()?]) } else { value.list(LIMITS.stops, |item| item.text()) }
}

fn format(value: Value<'_, '_>) -> Result<Format, Rejection> {
    let mut fields = value.fields()?;
    let kind = fields.string("type")?;
    match fields.require("type", kind)?.as_str() {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::Json),
        "json_schema" => {
            let schema = fields.with("json_schema", |value| {
                let mut fields = value.fields()?;
                let schema = fields.with("schema", |value| value.raw_object())?;
                Ok(Schema {
                    name: fields.string("name")?,
                    description: fields.text("description")?,
                    schema: fields.require("schema", schema)?,
                    strict: fields.flag("strict")?,
                })
            })?;
            fields.require("json_schema", schema).map(Format::Schema)
        }
        _ => Err(fields.reject("type", Reason::Value("must be `text`, `json_object` or `json_schema`"))),
    }
}

fn reasoning(fields: &mut Fields<'_, '_>) -> Result<Reasoning, Rejection> {
    let effort = fields.with("reasoning_effort", |value| {
        Effort::of_name(&value.string()?).ok_or_else(|| value.reject(Reason::Value("is no effort that is known")))
    })?;
    // A field that several vendors have added, in one form or another.
    let switch = fields.with("thinking", |value| {
        let mut fields = value.fields()?;
        let budget = fields.count("budget_tokens")?;
        Ok(match fields.string("type")?.as_deref() {
            Some("disabled") => Switch::Off,
            _ => budget.map_or(Switch::Auto, Switch::Budget),
        })
    })?;
    Ok(Reasoning { switch, effort, summary: None })
}

fn tools(fields: &mut Fields<'_, '_>, request: &mut Request) -> Result<(), Rejection> {
    request.tools = fields.with("tools", |value| value.list(LIMITS.tools, tool))?.unwrap_or_default();
    request.tool_choice = fields.with("tool_choice", tool_choice)?;
    let functions = fields.with("functions", |value| value.list(LIMITS.tools, |item| function(item.fields()?)))?;
    if let Some(functions) = functions {
        request.old_functions = true;
        request.tools.extend(functions);
    }
    let old_choice = fields.with("function_call", |value| {
        if !value.is_text() {
            return named(value).map(ToolChoice::Named);
        }
        match value.string()?.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            _ => Err(value.reject(Reason::Value("must be `auto`, `none` or a function"))),
        }
    })?;
    request.tool_choice = request.tool_choice.take().or(old_choice);
    Ok(())
}

fn tool(value: Value<'_, '_>) -> Result<Tool, Rejection> {
    let mut fields = value.fields()?;
    let kind = fields.string("type")?.unwrap_or_else(|| "function".to_owned());
    let cache = fields.with("cache_control", cache_point)?;
    match kind.as_str() {
        "function" => {
            let tool = fields.with("function", |value| function(value.fields()?))?;
            let mut tool = fields.require("function", tool)?;
            tool.cache = cache.or(tool.cache);
            Ok(tool)
        }
        "custom" => {
            let tool = fields.with("custom", |value| {
                let mut fields = value.fields()?;
                let name = fields.string("name")?;
                Ok(Tool {
                    name: fields.require("name", name)?,
                    description: fields.text("description")?,
                    kind: ToolKind::Free { format: fields.raw("format") },
                    strict: None,
                    cache,
                })
            })?;
            fields.require("custom", tool)
        }
        _ => {
            let kind_of = ToolKind::Hosted { dialect: super::NAME, raw: value.raw() };
            Ok(Tool { name: kind, description: None, kind: kind_of, strict: None, cache })
        }
    }
}

fn function(mut fields: Fields<'_, '_>) -> Result<Tool, Rejection> {
    let name = fields.string("name")?;
    Ok(Tool {
        name: fields.require("name", name)?,
        description: fields.text("description")?,
        kind: ToolKind::Function { parameters: fields.with("parameters", |value| value.raw_object())? },
        strict: fields.flag("strict")?,
        cache: fields.with("cache_control", cache_point)?,
    })
}

fn tool_choice(value: Value<'_, '_>) -> Result<ToolChoice, Rejection> {
    if value.is_text() {
        return match value.string()?.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            // The second is what one vendor's clients write.
            "required" | "any" => Ok(ToolChoice::Required),
            _ => Err(value.reject(Reason::Value("must be `auto`, `none`, `required` or a tool"))),
        };
    }
    let mut fields = value.fields()?;
    let kind = fields.string("type")?.unwrap_or_default();
    match kind.as_str() {
        "function" | "custom" => {
            let name = fields.with(&kind, named)?;
            fields.require(&kind, name).map(ToolChoice::Named)
        }
        "allowed_tools" => {
            let allowed = fields.with("allowed_tools", |value| {
                let mut fields = value.fields()?;
                let required = fields.string("mode")?.as_deref() == Some("required");
                let names = fields.with("tools", |value| value.list(LIMITS.tools, |item| allowed_name(item)))?;
                Ok(ToolChoice::Among { names: fields.require("tools", names)?, required })
            })?;
            fields.require("allowed_tools", allowed)
        }
        _ => Err(fields.reject("type", Reason::Value("must be `function`, `custom` or `allowed_tools`"))),
    }
}

fn named(value: Value<'_, '_>) -> Result<String, Rejection> {
    let mut fields = value.fields()?;
    let name = fields.string("name")?;
    fields.require("name", name)
}

fn allowed_name(value: Value<'_, '_>) -> Result<String, Rejection> {
    let mut fields = value.fields()?;
    let kind = fields.string("type")?.unwrap_or_default();
    let name = fields.with(&kind, named)?;
    fields.require("function", name)
}
