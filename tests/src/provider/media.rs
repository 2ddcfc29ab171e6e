//! What vendors answer beside conversations: embeddings, moderations, images, speech, transcriptions, old completions,
//! counts of tokens and lists of models.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::upstream::Recorded;

use super::Dialect;
use super::form::Form;
use super::format::Asked;
use super::part::Part;
use super::refusal::Refusal;
use super::route::Task;

/// Numbers that a 32-bit float holds exactly.
const VECTOR: [f64; 3] = [0.5, -0.25, 1.0];
/// The same as little-endian 32-bit floats in base64, which client libraries ask for.
const VECTOR_BASE64: &str = "AAAAPwAAgL4AAIA/";
/// The tokens that an input of an embedding counts, and any request whose tokens are counted.
const TOKENS: usize = 4;
const COUNTED: usize = 53;
/// A picture of one pixel.
const PNG_BASE64: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/// The body of an answer.
pub(super) enum Media {
    Json(Value),
    Bytes(&'static str, Bytes),
}

/// Answers what is no conversation.
pub(super) fn answer(asked: Asked<'_>) -> Result<Media, Refusal> {
    let dialect = asked.route.dialect;
    let json = match asked.route.task {
        Task::ListModels => models(dialect, asked.request),
        Task::CountTokens if dialect == Dialect::GeminiGenerate => json!({"totalTokens": COUNTED}),
        Task::CountTokens => json!({"input_tokens": COUNTED}),
        Task::Transcribe => return transcribe(asked),
        Task::Redraw => redraw(asked)?,
        Task::Embed | Task::EmbedBatch | Task::EmbedOne => embed(asked)?,
        Task::Speak => {
            let body = Part::of(asked.body, "")?;
            body.only(&["model", "input", "voice", "instructions", "response_format", "speed", "stream_format"])?;
            body.text("input")?;
            body.required("voice")?;
            return Ok(Media::Bytes("audio/mpeg", Bytes::from_static(b"ID3\x04\x00 a simulated voice \xff\xfb\x90")));
        }
        Task::Moderate => moderate(asked.body)?,
        Task::Draw => draw(asked.body)?,
        Task::Complete => complete(asked.body)?,
        Task::Converse => return Err(Refusal::not_found("an answer that is no conversation")),
    };
    Ok(Media::Json(json))
}

fn embed(asked: Asked<'_>) -> Result<Value, Refusal> {
    let body = Part::of(asked.body, "")?;
    match (asked.route.dialect, asked.route.task) {
        (Dialect::GeminiGenerate, Task::EmbedBatch) => {
            body.only(&["requests"])?;
            let requests = body.parts("requests")?;
            requests.iter().try_for_each(gemini_input)?;
            let one = json!({"values": VECTOR});
            Ok(json!({"embeddings": vec![one; requests.len()]}))
        }
        (Dialect::GeminiGenerate, _) => {
            gemini_input(&body)?;
            Ok(json!({"embedding": {"values": VECTOR}}))
        }
        (Dialect::OllamaChat, Task::EmbedOne) => {
            body.only(&["model", "prompt", "options", "keep_alive"])?;
            body.text("prompt")?;
            Ok(json!({"embedding": VECTOR}))
        }
        (Dialect::OllamaChat, _) => {
            body.only(&["model", "input", "truncate", "dimensions", "options", "keep_alive"])?;
            let count = inputs(&body)?;
            Ok(json!({"model": body.text("model")?, "embeddings": vec![VECTOR; count], "total_duration": 1,
                "load_duration": 1, "prompt_eval_count": TOKENS * count}))
        }
        _ => {
            body.only(&["model", "input", "dimensions", "encoding_format", "user"])?;
            let count = inputs(&body)?;
            let in_base64 = body.text_if("encoding_format")? == Some("base64");
            let vector = if in_base64 { json!(VECTOR_BASE64) } else { json!(VECTOR) };
            let one = |index| json!({"object": "embedding", "index": index, "embedding": vector});
            let model = asked.route.model.as_deref().or(body.text_if("model")?);
            let model = model.ok_or_else(|| Refusal::missing("model"))?;
            let tokens = TOKENS * count;
            Ok(json!({"object": "list", "data": (0..count).map(one).collect::<Vec<_>>(), "model": model,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}))
        }
    }
}

fn gemini_input(request: &Part<'_>) -> Result<(), Refusal> {
    request.only(&["model", "content", "taskType", "title", "outputDimensionality", "embedContentConfig"])?;
    let content = request.part("content")?.ok_or_else(|| Refusal::missing(&request.at("content")))?;
    content.parts("parts")?.iter().try_for_each(|part| part.text("text").map(drop))
}

/// How many inputs there are: texts, or lists of tokens; a list of numbers is one input.
fn inputs(body: &Part<'_>) -> Result<usize, Refusal> {
    match body.required("input")? {
        Value::Array(inputs) if inputs.iter().all(|input| input.is_string() || input.is_array()) => Ok(inputs.len()),
        Value::Array(_) | Value::String(_) => Ok(1),
        _ => Err(Refusal::wrong_type("input", "a string or an array")),
    }
}

fn moderate(body: &Value) -> Result<Value, Refusal> {
    let body = Part::of(body, "")?;
    body.only(&["model", "input"])?;
    let count = inputs(&body)?;
    let categories = ["harassment", "hate", "self-harm", "self-harm/intent", "sexual", "violence", "violence/graphic"];
    let each = |value: Value| categories.iter().map(|name| ((*name).to_owned(), value.clone())).collect::<Value>();
    let result = json!({"flagged": false, "categories": each(json!(false)), "category_scores": each(json!(0.25)),
        "category_applied_input_types": each(json!(["text"]))});
    let model = body.text_if("model")?.unwrap_or("omni-moderation-latest");
    Ok(json!({"id": "modr-1", "model": model, "results": vec![result; count]}))
}

fn draw(body: &Value) -> Result<Value, Refusal> {
    let body = Part::of(body, "")?;
    body.only(&[
        "model",
        "prompt",
        "n",
        "size",
        "quality",
        "background",
        "output_format",
        "output_compression",
        "moderation",
        "partial_images",
        "response_format",
        "style",
        "stream",
        "user",
    ])?;
    body.text("prompt")?;
    let count = body.count("n")?.unwrap_or(1);
    Ok(drawn(count, 9))
}

/// So many images, at the price of so many tokens of a prompt.
fn drawn(count: u64, input_tokens: u64) -> Value {
    let images: Vec<Value> = (0..count.min(10)).map(|_| json!({"b64_json": PNG_BASE64})).collect();
    let (text, output) = (input_tokens.min(9), 272 * count);
    let details = json!({"text_tokens": text, "image_tokens": input_tokens - text});
    json!({"created": 1_795_169_730, "data": images, "size": "1024x1024", "quality": "low", "output_format": "png",
        "background": "opaque", "usage": {"input_tokens": input_tokens, "output_tokens": output,
            "total_tokens": input_tokens + output, "input_tokens_details": details}})
}

fn complete(body: &Value) -> Result<Value, Refusal> {
    let body = Part::of(body, "")?;
    body.only(&[
        "model",
        "prompt",
        "suffix",
        "max_tokens",
        "n",
        "best_of",
        "echo",
        "logprobs",
        "stop",
        "seed",
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "user",
        "stream",
        "stream_options",
    ])?;
    let prompt = body.required("prompt")?;
    let text = prompt.as_str().map_or_else(|| prompt.to_string(), str::to_owned);
    let choice = json!({"text": format!("You said: {text}"), "index": 0, "logprobs": null, "finish_reason": "stop"});
    Ok(json!({"id": "cmpl-1", "object": "text_completion", "created": 1_795_169_730, "model": body.text("model")?,
        "choices": [choice], "usage": {"prompt_tokens": 48, "completion_tokens": 13, "total_tokens": 61}}))
}

/// Reads a form with a file and a model, and says what it is told is in the file.
fn transcribe(asked: Asked<'_>) -> Result<Media, Refusal> {
    let form = Form::read(asked.request)?;
    form.required("file")?;
    if asked.route.model.is_none() {
        form.required("model")?;
    }
    let text = "You said: three words";
    match form.text("response_format").as_deref() {
        Some("text") => Ok(Media::Bytes("text/plain; charset=utf-8", Bytes::from_static(b"You said: three words\n"))),
        Some("vtt") => {
            let captions = format!("WEBVTT\n\n00:00.000 --> 00:03.000\n{text}\n");
            Ok(Media::Bytes("text/vtt; charset=utf-8", captions.into()))
        }
        _ => Ok(Media::Json(json!({"text": text, "usage": {"type": "duration", "seconds": 3}}))),
    }
}

/// Reads a form with an image, and draws another one.
fn redraw(asked: Asked<'_>) -> Result<Value, Refusal> {
    let form = Form::read(asked.request)?;
    if !form.has("image") {
        form.required("image[]")?;
    }
    if asked.request.path.contains("edits") {
        form.required("prompt")?;
    }
    Ok(drawn(form.text("n").and_then(|count| count.parse().ok()).unwrap_or(1), 310))
}

/// The models, as the one who asks expects them: Anthropic's clients by their header, Google's and Ollama's by the path.
fn models(dialect: Dialect, request: &Recorded) -> Value {
    match dialect {
        Dialect::GeminiGenerate => {
            let methods = ["generateContent", "countTokens"];
            json!({"models": [{"name": "models/simulated", "displayName": "Simulated", "version": "1",
                "inputTokenLimit": 8_192, "outputTokenLimit": 1_024, "supportedGenerationMethods": methods}]})
        }
        Dialect::OllamaChat => json!({"models": [{"name": "simulated", "model": "simulated",
            "modified_at": "2026-11-20T10:15:30Z", "size": 1, "digest": "0", "details": {"family": "simulated"}}]}),
        _ if request.header("anthropic-version").is_some() => json!({"data": [{"type": "model", "id": "simulated",
            "display_name": "Simulated", "created_at": "2026-11-20T10:15:30Z"}], "has_more": false,
            "first_id": "simulated", "last_id": "simulated"}),
        _ => json!({"object": "list", "data": [{"id": "simulated", "object": "model", "created": 1_795_169_730,
            "owned_by": "nobody"}]}),
    }
}
