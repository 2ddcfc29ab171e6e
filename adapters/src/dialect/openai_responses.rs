//! The dialect of OpenAI's responses.
//!
//! A conversation is a list of items: messages, reasoning, calls and their outputs, each on its own. The stream tells how
//! items grow, and ends with all of them. It is stateless where it is translated: what refers to an earlier response by its
//! id goes to the provider that keeps that, or nowhere.

mod read_request;
mod read_item;
mod write_request;
mod write_item;
mod read_answer;
mod envelope;
mod write_answer;
mod read_stream;
mod write_stream;
mod seals;

use std::borrow::Cow;

use tallygate_core::conversation::{Problem, Request, Response};
use tallygate_core::port::provider::Failure;

use super::frames::Framing;
use super::openai_chat;
use super::rejection::Rejection;
use super::target::Target;
use super::through::Places;
use super::wire::{Asked, Dialect, ErrorAnswer, PathSays, ReadStream, WriteStream, Written};

/// The dialect's name.
pub const NAME: &str = "openai_responses";

const PLACES: Places = Places {
    model_in_body: true,
    output_limit: &["max_output_tokens"],
    temperature: &["temperature"],
    top_p: &["top_p"],
    effort: &["reasoning", "effort"],
    two_spellings: false,
    told_model: &[&["model"], &["response", "model"]],
    earlier: Some("previous_response_id"),
    told_ids: &[&["id"], &["response", "id"], &["previous_response_id"], &["response", "previous_response_id"]],
};

/// The dialect.
#[derive(Debug, Clone, Copy)]
pub struct OpenaiResponses;

impl Dialect for OpenaiResponses {
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
        Cow::Borrowed("/responses")
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

    fn write_problem(&self, problem: &Problem, _request_id: &str) -> ErrorAnswer {
        // The errors of both dialects of this vendor are the same.
        openai_chat::translate::write_problem(problem)
    }
}
