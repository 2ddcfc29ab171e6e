//! Responses, read as strictly as OpenAI reads them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::part::{Part, is_base64, is_plain_name};
use super::super::refusal::Refusal;
use super::super::scenario::SIGNATURE;
use super::super::seen::{Choice, Seen, Shape, Tool};

const FIELDS: [&str; 32] = [
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_output_tokens",
    "max_tool_calls",
    "temperature",
    "top_p",
    "top_logprobs",
    "reasoning",
    "text",
    "include",
    "store",
    "previous_response_id",
    "conversation",
    "background",
    "truncation",
    "metadata",
    "service_tier",
    "stream",
    "stream_options",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
    "context_management",
    "client_metadata",
    "moderation",
];

/// Reads a request, after the items of the response that it goes on from.
pub(super) fn read(body: &Value, stored: &BTreeMap<String, Vec<Value>>) -> Result<Seen, Refusal> {
    let body = Part::of(body, "")?;
    body.only(&FIELDS)?;
    let mut seen = Seen { model: body.text("model")?.to_owned(), tells_usage: true, ..Seen::default() };
    settings(&body, &mut seen)?;
    tools(&body, &mut seen)?;
    let mut items = match body.text_if("previous_response_id")? {
        None => Vec::new(),
        Some(id) => stored.get(id).cloned().ok_or_else(|| {
            body.invalid("previous_response_id", "Previous response not found.").coded("previous_response_not_found")
        })?,
    };
    match body.required("input")? {
        Value::String(text) => items.push(json!({"type": "message", "role": "user", "content": text})),
        Value::Array(input) => items.extend(input.iter().cloned()),
        _ => return Err(Refusal::wrong_type("input", "a string or an array of items")),
    }
    if items.is_empty() {
        return Err(body.invalid("input", "has no item"));
    }
    let mut open: Vec<String> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        read_item(&Part::of(item, &format!("input[{index}]"))?, &mut open, &mut seen)?;
    }
    if let Some(id) = open.first() {
        return Err(body.invalid("input", &format!("No tool output found for function call {id}.")));
    }
    seen.kept = body.flag_or("store", true)?.then_some(items);
    Ok(seen)
}

fn settings(body: &Part<'_>, seen: &mut Seen) -> Result<(), Refusal> {
    body.within("temperature", 0.0, 2.0)?;
    body.within("top_p", 0.0, 1.0)?;
    seen.system.extend(body.text_if("instructions")?.map(str::to_owned));
    seen.output_max = body.count("max_output_tokens")?;
    seen.streams = body.flag("stream")?;
    if let Some(options) = body.part("stream_options")? {
        options.only(&["include_obfuscation"])?;
    }
    if let Some(reasoning) = body.part("reasoning")? {
        reasoning.only(&["effort", "summary", "generate_summary", "context", "mode"])?;
        seen.reasons =
            reasoning.text_if("effort")?.is_some_and(|effort| effort != "none") || reasoning.get("summary").is_some();
    }
    let Some(text) = body.part("text")? else { return Ok(()) };
    text.only(&["format", "verbosity"])?;
    let Some(format) = text.part("format")? else { return Ok(()) };
    seen.shape = match format.text("type")? {
        "text" => None,
        "json_object" => Some(Shape::Json),
        "json_schema" => {
            format.only(&["type", "name", "schema", "strict", "description"])?;
            format.text("name")?;
            Some(Shape::Schema(format.required("schema")?.clone()))
        }
        _ => return Err(format.invalid("type", "is none of text, json_object and json_schema")),
    };
    Ok(())
}

fn tools(body: &Part<'_>, seen: &mut Seen) -> Result<(), Refusal> {
    for tool in body.parts("tools")? {
        if tool.text("type")? != "function" {
            continue; // The vendor's own tools, and those of free form, which this model never calls.
        }
        tool.only(&["type", "name", "parameters", "strict", "description", "defer_loading"])?;
        let name = tool.text("name")?;
        if !is_plain_name(name, 128) {
            return Err(tool.invalid("name", "does not match '^[a-zA-Z0-9_-]+$'"));
        }
        let schema = tool.get("parameters").cloned().unwrap_or_else(|| json!({}));
        seen.tools.push(Tool { name: name.to_owned(), schema });
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
            let named = Part::of(named, "tool_choice")?;
            named.only(&["type", "name"])?;
            Choice::One(named.text("name")?.to_owned())
        }
    };
    Ok(())
}

/// Reads one item. `open` are the calls that no item answered yet.
fn read_item(item: &Part<'_>, open: &mut Vec<String>, seen: &mut Seen) -> Result<(), Refusal> {
    match item.text_if("type")?.unwrap_or("message") {
        "message" => message(item, seen),
        "function_call" => {
            item.only(&["type", "id", "call_id", "name", "arguments", "status"])?;
            item.text("name")?;
            item.text("arguments")?;
            seen.results.clear();
            open.push(item.text("call_id")?.to_owned());
            Ok(())
        }
        "function_call_output" => {
            item.only(&["type", "id", "call_id", "output", "status"])?;
            let id = item.text("call_id")?;
            let at = open.iter().position(|open| open == id);
            let why = format!("No tool call found for function call output with call_id {id}.");
            open.remove(at.ok_or_else(|| item.invalid("call_id", &why))?);
            let said = match item.required("output")? {
                Value::String(text) => text.clone(),
                _ => content(item, "output", &["input_text", "input_image", "input_file"], seen)?,
            };
            seen.results.push(said);
            Ok(())
        }
        "reasoning" => {
            item.only(&["type", "id", "summary", "content", "encrypted_content", "status"])?;
            item.required("summary")?;
            let sealed = item.text_if("encrypted_content")?;
            if sealed.is_some_and(|sealed| sealed != SIGNATURE) {
                return Err(item
                    .invalid("encrypted_content", "The encrypted content could not be verified.")
                    .coded("invalid_encrypted_content"));
            }
            Ok(())
        }
        "item_reference" | "custom_tool_call" | "custom_tool_call_output" | "compaction" => Ok(()),
        _ => Err(item.invalid("type", "is no type of item")),
    }
}

fn message(item: &Part<'_>, seen: &mut Seen) -> Result<(), Refusal> {
    item.only(&["type", "id", "role", "content", "status", "phase"])?;
    let role = item.text("role")?;
    let types: &[&str] = match role {
        "assistant" => &["output_text", "refusal"],
        "user" => &["input_text", "input_image", "input_file"],
        "system" | "developer" => &["input_text"],
        _ => return Err(item.invalid("role", "is none of assistant, system, developer and user")),
    };
    let text = content(item, "content", types, seen)?;
    match role {
        "assistant" => seen.results.clear(),
        "user" => seen.text = text,
        _ => seen.system.push(text),
    }
    Ok(())
}

/// The text of a field whose parts may be of these types; images are counted.
fn content(item: &Part<'_>, name: &str, types: &[&str], seen: &mut Seen) -> Result<String, Refusal> {
    if let Value::String(text) = item.required(name)? {
        return Ok(text.clone());
    }
    let mut texts = Vec::new();
    for part in item.parts(name)? {
        let kind = part.text("type")?;
        if !types.contains(&kind) {
            return Err(part.invalid("type", &format!("is none of {}", types.join(", "))));
        }
        match kind {
            "input_text" | "output_text" => texts.push(part.text("text")?.to_owned()),
            "input_image" => {
                part.only(&["type", "image_url", "detail", "file_id"])?;
                let url = part.text("image_url")?;
                let inline = url.strip_prefix("data:image/").and_then(|rest| rest.split_once(";base64,"));
                if !inline.is_some_and(|(_, data)| is_base64(data)) && !url.starts_with("http") {
                    return Err(part.invalid("image_url", "is neither a URL nor a base64-encoded image"));
                }
                seen.images += 1;
            }
            _ => {}
        }
    }
    Ok(texts.join(" "))
}
