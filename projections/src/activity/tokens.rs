//! Tokens by class as rows have them: numbers in an order that never changes. A line of a log names them instead, and
//! leaves out those that are zero. A record has all classes, a sum has five.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tallygate_core::price::ServiceTier;
use tallygate_core::usage::Usage;

/// Input, cached input, cache writes of minutes and of an hour, sound and images in the prompt, output, reasoning, sound and
/// images in the answer, fees; and how the call was served.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Tokens([u64; 11], ServiceTier);

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        let classes = [
            usage.input_tokens,
            usage.cached_input_tokens,
            usage.cache_write_tokens,
            usage.cache_write_1h_tokens,
            usage.audio_input_tokens,
            usage.image_input_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
            usage.audio_output_tokens,
            usage.image_output_tokens,
            usage.requests,
        ];
        Self(classes, usage.service_tier)
    }
}

impl From<Tokens> for Usage {
    fn from(Tokens(classes, service_tier): Tokens) -> Self {
        let [input, cached, write, write_1h, audio_in, image_in, output, reasoning, audio_out, image_out, requests] =
            classes;
        Self {
            input_tokens: input,
            cached_input_tokens: cached,
            cache_write_tokens: write,
            cache_write_1h_tokens: write_1h,
            audio_input_tokens: audio_in,
            image_input_tokens: image_in,
            output_tokens: output,
            reasoning_tokens: reasoning,
            audio_output_tokens: audio_out,
            image_output_tokens: image_out,
            requests,
            service_tier,
        }
    }
}

/// A sum: input, cached input, cache writes, output, reasoning.
type Sum = [u64; 5];

pub(super) fn serialize<S: Serializer>(usage: &Usage, serializer: S) -> Result<S::Ok, S::Error> {
    let usage = usage.in_five_classes();
    let sum: Sum = [
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    ];
    sum.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Usage, D::Error> {
    let [input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens] =
        Sum::deserialize(deserializer)?;
    Ok(Usage {
        input_tokens,
        cached_input_tokens,
        cache_write_tokens,
        output_tokens,
        reasoning_tokens,
        ..Usage::default()
    })
}
