//! LiteLLM's names of prices: `cache_read_input_token_cost_above_200k_tokens_priority` is the price of a cached token in
//! the priority tier, for prompts above 200,000 tokens.

use std::fmt;

use tallygate_core::money::PicoUsd;
use tallygate_core::price::{Class, InvalidPrice, Price, Rates, ServiceTier, Variant};

/// Which price a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PriceName {
    /// For calls that were served so.
    pub tier: ServiceTier,
    /// For prompts of more tokens than this; 0 for all.
    pub above_prompt_tokens: u64,
    /// Of what.
    pub class: Class,
}

/// What a field of LiteLLM's is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A price that is counted.
    Price(PriceName),
    /// A price in a unit that is not counted: by the second, by the image, by the query.
    OtherUnit,
    /// No price.
    Else,
}

/// The names of each class. Where there are two, the first is the one that is written.
const CLASSES: [(&str, Class); 12] = [
    ("input_cost_per_token", Class::Input),
    ("output_cost_per_token", Class::Output),
    ("cache_read_input_token_cost", Class::CachedInput),
    ("input_cost_per_token_cache_hit", Class::CachedInput),
    ("cache_creation_input_token_cost", Class::CacheWrite),
    ("cache_creation_input_token_cost_above_1hr", Class::CacheWriteHour),
    ("output_cost_per_reasoning_token", Class::Reasoning),
    ("input_cost_per_audio_token", Class::AudioInput),
    ("output_cost_per_audio_token", Class::AudioOutput),
    ("input_cost_per_image_token", Class::ImageInput),
    ("output_cost_per_image_token", Class::ImageOutput),
    ("input_cost_per_request", Class::Request),
];
const TIERS: [(&str, ServiceTier); 3] =
    [("_flex", ServiceTier::Flex), ("_priority", ServiceTier::Priority), ("_batches", ServiceTier::Batch)];
const ABOVE: &str = "_above_";
const THOUSAND_TOKENS: &str = "k_tokens";

impl PriceName {
    /// A class in the standard tier, for all prompts.
    #[must_use]
    pub const fn of(class: Class) -> Self {
        Self { tier: ServiceTier::Standard, above_prompt_tokens: 0, class }
    }
}

impl fmt::Display for PriceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = CLASSES.iter().find(|(_, class)| *class == self.class).map_or("", |(name, _)| name);
        f.write_str(class)?;
        match self.above_prompt_tokens {
            0 => {}
            tokens if tokens % 1_000 == 0 => write!(f, "{ABOVE}{}{THOUSAND_TOKENS}", tokens / 1_000)?,
            tokens => write!(f, "{ABOVE}{tokens}_tokens")?,
        }
        f.write_str(TIERS.iter().find(|(_, tier)| *tier == self.tier).map_or("", |(suffix, _)| suffix))
    }
}

/// What a name means.
#[must_use]
pub fn read(name: &str) -> Meaning {
    let tier = TIERS.iter().find_map(|(suffix, tier)| Some((name.strip_suffix(suffix)?, *tier)));
    let (rest, tier) = tier.unwrap_or((name, ServiceTier::Standard));
    let (base, above_prompt_tokens) = threshold(rest).unwrap_or((rest, 0));
    match CLASSES.iter().find(|(known, _)| *known == base) {
        Some((_, class)) => Meaning::Price(PriceName { tier, above_prompt_tokens, class: *class }),
        None if is_price(name) => Meaning::OtherUnit,
        None => Meaning::Else,
    }
}

fn is_price(name: &str) -> bool {
    name.contains("_cost_per_") || name.ends_with("_cost") || name.contains("_token_cost")
}

/// `x_above_200k_tokens` is `x` above 200,000.
fn threshold(name: &str) -> Option<(&str, u64)> {
    let (base, above) = name.rsplit_once(ABOVE)?;
    let thousands: u64 = above.strip_suffix(THOUSAND_TOKENS)?.parse().ok()?;
    Some((base, thousands.checked_mul(1_000).filter(|tokens| *tokens > 0)?))
}

/// All prices that a price has, by their names.
pub fn of_price(price: &Price) -> impl Iterator<Item = (PriceName, PicoUsd)> {
    let standard = price.rates().priced().map(|(class, rate)| (PriceName::of(class), rate));
    let variants = price.variants().iter().flat_map(|variant| {
        let (tier, above_prompt_tokens) = variant.condition();
        variant.rates.priced().map(move |(class, rate)| (PriceName { tier, above_prompt_tokens, class }, rate))
    });
    standard.chain(variants)
}

/// Prices by their names, over those that there were. A base price that nobody gives is zero, as in LiteLLM.
///
/// # Errors
/// [`InvalidPrice::TooManyVariants`].
pub fn to_price(
    named: impl IntoIterator<Item = (PriceName, PicoUsd)>,
    over: Option<&Price>,
) -> Result<Price, InvalidPrice> {
    let mut rates = over.map_or(Rates::NONE, |price| *price.rates());
    let mut variants: Vec<Variant> = over.map(|price| price.variants().to_vec()).unwrap_or_default();
    for (name, rate) in named {
        let condition = (name.tier, name.above_prompt_tokens);
        if condition == (ServiceTier::Standard, 0) {
            rates.set(name.class, Some(rate));
        } else if let Some(variant) = variants.iter_mut().find(|variant| variant.condition() == condition) {
            variant.rates.set(name.class, Some(rate));
        } else {
            let (service_tier, above_prompt_tokens) = condition;
            variants.push(Variant { service_tier, above_prompt_tokens, rates: Rates::NONE.with(name.class, rate) });
        }
    }
    for class in [Class::Input, Class::Output] {
        if rates.own(class).is_none() {
            rates.set(class, Some(PicoUsd::default()));
        }
    }
    Price::new(rates, variants)
}

#[cfg(test)]
mod tests {
    use super::{CLASSES, Meaning, PriceName, TIERS, of_price, read, to_price};
    use tallygate_core::money::PicoUsd;
    use tallygate_core::price::{Class, Price, ServiceTier};

    #[test]
    fn a_name_says_class_tier_and_threshold() {
        let name = |tier, above_prompt_tokens, class| Meaning::Price(PriceName { tier, above_prompt_tokens, class });
        for (text, meaning) in [
            ("input_cost_per_token", name(ServiceTier::Standard, 0, Class::Input)),
            ("output_cost_per_token_above_200k_tokens", name(ServiceTier::Standard, 200_000, Class::Output)),
            ("input_cost_per_token_batches", name(ServiceTier::Batch, 0, Class::Input)),
            (
                "cache_read_input_token_cost_above_272k_tokens_priority",
                name(ServiceTier::Priority, 272_000, Class::CachedInput),
            ),
            ("cache_creation_input_token_cost_above_1hr", name(ServiceTier::Standard, 0, Class::CacheWriteHour)),
            (
                "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
                name(ServiceTier::Standard, 200_000, Class::CacheWriteHour),
            ),
            ("input_cost_per_token_cache_hit", name(ServiceTier::Standard, 0, Class::CachedInput)),
            ("input_cost_per_second", Meaning::OtherUnit),
            ("input_cost_per_token_above_0k_tokens", Meaning::OtherUnit),
            ("search_context_cost_per_query", Meaning::OtherUnit),
            ("cache_read_input_audio_token_cost", Meaning::OtherUnit),
            ("max_tokens", Meaning::Else),
        ] {
            assert_eq!(read(text), meaning, "{text}");
        }
    }

    #[test]
    fn every_name_reads_as_what_it_was_written_for() {
        for (_, class) in CLASSES {
            for tier in TIERS.iter().map(|(_, tier)| *tier).chain([ServiceTier::Standard]) {
                for above_prompt_tokens in [0, 128_000] {
                    let name = PriceName { tier, above_prompt_tokens, class };
                    assert_eq!(read(&name.to_string()), Meaning::Price(name), "{name}");
                }
            }
        }
    }

    #[test]
    fn named_prices_make_a_price_and_come_back_out_of_it() {
        let flex = PriceName { tier: ServiceTier::Flex, ..PriceName::of(Class::Input) };
        let named = [(PriceName::of(Class::Input), PicoUsd::new(4)), (flex, PicoUsd::new(2))];
        let price = to_price(named, None).unwrap();
        assert_eq!(price.rates_for(ServiceTier::Flex, 1).of(Class::Input), PicoUsd::new(2));
        assert_eq!(price.rates().own(Class::Output), Some(PicoUsd::default()), "nobody priced the answer");
        assert_eq!(to_price(of_price(&price), None), Ok(price.clone()));
        let over = to_price([(PriceName::of(Class::Output), PicoUsd::new(9))], Some(&price)).unwrap();
        assert_eq!(over, price.with(Class::Output, PicoUsd::new(9)));
        assert_eq!(to_price([], Some(&over)), Ok(over.clone()));
        assert_eq!(to_price([], None), Ok(Price::simple(PicoUsd::default(), PicoUsd::default())));
    }
}
