//! `generateContent`, read as strictly as Google reads it.

use serde_json::{Value, json};

use super::super::part::{Part, is_base64, is_plain_name};
use super::super::refusal::Refusal;
use super::super::scenario::SIGNATURE;
use super::super::seen::{Choice, Seen, Shape, Tool};

const FIELDS: [&str; 9] = [
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "serviceTier",
    "model",
];

const SETTINGS: [&str; 19] = [
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "responseLogprobs",
    "logprobs",
    "presencePenalty",
    "frequencyPenalty",
    "seed",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "mediaResolution",
    "speechConfig",
    "imageConfig",
    "thinkingConfig",
];

/// What a part is one of.
const KINDS: [&str; 7] =
    ["text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult"];

const STOPS_MAX: usize = 5;

/// What Google takes in place of a signature that was lost.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Reads a request.
pub(super) fn read(body: &Value, model: &str) -> Result<Seen, Refusal> {
    let body = Part::of(body, "")?;
    body.only(&FIELDS)?;
    let mut seen = Seen { model: model.to_owned(), parallel: true, ..Seen::default() };
    if let Some(instruction) = body.part("systemInstruction")? {
        instruction.only(&["role", "parts"])?;
        for part in instruction.parts("parts")? {
            part.only(&["text"])?;
            seen.system.push(part.text("text")?.to_owned());
        }
    }
    tools(&body, &mut seen)?;
    if let Some(settings) = body.part("generationConfig")? {
        read_settings(&settings, &mut seen)?;
    }
    contents(&body, &mut seen)?;
    Ok(seen)
}

fn read_settings(settings: &Part<'_>, seen: &mut Seen) -> Result<(), Refusal> {
    settings.only(&SETTINGS)?;
    settings.within("temperature", 0.0, 2.0)?;
    settings.within("topP", 0.0, 1.0)?;
    seen.output_max = settings.count("maxOutputTokens")?;
    seen.stops = settings.texts("stopSequences")?;
    if seen.stops.len() > STOPS_MAX {
        return Err(settings.invalid("stopSequences", "must have at most 5 entries"));
    }
    if let Some(thinking) = settings.part("thinkingConfig")? {
        thinking.only(&["includeThoughts", "thinkingBudget", "thinkingLevel"])?;
        if thinking.has("thinkingBudget") && thinking.has("thinkingLevel") {
            return Err(thinking.invalid("thinkingBudget", "only one of thinkingBudget and thinkingLevel can be set"));
        }
        seen.reasons = thinking.flag("includeThoughts")? && thinking.get("thinkingBudget") != Some(&json!(0));
    }
    let is_json = settings.text_if("responseMimeType")? == Some("application/json");
    let schema = settings.get("responseJsonSchema").or_else(|| settings.get("responseSchema"));
    if schema.is_some() && !is_json {
        return Err(settings.invalid("responseMimeType", "must be application/json where there is a schema"));
    }
    seen.shape = is_json.then(|| schema.map_or(Shape::Json, |schema| Shape::Schema(schema.clone())));
    if is_json && !seen.tools.is_empty() && seen.model.starts_with("gemini-2") {
        let why = "Function calling with a response mime type: 'application/json' is unsupported";
        return Err(settings.invalid("responseMimeType", why));
    }
    Ok(())
}

fn tools(body: &Part<'_>, seen: &mut Seen) -> Result<(), Refusal> {
    for tool in body.parts("tools")? {
        tool.only(&["functionDeclarations", "googleSearch", "urlContext", "codeExecution"])?;
        for function in tool.parts("functionDeclarations")? {
            function.only(&["name", "description", "parameters", "parametersJsonSchema", "response", "behavior"])?;
            let name = function.text("name")?;
            if !is_plain_name(&name.replace(['.', ':'], "_"), 64) {
                return Err(function.invalid("name", "Invalid function name"));
            }
            if function.has("parameters") && function.has("parametersJsonSchema") {
                return Err(function.invalid("parameters", "is set beside parametersJsonSchema"));
            }
            if let Some(parameters) = function.get("parameters") {
                open_api(parameters, &function.at("parameters"))?;
            }
            let schema = function.get("parametersJsonSchema").or_else(|| function.get("parameters"));
            seen.tools.push(Tool { name: name.to_owned(), schema: schema.cloned().unwrap_or_else(|| json!({})) });
        }
    }
    let Some(config) = body.part("toolConfig")? else { return Ok(()) };
    config.only(&["functionCallingConfig", "retrievalConfig"])?;
    let Some(calling) = config.part("functionCallingConfig")? else { return Ok(()) };
    calling.only(&["mode", "allowedFunctionNames"])?;
    let allowed = calling.texts("allowedFunctionNames")?;
    seen.choice = match (calling.text_if("mode")?.unwrap_or("AUTO"), allowed.first()) {
        ("ANY" | "VALIDATED", Some(name)) => Choice::One(name.clone()),
        ("ANY", None) => Choice::Always,
        ("AUTO" | "VALIDATED", None) => Choice::Free,
        ("NONE", None) => Choice::Never,
        _ => return Err(calling.invalid("mode", "is none of AUTO, ANY, NONE and VALIDATED, or cannot name functions")),
    };
    Ok(())
}

/// `parameters` takes a part of OpenAPI only; its other fields are unknown.
fn open_api(schema: &Value, at: &str) -> Result<(), Refusal> {
    let schema = Part::of(schema, at)?;
    schema.only(&[
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "enum",
        "maxItems",
        "minItems",
        "properties",
        "required",
        "minProperties",
        "maxProperties",
        "minLength",
        "maxLength",
        "pattern",
        "example",
        "anyOf",
        "propertyOrdering",
        "default",
        "items",
        "minimum",
        "maximum",
    ])?;
    schema.text("type")?;
    let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    fields.into_iter().try_for_each(|(name, field)| open_api(field, &format!("{at}.properties.{name}")))?;
    schema.get("items").map_or(Ok(()), |items| open_api(items, &schema.at("items")))
}

fn contents(body: &Part<'_>, seen: &mut Seen) -> Result<(), Refusal> {
    let contents = body.parts("contents")?;
    if contents.is_empty() {
        return Err(body.invalid("contents", "contents are required"));
    }
    let mut open: Vec<String> = Vec::new();
    let mut before = "model";
    for content in &contents {
        content.only(&["role", "parts"])?;
        let role = content.text_if("role")?.unwrap_or("user");
        let parts = content.parts("parts")?;
        if parts.is_empty() {
            return Err(content.invalid("parts", "must not be empty"));
        }
        parts.iter().try_for_each(check)?;
        match role {
            "user" => user(content, &parts, &mut open, seen)?,
            "model" if before == "user" => {
                seen.results.clear();
                open = calls(&parts, &seen.model)?;
            }
            "model" => return Err(content.invalid("role", "a turn of the model must follow one of the user")),
            _ => return Err(content.invalid("role", "Please use a valid role: user, model.")),
        }
        before = role;
    }
    if before == "user" && open.is_empty() {
        return Ok(());
    }
    Err(body.invalid("contents", "must end with a turn of the user that answers every call"))
}

/// A part is one thing.
fn check(part: &Part<'_>) -> Result<(), Refusal> {
    let known: Vec<&str> = KINDS.into_iter().chain(["thought", "thoughtSignature", "mediaResolution"]).collect();
    part.only(&known)?;
    if KINDS.iter().filter(|kind| part.has(kind)).count() == 1 {
        return Ok(());
    }
    Err(part.invalid("data", "required oneof field 'data' must have one initialized field"))
}

/// A turn of the user: answers to the calls before it, as many as there were, or anything else.
fn user(turn: &Part<'_>, parts: &[Part<'_>], open: &mut Vec<String>, seen: &mut Seen) -> Result<(), Refusal> {
    let mut results = Vec::new();
    let mut texts = Vec::new();
    for part in parts {
        if let Some(response) = part.part("functionResponse")? {
            response.only(&["id", "name", "response"])?;
            let name = response.text("name")?;
            let said = response.part("response")?.ok_or_else(|| Refusal::missing(&response.at("response")))?;
            let at = open.iter().position(|open| open == name);
            let at = at.ok_or_else(|| response.invalid("name", "is no call of the turn before"))?;
            open.remove(at);
            results.push(result(&said, response.required("response")?));
        } else if let Some(text) = part.text_if("text")? {
            texts.push(text.to_owned());
        } else if let Some(data) = part.part("inlineData")? {
            data.only(&["mimeType", "data", "displayName"])?;
            // Either alphabet is taken; Google's library writes the one of URLs.
            if !is_base64(&data.text("data")?.replace('-', "+").replace('_', "/")) {
                return Err(data.invalid("data", "Base64 decoding failed"));
            }
            seen.images += usize::from(data.text("mimeType")?.starts_with("image/"));
        } else if let Some(file) = part.part("fileData")? {
            file.text("fileUri")?;
        } else {
            return Err(part.invalid("data", "is none that a user's turn may have"));
        }
    }
    if !open.is_empty() {
        let why = "Please ensure that the number of function response parts is equal to the number of function call \
                   parts of the function call turn.";
        return Err(turn.invalid("parts", why));
    }
    seen.results.extend(results);
    if !texts.is_empty() {
        seen.text = texts.join(" ");
    }
    Ok(())
}

/// What a tool said: the text where it is wrapped in one field, else the whole object.
fn result(said: &Part<'_>, whole: &Value) -> String {
    let text = |name: &&str| said.get(name).and_then(Value::as_str);
    let wrapped = ["content", "result", "output"].iter().find_map(text);
    wrapped.map_or_else(|| whole.to_string(), str::to_owned)
}

/// The names of the calls of a turn of the model. The first must be signed, by models that sign.
fn calls(parts: &[Part<'_>], model: &str) -> Result<Vec<String>, Refusal> {
    let mut names = Vec::new();
    for part in parts {
        let Some(call) = part.part("functionCall")? else { continue };
        call.only(&["id", "name", "args"])?;
        call.part("args")?;
        let signature = part.text_if("thoughtSignature")?;
        let is_good = signature.is_some_and(|signature| [SIGNATURE, NO_SIGNATURE].contains(&signature));
        if signature.is_some() && !is_good {
            return Err(part.invalid("thoughtSignature", "Thought signature is not valid."));
        }
        if names.is_empty() && !is_good && model.starts_with("gemini-3") {
            return Err(
                part.invalid("functionCall", "Function call is missing a thought_signature in functionCall parts.")
            );
        }
        names.push(call.text("name")?.to_owned());
    }
    Ok(names)
}
