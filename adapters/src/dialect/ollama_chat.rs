//! The dialect of Ollama's chat: messages of text, lines of JSON.
//!
//! Media are bytes in base64 and never addresses. A tool call is told whole, with its arguments as an object, and mostly
//! without an id: a result belongs to the call of its tool.

mod read_request;
mod write_request;
mod answer;
mod stream;

use std::borrow::Cow;

use tallygate_core::conversation::{Cause, Problem, Request, Response};
use tallygate_core::port::provider::Failure;

use super::frames::Framing;
use super::json::writer::object;
use super::rejection::Rejection;
use super::target::Target;
use super::through::Places;
use super::wire::{Asked, Dialect, ErrorAnswer, PathSays, ReadStream, WriteStream, Written};

/// The dialect's name.
pub const NAME: &str = "ollama_chat";

const PLACES: Places = Places {
    model_in_body: true,
    output_limit: &["options", "num_predict"],
    temperature: &["options", "temperature"],
    top_p: &["options", "top_p"],
    effort: &["think"],
    two_spellings: false,
    told_model: &[&["model"]],
    earlier: None,
    told_ids: &[],
};

/// The dialect.
#[derive(Debug, Clone, Copy)]
pub struct OllamaChat;

impl Dialect for OllamaChat {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read_request(&self, body: &[u8], path: &PathSays<'_>) -> Result<Request, Rejection> {
        read_request::read(body, path)
    }

    fn write_request(&self, request: &Request, target: &Target<'_>) -> Result<Written, Rejection> {
        write_request::write(request, target)
    }

    fn path(&self, _model: &str, _streams: bool) -> Cow<'static, str> {
        Cow::Borrowed("/api/chat")
    }

    fn models_path(&self) -> &'static str {
        "/api/tags"
    }

    fn read_answer(&self, body: &[u8], seed: &str) -> Result<Response, Failure> {
        answer::read(body, seed)
    }

    fn write_answer(&self, response: &Response, asked: &Asked) -> Vec<u8> {
        answer::write(response, asked)
    }

    fn places(&self) -> &'static Places {
        &PLACES
    }

    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn stream_reader(&self, seed: &str) -> Box<dyn ReadStream> {
        Box::new(stream::Reader::new(seed))
    }

    fn stream_writer(&self, asked: &Asked) -> Box<dyn WriteStream> {
        Box::new(stream::Writer::new(asked))
    }

    fn write_problem(&self, problem: &Problem, _request_id: &str) -> ErrorAnswer {
        ErrorAnswer { status: status(problem.cause), body: error_body(problem) }
    }

    fn stream_type(&self) -> &'static str {
        "application/x-ndjson"
    }
}

/// An error is a text here.
fn error_body(problem: &Problem) -> Vec<u8> {
    object(|body| {
        body.text("error", &problem.message);
    })
}

const fn status(cause: Cause) -> u16 {
    match cause {
        Cause::InvalidRequest | Cause::Unsupported | Cause::ContextTooLong | Cause::ContentFiltered => 400,
        Cause::TooLarge => 413,
        Cause::Unauthenticated => 401,
        Cause::Forbidden => 403,
        Cause::NotFound => 404,
        Cause::Conflict => 409,
        Cause::RateLimited | Cause::QuotaExhausted => 429,
        Cause::CredentialRefused | Cause::Malformed => 502,
        Cause::Timeout => 504,
        Cause::Overloaded => 503,
        Cause::ServerError => 500,
    }
}
