//! The dialect of Anthropic's messages.
//!
//! A conversation is turns of blocks. Instructions stand beside it; a tool call is a block of the model's, its result a
//! block of the user's next turn. The stream is events about blocks, one open at a time.

mod read_request;
mod read_block;
mod write_request;
mod write_block;
mod schema;
mod settings;
mod read_answer;
mod write_answer;
mod read_stream;
mod write_stream;
mod usage;
mod problem;

use std::borrow::Cow;
use std::time::Duration;

use tallygate_core::conversation::{Problem, Request, Response};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::{Kind, Said};

use super::frames::Framing;
use super::rejection::Rejection;
use super::target::Target;
use super::through::Places;
use super::wire::{Asked, Dialect, ErrorAnswer, PathSays, ReadStream, WriteStream, Written};
use crate::provider::error_body;

/// The dialect's name.
pub const NAME: &str = "anthropic_messages";

const PLACES: Places = Places {
    model_in_body: true,
    output_limit: &["max_tokens"],
    temperature: &["temperature"],
    top_p: &["top_p"],
    effort: &["output_config", "effort"],
    two_spellings: false,
    told_model: &[&["model"], &["message", "model"]],
    earlier: None,
    told_ids: &[],
};

/// The dialect.
#[derive(Debug, Clone, Copy)]
pub struct AnthropicMessages;

impl Dialect for AnthropicMessages {
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
        Cow::Borrowed("/messages")
    }

    fn count_path(&self, _model: &str) -> Option<String> {
        Some("/messages/count_tokens".to_owned())
    }

    fn read_answer(&self, body: &[u8], _seed: &str) -> Result<Response, Failure> {
        read_answer::read(body)
    }

    fn write_answer(&self, response: &Response, asked: &Asked) -> Vec<u8> {
        write_answer::write(response, asked)
    }

    fn places(&self) -> &'static Places {
        &PLACES
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }

    fn stream_reader(&self, _seed: &str) -> Box<dyn ReadStream> {
        Box::new(read_stream::Reader::default())
    }

    fn stream_writer(&self, asked: &Asked) -> Box<dyn WriteStream> {
        Box::new(write_stream::Writer::new(asked))
    }

    fn read_error(&self, said: Said, retry_after: Option<Duration>) -> Failure {
        let code = error_body::code(&said.body);
        let by_type = read_answer::error_kind(&said.body);
        let told = Failure::told(said, retry_after, code.as_deref());
        match by_type {
            // A code that says more, such as a prompt that is too long, goes before the type.
            Some(kind) if !matches!(told.kind, Kind::ContextTooLong) => Failure { kind, ..told },
            _ => told,
        }
    }

    fn write_problem(&self, problem: &Problem, request_id: &str) -> ErrorAnswer {
        problem::write(problem, request_id)
    }
}
