//! Chat completions, read as strictly as OpenAI reads them.

use serde_json::{Value, json};

use super::super::part::{Part, is_base64, is_plain_name};
use super::super::refusal::Refusal;
use super::super::seen::{Choice, Seen, Shape, Tool};

const FIELDS: [&str; 35] = [
    "model",
    "messages",
    "audio",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "max_completion_tokens",
    "max_tokens",
    "metadata",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "tool_choice",
    "tools",
    "user",
    "verbosity",
    "web_search_options",
    "moderation",
];

/// OpenAI's longest id of a call.
const CALL_ID_LENGTH_MAX: usize = 40;

/// Beginnings of the names of models that reason, which take fewer parameters.
const REASONING_MODELS: [&str; 4] = ["o1", "o3", "o4", "gpt-5"];

/// Reads a request. Where the path names the model the body need not.
pub(super) fn read(body: &Value, in_path: Option<&str>) -> Result<Seen, Refusal> {
    let body = Part::of(body, "")?;
    body.only(&FIELDS)?;
    let model = match in_path {
        Some(model) => model,
        None => body.text("model")?,
    };
    let mut seen = Seen { model: model.to_owned(), parallel: true, ..Seen::default() };
    settings(&body, &mut seen)?;
    tools(&body, &mut seen)?;
    let messages = body.parts("messages")?;
    if messages.is_empty() {
        return Err(body.invalid("messages", "must have at least one message"));
    }
    let mut open: Vec<String> = Vec::new();
    for message in &messages {
        read_message(message, &mut open, &mut seen)?;
    }
    if !open.is_empty() {
        return Err(body.invalid("messages", &unanswered(&open)));
    }
    Ok(seen)
}

fn settings(body: &Part<'_>, seen: &mut Seen) -> Result<(), Refusal> {
    body.within("temperature", 0.0, 2.0)?;
    body.within("top_p", 0.0, 1.0)?;
    if REASONING_MODELS.iter().any(|start| seen.model.starts_with(start)) {
        let refused =
            |name: &str| body.invalid(name, "is not supported with this model").coded("unsupported_parameter");
        if body.get("max_tokens").is_some() {
            return Err(refused("max_tokens"));
        }
        if body.get("temperature").is_some_and(|value| value.as_f64() != Some(1.0)) {
            return Err(refused("temperature"));
        }
    }
    let newer = body.count("max_completion_tokens")?;
    seen.output_max = body.count("max_tokens")?.or(newer);
    seen.stops = match body.get("stop") {
        Some(Value::String(stop)) => vec![stop.clone()],
        _ => body.texts("stop")?,
    };
    if seen.stops.len() > 4 {
        return Err(body.invalid("stop", "has more than 4 sequences"));
    }
    seen.streams = body.flag("stream")?;
    if let Some(options) = body.part("stream_options")? {
        options.only(&["include_usage", "include_obfuscation"])?;
        if !seen.streams {
            return Err(body.invalid("stream_options", "is only allowed when 'stream' is enabled"));
        }
        seen.tells_usage = options.flag("include_usage")?;
    }
    seen.reasons = body.text_if("reasoning_effort")?.is_some_and(|effort| effort != "none");
    seen.shape = body.part("response_format")?.map(|format| shape(&format)).transpose()?.flatten();
    Ok(())
}

fn shape(format: &Part<'_>) -> Result<Option<Shape>, Refusal> {
    match format.text("type")? {
        "text" => Ok(None),
        "json_object" => Ok(Some(Shape::Json)),
        "json_schema" => {
            let named = format.part("json_schema")?.ok_or_else(|| Refusal::missing(&format.at("json_schema")))?;
            named.only(&["name", "schema", "strict", "description"])?;
            named.text("name")?;
            Ok(Some(Shape::Schema(named.required("schema")?.clone())))
        }
        _ => Err(format.invalid("type", "is none of text, json_object and json_schema")),
    }
}

fn tools(body: &Part<'_>, seen: &mut Seen) -> Result<(), Refusal> {
    for tool in body.parts("tools")? {
        tool.only(&["type", "function", "custom"])?;
        if tool.text("type")? == "custom" {
            continue;
        }
        let function = tool.part("function")?.ok_or_else(|| Refusal::missing(&tool.at("function")))?;
        function.only(&["name", "description", "parameters", "strict"])?;
        let name = function.text("name")?;
        if !is_plain_name(name, 64) {
            return Err(function.invalid("name", "does not match '^[a-zA-Z0-9_-]{1,64}$'"));
        }
        let schema = function.get("parameters").cloned().unwrap_or_else(|| json!({}));
        seen.tools.push(Tool { name: name.to_owned(), schema });
    }
    if body.has("tools") && body.entries("tools")?.is_empty() {
        return Err(body.invalid("tools", "[] is too short"));
    }
    for name in ["tool_choice", "parallel_tool_calls"] {
        if body.get(name).is_some() && !body.has("tools") {
            return Err(body.invalid(name, "is only allowed when 'tools' are specified"));
        }
    }
    seen.parallel = body.flag_or("parallel_tool_calls", true)?;
    seen.choice = match body.get("tool_choice") {
        None => Choice::Free,
        Some(Value::String(word)) => match word.as_str() {
            "auto" => Choice::Free,
            "none" => Choice::Never,
            "required" => Choice::Always,
            _ => return Err(body.invalid("tool_choice", "is none of auto, none and required")),
        },
        Some(named) => {
            let function = Part::of(named, "tool_choice")?.part("function")?;
            let function = function.ok_or_else(|| Refusal::missing("tool_choice.function"))?;
            let name = function.text("name")?.to_owned();
            if !seen.tools.iter().any(|tool| tool.name == name) {
                return Err(function.invalid("name", "is no function of 'tools'"));
            }
            Choice::One(name)
        }
    };
    Ok(())
}

/// Reads one message. `open` are the calls that no message answered yet.
fn read_message(message: &Part<'_>, open: &mut Vec<String>, seen: &mut Seen) -> Result<(), Refusal> {
    let role = message.text("role")?;
    if role != "tool" && !open.is_empty() {
        return Err(message.invalid("role", &unanswered(open)));
    }
    match role {
        "system" | "developer" => {
            message.only(&["role", "content", "name"])?;
            let text = content(message, &["text"], seen)?;
            seen.system.push(text);
        }
        "user" => {
            message.only(&["role", "content", "name"])?;
            seen.text = content(message, &["text", "image_url", "input_audio", "file"], seen)?;
        }
        "assistant" => {
            message.only(&[
                "role",
                "content",
                "name",
                "tool_calls",
                "refusal",
                "audio",
                "function_call",
                "reasoning_content",
            ])?;
            seen.results.clear();
            let calls = message.parts("tool_calls")?;
            if message.get("content").is_none() && calls.is_empty() {
                return Err(message.invalid("content", "is required unless there are tool_calls"));
            }
            if message.get("content").is_some() {
                content(message, &["text", "refusal"], &mut Seen::default())?;
            }
            *open = calls.iter().map(call_id).collect::<Result<_, _>>()?;
        }
        "tool" => {
            message.only(&["role", "content", "tool_call_id"])?;
            let id = message.text("tool_call_id")?;
            let answers = open.iter().position(|open| open == id);
            let answers = answers.ok_or_else(|| {
                message.invalid(
                    "role",
                    "messages with role 'tool' must be a response to a preceding message with 'tool_calls'",
                )
            })?;
            open.remove(answers);
            seen.results.push(content(message, &["text"], &mut Seen::default())?);
        }
        _ => return Err(message.invalid("role", "is none of developer, system, user, assistant and tool")),
    }
    Ok(())
}

fn call_id(call: &Part<'_>) -> Result<String, Refusal> {
    // Google's own field beside OpenAI's: what a signed call was signed with.
    call.only(&["id", "type", "function", "extra_content"])?;
    let id = call.text("id")?;
    if id.len() > CALL_ID_LENGTH_MAX {
        return Err(call.invalid("id", "is longer than 40 characters").coded("string_above_max_length"));
    }
    if call.text("type")? != "function" {
        return Err(call.invalid("type", "is not 'function'"));
    }
    let function = call.part("function")?.ok_or_else(|| Refusal::missing(&call.at("function")))?;
    function.only(&["name", "arguments"])?;
    function.text("name")?;
    function.text("arguments")?;
    Ok(id.to_owned())
}

/// The text of a message's content, whose parts may be of these types; images are counted.
fn content(message: &Part<'_>, types: &[&str], seen: &mut Seen) -> Result<String, Refusal> {
    if let Value::String(text) = message.required("content")? {
        return Ok(text.clone());
    }
    let parts = message.parts("content")?;
    if parts.is_empty() {
        return Err(message.invalid("content", "is an empty list"));
    }
    let mut texts = Vec::new();
    for part in &parts {
        let kind = part.text("type")?;
        if !types.contains(&kind) {
            return Err(part.invalid("type", &format!("is none of {}", types.join(", "))));
        }
        match kind {
            "text" => texts.push(part.text("text")?.to_owned()),
            "image_url" => {
                image(part)?;
                seen.images += 1;
            }
            _ => {
                part.required(kind)?;
            }
        }
    }
    Ok(texts.join(" "))
}

fn image(part: &Part<'_>) -> Result<(), Refusal> {
    let image = part.part("image_url")?.ok_or_else(|| Refusal::missing(&part.at("image_url")))?;
    image.only(&["url", "detail"])?;
    let url = image.text("url")?;
    let inline = url.strip_prefix("data:image/").and_then(|rest| rest.split_once(";base64,"));
    if inline.is_some_and(|(_, data)| is_base64(data)) || url.starts_with("https://") || url.starts_with("http://") {
        return Ok(());
    }
    Err(image.invalid("url", "is neither a URL nor a base64-encoded image"))
}

fn unanswered(open: &[String]) -> String {
    format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. \
         The following tool_call_ids did not have response messages: {}",
        open.join(", ")
    )
}
