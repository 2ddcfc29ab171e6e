//! Usage: what one request consumed, in disjoint classes of tokens.

use serde::{Deserialize, Serialize};

/// Tokens of one request. The classes do not overlap: cached input is not counted in `input_tokens` again. As JSON a
/// class without tokens is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Prompt tokens that were neither read from nor written to a provider's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub input_tokens: u64,
    /// Prompt tokens that the provider read from its cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_input_tokens: u64,
    /// Prompt tokens that the provider wrote to its cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
    /// Tokens of the answer, reasoning included.
    #[serde(skip_serializing_if = "is_zero")]
    pub output_tokens: u64,
    /// How many of `output_tokens` were reasoning. Part of the output, stated for reports.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

impl Usage {
    /// All prompt tokens, cached or not. Saturates: a provider's absurd number must not stop a settlement.
    #[must_use]
    pub const fn prompt_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.cached_input_tokens).saturating_add(self.cache_write_tokens)
    }

    /// Prompt and answer together. Saturates.
    #[must_use]
    pub const fn total_tokens(&self) -> u64 {
        self.prompt_tokens().saturating_add(self.output_tokens)
    }
}
