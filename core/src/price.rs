//! Prices and the one cost function.
//!
//! A price book entry comes to be by an event, and a settlement names that event: re-pricing history is a replay, never
//! a silent change.

use serde::{Deserialize, Serialize};

use crate::money::{MoneyError, NanoUsd, PicoUsd};
use crate::usage::Usage;

/// The price of each class of token, in pico-dollars a token. A class without a price of its own costs what its base
/// class costs: cached input and cache writes cost input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// One prompt token.
    pub input_pico_usd: PicoUsd,
    /// One token of the answer, reasoning included.
    pub output_pico_usd: PicoUsd,
    /// One prompt token read from the provider's cache.
    pub cached_input_pico_usd: Option<PicoUsd>,
    /// One prompt token written to the provider's cache.
    pub cache_write_pico_usd: Option<PicoUsd>,
}

impl Price {
    /// A price for input and output alone.
    #[must_use]
    pub const fn simple(input: PicoUsd, output: PicoUsd) -> Self {
        Self { input_pico_usd: input, output_pico_usd: output, cached_input_pico_usd: None, cache_write_pico_usd: None }
    }

    /// What a usage costs: every class times its price, summed exactly in pico-dollars, rounded up once.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when the cost is more than nine billion dollars.
    pub fn cost(&self, usage: &Usage) -> Result<NanoUsd, MoneyError> {
        let classes = [
            (usage.input_tokens, self.input_pico_usd),
            (usage.cached_input_tokens, self.cached_input_pico_usd.unwrap_or(self.input_pico_usd)),
            (usage.cache_write_tokens, self.cache_write_pico_usd.unwrap_or(self.input_pico_usd)),
            (usage.output_tokens, self.output_pico_usd),
        ];
        let pico = classes
            .iter()
            .try_fold(0_u128, |sum, (tokens, price)| {
                u128::from(*tokens).checked_mul(u128::from(price.pico())).and_then(|part| sum.checked_add(part))
            })
            .ok_or(MoneyError::OutOfRange)?;
        NanoUsd::from_pico_rounded_up(pico)
    }

    /// The dearest way to read one prompt token: the bound for a hold, since nobody knows beforehand what a cache does.
    #[must_use]
    pub fn dearest_input(&self) -> PicoUsd {
        self.input_pico_usd
            .max(self.cache_write_pico_usd.unwrap_or_default())
            .max(self.cached_input_pico_usd.unwrap_or_default())
    }

    /// An upper bound of the cost of a call with at most so many prompt and answer tokens.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when the bound is more than nine billion dollars.
    pub fn bound(&self, prompt_tokens: u64, output_tokens: u64) -> Result<NanoUsd, MoneyError> {
        let input = u128::from(prompt_tokens).checked_mul(u128::from(self.dearest_input().pico()));
        let output = u128::from(output_tokens).checked_mul(u128::from(self.output_pico_usd.pico()));
        let pico = input.zip(output).and_then(|(a, b)| a.checked_add(b)).ok_or(MoneyError::OutOfRange)?;
        NanoUsd::from_pico_rounded_up(pico)
    }
}

#[cfg(test)]
mod tests {
    use super::Price;
    use crate::money::{MoneyError, NanoUsd, PicoUsd};
    use crate::usage::Usage;
    use proptest::prelude::{any, prop_assert, proptest};

    fn usage(input: u64, cached: u64, write: u64, output: u64) -> Usage {
        Usage {
            input_tokens: input,
            cached_input_tokens: cached,
            cache_write_tokens: write,
            output_tokens: output,
            reasoning_tokens: 0,
        }
    }

    #[test]
    fn a_price_list_in_dollars_per_million_is_exact() {
        // gpt-4o-mini: $0.15 in, $0.075 cached, $0.60 out per million tokens.
        let price = Price {
            cached_input_pico_usd: Some(PicoUsd::new(75_000)),
            ..Price::simple(PicoUsd::new(150_000), PicoUsd::new(600_000))
        };
        assert_eq!(price.cost(&usage(1_000_000, 0, 0, 0)), Ok(NanoUsd::new(150_000_000)));
        assert_eq!(price.cost(&usage(0, 1_000_000, 0, 0)), Ok(NanoUsd::new(75_000_000)));
        assert_eq!(price.cost(&usage(9, 0, 0, 2)), Ok(NanoUsd::new(2_550)));
    }

    #[test]
    fn rounding_is_up_and_once() {
        let price = Price::simple(PicoUsd::new(1), PicoUsd::new(1));
        assert_eq!(price.cost(&usage(1, 1, 1, 1)), Ok(NanoUsd::new(1)));
        assert_eq!(price.cost(&usage(0, 0, 0, 0)), Ok(NanoUsd::ZERO));
    }

    #[test]
    fn an_absurd_usage_is_an_error_and_not_a_wrapped_number() {
        let price = Price::simple(PicoUsd::new(u64::MAX), PicoUsd::new(u64::MAX));
        assert_eq!(price.cost(&usage(u64::MAX, u64::MAX, 0, u64::MAX)), Err(MoneyError::OutOfRange));
    }

    proptest! {
        #[test]
        fn the_bound_is_never_below_the_cost(
            input in 0_u64..1_000_000, cached in 0_u64..1_000_000, write in 0_u64..1_000_000, output in 0_u64..1_000_000,
            prices in any::<[u32; 4]>(), slack in 0_u64..1_000,
        ) {
            let price = Price {
                input_pico_usd: PicoUsd::new(prices[0].into()),
                output_pico_usd: PicoUsd::new(prices[1].into()),
                cached_input_pico_usd: (prices[2] % 2 == 0).then(|| PicoUsd::new(prices[2].into())),
                cache_write_pico_usd: (prices[3] % 2 == 0).then(|| PicoUsd::new(prices[3].into())),
            };
            let used = usage(input, cached, write, output);
            let bound = price.bound(used.prompt_tokens() + slack, output + slack);
            prop_assert!(price.cost(&used).unwrap() <= bound.unwrap());
        }
    }
}
