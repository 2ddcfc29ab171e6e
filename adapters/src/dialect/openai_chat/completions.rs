//! OpenAI's legacy completions, for clients: a text goes in, and its continuation comes out.
//!
//! No upstream is called by it: a text is one message of a chat, so every model can answer, in whatever dialect. Several
//! prompts at once, prompts of tokens, and what a chat has no word for (`echo`, `suffix`, the probabilities of tokens) are
//! refused by name.

mod read_request;
mod write_answer;
mod write_stream;

use std::borrow::Cow;

use tallygate_core::conversation::{Problem, Request, Response};
use tallygate_core::port::provider::Failure;

use super::translate::{self, OpenaiChat};
use crate::dialect::frames::Framing;
use crate::dialect::rejection::Rejection;
use crate::dialect::target::Target;
use crate::dialect::through::Places;
use crate::dialect::wire::{Asked, Dialect, ErrorAnswer, PathSays, ReadStream, WriteStream, Written};

/// The dialect's name.
pub const NAME: &str = "openai_completions";

/// It knows of no reasoning.
const PLACES: Places = Places { effort: &[], ..translate::PLACES };

/// The dialect. Its upstream's half is that of chats.
#[derive(Debug, Clone, Copy)]
pub struct OpenaiCompletions;

impl Dialect for OpenaiCompletions {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read_request(&self, body: &[u8], path: &PathSays<'_>) -> Result<Request, Rejection> {
        read_request::read(body, path)
    }

    fn write_request(&self, request: &Request, target: &Target<'_>) -> Result<Written, Rejection> {
        OpenaiChat.write_request(request, target)
    }

    fn path(&self, model: &str, streams: bool) -> Cow<'static, str> {
        OpenaiChat.path(model, streams)
    }

    fn places(&self) -> &'static Places {
        &PLACES
    }

    fn read_answer(&self, body: &[u8], seed: &str) -> Result<Response, Failure> {
        OpenaiChat.read_answer(body, seed)
    }

    fn write_answer(&self, response: &Response, asked: &Asked) -> Vec<u8> {
        write_answer::write(response, asked)
    }

    fn framing(&self) -> Framing {
        OpenaiChat.framing()
    }

    fn stream_reader(&self, seed: &str) -> Box<dyn ReadStream> {
        OpenaiChat.stream_reader(seed)
    }

    fn stream_writer(&self, asked: &Asked) -> Box<dyn WriteStream> {
        Box::new(write_stream::Writer::new(asked))
    }

    fn write_problem(&self, problem: &Problem, _request_id: &str) -> ErrorAnswer {
        translate::write_problem(problem)
    }
}

#[cfg(test)]
mod tests;
