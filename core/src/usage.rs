//! Usage: what one request consumed, in disjoint classes of tokens.

use serde::{Deserialize, Serialize};

use crate::price::{CLASSES, Class, ServiceTier, Side};

/// What one request consumed, and how it was served. The classes of the prompt do not overlap: cached input is not counted
/// in `input_tokens` again. Those of the answer are parts of `output_tokens`. As JSON what is zero, or usual, is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Prompt tokens that are of no other class.
    #[serde(skip_serializing_if = "is_zero")]
    pub input_tokens: u64,
    /// Prompt tokens that the provider read from its cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_input_tokens: u64,
    /// Prompt tokens that the provider wrote to its cache for minutes, or for a time that it did not tell.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
    /// Prompt tokens that the provider wrote to its cache for an hour.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_1h_tokens: u64,
    /// Prompt tokens that were sound.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_input_tokens: u64,
    /// Prompt tokens that were images, where the provider tells them apart.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_input_tokens: u64,
    /// Tokens of the answer, reasoning, sound and images included.
    #[serde(skip_serializing_if = "is_zero")]
    pub output_tokens: u64,
    /// How many of `output_tokens` were reasoning.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
    /// How many of `output_tokens` were sound.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_output_tokens: u64,
    /// How many of `output_tokens` were images.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_output_tokens: u64,
    /// Calls that cost a fee of their own: 1, or 0 where the price has none.
    #[serde(skip_serializing_if = "is_zero")]
    pub requests: u64,
    /// How the provider served it, by its own word: it decides which rates hold. It means nothing in a sum.
    #[serde(skip_serializing_if = "is_standard")]
    pub service_tier: ServiceTier,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_standard(tier: &ServiceTier) -> bool {
    matches!(tier, ServiceTier::Standard)
}

impl Usage {
    /// All prompt tokens, of whichever class. Saturates: a provider's absurd number must not stop a settlement.
    #[must_use]
    pub fn prompt_tokens(&self) -> u64 {
        self.quantities().on(Side::Prompt)
    }

    /// Prompt and answer together. Saturates.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens().saturating_add(self.output_tokens)
    }

    /// The same in five classes: sound and images of the prompt are input, cache writes are of one kind. For sums.
    #[must_use]
    pub fn in_five_classes(&self) -> Self {
        let sum = |classes: &[u64]| classes.iter().fold(0_u64, |sum, class| sum.saturating_add(*class));
        Self {
            input_tokens: sum(&[self.input_tokens, self.audio_input_tokens, self.image_input_tokens]),
            cached_input_tokens: self.cached_input_tokens,
            cache_write_tokens: sum(&[self.cache_write_tokens, self.cache_write_1h_tokens]),
            output_tokens: self.output_tokens,
            reasoning_tokens: self.reasoning_tokens,
            ..Self::default()
        }
    }

    /// How much of each class was used. Parts of the answer that are more than the answer are cut to it.
    #[must_use]
    pub fn quantities(&self) -> Quantities {
        let mut rest = self.output_tokens;
        let mut part = |tokens: u64| {
            let part = tokens.min(rest);
            rest -= part;
            part
        };
        Quantities::default()
            .with(Class::Input, self.input_tokens)
            .with(Class::CachedInput, self.cached_input_tokens)
            .with(Class::CacheWrite, self.cache_write_tokens)
            .with(Class::CacheWriteHour, self.cache_write_1h_tokens)
            .with(Class::AudioInput, self.audio_input_tokens)
            .with(Class::ImageInput, self.image_input_tokens)
            .with(Class::Reasoning, part(self.reasoning_tokens))
            .with(Class::AudioOutput, part(self.audio_output_tokens))
            .with(Class::ImageOutput, part(self.image_output_tokens))
            .with(Class::Output, rest)
            .with(Class::Request, self.requests)
    }
}

/// Units of each class. No unit is counted in two of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quantities([u64; CLASSES]);

impl Quantities {
    /// The same with so many units of a class.
    #[must_use]
    pub const fn with(mut self, class: Class, units: u64) -> Self {
        self.0[class as usize] = units;
        self
    }

    /// The units of a class.
    #[must_use]
    pub const fn of(&self, class: Class) -> u64 {
        self.0[class as usize]
    }

    /// The units on one side of a call. Saturates.
    #[must_use]
    pub fn on(&self, side: Side) -> u64 {
        let classes = Class::ALL.into_iter().filter(|class| class.side() == side);
        classes.fold(0, |sum, class| sum.saturating_add(self.of(class)))
    }
}

#[cfg(test)]
mod tests {
    use super::Usage;
    use crate::price::{Class, Side};

    #[test]
    fn no_token_is_counted_in_two_classes() {
        let usage = Usage {
            input_tokens: 1,
            cached_input_tokens: 2,
            cache_write_tokens: 4,
            cache_write_1h_tokens: 8,
            audio_input_tokens: 16,
            image_input_tokens: 32,
            output_tokens: 100,
            reasoning_tokens: 10,
            audio_output_tokens: 20,
            image_output_tokens: 30,
            requests: 1,
            ..Usage::default()
        };
        let quantities = usage.quantities();
        assert_eq!((quantities.on(Side::Prompt), quantities.on(Side::Answer), quantities.on(Side::Call)), (63, 100, 1));
        assert_eq!((quantities.of(Class::Output), usage.prompt_tokens(), usage.total_tokens()), (40, 63, 163));
        let five = usage.in_five_classes();
        assert_eq!((five.prompt_tokens(), five.total_tokens(), five.cache_write_tokens), (63, 163, 12));
        // Parts that are more than the whole are cut to it.
        let absurd = Usage { reasoning_tokens: 90, ..usage }.quantities();
        assert_eq!((absurd.on(Side::Answer), absurd.of(Class::AudioOutput), absurd.of(Class::Output)), (100, 10, 0));
    }
}
