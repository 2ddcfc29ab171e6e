//! Dialects: the wire formats that clients and upstreams speak. Pure: bytes in, bytes out, no I/O and no clock.
//!
//! There are two ways. Where client and upstream speak the same dialect, the client's own bytes are forwarded: a body is
//! parsed strictly, and what was read is what is sent; only the spans that must change are rewritten ([`through`], and for
//! the most common dialect a way of its own in [`openai_chat`]). Where they do not, a [`wire::Dialect`] reads into the
//! canonical conversation and another one writes from it, request and answer, whole or as a stream through a
//! [`bridge::Bridge`]. No dialect knows another. A stream is a [`passage::Passage`] either way.
//!
//! A dialect knows nothing of keys, budgets or prices; it tells how much a request can use at most, and what an answer
//! did use.

pub mod json;
pub mod metering;
mod run;
mod splices;
pub mod multipart;

// The way between two sides of one dialect.
pub mod through;

// The canonical way.
pub mod wire;
pub mod target;
pub mod rejection;
pub mod problems;
pub mod frames;
pub mod back;
pub mod meter;
pub mod bound;
pub mod bridge;
pub mod passage;
pub mod embeddings;
pub mod answer_ids;
pub mod client_request;
pub mod draft;
pub mod exchange;
mod bodies;
mod efforts;
pub mod ids;
mod marks;
mod media;
mod turns;

// The dialects.
pub mod openai_chat;
pub mod anthropic_messages;
pub mod gemini_generate;
pub mod openai_responses;
pub mod ollama_chat;

/// Every dialect.
pub const ALL: [&dyn wire::Dialect; 5] = [
    &openai_chat::translate::OpenaiChat,
    &anthropic_messages::AnthropicMessages,
    &gemini_generate::GeminiGenerate,
    &openai_responses::OpenaiResponses,
    &ollama_chat::OllamaChat,
];

/// The dialect of a name.
#[must_use]
pub fn of_name(name: &str) -> Option<&'static dyn wire::Dialect> {
    ALL.into_iter().find(|dialect| dialect.name() == name)
}
