//! Efforts and budgets of reasoning: the same wish in a word and in tokens.
//!
//! The numbers are those of LiteLLM, so that a request costs the same through either gateway.

use tallygate_core::conversation::Effort;

const LOW_TOKENS: u64 = 1_024;
const MEDIUM_TOKENS: u64 = 2_048;
const HIGH_TOKENS: u64 = 4_096;
const EXTRA_HIGH_TOKENS: u64 = 8_192;
const MAX_TOKENS: u64 = 16_384;

/// The tokens that an effort means; none for no reasoning.
#[must_use]
pub(super) const fn to_budget(effort: Effort) -> Option<u64> {
    match effort {
        Effort::None => None,
        Effort::Minimal => Some(128),
        Effort::Low => Some(LOW_TOKENS),
        Effort::Medium => Some(MEDIUM_TOKENS),
        Effort::High => Some(HIGH_TOKENS),
        Effort::ExtraHigh => Some(EXTRA_HIGH_TOKENS),
        Effort::Max => Some(MAX_TOKENS),
    }
}

/// The effort that so many tokens mean.
#[must_use]
pub(super) const fn of_budget(tokens: u64) -> Effort {
    match tokens {
        0 => Effort::None,
        1..LOW_TOKENS => Effort::Minimal,
        LOW_TOKENS..MEDIUM_TOKENS => Effort::Low,
        MEDIUM_TOKENS..HIGH_TOKENS => Effort::Medium,
        _ => Effort::High,
    }
}

#[cfg(test)]
mod tests {
    use super::{of_budget, to_budget};
    use tallygate_core::conversation::Effort;

    #[test]
    fn an_effort_that_becomes_a_budget_and_back_is_the_same_up_to_high() {
        for effort in [Effort::Minimal, Effort::Low, Effort::Medium, Effort::High] {
            assert_eq!(of_budget(to_budget(effort).unwrap()), effort);
        }
        assert_eq!((to_budget(Effort::None), of_budget(0)), (None, Effort::None));
    }
}
