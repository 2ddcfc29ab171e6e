//! Images and sound in OpenAI's form: forms that clients send, what their answers used, and how those pass.
//!
//! Nothing is translated: the client's bytes go on, and the upstream's come back. Requests in JSON are read as chats are
//! ([`super::Request`]), those with files by their parts ([`form::Request`]); of both an [`Asked`] is left once
//! they are sent. Whole answers are read by [`answer::read`], streams of sound and of events go through a
//! [`passage::Tap`].
//!
//! # How much it is, where nobody tells
//!
//! A hold needs a bound, and a settlement an estimate. Both are data here: [`IMAGE_ANSWER_TOKENS_MAX`] and its siblings.

pub mod form;
pub mod answer;
pub mod passage;
mod usage;

use super::operation::Operation;
use crate::dialect::metering::{self, InputBound};

/// The most tokens that an image in an answer is billed, with all the drafts of it that are sent before: the dearest known
/// is 6,240 and three drafts of 100 each, and twice that is left for larger ones.
pub const IMAGE_ANSWER_TOKENS_MAX: u64 = 16_384;
/// About so many tokens an image has, in a prompt or an answer: one of 1024 × 1024 in high quality.
pub const IMAGE_TOKENS_ESTIMATE: u64 = 4_160;
/// The most tokens of sound that are made of a byte of text: some 21 tokens are a second, and nobody takes longer over a
/// letter than that.
pub const SPEECH_TOKENS_A_BYTE_MAX: u64 = 16;
/// The tokens of sound that any speech may have beside those of its text: a word takes a second, and there is silence.
pub const SPEECH_TOKENS_LEAST: u64 = 512;
/// A second of sound in a prompt, in tokens: where an upstream tells seconds, they count as so many.
pub const TOKENS_A_SECOND: u64 = 10;
/// About so many bytes of a sound file are a token: 16 kB are a second of the usual kinds.
const FILE_BYTES_A_TOKEN: u64 = 1_600;

/// What of a request the reading of its answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// What was asked for.
    pub operation: Operation,
    /// How many images, or answers.
    pub count: u64,
    /// What its prompt is made of.
    pub input: InputBound,
    /// Bytes of the text that is to be spoken.
    pub spoken_bytes: u64,
    /// Bytes of files.
    pub file_bytes: u64,
    /// Whether the answer is wanted as plain text or as captions, which are no JSON.
    pub wants_text: bool,
}

impl Asked {
    /// The most tokens of one answer, where it follows from the request.
    #[must_use]
    pub const fn longest_answer(&self) -> Option<u64> {
        match self.operation {
            operation if operation.makes_images() => Some(IMAGE_ANSWER_TOKENS_MAX),
            Operation::Speech => {
                Some(self.spoken_bytes.saturating_mul(SPEECH_TOKENS_A_BYTE_MAX).saturating_add(SPEECH_TOKENS_LEAST))
            }
            _ => None,
        }
    }

    /// About how many tokens the prompt has: text, and images or sound.
    const fn prompt_estimate(&self) -> (u64, u64) {
        let media = if self.operation.makes_images() {
            self.input.images.saturating_mul(IMAGE_TOKENS_ESTIMATE)
        } else {
            self.file_bytes.div_ceil(FILE_BYTES_A_TOKEN)
        };
        (self.input.estimate(), media)
    }

    /// About how many tokens the answer has. `text_bytes` are those of a transcript.
    const fn answer_estimate(&self, text_bytes: u64) -> u64 {
        match self.operation {
            operation if operation.makes_images() => self.count.saturating_mul(IMAGE_TOKENS_ESTIMATE),
            // Some 15 letters a second are spoken, and some 21 tokens.
            Operation::Speech => self.spoken_bytes.saturating_mul(3).div_ceil(2),
            _ => metering::estimate(text_bytes),
        }
    }
}
