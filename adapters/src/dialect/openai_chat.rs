//! The dialect of OpenAI's chat completions and embeddings, which most vendors speak.
//!
//! Read [`Request`] first: a client's body, parsed once. [`Request::rewrite`] makes the upstream's body of it, byte for
//! byte the client's but for what must change. The answer is [`answer::read`] when it is whole, and goes through a
//! [`stream::Tap`] when it streams. That is the way between two sides of this dialect; [`translate`] is the way from and to
//! another one.

mod operation;
mod word;
mod request;
pub(in crate::dialect) mod fields;
mod prompt;
mod rewrite;
mod request_error;
pub mod answer;
pub mod stream;
mod chunk;
mod text_bytes;
pub(in crate::dialect) mod usage;
pub mod error;
pub mod translate;
pub mod completions;
pub mod media;

pub use operation::Operation;
pub use request::{CHOICES_MAX, OUTPUT_TOKENS_MAX, Request};
pub use request_error::RequestError;
pub use rewrite::{LimitField, OutputLimit, Rewrite};
