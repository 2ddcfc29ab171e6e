//! Messages, read as strictly as Anthropic reads them.

use serde_json::Value;

use super::super::part::{Part, is_base64, is_plain_name};
use super::super::refusal::Refusal;
use super::super::route::Task;
use super::super::scenario::SIGNATURE;
use super::super::seen::{Choice, Seen, Shape, Tool};

const FIELDS: [&str; 25] = [
    "model",
    "max_tokens",
    "messages",
    "system",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "stream",
    "metadata",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "service_tier",
    "cache_control",
    "container",
    "inference_geo",
    "context_management",
    "mcp_servers",
    "prefill",
    "diagnostics",
    "speed",
    "user_profile_id",
    "workspace_id",
];

const BREAKPOINTS_MAX: usize = 4;
const THINKING_BUDGET_MIN: u64 = 1_024;

/// Reads a request. A count of tokens needs no limit. The newer version of the interface takes no settings of sampling.
pub(super) fn read(body: &Value, task: Task, is_newer: bool) -> Result<Seen, Refusal> {
    let whole = body;
    let body = Part::of(body, "")?;
    body.only(&FIELDS)?;
    if let Some(name) = ["temperature", "top_p", "top_k"].iter().find(|name| is_newer && body.has(name)) {
        return Err(body.invalid(name, "Extra inputs are not permitted"));
    }
    let mut seen = Seen { model: body.text("model")?.to_owned(), parallel: true, ..Seen::default() };
    seen.output_max = body.count("max_tokens")?;
    if task == Task::Converse && seen.output_max.is_none() {
        return Err(Refusal::missing("max_tokens"));
    }
    if breakpoints(whole) > BREAKPOINTS_MAX {
        return Err(Refusal::invalid("cache_control", "A maximum of 4 blocks with cache_control may be provided."));
    }
    system(&body, &mut seen)?;
    tools(&body, &mut seen)?;
    let thinks = settings(&body, &mut seen)?;
    messages(&body, thinks, &mut seen)?;
    Ok(seen)
}

fn system(body: &Part<'_>, seen: &mut Seen) -> Result<(), Refusal> {
    match body.get("system") {
        Some(Value::String(text)) => seen.system.push(text.clone()),
        _ => {
            for block in body.parts("system")? {
                block.only(&["type", "text", "cache_control", "citations"])?;
                seen.system.push(filled(&block)?);
            }
        }
    }
    Ok(())
}

/// Reads how to answer; gives whether thinking has a budget of its own, which has rules for the history.
fn settings(body: &Part<'_>, seen: &mut Seen) -> Result<bool, Refusal> {
    let temperature = body.within("temperature", 0.0, 1.0)?;
    body.within("top_p", 0.0, 1.0)?;
    seen.stops = body.texts("stop_sequences")?;
    if seen.stops.iter().any(|stop| stop.trim().is_empty()) {
        return Err(body.invalid("stop_sequences", "each stop sequence must contain non-whitespace"));
    }
    seen.streams = body.flag("stream")?;
    if let Some(metadata) = body.part("metadata")? {
        metadata.only(&["user_id"])?;
    }
    if let Some(config) = body.part("output_config")? {
        config.only(&["effort", "format"])?;
        if let Some(format) = config.part("format")? {
            format.only(&["type", "schema"])?;
            seen.shape = Some(Shape::Schema(closed(&format)?.clone()));
        }
    }
    let Some(thinking) = body.part("thinking")? else { return Ok(false) };
    let kind = thinking.text("type")?;
    if kind == "disabled" {
        return Ok(false);
    }
    seen.reasons = true;
    if temperature.is_some_and(|temperature| temperature < 1.0) || body.get("top_k").is_some() {
        return Err(body.invalid("temperature", "may only be set to 1 when thinking is enabled"));
    }
    if matches!(seen.choice, Choice::Always | Choice::One(_)) {
        return Err(body.invalid("thinking", "may not be enabled when tool_choice forces tool use"));
    }
    if kind == "enabled" {
        let budget = thinking.count("budget_tokens")?.unwrap_or_default();
        if budget < THINKING_BUDGET_MIN || seen.output_max.is_some_and(|limit| budget >= limit) {
            return Err(thinking.invalid("budget_tokens", "must be at least 1024 and less than max_tokens"));
        }
    }
    Ok(kind == "enabled")
}

/// The schema of a format, whose outermost object must be closed.
fn closed<'a>(format: &Part<'a>) -> Result<&'a Value, Refusal> {
    let schema = format.required("schema")?;
    let open = schema.get("type") == Some(&Value::from("object"))
        && schema.get("additionalProperties") != Some(&Value::Bool(false));
    if open {
        return Err(
            format.invalid("schema", "For 'object' type, 'additionalProperties' must be explicitly set to false")
        );
    }
    Ok(schema)
}

fn tools(body: &Part<'_>, seen: &mut Seen) -> Result<(), Refusal> {
    for tool in body.parts("tools")? {
        if tool.text_if("type")?.is_some_and(|kind| kind != "custom") {
            continue; // The vendor's own tools run at the vendor's.
        }
        tool.only(&[
            "name",
            "description",
            "input_schema",
            "strict",
            "cache_control",
            "defer_loading",
            "input_examples",
            "eager_input_streaming",
            "type",
            "allowed_callers",
        ])?;
        let name = tool.text("name")?;
        if !is_plain_name(name, 128) {
            return Err(tool.invalid("name", "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"));
        }
        let schema = tool.required("input_schema")?;
        if schema.get("type") != Some(&Value::from("object")) {
            return Err(tool.invalid("input_schema", "type: Field required to be 'object'"));
        }
        seen.tools.push(Tool { name: name.to_owned(), schema: schema.clone() });
    }
    let Some(choice) = body.part("tool_choice")? else { return Ok(()) };
    choice.only(&["type", "name", "disable_parallel_tool_use"])?;
    if !body.has("tools") {
        return Err(body.invalid("tool_choice", "may only be specified while providing tools"));
    }
    seen.parallel = !choice.flag("disable_parallel_tool_use")?;
    seen.choice = match choice.text("type")? {
        "auto" => Choice::Free,
        "any" => Choice::Always,
        "none" => Choice::Never,
        "tool" => Choice::One(choice.text("name")?.to_owned()),
        _ => return Err(choice.invalid("type", "is none of auto, any, tool and none")),
    };
    Ok(())
}

fn messages(body: &Part<'_>, thinks: bool, seen: &mut Seen) -> Result<(), Refusal> {
    let mut open: Vec<String> = Vec::new();
    let mut before = "assistant";
    let (mut thought, mut has_calls) = (true, false);
    for message in body.parts("messages")? {
        message.only(&["role", "content"])?;
        let role = message.text("role")?;
        if role == before || !["user", "assistant"].contains(&role) {
            return Err(message.invalid("role", "roles must begin with \"user\" and alternate with \"assistant\""));
        }
        before = role;
        let blocks = blocks(&message)?;
        if role == "user" {
            user(&message, &blocks, &mut open, seen)?;
        } else {
            seen.results.clear();
            thought = blocks.first().is_some_and(|block| block.kind.ends_with("thinking"));
            open = calls(&blocks)?;
            has_calls |= !open.is_empty();
        }
    }
    if before != "user" {
        return Err(body.invalid("messages", "the conversation must end with a user message"));
    }
    if has_calls && !body.has("tools") {
        return Err(
            body.invalid("tools", "Requests which include `tool_use` or `tool_result` blocks must define tools")
        );
    }
    if thinks && !seen.results.is_empty() && !thought {
        return Err(body.invalid("messages", "Expected `thinking` or `redacted_thinking`, but found `tool_use`"));
    }
    Ok(())
}

/// A block of a message and its type.
struct Block<'a> {
    kind: &'a str,
    part: Part<'a>,
}

/// The blocks of a message. A text alone is none: it is read by [`user`].
fn blocks<'a>(message: &Part<'a>) -> Result<Vec<Block<'a>>, Refusal> {
    if let Value::String(text) = message.required("content")? {
        return if text.trim().is_empty() {
            Err(message.invalid("content", "must be non-empty"))
        } else {
            Ok(Vec::new())
        };
    }
    let parts = message.parts("content")?;
    if parts.is_empty() {
        return Err(message.invalid("content", "must be non-empty"));
    }
    parts.into_iter().map(|part| Ok(Block { kind: part.text("type")?, part })).collect()
}

/// A turn of the user: the results of all calls before it come first, each once, then anything else.
fn user(message: &Part<'_>, blocks: &[Block<'_>], open: &mut Vec<String>, seen: &mut Seen) -> Result<(), Refusal> {
    let mut texts: Vec<String> =
        message.get("content").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    let mut after_results = false;
    for Block { kind, part } in blocks {
        match *kind {
            "tool_result" => {
                part.only(&["type", "tool_use_id", "content", "is_error", "cache_control"])?;
                let id = part.text("tool_use_id")?;
                let at = open.iter().position(|open| open == id).filter(|_| !after_results);
                let at = at.ok_or_else(|| {
                    part.invalid(
                        "tool_use_id",
                        "unexpected: each `tool_result` block must come first and have a \
                        corresponding `tool_use` block in the previous message",
                    )
                })?;
                open.remove(at);
                let said = result(part, seen)?;
                seen.results.push(said);
                continue;
            }
            "text" => {
                part.only(&["type", "text", "cache_control", "citations"])?;
                texts.push(filled(part)?);
            }
            "image" => image(part, seen)?,
            "document" | "search_result" => {
                part.required("source")?;
            }
            _ => return Err(part.invalid("type", "does not match any of the expected tags of a user's block")),
        }
        after_results = true;
    }
    if !open.is_empty() {
        let ids = open.join(", ");
        let why = format!("`tool_use` ids were found without `tool_result` blocks immediately after: {ids}");
        return Err(message.invalid("content", &why));
    }
    seen.text = texts.join(" ");
    Ok(())
}

/// What a tool said.
fn result(part: &Part<'_>, seen: &mut Seen) -> Result<String, Refusal> {
    if let Some(Value::String(text)) = part.get("content") {
        return Ok(text.clone());
    }
    let mut texts = Vec::new();
    for block in part.parts("content")? {
        match block.text("type")? {
            "text" => texts.push(filled(&block)?),
            "image" => image(&block, seen)?,
            _ => return Err(block.invalid("type", "is none of text and image")),
        }
    }
    Ok(texts.join(" "))
}

/// The ids of the calls of an assistant's turn, whose other blocks are checked too.
fn calls(blocks: &[Block<'_>]) -> Result<Vec<String>, Refusal> {
    let mut ids = Vec::new();
    for Block { kind, part } in blocks {
        match *kind {
            "text" => {
                filled(part)?;
            }
            "thinking" => {
                part.only(&["type", "thinking", "signature"])?;
                if part.text("signature")? != SIGNATURE {
                    return Err(part.invalid("signature", "Invalid `signature` in `thinking` block"));
                }
            }
            "redacted_thinking" => {
                part.text("data")?;
            }
            "tool_use" => {
                part.only(&["type", "id", "name", "input", "cache_control", "caller"])?;
                let (id, name) = (part.text("id")?, part.text("name")?);
                if !is_plain_name(id, 256) || !is_plain_name(name, 128) {
                    return Err(part.invalid("id", "String should match pattern '^[a-zA-Z0-9_-]+$'"));
                }
                Part::of(part.required("input")?, &part.at("input"))?;
                ids.push(id.to_owned());
            }
            _ => return Err(part.invalid("type", "does not match any of the expected tags of an assistant's block")),
        }
    }
    Ok(ids)
}

fn image(part: &Part<'_>, seen: &mut Seen) -> Result<(), Refusal> {
    part.only(&["type", "source", "cache_control"])?;
    let source = part.part("source")?.ok_or_else(|| Refusal::missing(&part.at("source")))?;
    match source.text("type")? {
        "base64" => {
            let media_type = source.text("media_type")?;
            if !["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&media_type) {
                return Err(source.invalid("media_type", "is no type of image that is taken"));
            }
            if !is_base64(source.text("data")?) {
                return Err(source.invalid("data", "invalid base64 data"));
            }
        }
        "url" => {
            source.text("url")?;
        }
        _ => return Err(source.invalid("type", "is none of base64 and url")),
    }
    seen.images += 1;
    Ok(())
}

/// The text of a block, which may not be blank.
fn filled(block: &Part<'_>) -> Result<String, Refusal> {
    let text = block.text("text")?;
    if text.trim().is_empty() {
        return Err(block.invalid("text", "text content blocks must contain non-whitespace text"));
    }
    Ok(text.to_owned())
}

fn breakpoints(value: &Value) -> usize {
    match value {
        Value::Array(entries) => entries.iter().map(breakpoints).sum(),
        Value::Object(fields) => {
            let own = usize::from(fields.get("cache_control").is_some_and(|control| !control.is_null()));
            // Arguments and schemas may have fields of any name.
            let inner = fields.iter().filter(|(name, _)| !["input", "input_schema"].contains(&name.as_str()));
            own + inner.map(|(_, field)| breakpoints(field)).sum::<usize>()
        }
        _ => 0,
    }
}
