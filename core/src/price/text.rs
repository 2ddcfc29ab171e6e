//! How a price is written: `{"input_pico_usd":…,"output_pico_usd":…,"cached_input_pico_usd":null,…}` as text, and as one
//! value after another in a row, which does not describe itself.
//!
//! The first four classes are always written, as they were when there were no others: the bytes of a command's body make
//! its digest, and that stays what it was.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Price;
use super::class::{CLASSES, Class};
use super::rates::Rates;
use super::variant::{ServiceTier, Variant};
use crate::money::PicoUsd;

const VARIANTS: &str = "variants";
/// The classes that are written without a price too.
const ALWAYS_WRITTEN: usize = 4;

type RowOfRates = [Option<PicoUsd>; CLASSES];
type Row = (RowOfRates, Vec<(ServiceTier, u64, RowOfRates)>);

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            let variants = self.variants.iter();
            let variants: Vec<_> = variants
                .map(|variant| (variant.service_tier, variant.above_prompt_tokens, variant.rates.as_row()))
                .collect();
            return (self.rates.as_row(), variants).serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        for class in Class::ALL {
            let price = self.rates.own(class);
            if price.is_some() || class.index() < ALWAYS_WRITTEN {
                map.serialize_entry(class.field(), &price)?;
            }
        }
        if !self.variants.is_empty() {
            map.serialize_entry(VARIANTS, &self.variants)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            let (rates, variants) = Row::deserialize(deserializer)?;
            let variants = variants.into_iter().map(|(service_tier, above_prompt_tokens, rates)| Variant {
                service_tier,
                above_prompt_tokens,
                rates: Rates::from_row(rates),
            });
            return Self::new(Rates::from_row(rates), variants.collect()).map_err(D::Error::custom);
        }
        deserializer.deserialize_map(Text)
    }
}

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Price;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a price")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Price, A::Error> {
        let mut rates = Rates::NONE;
        let mut variants: Vec<Variant> = Vec::new();
        let mut seen = Vec::with_capacity(CLASSES + 1);
        while let Some(name) = map.next_key::<String>()? {
            if seen.contains(&name) {
                return Err(A::Error::custom(format_args!("duplicate field `{}`", name.escape_debug())));
            }
            if name == VARIANTS {
                variants = map.next_value()?;
            } else if !rates.read_field(&name, map.next_value()?) {
                return Err(A::Error::custom(format_args!("unknown field `{}`", name.escape_debug())));
            }
            seen.push(name);
        }
        Price::new(rates, variants).map_err(A::Error::custom)
    }
}
