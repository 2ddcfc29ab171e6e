//! LiteLLM's price map (`model_prices_and_context_window.json`), read with suspicion: it decides what budgets pay, and the
//! published one is known to hold mistakes. Prices are read from their digits, never as floating point numbers.

mod lint;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tallygate_core::money::PicoUsd;
use tallygate_core::price::Price;

use super::price_name::{Meaning, PriceName, read, to_price};
pub use lint::{Finding, Severity};

/// The longest map that is read, in bytes: some twenty times the published one.
pub const MAP_MAX_BYTES: usize = 32 * 1024 * 1024;
/// The most models of a map.
const ENTRIES_MAX: usize = 100_000;
/// The entry that explains the others.
const SPECIMEN: &str = "sample_spec";

/// A map of prices.
#[derive(Debug)]
pub struct PriceMap {
    entries: BTreeMap<String, Entry>,
}

/// What a map says of one model.
#[derive(Debug)]
pub struct Entry {
    /// Its key in the map.
    pub name: String,
    /// `litellm_provider`.
    pub provider: String,
    /// Its price; none where the map has none, or none that can be used.
    pub price: Option<Price>,
    /// What is wrong with it, or strange.
    pub findings: Vec<Finding>,
}

/// Why a text is no price map.
#[derive(Debug, thiserror::Error)]
pub enum NoPriceMap {
    /// No JSON object.
    #[error("a price map is a JSON object with an object for each model")]
    Form(#[source] serde_json::Error),
    /// Too much.
    #[error("a price map has at most {ENTRIES_MAX} models and {MAP_MAX_BYTES} bytes")]
    TooLarge,
}

impl PriceMap {
    /// Reads a map. What is wrong with one model is a finding of its entry, and stops no other.
    ///
    /// # Errors
    /// [`NoPriceMap`].
    pub fn parse(text: &str) -> Result<Self, NoPriceMap> {
        if text.len() > MAP_MAX_BYTES {
            return Err(NoPriceMap::TooLarge);
        }
        let Members(models) = serde_json::from_str(text).map_err(NoPriceMap::Form)?;
        if models.len() > ENTRIES_MAX {
            return Err(NoPriceMap::TooLarge);
        }
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        for (name, value) in models.into_iter().filter(|(name, _)| name != SPECIMEN) {
            match entries.get_mut(&name) {
                Some(twice) => {
                    twice.price = None;
                    twice.findings.push(Finding::error("", "the model stands twice in the map"));
                }
                None => {
                    entries.insert(name.clone(), Entry::read(name, value));
                }
            }
        }
        Ok(Self { entries })
    }

    /// All entries, by their names.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The entry of a vendor's model: one that is named with the vendor before it, else one that is named by the model
    /// alone and is the vendor's. `vendor_names` are all names of the vendor.
    #[must_use]
    pub fn find(&self, vendor_names: &[&str], upstream_model: &str) -> Option<&Entry> {
        let prefixed = vendor_names.iter().find_map(|vendor| self.entries.get(&format!("{vendor}/{upstream_model}")));
        let is_the_vendors = |entry: &&Entry| vendor_names.contains(&entry.provider.as_str());
        prefixed.or_else(|| self.entries.get(upstream_model).filter(is_the_vendors))
    }
}

impl Entry {
    fn read(name: String, value: &RawValue) -> Self {
        let mut entry = Self { name, provider: String::new(), price: None, findings: Vec::new() };
        match serde_json::from_str::<Members<'_>>(value.get()) {
            Ok(Members(fields)) => entry.read_fields(&fields),
            Err(_) => entry.findings.push(Finding::error("", "it is no object")),
        }
        entry
    }

    fn read_fields(&mut self, fields: &[(String, &RawValue)]) {
        let mut seen = BTreeSet::new();
        let mut prices: BTreeMap<PriceName, PicoUsd> = BTreeMap::new();
        let mut mode = None;
        for (name, value) in fields {
            if !seen.insert(name.as_str()) {
                self.findings.push(Finding::error(name, "it stands twice"));
                continue;
            }
            match (name.as_str(), read(name)) {
                ("litellm_provider", _) => self.provider = serde_json::from_str(value.get()).unwrap_or_default(),
                ("mode", _) => mode = serde_json::from_str::<String>(value.get()).ok(),
                (_, Meaning::Price(price)) => self.read_price(name, price, value.get(), &mut prices),
                (_, Meaning::OtherUnit) if lint::says_something(value.get()) => {
                    self.findings.push(Finding::warning(name, "its unit is not counted: nothing is charged for it"));
                }
                _ if name.contains("multiplier") => {
                    self.findings.push(Finding::warning(name, "multipliers are not applied"));
                }
                _ => {}
            }
        }
        self.findings.extend(lint::check(&prices, mode.as_deref()));
        let is_wrong = self.findings.iter().any(|finding| finding.severity == Severity::Error);
        if prices.is_empty() || is_wrong {
            return;
        }
        match to_price(prices, None) {
            Ok(price) => self.price = Some(price),
            Err(error) => self.findings.push(Finding::error("", error.to_string())),
        }
    }

    fn read_price(&mut self, field: &str, name: PriceName, raw: &str, prices: &mut BTreeMap<PriceName, PicoUsd>) {
        if raw == "null" {
            return;
        }
        match lint::rate(name.class, raw) {
            Ok(rate) => match prices.insert(name, rate) {
                Some(other) if other != rate => {
                    self.findings.push(Finding::error(field, format!("it has another price as well, {other}")));
                }
                _ => {}
            },
            Err(why) => self.findings.push(Finding::error(field, why)),
        }
    }
}

/// The members of an object in their order, those that stand twice too.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests;
