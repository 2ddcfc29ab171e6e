//! What can be wrong with a price, and what is strange about one.

use std::collections::BTreeMap;
use std::fmt;

use tallygate_core::money::{MoneyError, PicoUsd};
use tallygate_core::price::{Class, ServiceTier};

use crate::litellm::price_name::PriceName;

/// More than this for one token is a mistake in the unit: 10,000 $ for a million tokens, some sixteen times the dearest.
const TOKEN_MAX: PicoUsd = PicoUsd::new(10_000_000_000);
/// The same for a call: 100 $.
const CALL_MAX: PicoUsd = PicoUsd::new(100_000_000_000_000);
/// What answers with text that is charged.
const ANSWERING: [&str; 3] = ["chat", "completion", "responses"];

/// Something that is wrong with an entry, or strange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the entry can be used.
    pub severity: Severity,
    /// The field; empty for the entry as a whole.
    pub field: String,
    /// What about it.
    pub what: String,
}

/// Whether an entry with a finding can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It can.
    Warning,
    /// It cannot.
    Error,
}

impl Finding {
    pub(super) fn error(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { severity: Severity::Error, field: field.into(), what: what.into() }
    }

    pub(super) fn warning(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, field: field.into(), what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.severity == Severity::Error { "error" } else { "warning" };
        if self.field.is_empty() {
            write!(f, "{severity}: {}", self.what)
        } else {
            write!(f, "{severity}: {}: {}", self.field, self.what)
        }
    }
}

/// Reads the price of one unit from its digits.
///
/// # Errors
/// Why it is none, in words.
pub(super) fn rate(class: Class, raw: &str) -> Result<PicoUsd, String> {
    let rate = PicoUsd::parse_usd_per_unit(raw).map_err(|error| match error {
        MoneyError::Negative(text) => format!("{text} is negative"),
        MoneyError::TooPrecise { text, places } => {
            format!("{text} has more than {places} decimal places, as a rounding error of floating point numbers leaves them")
        }
        MoneyError::OutOfRange => "it is out of range".to_owned(),
        MoneyError::NotANumber(text) => format!("{text} is no number"),
    })?;
    let most = if class == Class::Request { CALL_MAX } else { TOKEN_MAX };
    if rate > most { Err(format!("{rate} $ a unit is absurd")) } else { Ok(rate) }
}

/// Whether a value is not null, zero or empty.
pub(super) fn says_something(raw: &str) -> bool {
    !matches!(raw, "null" | "{}" | "[]" | "\"\"") && PicoUsd::parse_usd_per_unit(raw) != Ok(PicoUsd::default())
}

/// What is wrong with prices that are prices each.
pub(super) fn check(prices: &BTreeMap<PriceName, PicoUsd>, mode: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let base = |class| prices.get(&PriceName::of(class)).copied();
    for (class, other) in [(Class::Input, Class::Output), (Class::Output, Class::Input)] {
        let answers = mode.is_none_or(|mode| ANSWERING.contains(&mode));
        if answers && base(class).is_none() && base(other).is_some() {
            findings.push(Finding::error(PriceName::of(class).to_string(), "it is missing, and would be free"));
        }
    }
    if !prices.is_empty() && base(Class::Input).is_none() && base(Class::Output).is_none() {
        findings.push(Finding::error("", "neither input nor output has a price"));
    }
    for (name, rate) in prices {
        findings.extend(out_of_order(prices, *name, *rate));
    }
    findings
}

/// What is cheaper or dearer than it can be by all experience.
fn out_of_order(prices: &BTreeMap<PriceName, PicoUsd>, name: PriceName, rate: PicoUsd) -> Option<Finding> {
    let beside = |class| prices.get(&PriceName { class, ..name }).copied();
    let write = || beside(Class::CacheWrite).or_else(|| beside(Class::Input));
    let strange = match name.class {
        Class::CachedInput => beside(Class::Input).filter(|input| rate > *input).map(|_| "dearer than input"),
        Class::CacheWrite => beside(Class::Input).filter(|input| rate < *input).map(|_| "cheaper than input"),
        Class::CacheWriteHour => {
            write().filter(|write| rate < *write).map(|_| "cheaper than five minutes in the cache")
        }
        _ => None,
    };
    let standard = prices.get(&PriceName { tier: ServiceTier::Standard, above_prompt_tokens: 0, class: name.class });
    let strange = strange.or(match (name.tier, name.above_prompt_tokens) {
        (ServiceTier::Batch | ServiceTier::Flex, 0) if standard.is_some_and(|standard| rate > *standard) => {
            Some("dearer than in the standard tier")
        }
        (ServiceTier::Standard, 1..) if standard.is_some_and(|standard| rate < *standard) => {
            Some("cheaper than for short prompts")
        }
        _ => None,
    });
    strange.map(|what| Finding::warning(name.to_string(), what))
}
