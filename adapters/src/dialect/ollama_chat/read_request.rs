//! A client's request in this dialect.

use tallygate_core::conversation::{
    Content, Effort, Extra, Format, LIMITS, Message, Number, Part, Reasoning, Request, Role, Sampling, Schema, Source,
    Switch, Text, Thought, Tool, ToolCall, ToolKind, ToolResult,
};

use crate::dialect::bodies;
use crate::dialect::json::fields::{Fields, Place, Value};
use crate::dialect::media;
use crate::dialect::openai_chat::OUTPUT_TOKENS_MAX;
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::wire::PathSays;

/// What stands before the names of options that are carried.
pub(super) const OPTIONS: &str = "options";

pub(super) fn read(body: &[u8], path: &PathSays<'_>) -> Result<Request, Rejection> {
    let mut fields = Fields::parse(bodies::strict(body)?, &Place::Root)?;
    let mut request = Request { model: bodies::model(&mut fields, path)?, asks_for_usage: true, ..Request::default() };
    let mut open = Open::default();
    let messages = fields.with("messages", |value| value.list(LIMITS.messages, |item| message(item, &mut open)))?;
    request.messages = fields.require("messages", messages)?;
    request.tools = fields.with("tools", |value| value.list(LIMITS.tools, tool))?.unwrap_or_default();
    request.format = fields.with("format", format)?;
    request.reasoning = fields.with("think", think)?.unwrap_or_default();
    // Answers are streams here unless something else is said.
    request.streams = fields.flag("stream")?.unwrap_or(true);
    let options = fields.with(OPTIONS, |value| options(value, &mut request))?.unwrap_or_default();
    request.sampling.logprobs = fields.flag("logprobs")?;
    request.sampling.top_logprobs = fields.count("top_logprobs")?;
    request.extras = bodies::carried(fields, super::NAME)?;
    let named = options.into_iter().filter(|extra| extra.value.as_str() != "null");
    request.extras.fields.extend(named.map(|extra| Extra { name: format!("{OPTIONS}.{}", extra.name), ..extra }));
    Ok(request)
}

/// Calls without a result: id and name.
#[derive(Default)]
struct Open {
    count: usize,
    calls: Vec<(String, String)>,
}

impl Open {
    /// The call that a result is of, by its id, its tool, or its place; and the tool.
    fn result(&mut self, id: Option<String>, name: Option<String>) -> (String, Option<String>) {
        let is_it = |call: &(String, String)| match (&id, &name) {
            (Some(id), _) => call.0 == *id,
            (None, Some(name)) => call.1 == *name,
            (None, None) => true,
        };
        match self.calls.iter().position(is_it).map(|at| self.calls.remove(at)) {
            Some((id, name)) => (id, Some(name)),
            None => (id.unwrap_or_else(|| format!("result_{}", name.as_deref().unwrap_or_default())), name),
        }
    }
}

fn message(value: Value<'_, '_>, open: &mut Open) -> Result<Message, Rejection> {
    let mut fields = value.fields()?;
    let role = fields.string("role")?;
    let role = match fields.require("role", role)?.as_str() {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => {
            let text = fields.text("content")?.unwrap_or_default();
            let name = fields.string("tool_name")?.or(fields.string("name")?);
            let (call_id, name) = open.result(fields.string("tool_call_id")?, name);
            let parts = vec![Part::from(Content::Text(text))];
            let result = ToolResult { call_id, name, parts, is_error: false };
            return Ok(Message::new(Role::Tool, [Content::ToolResult(result)]));
        }
        _ => return Err(fields.reject("role", Reason::Value("must be `system`, `user`, `assistant` or `tool`"))),
    };
    let mut contents: Vec<Content> = Vec::new();
    let thought = fields.text("thinking")?.filter(|text| !text.is_empty());
    contents.extend(thought.map(|text| Content::Thought(Thought { text, seal: None })));
    let text = fields.text("content")?.unwrap_or_default();
    let images = fields.with("images", |value| value.list(LIMITS.parts, image))?.unwrap_or_default();
    let calls = fields.with("tool_calls", |value| value.list(LIMITS.calls, |item| call(item, open)))?;
    let calls = calls.unwrap_or_default();
    if !text.is_empty() || (images.is_empty() && calls.is_empty()) {
        contents.push(Content::Text(text));
    }
    contents.extend(images);
    contents.extend(calls.into_iter().map(Content::ToolCall));
    Ok(Message::new(role, contents))
}

fn image(value: Value<'_, '_>) -> Result<Content, Rejection> {
    let data = value.text()?;
    let media_type = media::image_type("image/png", &data).to_owned();
    Ok(Content::Image { source: Source::Base64 { media_type, data }, detail: None })
}

fn call(value: Value<'_, '_>, open: &mut Open) -> Result<ToolCall, Rejection> {
    let mut fields = value.fields()?;
    let told = fields.string("id")?;
    let call = fields.with("function", |value| {
        let mut fields = value.fields()?;
        let name = fields.string("name")?;
        let arguments = fields.with("arguments", |value| value.raw_object())?;
        Ok((fields.require("name", name)?, arguments))
    })?;
    let (name, arguments) = fields.require("function", call)?;
    let id = told.unwrap_or_else(|| format!("call_{}", open.count));
    open.count += 1;
    open.calls.push((id.clone(), name.clone()));
    let arguments = arguments.map_or_else(|| "{}".into(), |arguments| Text::from(arguments.as_str()));
    Ok(ToolCall { id, name, arguments, is_free: false, seal: None })
}

fn tool(value: Value<'_, '_>) -> Result<Tool, Rejection> {
    let mut fields = value.fields()?;
    let tool = fields.with("function", |value| {
        let mut fields = value.fields()?;
        let name = fields.string("name")?;
        Ok(Tool {
            name: fields.require("name", name)?,
            description: fields.text("description")?,
            kind: ToolKind::Function { parameters: fields.with("parameters", |value| value.raw_object())? },
            strict: None,
            cache: None,
        })
    })?;
    fields.require("function", tool)
}

fn format(value: Value<'_, '_>) -> Result<Format, Rejection> {
    if value.is_text() {
        return match value.string()?.as_str() {
            "json" => Ok(Format::Json),
            "" => Ok(Format::Text),
            _ => Err(value.reject(Reason::Value("must be `json` or a schema"))),
        };
    }
    let schema = value.raw_object()?;
    Ok(Format::Schema(Schema { name: None, description: None, schema, strict: None }))
}

fn think(value: Value<'_, '_>) -> Result<Reasoning, Rejection> {
    if value.is_text() {
        let effort = Effort::of_name(&value.string()?);
        let effort = effort.ok_or_else(|| value.reject(Reason::Value("is no effort that is known")))?;
        return Ok(Reasoning { effort: Some(effort), ..Reasoning::default() });
    }
    let switch = if value.flag()? { Switch::Auto } else { Switch::Off };
    Ok(Reasoning { switch: Some(switch), ..Reasoning::default() })
}

/// Reads options, and gives back those without a canonical form.
fn options(value: Value<'_, '_>, request: &mut Request) -> Result<Vec<Extra>, Rejection> {
    let mut fields = value.fields()?;
    request.sampling = Sampling {
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.count("top_k")?,
        min_p: fields.number("min_p")?,
        seed: fields.number("seed")?,
        presence_penalty: fields.number("presence_penalty")?,
        frequency_penalty: fields.number("frequency_penalty")?,
        ..Sampling::default()
    };
    // A negative number means no limit.
    let limit = fields.number("num_predict")?.as_ref().and_then(Number::as_u64);
    if limit.is_some_and(|limit| !(1..=OUTPUT_TOKENS_MAX).contains(&limit)) {
        return Err(fields.reject("num_predict", Reason::Value("must be at least 1")));
    }
    request.max_output_tokens = limit;
    let stop = fields.with("stop", |value| {
        if value.is_text() { Ok(vec![value.text()?]) } else { value.list(LIMITS.stops, |item| item.text()) }
    })?;
    request.stop = stop.unwrap_or_default();
    Ok(fields.rest())
}
