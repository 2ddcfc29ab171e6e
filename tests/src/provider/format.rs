//! What each vendor's format can do: read a request strictly, and write answers, streams and refusals.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::upstream::Recorded;

use super::refusal::Refusal;
use super::route::Route;
use super::scenario::Answer;
use super::seen::Seen;
use super::{Dialect, KEY, anthropic_messages, gemini_generate, ollama_chat, openai_chat, openai_responses};

/// A request, and what was kept of those before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) route: &'a Route,
    pub(super) request: &'a Recorded,
    pub(super) body: &'a Value,
    /// The items of stored Responses, by id.
    pub(super) stored: &'a BTreeMap<String, Vec<Value>>,
}

/// A wire format, from the vendor's side.
pub(super) trait Format: Sync {
    /// Refuses a request without the vendor's key in the vendor's header, or without another header that it needs.
    fn authorize(&self, request: &Recorded, route: &Route) -> Result<(), Refusal>;
    /// Reads a conversation, strictly.
    fn read(&self, asked: Asked<'_>) -> Result<Seen, Refusal>;
    /// An answer in one piece.
    fn whole(&self, seen: &Seen, answer: &Answer) -> Value;
    /// A stream, frame by frame as it is on the wire, what ends it included.
    fn frames(&self, seen: &Seen, answer: &Answer) -> Vec<String>;
    /// A frame of a single letter more, to fill streams with.
    fn filler(&self, seen: &Seen) -> String;
    /// A refusal, in one piece.
    fn refusal(&self, refusal: &Refusal) -> Value;
    /// A refusal in the middle of a stream, as it is on the wire.
    fn broken(&self, refusal: &Refusal) -> String;
    /// The media type of a stream.
    fn stream_type(&self) -> &'static str {
        "text/event-stream"
    }
}

/// The format of a dialect.
pub(super) fn of(dialect: Dialect) -> &'static dyn Format {
    match dialect {
        Dialect::OpenaiChat => &openai_chat::OpenaiChat,
        Dialect::OpenaiResponses => &openai_responses::OpenaiResponses,
        Dialect::AnthropicMessages => &anthropic_messages::AnthropicMessages,
        Dialect::GeminiGenerate => &gemini_generate::GeminiGenerate,
        Dialect::OllamaChat => &ollama_chat::OllamaChat,
    }
}

/// Whether a request has the key as a bearer token.
pub(super) fn bears_key(request: &Recorded) -> bool {
    request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) == Some(KEY)
}

/// Whether a request has the key in this header.
pub(super) fn has_key(request: &Recorded, header: &str) -> bool {
    request.header(header) == Some(KEY)
}

/// An event without a name.
pub(super) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// An event under the name that its `type` says.
pub(super) fn named_event(data: &Value) -> String {
    let name = data.get("type").and_then(Value::as_str).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}
