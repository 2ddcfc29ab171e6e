//! Prices and the one cost function.
//!
//! A price book entry comes to be by an event, and a settlement names that event: re-pricing history is a replay, never
//! a silent change.

mod class;
mod rates;
mod variant;
mod list;
mod unpriced;
mod text;

pub use class::{CLASSES, Class, Side};
pub use list::PriceList;
pub use rates::Rates;
pub use unpriced::Unpriced;
pub use variant::{ServiceTier, VARIANTS_MAX, Variant};

use crate::money::{MoneyError, NanoUsd, PicoUsd};
use crate::usage::{Quantities, Usage};

/// What a call costs: a rate for each class, and other rates for long prompts and service tiers.
///
/// Rates hold for a whole call. They are found by laying over each other, the later over the earlier: those of
/// everybody; the variant of the standard tier with the highest threshold that the prompt is above; and for a call in
/// another tier, that tier's variant without a threshold and then its one with the highest. A class that a variant says
/// nothing of keeps its rate, and one without a rate costs what its base class costs ([`Class::falls_back_to`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    rates: Rates,
    variants: Vec<Variant>,
}

/// Why something is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrice {
    /// Input and output are what every call has.
    #[error("a price has `input_pico_usd` and `output_pico_usd`")]
    NoBase,
    /// More variants than anybody has.
    #[error("a price has at most {VARIANTS_MAX} variants")]
    TooManyVariants,
    /// Two variants hold for the same calls.
    #[error("two variants hold for the same service tier and threshold")]
    VariantTwice,
    /// A variant for all calls is none, and one without rates says nothing.
    #[error("a variant holds for a service tier or above a threshold, and has rates")]
    EmptyVariant,
}

impl Price {
    /// A price for input and output alone.
    #[must_use]
    pub const fn simple(input: PicoUsd, output: PicoUsd) -> Self {
        let rates = Rates::NONE.with(Class::Input, input).with(Class::Output, output);
        Self { rates, variants: Vec::new() }
    }

    /// A price of rates and variants, in the order of their conditions.
    ///
    /// # Errors
    /// [`InvalidPrice`].
    pub fn new(rates: Rates, mut variants: Vec<Variant>) -> Result<Self, InvalidPrice> {
        if rates.own(Class::Input).is_none() || rates.own(Class::Output).is_none() {
            return Err(InvalidPrice::NoBase);
        }
        if variants.len() > VARIANTS_MAX {
            return Err(InvalidPrice::TooManyVariants);
        }
        let for_all = (ServiceTier::Standard, 0);
        if variants.iter().any(|variant| variant.condition() == for_all || variant.rates.is_empty()) {
            return Err(InvalidPrice::EmptyVariant);
        }
        variants.sort_by_key(Variant::condition);
        if variants.windows(2).any(|pair| pair[0].condition() == pair[1].condition()) {
            return Err(InvalidPrice::VariantTwice);
        }
        Ok(Self { rates, variants })
    }

    /// The same with another rate of a class.
    #[must_use]
    pub fn with(mut self, class: Class, price: PicoUsd) -> Self {
        self.rates.set(class, Some(price));
        self
    }

    /// The rates of everybody.
    #[must_use]
    pub const fn rates(&self) -> &Rates {
        &self.rates
    }

    /// Whether a class has a rate of its own in any of its tiers.
    #[must_use]
    pub fn has(&self, class: Class) -> bool {
        let variants = self.variants.iter().map(|variant| &variant.rates);
        std::iter::once(&self.rates).chain(variants).any(|rates| rates.own(class).is_some())
    }

    /// The other rates, in the order of their conditions.
    #[must_use]
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// The rates that hold for a call: by how it was served, and how long its prompt was in tokens.
    #[must_use]
    pub fn rates_for(&self, tier: ServiceTier, prompt_tokens: u64) -> Rates {
        // As most prices are.
        if self.variants.is_empty() {
            return self.rates;
        }
        let longest = |tier: ServiceTier| {
            let reached = |variant: &&Variant| {
                variant.service_tier == tier
                    && variant.above_prompt_tokens > 0
                    && prompt_tokens > variant.above_prompt_tokens
            };
            // Variants are in the order of their thresholds.
            self.variants.iter().rfind(reached)
        };
        let whole = |tier: ServiceTier| self.variants.iter().find(|variant| variant.condition() == (tier, 0));
        let own = |tier: ServiceTier| whole(tier).into_iter().chain(longest(tier));
        let of_tier = Some(tier).filter(|tier| *tier != ServiceTier::Standard);
        let over = own(ServiceTier::Standard).chain(of_tier.into_iter().flat_map(own));
        over.fold(self.rates, |rates, variant| variant.rates.over(&rates))
    }

    /// What a usage costs: every class times its rate, summed exactly in pico-dollars, rounded up once.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when the cost is more than nine billion dollars.
    pub fn cost(&self, usage: &Usage) -> Result<NanoUsd, MoneyError> {
        self.cost_of(&usage.quantities(), usage.service_tier)
    }

    fn cost_of(&self, quantities: &Quantities, tier: ServiceTier) -> Result<NanoUsd, MoneyError> {
        let rates = self.rates_for(tier, quantities.on(Side::Prompt));
        sum(Class::ALL.into_iter().map(|class| (quantities.of(class), rates.of(class))))
    }

    /// An upper bound of the cost of a call with at most so many prompt and answer tokens, in whichever of some tiers it
    /// is served: nobody knows beforehand what a cache does, or of which class a token is.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when the bound is more than nine billion dollars.
    pub fn bound(&self, prompt_tokens: u64, answer_tokens: u64, tiers: &[ServiceTier]) -> Result<NanoUsd, MoneyError> {
        // A shorter prompt can be dearer a token: every threshold that it may be above counts, and none.
        let thresholds = self.variants.iter().map(|variant| variant.above_prompt_tokens);
        let lengths = || std::iter::once(0).chain(thresholds.clone().filter_map(|above| above.checked_add(1)));
        // Without variants every tier costs the same, as most prices do.
        let tiers = if self.variants.is_empty() { &[ServiceTier::Standard] } else { tiers };
        let mut bound = NanoUsd::ZERO;
        for tier in tiers {
            for length in lengths().filter(|length| *length <= prompt_tokens) {
                let rates = self.rates_for(*tier, length);
                let dearest = |side| {
                    let classes = Class::ALL.into_iter().filter(|class| class.side() == side);
                    classes.map(|class| rates.of(class)).max().unwrap_or_default()
                };
                let parts = [(prompt_tokens, Side::Prompt), (answer_tokens, Side::Answer), (1, Side::Call)];
                bound = bound.max(sum(parts.into_iter().map(|(units, side)| (units, dearest(side))))?);
            }
        }
        Ok(bound)
    }
}

/// Units times their rates, summed exactly, rounded up once.
fn sum(parts: impl Iterator<Item = (u64, PicoUsd)>) -> Result<NanoUsd, MoneyError> {
    let pico = parts
        .map(|(units, rate)| u128::from(units).checked_mul(u128::from(rate.pico())))
        .try_fold(0_u128, |sum, part| part.and_then(|part| sum.checked_add(part)))
        .ok_or(MoneyError::OutOfRange)?;
    NanoUsd::from_pico_rounded_up(pico)
}

#[cfg(test)]
mod tests;
