//! What every dialect can do: read and write requests, answers, streams and errors. One dialect knows the canonical
//! conversation and no other dialect.
//!
//! Everything is pure and bounded: whole bodies come in with a length that their caller has limited, streams in pieces of
//! any size, of which at most one frame is kept.

use std::borrow::Cow;
use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use tallygate_core::conversation::{Delta, Problem, Request, Response};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Said;

use super::answer_ids::Sealer;
use super::back::Back;
use super::frames::Framing;
use super::passage::PING;
use super::rejection::Rejection;
use super::target::Target;
use super::through::Places;
use crate::provider::error_body;

/// One dialect, both ways. The implementations are [`super::ALL`].
pub trait Dialect: Debug + Send + Sync {
    /// Its name, as rows of vendors write it.
    fn name(&self) -> &'static str;

    /// Reads a client's request. Strict: what it does not understand it carries or refuses.
    ///
    /// # Errors
    /// [`Rejection`], the first one found.
    fn read_request(&self, body: &[u8], path: &PathSays<'_>) -> Result<Request, Rejection>;

    /// Writes a request for an upstream.
    ///
    /// # Errors
    /// [`Rejection`] for what the target cannot express and must not be left out.
    fn write_request(&self, request: &Request, target: &Target<'_>) -> Result<Written, Rejection>;

    /// Where an upstream takes its chats: what follows the base URL.
    fn path(&self, model: &str, streams: bool) -> Cow<'static, str>;

    /// Where an upstream lists its models: what follows the base URL.
    fn models_path(&self) -> &'static str {
        "/models"
    }

    /// Where an upstream counts the tokens of a prompt; none where it does not.
    fn count_path(&self, model: &str) -> Option<String> {
        let _ = model;
        None
    }

    /// Reads an upstream's whole answer with a 2xx status. `seed` is unique to the answer, for ids that are missing.
    ///
    /// # Errors
    /// [`Failure`] where it is an error after all, or no answer.
    fn read_answer(&self, body: &[u8], seed: &str) -> Result<Response, Failure>;

    /// Writes a whole answer for a client.
    fn write_answer(&self, response: &Response, asked: &Asked) -> Vec<u8>;

    /// Where it has what changes when a client's bytes go to an upstream of the same dialect.
    fn places(&self) -> &'static Places;

    /// How an upstream's stream is framed.
    fn framing(&self) -> Framing;

    /// Reads an upstream's stream.
    fn stream_reader(&self, seed: &str) -> Box<dyn ReadStream>;

    /// Writes a stream for a client.
    fn stream_writer(&self, asked: &Asked) -> Box<dyn WriteStream>;

    /// Reads an upstream's answer that is not 2xx. `retry_after` is what its headers say.
    fn read_error(&self, said: Said, retry_after: Option<Duration>) -> Failure {
        let code = error_body::code(&said.body);
        Failure::told(said, retry_after, code.as_deref())
    }

    /// Writes an error for a client, as a body.
    fn write_problem(&self, problem: &Problem, request_id: &str) -> ErrorAnswer;

    /// The `content-type` of its streams.
    fn stream_type(&self) -> &'static str {
        "text/event-stream; charset=utf-8"
    }
}

/// What a request's path and query say, in dialects that put it there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PathSays<'a> {
    /// The model.
    pub model: Option<&'a str>,
    /// Whether the answer is wanted as a stream.
    pub streams: Option<bool>,
}

/// A request as an upstream gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What follows the base URL.
    pub path: String,
    /// The body.
    pub body: Vec<u8>,
    /// Parameters of the client's that were left out.
    pub dropped: Vec<String>,
    /// The limit of output that was written, in tokens an answer.
    pub output_limit: Option<u64>,
    /// What must be changed back in the answer.
    pub back: Back,
}

/// What a client asked for, as far as its answer depends on it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The gateway's id of the answer: letters and digits. Dialects put their own word before it.
    pub id: String,
    /// When the answer begins, in seconds of UTC.
    pub created_s: u64,
    /// The name of the model that the client is told; none for the upstream's own.
    pub public_model: Option<String>,
    /// Seals the ids of answers that the upstream keeps; none where it keeps none.
    pub sealer: Option<Sealer>,
    /// About how many tokens the prompt has, for dialects that say so before the upstream does.
    pub input_estimate_tokens: u64,
    /// The request.
    pub request: std::sync::Arc<Request>,
}

impl Asked {
    /// The model's name in an answer whose upstream calls it so.
    #[must_use]
    pub fn model<'a>(&'a self, upstream: Option<&'a str>) -> &'a str {
        self.public_model.as_deref().or(upstream).unwrap_or(&self.request.model)
    }
}

/// Reads an upstream's stream, frame by frame.
pub trait ReadStream: Debug + Send {
    /// Takes one frame: the data of an event, or a line.
    ///
    /// # Errors
    /// [`Failure`] where the upstream tells one, or the frame is none of this dialect's.
    fn frame(&mut self, data: &[u8], out: &mut Vec<Delta>) -> Result<(), Failure>;

    /// Takes the end of the stream. What was not finished is an error; else this adds what is missing up to
    /// [`Delta::End`].
    ///
    /// # Errors
    /// [`tallygate_core::port::provider::failure::Kind::Reset`].
    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), Failure>;
}

/// Writes a stream for a client.
pub trait WriteStream: Debug + Send {
    /// Takes one event.
    fn event(&mut self, event: Delta, out: &mut Vec<u8>);

    /// Ends a stream that has begun, or not, with an error. Nothing may follow.
    fn fail(&mut self, problem: &Problem, out: &mut Vec<u8>);

    /// What keeps an idle connection open without meaning anything; none where the dialect has no such thing.
    fn keep_alive(&self) -> Option<Bytes> {
        Some(Bytes::from_static(PING))
    }
}

/// An error as a client gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The status.
    pub status: u16,
    /// The body: JSON.
    pub body: Vec<u8>,
}
