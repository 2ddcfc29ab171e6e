//! Money. Integer nano-dollars with checked arithmetic; prices are pico-dollars a token; rounding is up, once, at the
//! end of a request (invariant 11). No float touches an amount: decimals are read digit by digit.
//!
//! One micro-dollar per million tokens is one pico-dollar per token, so every published price is exact:
//! $0.075 per million tokens = 75,000 pico-dollars a token.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Pico-dollars in a nano-dollar.
pub const PICO_PER_NANO: u128 = 1_000;
/// Decimal places of a nano-dollar.
const NANO_PLACES: u32 = 9;
/// Decimal places of a pico-dollar.
const PICO_PLACES: u32 = 12;

/// An amount of money in nano-dollars (1e-9 USD). The range is ± 9.2 billion dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoUsd(i64);

/// A price in pico-dollars (1e-12 USD) for one unit of usage, mostly one token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PicoUsd(u64);

/// Why a text is not an amount, or a sum is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number at all, or not a finite one.
    #[error("`{0}` is not a decimal number")]
    NotANumber(String),
    /// More digits after the point than the unit has.
    #[error("`{text}` has more than {places} decimal places")]
    TooPrecise {
        /// The text, cut to 64 characters.
        text: String,
        /// How many places there may be.
        places: u32,
    },
    /// Outside the range of the type.
    #[error("the amount is out of range")]
    OutOfRange,
    /// Below zero where only zero and more make sense.
    #[error("`{0}` is negative")]
    Negative(String),
}

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(i64::MAX);

    /// An amount of so many nano-dollars.
    #[must_use]
    pub const fn new(nano: i64) -> Self {
        Self(nano)
    }

    /// The amount in nano-dollars.
    #[must_use]
    pub const fn nano(self) -> i64 {
        self.0
    }

    /// Reads a decimal number of dollars, such as `50`, `0.1` or `1.5e-7`, exactly.
    ///
    /// # Errors
    /// [`MoneyError`] when the text is no number, has more than nine places or is out of range.
    pub fn parse_usd(text: &str) -> Result<Self, MoneyError> {
        let value = parse_decimal(text, NANO_PLACES)?;
        i64::try_from(value).map(Self).map_err(|_| MoneyError::OutOfRange)
    }

    /// As [`Self::parse_usd`], for what cannot be below zero: limits and prices. `-0` is refused too.
    ///
    /// # Errors
    /// [`MoneyError`], also when a minus sign is there.
    pub fn parse_usd_limit(text: &str) -> Result<Self, MoneyError> {
        if text.trim_start().starts_with('-') {
            return Err(MoneyError::Negative(shown(text)));
        }
        Self::parse_usd(text)
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] on overflow.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.0.checked_add(other.0).map(Self).ok_or(MoneyError::OutOfRange)
    }

    /// The difference.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] on overflow.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.0.checked_sub(other.0).map(Self).ok_or(MoneyError::OutOfRange)
    }

    /// The sum, held at the ends of the range. For totals that are only shown: a view must not stop folding because a
    /// number grew past nine billion dollars.
    #[must_use]
    pub const fn saturating_plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, held at the ends of the range.
    #[must_use]
    pub const fn saturating_minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The amount, or nothing where it is below zero.
    #[must_use]
    pub const fn at_least_zero(self) -> Self {
        if self.0 < 0 { Self::ZERO } else { self }
    }

    /// Pico-dollars rounded up to nano-dollars: the one rounding of a request.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when the amount does not fit.
    pub fn from_pico_rounded_up(pico: u128) -> Result<Self, MoneyError> {
        i64::try_from(pico.div_ceil(PICO_PER_NANO)).map(Self).map_err(|_| MoneyError::OutOfRange)
    }
}

impl PicoUsd {
    /// A price of so many pico-dollars a unit.
    #[must_use]
    pub const fn new(pico: u64) -> Self {
        Self(pico)
    }

    /// The price in pico-dollars a unit.
    #[must_use]
    pub const fn pico(self) -> u64 {
        self.0
    }

    /// Reads a decimal number of dollars for one unit, such as `1.5e-07` (LiteLLM's `input_cost_per_token`), exactly.
    ///
    /// # Errors
    /// [`MoneyError`] when the text is no number, is negative, has more than twelve places or is out of range.
    pub fn parse_usd_per_unit(text: &str) -> Result<Self, MoneyError> {
        if text.trim_start().starts_with('-') {
            return Err(MoneyError::Negative(shown(text)));
        }
        u64::try_from(parse_decimal(text, PICO_PLACES)?).map(Self).map_err(|_| MoneyError::OutOfRange)
    }
}

impl fmt::Display for NanoUsd {
    /// Dollars with the digits that are needed, at least two after the point: `0.50`, `0.000000525`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        f.write_str(sign)?;
        f.write_str(itoa::Buffer::new().format(magnitude / 1_000_000_000))?;
        f.write_str(".")?;
        // Behind a one the fraction has all its nine digits.
        let mut buffer = itoa::Buffer::new();
        let fraction = buffer.format(1_000_000_000 + magnitude % 1_000_000_000).get(1..).unwrap_or_default();
        let least = fraction.get(..2).unwrap_or_default();
        let kept = fraction.trim_end_matches('0');
        f.write_str(if kept.len() < least.len() { least } else { kept })
    }
}

impl fmt::Display for PicoUsd {
    /// Dollars for one unit, without trailing zeros: `0.00000015`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:012}", self.0 % 1_000_000_000_000);
        let kept = fraction.trim_end_matches('0');
        let whole = self.0 / 1_000_000_000_000;
        if kept.is_empty() { write!(f, "{whole}") } else { write!(f, "{whole}.{kept}") }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Reads `[+-]digits[.digits][e[+-]digits]` as an integer of `10^-places` units, refusing what does not fit exactly.
fn parse_decimal(text: &str, places: u32) -> Result<i128, MoneyError> {
    let not_a_number = || MoneyError::NotANumber(shown(text));
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| not_a_number())?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not_a_number());
    }
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    let trimmed = significant.trim_end_matches('0');
    // Below, `scale` is the power of ten that turns the trimmed digits into units; every step is bounded.
    let dropped_zeros = i64::try_from(significant.len() - trimmed.len()).map_err(|_| MoneyError::OutOfRange)?;
    let fraction_len = i64::try_from(fraction.len()).map_err(|_| MoneyError::OutOfRange)?;
    let scale = i64::from(places) + i64::from(exponent) - fraction_len + dropped_zeros;
    if scale < 0 {
        return Err(MoneyError::TooPrecise { text: shown(text), places });
    }
    let value = trimmed.parse::<i128>().map_err(|_| MoneyError::OutOfRange)?;
    let factor =
        u32::try_from(scale).ok().and_then(|scale| 10_i128.checked_pow(scale)).ok_or(MoneyError::OutOfRange)?;
    let magnitude = value.checked_mul(factor).ok_or(MoneyError::OutOfRange)?;
    Ok(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::{MoneyError, NanoUsd, PicoUsd};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    #[test]
    fn a_decimal_is_read_exactly() {
        for (text, nano) in [
            ("50", 50_000_000_000),
            ("0.1", 100_000_000),
            ("1e-9", 1),
            ("1.5E2", 150_000_000_000),
            ("-0.25", -250_000_000),
            ("0", 0),
            ("0e999", 0),
            ("100.000000000000", 100_000_000_000),
        ] {
            assert_eq!(NanoUsd::parse_usd(text), Ok(NanoUsd::new(nano)), "{text}");
        }
        assert_eq!(PicoUsd::parse_usd_per_unit("1.5e-07"), Ok(PicoUsd::new(150_000)));
        assert_eq!(PicoUsd::parse_usd_per_unit("2.8e-9"), Ok(PicoUsd::new(2_800)));
    }

    #[test]
    fn what_is_no_amount_is_refused_by_name() {
        for text in ["", "NaN", "Infinity", "-", ".", "1.2.3", "0x10", "1e", "1 "] {
            assert!(matches!(NanoUsd::parse_usd(text), Err(MoneyError::NotANumber(_))), "{text:?}");
        }
        for text in ["1e309", "9223372037", "1e2147483647", "99999999999999999999999999999999999999999999"] {
            assert_eq!(NanoUsd::parse_usd(text), Err(MoneyError::OutOfRange), "{text}");
        }
        for text in ["0.1234567891", "1e-10", "1e-2147483648"] {
            assert!(matches!(NanoUsd::parse_usd(text), Err(MoneyError::TooPrecise { .. })), "{text}");
        }
        for text in ["-1", "-0", "-1e309"] {
            assert!(matches!(NanoUsd::parse_usd_limit(text), Err(MoneyError::Negative(_))), "{text}");
        }
    }

    #[test]
    fn overflow_is_an_error_and_never_wraps() {
        assert_eq!(NanoUsd::MAX.plus(NanoUsd::new(1)), Err(MoneyError::OutOfRange));
        assert_eq!(NanoUsd::new(i64::MIN).minus(NanoUsd::new(1)), Err(MoneyError::OutOfRange));
        assert_eq!(NanoUsd::from_pico_rounded_up(u128::MAX), Err(MoneyError::OutOfRange));
    }

    #[test]
    fn one_pico_dollar_costs_a_whole_nano_dollar() {
        assert_eq!(NanoUsd::from_pico_rounded_up(0), Ok(NanoUsd::ZERO));
        assert_eq!(NanoUsd::from_pico_rounded_up(1), Ok(NanoUsd::new(1)));
        assert_eq!(NanoUsd::from_pico_rounded_up(1_000), Ok(NanoUsd::new(1)));
        assert_eq!(NanoUsd::from_pico_rounded_up(1_001), Ok(NanoUsd::new(2)));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(nano in any::<i64>()) {
            let amount = NanoUsd::new(nano);
            prop_assert_eq!(NanoUsd::parse_usd(&amount.to_string()), Ok(amount));
        }

        #[test]
        fn a_price_that_is_shown_reads_back(pico in any::<u64>()) {
            let price = PicoUsd::new(pico);
            prop_assert_eq!(PicoUsd::parse_usd_per_unit(&price.to_string()), Ok(price));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}") {
            let _ = NanoUsd::parse_usd(&text);
            let _ = PicoUsd::parse_usd_per_unit(&text);
        }
    }
}
