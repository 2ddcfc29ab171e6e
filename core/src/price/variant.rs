//! Variants: other rates for long prompts and for service tiers.

use serde::{Deserialize, Serialize};

use super::rates::Rates;

/// The most variants of one price: eight thresholds for each service tier.
pub const VARIANTS_MAX: usize = 32;

/// How a provider served a call, by its own word. It decides which rates hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTier {
    /// As everybody's.
    #[default]
    Standard,
    /// Cheaper, later.
    Flex,
    /// Dearer, sooner.
    Priority,
    /// In a batch, within hours.
    Batch,
}

impl ServiceTier {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Standard, Self::Flex, Self::Priority, Self::Batch];

    /// The tier that a provider's word means. Words that are no tier of their own (`default`, `auto`, `scale`, and what
    /// nobody knows yet) are the standard one.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        match word {
            "flex" => Self::Flex,
            "priority" => Self::Priority,
            "batch" => Self::Batch,
            _ => Self::Standard,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Batch => "batch",
        }
    }

    /// The tiers that a call can be served in, by what the client asked for: `default` is the standard one, and what is
    /// asked for may be answered in the standard one too. Who does not ask leaves it to the provider.
    #[must_use]
    pub fn reachable(asked: Option<&str>) -> &'static [Self] {
        match asked {
            Some("default" | "standard_only") => &[Self::Standard],
            Some("flex") => &[Self::Standard, Self::Flex],
            _ => &Self::ALL,
        }
    }
}

/// Rates that hold for a service tier, for prompts above a number of tokens, or for both. A class without a rate here
/// costs what it costs otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// For calls that were served so.
    pub service_tier: ServiceTier,
    /// For calls whose whole prompt, cached or not, has more tokens than this: all of such a call, not only what is above.
    pub above_prompt_tokens: u64,
    /// The rates.
    pub rates: Rates,
}

impl Variant {
    /// What tells variants of a price apart, and their order.
    #[must_use]
    pub const fn condition(&self) -> (ServiceTier, u64) {
        (self.service_tier, self.above_prompt_tokens)
    }
}
