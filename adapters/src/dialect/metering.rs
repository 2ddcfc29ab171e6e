//! How much a request can use at most, and how much an answer did use.
//!
//! A hold is placed before a call, so the bound must be true: no call may cost more. The estimate is for settling a call
//! whose usage nobody told; it is marked as one.

use tallygate_core::usage::Usage;

/// What a chat template and a provider add to a prompt that no client sent: roles, separators, a default system prompt,
/// the preamble of tools.
const TEMPLATE_TOKENS: u64 = 512;
/// Audio in base64 is at least this many bytes a token: providers count about ten tokens a second, and speech takes at
/// least 750 bytes a second, 1,000 in base64.
const AUDIO_BYTES_A_TOKEN: u64 = 16;
/// The most tokens of one image, unless a deployment says otherwise: 8 tiles and a base of the dearest known counting
/// (2,833 + 8 × 5,667 = 48,169), rounded up. An image may be given as a link, so its bytes bound nothing.
pub const IMAGE_TOKENS_MAX: u64 = 50_000;
/// About so many bytes of text make a token, in the languages that most prompts are in.
const BYTES_A_TOKEN: u64 = 4;

/// What a prompt is made of, as far as it can be told without a tokenizer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InputBound {
    /// Bytes of the body without media. A token of text is at least one byte of it: every tokenizer in use falls back to
    /// bytes, and JSON is never shorter than the text that it holds.
    pub text_bytes: u64,
    /// Bytes that a translation adds at most, and seldom does: they bound the prompt, and are no part of an estimate.
    pub added_bytes: u64,
    /// Images.
    pub images: u64,
    /// Bytes of audio, in base64.
    pub audio_bytes: u64,
    /// Parts whose tokens cannot be told from the request: files, video, links to audio, web search, what is not known.
    pub opaque_parts: u64,
}

impl InputBound {
    /// The most prompt tokens that a call can use; none if nothing bounds them.
    ///
    /// No prompt is longer than the model's context window, where that is known. `image_tokens_max` is the
    /// deployment's, or [`IMAGE_TOKENS_MAX`].
    #[must_use]
    pub fn tokens(&self, image_tokens_max: u64, context_window: Option<u64>) -> Option<u64> {
        if self.opaque_parts > 0 {
            return context_window;
        }
        let tokens = TEMPLATE_TOKENS
            .saturating_add(self.text_bytes)
            .saturating_add(self.added_bytes)
            .saturating_add(self.images.saturating_mul(image_tokens_max))
            .saturating_add(self.audio_bytes.div_ceil(AUDIO_BYTES_A_TOKEN));
        Some(context_window.map_or(tokens, |window| tokens.min(window)))
    }

    /// About how many prompt tokens a call used, when nobody told.
    #[must_use]
    pub const fn estimate(&self) -> u64 {
        estimate(self.text_bytes)
    }
}

/// About how many tokens some text is: a quarter of its bytes, rounded up.
#[must_use]
pub const fn estimate(text_bytes: u64) -> u64 {
    text_bytes.div_ceil(BYTES_A_TOKEN)
}

/// What a call used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metered {
    /// The tokens.
    pub usage: Usage,
    /// Whether they, or some of them, were estimated because the upstream did not tell, or told nonsense.
    pub estimated: bool,
}

#[cfg(test)]
mod tests {
    use super::{IMAGE_TOKENS_MAX, InputBound, estimate};

    #[test]
    fn text_is_bounded_by_its_bytes_and_media_by_their_count() {
        let bound = InputBound { text_bytes: 60, added_bytes: 40, images: 2, audio_bytes: 33, opaque_parts: 0 };
        assert_eq!(bound.tokens(IMAGE_TOKENS_MAX, None), Some(512 + 100 + 100_000 + 3));
        assert_eq!(bound.tokens(1_000, Some(2_000)), Some(2_000));
        assert_eq!(bound.tokens(u64::MAX, None), Some(u64::MAX));
    }

    #[test]
    fn what_cannot_be_told_is_bounded_by_the_context_window_or_not_at_all() {
        let bound = InputBound { opaque_parts: 1, ..InputBound::default() };
        assert_eq!(bound.tokens(IMAGE_TOKENS_MAX, None), None);
        assert_eq!(bound.tokens(IMAGE_TOKENS_MAX, Some(128_000)), Some(128_000));
    }

    #[test]
    fn an_estimate_is_rounded_up() {
        assert_eq!([estimate(0), estimate(1), estimate(4), estimate(5)], [0, 1, 1, 2]);
    }
}
