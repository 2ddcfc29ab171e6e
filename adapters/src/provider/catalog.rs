//! The catalog: what is known of models, rows of `catalog.toml`. It seeds prices and tells people what a model can do;
//! it decides nothing that a deployment says of itself.

use std::collections::BTreeMap;

use serde::Deserialize;
use tallygate_core::id::{InvalidId, VendorId};
use tallygate_core::money::{MoneyError, PicoUsd};
use tallygate_core::price::{Class, InvalidPrice, Price, PriceList, Rates, ServiceTier, Variant};

use super::differences::Differences;

/// What is known of a model.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Whose model it is.
    pub vendor: VendorId,
    /// The name that the vendor knows it by.
    pub name: String,
    /// What it is for, in LiteLLM's words: `chat`, `responses`, `embedding`.
    pub mode: String,
    /// The longest prompt, in tokens.
    pub context_tokens: Option<u64>,
    /// The longest prompt with everything switched on that makes it longer, in tokens: what bounds a call.
    pub longest_context_tokens: Option<u64>,
    /// The longest answer, in tokens.
    pub max_output_tokens: Option<u64>,
    /// Whether it streams its answers.
    pub streams: bool,
    /// What it can do.
    pub abilities: Vec<Ability>,
    /// How it differs from other models of its vendor and its family, for those who write requests to it.
    pub differs: Differences,
    /// What it costs; none if that is not known, or in a unit that is not counted.
    pub price: Option<Price>,
    /// A price in a unit that is not counted, in words.
    pub other_price: Option<String>,
    /// From which day on its vendor serves it no more: `2026-05-01`.
    pub retired: Option<String>,
    /// Where this is from.
    pub source: String,
    /// Of which day that is: `2026-08-06`.
    pub source_date: String,
}

/// What a model can do. A closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// It calls tools.
    Tools,
    /// It sees images.
    Vision,
    /// It thinks before it answers.
    Reasoning,
    /// It answers in a JSON schema.
    Schema,
    /// It caches prompts.
    Cache,
    /// It hears.
    Audio,
    /// It reads PDF files.
    Pdf,
}

impl Ability {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Tools, Self::Vision, Self::Reasoning, Self::Schema, Self::Cache, Self::Audio, Self::Pdf];

    /// LiteLLM's name for it, in `model_info`.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Tools => "supports_function_calling",
            Self::Vision => "supports_vision",
            Self::Reasoning => "supports_reasoning",
            Self::Schema => "supports_response_schema",
            Self::Cache => "supports_prompt_caching",
            Self::Audio => "supports_audio_input",
            Self::Pdf => "supports_pdf_input",
        }
    }
}

/// All models of which something is known.
#[derive(Debug, Clone)]
pub struct Catalog {
    entries: Vec<Entry>,
    /// By vendor and name: which entry.
    by_name: BTreeMap<VendorId, BTreeMap<String, usize>>,
}

/// Why a catalog cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCatalog {
    /// It is not TOML of the right form.
    #[error("the catalog of models cannot be read")]
    Form(#[source] Box<toml::de::Error>),
    /// A vendor's id cannot be one.
    #[error("the vendor of {0} is not one")]
    Vendor(String, #[source] InvalidId),
    /// A price is not a decimal number of dollars.
    #[error("a price of {0} is not one")]
    Amount(String, #[source] MoneyError),
    /// Prices that make no price.
    #[error("the prices of {0} are not acceptable")]
    Price(String, #[source] InvalidPrice),
    /// Two rows are about one model.
    #[error("two rows are about {0}")]
    Twice(String),
}

impl Catalog {
    /// The models that this build knows.
    ///
    /// # Errors
    /// [`InvalidCatalog`]; a test reads the same file, so a build that passed it has none.
    pub fn builtin() -> Result<Self, InvalidCatalog> {
        Self::parse(include_str!("catalog.toml"))
    }

    fn parse(text: &str) -> Result<Self, InvalidCatalog> {
        let file: File = toml::from_str(text).map_err(|error| InvalidCatalog::Form(Box::new(error)))?;
        let mut catalog = Self { entries: Vec::with_capacity(file.model.len()), by_name: BTreeMap::new() };
        for row in file.model {
            let names: Vec<String> = std::iter::once(row.name.clone()).chain(row.also.clone()).collect();
            let entry = row.entry(&file.source, &file.date)?;
            let index = catalog.entries.len();
            for name in names {
                let told = format!("{}/{name}", entry.vendor);
                if catalog.by_name.entry(entry.vendor.clone()).or_default().insert(name, index).is_some() {
                    return Err(InvalidCatalog::Twice(told));
                }
            }
            catalog.entries.push(entry);
        }
        Ok(catalog)
    }

    /// All models, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// What is known of a vendor's model.
    #[must_use]
    pub fn get(&self, vendor: &VendorId, upstream_model: &str) -> Option<&Entry> {
        self.entries.get(*self.by_name.get(vendor)?.get(upstream_model)?)
    }

    /// What the models cost, by all their names.
    #[must_use]
    pub fn prices(&self) -> PriceList {
        let mut list = PriceList::empty();
        for (vendor, names) in &self.by_name {
            for (name, index) in names {
                if let Some(price) = self.entries.get(*index).and_then(|entry| entry.price.clone()) {
                    list.put(vendor.clone(), name.clone(), price);
                }
            }
        }
        list
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    source: String,
    date: String,
    model: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    vendor: String,
    name: String,
    #[serde(default)]
    also: Vec<String>,
    mode: String,
    context: Option<u64>,
    longest_context: Option<u64>,
    max_output: Option<u64>,
    streams: Option<bool>,
    #[serde(default)]
    can: Vec<Ability>,
    #[serde(default)]
    abilities: Differences,
    price: Option<Dollars>,
    above: Option<Above>,
    other_price: Option<String>,
    retired: Option<String>,
    source: Option<String>,
    date: Option<String>,
}

/// US dollars for a million tokens, as decimal texts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dollars {
    input: Option<String>,
    output: Option<String>,
    cached_input: Option<String>,
    cache_write: Option<String>,
    cache_write_1h: Option<String>,
    audio_input: Option<String>,
    image_input: Option<String>,
    image_output: Option<String>,
}

/// Written flat, so that a row stays short.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Above {
    tokens: u64,
    input: Option<String>,
    output: Option<String>,
    cached_input: Option<String>,
}

impl Row {
    fn entry(self, source: &str, date: &str) -> Result<Entry, InvalidCatalog> {
        let told = format!("{}/{}", self.vendor, self.name);
        let vendor = VendorId::new(self.vendor).map_err(|error| InvalidCatalog::Vendor(told.clone(), error))?;
        Ok(Entry {
            price: price(&told, self.price, self.above)?,
            vendor,
            name: self.name,
            mode: self.mode,
            context_tokens: self.context,
            longest_context_tokens: self.longest_context.or(self.context),
            max_output_tokens: self.max_output,
            streams: self.streams.unwrap_or(true),
            abilities: self.can,
            differs: self.abilities,
            other_price: self.other_price,
            retired: self.retired,
            source: self.source.unwrap_or_else(|| source.to_owned()),
            source_date: self.date.unwrap_or_else(|| date.to_owned()),
        })
    }
}

fn price(told: &str, dollars: Option<Dollars>, above: Option<Above>) -> Result<Option<Price>, InvalidCatalog> {
    let Some(dollars) = dollars else { return Ok(None) };
    let rates = rates(
        told,
        [
            (Class::Input, dollars.input),
            (Class::Output, dollars.output),
            (Class::CachedInput, dollars.cached_input),
            (Class::CacheWrite, dollars.cache_write),
            (Class::CacheWriteHour, dollars.cache_write_1h),
            (Class::AudioInput, dollars.audio_input),
            (Class::ImageInput, dollars.image_input),
            (Class::ImageOutput, dollars.image_output),
        ],
    )?;
    let mut variants = Vec::new();
    if let Some(Above { tokens, input, output, cached_input }) = above {
        let classes = [(Class::Input, input), (Class::Output, output), (Class::CachedInput, cached_input)];
        variants.push(Variant {
            service_tier: ServiceTier::Standard,
            above_prompt_tokens: tokens,
            rates: self::rates(told, classes)?,
        });
    }
    Price::new(rates, variants).map(Some).map_err(|error| InvalidCatalog::Price(told.to_owned(), error))
}

fn rates<const N: usize>(told: &str, dollars: [(Class, Option<String>); N]) -> Result<Rates, InvalidCatalog> {
    let mut rates = Rates::NONE;
    for (class, text) in dollars {
        if let Some(text) = text {
            // Dollars for a million tokens, read as dollars for one.
            let price = PicoUsd::parse_usd_per_unit(&format!("{text}e-6"));
            rates.set(class, Some(price.map_err(|error| InvalidCatalog::Amount(told.to_owned(), error))?));
        }
    }
    Ok(rates)
}

#[cfg(test)]
mod tests {
    use super::{Ability, Catalog, InvalidCatalog};
    use crate::provider::vendors::Vendors;
    use tallygate_core::id::VendorId;
    use tallygate_core::money::PicoUsd;
    use tallygate_core::price::{Class, ServiceTier};

    fn builtin() -> Catalog {
        Catalog::builtin().unwrap()
    }

    fn vendor(id: &str) -> VendorId {
        VendorId::new(id).unwrap()
    }

    #[test]
    fn the_catalog_knows_what_the_guides_name() {
        let catalog = builtin();
        for (id, name) in [
            ("openai", "gpt-5"),
            ("openai", "gpt-5-mini"),
            ("openai", "gpt-4o"),
            ("openai", "gpt-4o-mini"),
            ("openai", "o1-pro"),
            ("anthropic", "claude-sonnet-4-5"),
            ("anthropic", "claude-3-opus"),
            ("anthropic", "claude-3-sonnet"),
            ("gemini", "gemini-2.5-pro"),
            ("gemini", "gemini-2.0-flash"),
            ("azure", "gpt-4o"),
            ("azure", "gpt-35-turbo"),
            ("deepseek", "deepseek-chat"),
            ("deepseek", "deepseek-r1"),
            ("ollama", "llama3.2"),
            ("ollama", "mistral"),
        ] {
            let entry = catalog.get(&vendor(id), name).unwrap_or_else(|| panic!("{id}/{name}"));
            assert!(entry.price.is_some(), "{id}/{name}");
        }
        assert!(catalog.iter().count() >= 50, "{}", catalog.iter().count());
    }

    #[test]
    fn figures_are_read_exactly() {
        let catalog = builtin();
        let sonnet = catalog.get(&vendor("anthropic"), "claude-sonnet-4-5").unwrap();
        let price = sonnet.price.as_ref().unwrap();
        let pico = |tier, prompt, class| price.rates_for(tier, prompt).of(class).pico();
        assert_eq!(pico(ServiceTier::Standard, 200_000, Class::Input), 3_000_000);
        assert_eq!(pico(ServiceTier::Standard, 200_001, Class::Input), 6_000_000);
        assert_eq!(pico(ServiceTier::Standard, 200_001, Class::Output), 22_500_000);
        assert_eq!(pico(ServiceTier::Standard, 1, Class::CacheWriteHour), 6_000_000);
        assert_eq!((sonnet.context_tokens, sonnet.longest_context_tokens), (Some(200_000), Some(1_000_000)));
        let smallest = catalog.get(&vendor("deepseek"), "deepseek-v4-flash").unwrap().price.as_ref().unwrap();
        assert_eq!(smallest.rates().own(Class::CachedInput), Some(PicoUsd::new(2_800)));
        assert!(catalog.get(&vendor("openai"), "o1-pro").is_some_and(|entry| !entry.streams));
        assert!(sonnet.abilities.contains(&Ability::Reasoning));
    }

    #[test]
    fn a_price_in_a_unit_that_is_not_counted_is_words_and_no_price() {
        let catalog = builtin();
        for entry in catalog.iter() {
            assert!(entry.price.is_none() || entry.other_price.is_none(), "{}", entry.name);
        }
        assert!(catalog.prices().get(&vendor("openai"), "whisper-1").is_none());
        assert_eq!(
            catalog.prices().get(&vendor("azure"), "gpt-35-turbo"),
            catalog.get(&vendor("azure"), "gpt-3.5-turbo").unwrap().price.as_ref()
        );
    }

    /// What the source is known to get wrong is not here.
    #[test]
    fn no_price_of_the_catalog_is_out_of_order() {
        for entry in builtin().iter() {
            let Some(price) = &entry.price else { continue };
            let own = |class| price.rates().own(class).map(PicoUsd::pico);
            let input = own(Class::Input).unwrap();
            assert!(own(Class::CachedInput).is_none_or(|cached| cached <= input), "{}", entry.name);
            let write = own(Class::CacheWrite).unwrap_or(input);
            assert!(write >= input && own(Class::CacheWriteHour).is_none_or(|hour| hour >= write), "{}", entry.name);
        }
    }

    #[test]
    fn every_vendor_is_one() {
        let vendors = Vendors::builtin().unwrap();
        for entry in builtin().iter() {
            let id = entry.vendor.as_str();
            assert!(vendors.get(id).is_some_and(|vendor| vendor.id == entry.vendor), "{id}");
        }
    }

    #[test]
    fn a_catalog_that_contradicts_itself_is_refused() {
        let file = |rows: &str| Catalog::parse(&format!("source = \"s\"\ndate = \"d\"\n{rows}"));
        let row = |more: &str| format!("[[model]]\nvendor = \"v\"\nname = \"m\"\nmode = \"chat\"\n{more}\n");
        assert!(file(&row("")).is_ok());
        assert!(matches!(file(&(row("") + &row(""))), Err(InvalidCatalog::Twice(_))));
        assert!(matches!(file(&row("price = { input = \"x\", output = \"1\" }")), Err(InvalidCatalog::Amount(..))));
        assert!(matches!(file(&row("price = { input = \"1\" }")), Err(InvalidCatalog::Price(..))));
        assert!(matches!(file(&row("price = { inptu = \"1\" }")), Err(InvalidCatalog::Form(_))));
        assert!(matches!(file(&row("can = [\"fly\"]")), Err(InvalidCatalog::Form(_))));
        assert!(matches!(file(&row("abilities = { fly = true }")), Err(InvalidCatalog::Form(_))));
    }
}
