//! A stream on its way from an upstream to a client, whatever the two speak. Pure: pieces in, pieces out.

use std::fmt::Debug;

use bytes::Bytes;
use tallygate_core::conversation::Problem;
use tallygate_core::port::provider::Failure;

use super::metering::Metered;

/// What an idle connection is kept open with where a dialect has nothing of its own: a comment.
pub const PING: &[u8] = b": ping\n\n";

/// What one piece of the upstream's stream becomes.
#[derive(Debug)]
pub struct Step {
    /// For the client. May be empty.
    pub forward: Bytes,
    /// Whether the stream is at its end: `Ok` after its proper end, or what went wrong. Nothing may be pushed then.
    pub end: Option<Result<(), Failure>>,
}

impl Step {
    /// Nothing: what follows the end is none of the client's business.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { forward: Bytes::new(), end: None }
    }
}

/// Follows one stream. After its end it hands out nothing more.
pub trait Passage: Debug + Send {
    /// Takes the next piece of the stream.
    fn push(&mut self, piece: Bytes) -> Step;

    /// Takes the end of the upstream's stream.
    fn finish(&mut self) -> Step;

    /// How many events the upstream told. From the first one on the answer has begun: no other deployment can be tried.
    fn events(&self) -> u64;

    /// What the call has used so far: as the upstream told, or else by an estimate from what passed. To be asked at the
    /// end, and when the client goes away.
    fn metered(&self) -> Metered;

    /// The end of a stream that went wrong, for a client to which it has begun; none where it has no words for that, and
    /// must be broken off.
    fn failed(&mut self, problem: &Problem) -> Option<Bytes>;

    /// What keeps an idle connection to the client open; none where its dialect has no such thing, or not now.
    fn keep_alive(&self) -> Option<Bytes>;
}
