//! The dialect of Google's `generateContent`.
//!
//! A conversation is contents of parts. The model and whether the answer streams stand in the path. Tool calls mostly have
//! no ids: results belong to calls by their place. Reasoning is known again by marks on parts.

mod read_request;
mod read_settings;
mod write_request;
mod write_contents;
mod write_settings;
mod schema;
mod read_answer;
mod write_answer;
mod read_stream;
mod write_stream;
mod problem;

use std::borrow::Cow;
use std::time::Duration;

use tallygate_core::conversation::{Problem, Request, Response};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Said;

use super::frames::Framing;
use super::rejection::Rejection;
use super::target::Target;
use super::through::Places;
use super::wire::{Asked, Dialect, ErrorAnswer, PathSays, ReadStream, WriteStream, Written};

/// The dialect's name.
pub const NAME: &str = "gemini_generate";

const PLACES: Places = Places {
    model_in_body: false,
    output_limit: &["generationConfig", "maxOutputTokens"],
    temperature: &["generationConfig", "temperature"],
    top_p: &["generationConfig", "topP"],
    effort: &["generationConfig", "thinkingConfig", "thinkingLevel"],
    two_spellings: true,
    told_model: &[&["modelVersion"]],
    earlier: None,
    told_ids: &[],
};

/// The dialect.
#[derive(Debug, Clone, Copy)]
pub struct GeminiGenerate;

impl Dialect for GeminiGenerate {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read_request(&self, body: &[u8], path: &PathSays<'_>) -> Result<Request, Rejection> {
        read_request::read(body, path)
    }

    fn write_request(&self, request: &Request, target: &Target<'_>) -> Result<Written, Rejection> {
        write_request::write(request, target)
    }

    fn path(&self, model: &str, streams: bool) -> Cow<'static, str> {
        write_request::path(model, streams).into()
    }

    fn count_path(&self, model: &str) -> Option<String> {
        Some(write_request::count_path(model))
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

    fn read_error(&self, said: Said, retry_after: Option<Duration>) -> Failure {
        problem::read(said, retry_after)
    }

    fn write_problem(&self, problem: &Problem, _request_id: &str) -> ErrorAnswer {
        problem::write(problem)
    }
}
