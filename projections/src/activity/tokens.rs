//! Tokens by class as rows have them: numbers in an order that never changes. A line of a log names them instead, and
//! leaves out those that are zero.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tallygate_core::usage::Usage;

/// Input, cached input, cache writes, output, reasoning.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Tokens([u64; 5]);

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        let Usage { input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens } = usage;
        Self([input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens])
    }
}

impl From<Tokens> for Usage {
    fn from(Tokens(classes): Tokens) -> Self {
        let [input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens] = classes;
        Self { input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens }
    }
}

pub(super) fn serialize<S: Serializer>(usage: &Usage, serializer: S) -> Result<S::Ok, S::Error> {
    Tokens::from(*usage).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Usage, D::Error> {
    Tokens::deserialize(deserializer).map(Usage::from)
}
