//! Money as LiteLLM writes it: a JSON number of dollars. Only what is shown passes through here; amounts are read from
//! their digits and kept as integers.

use serde_json::Value;
use tallygate_core::money::{NanoUsd, PicoUsd};

/// An amount.
#[must_use]
pub fn usd(amount: NanoUsd) -> Value {
    number(&amount.to_string())
}

/// A price of one unit.
#[must_use]
pub fn usd_per_unit(price: PicoUsd) -> Value {
    let text = price.to_string();
    // LiteLLM's prices are floats, also those that are whole.
    number(&if text.contains('.') { text } else { format!("{text}.0") })
}

/// The number that a decimal text is.
fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{usd, usd_per_unit};
    use tallygate_core::money::{NanoUsd, PicoUsd};

    #[test]
    fn amounts_are_numbers_with_the_digits_that_they_have() {
        for (nano, text) in [(50_000_000_000, "50.0"), (0, "0.0"), (525, "5.25e-7"), (-1_500_000_000, "-1.5")] {
            assert_eq!(usd(NanoUsd::new(nano)).to_string(), text);
        }
        for (pico, text) in [(150_000, "1.5e-7"), (0, "0.0"), (1_000_000_000_000, "1.0")] {
            assert_eq!(usd_per_unit(PicoUsd::new(pico)).to_string(), text);
        }
    }
}
