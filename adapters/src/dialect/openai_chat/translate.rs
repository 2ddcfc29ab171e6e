//! From this dialect to the canonical conversation and back.
//!
//! It knows the fields that vendors and gateways have added to the dialect where they carry what the conversation has:
//! `reasoning_content`, `thinking_blocks`, signatures in `extra_content`.

mod read_request;
mod read_message;
mod write_request;
mod write_message;
mod read_answer;
mod write_answer;
mod read_stream;
mod write_stream;
mod problem;

use std::borrow::Cow;

use tallygate_core::conversation::{Problem, Request, Response};
use tallygate_core::port::provider::Failure;

use crate::dialect::frames::Framing;
use crate::dialect::rejection::Rejection;
use crate::dialect::target::Target;
use crate::dialect::through::Places;
use crate::dialect::wire::{Asked, Dialect, ErrorAnswer, PathSays, ReadStream, WriteStream, Written};

/// The dialect's name.
pub const NAME: &str = "openai_chat";

pub(super) const PLACES: Places = Places {
    model_in_body: true,
    output_limit: &["max_tokens"],
    temperature: &["temperature"],
    top_p: &["top_p"],
    effort: &["reasoning_effort"],
    two_spellings: false,
    told_model: &[&["model"]],
    earlier: None,
    told_ids: &[],
};

/// The dialect.
#[derive(Debug, Clone, Copy)]
pub struct OpenaiChat;

impl Dialect for OpenaiChat {
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
        Cow::Borrowed("/chat/completions")
    }

    fn read_answer(&self, body: &[u8], seed: &str) -> Result<Response, Failure> {
        read_answer::read(body, seed)
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

    fn stream_reader(&self, seed: &str) -> Box<dyn ReadStream> {
        Box::new(read_stream::Reader::new(seed))
    }

    fn stream_writer(&self, asked: &Asked) -> Box<dyn WriteStream> {
        Box::new(write_stream::Writer::new(asked))
    }

    fn write_problem(&self, problem: &Problem, _request_id: &str) -> ErrorAnswer {
        problem::write(problem)
    }
}

pub(in crate::dialect::openai_chat) use write_answer::{finish_reason, usage};

/// Writes an error for a client of this dialect or its sibling.
pub(in crate::dialect) fn write_problem(problem: &Problem) -> ErrorAnswer {
    problem::write(problem)
}

/// The code of an error in this dialect or its sibling.
pub(in crate::dialect) fn problem_code(problem: &Problem) -> Option<&str> {
    problem::code(problem)
}
