//! The vendors: rows of `vendors.toml`, and which of them a model's registration means.

use std::collections::BTreeMap;

use serde::Deserialize;
use tallygate_core::endpoint::{BaseUrl, InvalidUrl};
use tallygate_core::id::{InvalidId, VendorId};
use tallygate_core::port::provider::{Auth, Header};

use super::differences::{Differences, Family};
use super::path_form::PathForm;
use crate::dialect;
use crate::dialect::openai_chat;
use crate::dialect::wire::Dialect;

/// Headers of their own in which vendors want the key.
const KEY_HEADERS: [&str; 3] = ["api-key", "x-api-key", "x-goog-api-key"];

/// A vendor: where it is, what it speaks, and how it differs.
#[derive(Debug, Clone)]
pub struct Vendor {
    /// Its id: the vendor of deployments.
    pub id: VendorId,
    /// Its name, for people.
    pub name: String,
    /// What it speaks, the usual dialect first.
    pub dialects: Vec<&'static dyn Dialect>,
    /// Beginnings of model names that say in which of its dialects the rest of the name is called.
    model_prefixes: Vec<(String, &'static dyn Dialect)>,
    /// Where its embeddings are, in OpenAI's form; none if it has none.
    pub embeddings_path: Option<String>,
    /// Headers that it wants to see with every call.
    pub headers: Vec<Header>,
    /// Where it is, unless a deployment says otherwise; none if every deployment must.
    pub base_url: Option<BaseUrl>,
    /// How it wants to see the key.
    pub auth: Auth,
    /// Whether it can be called without a key.
    pub key_optional: bool,
    /// Environment variables that people set for its key.
    pub key_env: Vec<String>,
    /// Environment variables that people set for its base URL.
    pub base_env: Vec<String>,
    also: Vec<String>,
    litellm: Option<String>,
    bare_models: Vec<String>,
    /// How the path of a call is written, where it is not as the dialect says.
    pub path_form: Option<PathForm>,
    default_path: String,
    ends_with: String,
    never_ends_with: Vec<String>,
    differs: Differences,
    families: Vec<Family>,
}

impl Vendor {
    /// How its models differ from what most can.
    #[must_use]
    pub const fn differs(&self) -> &Differences {
        &self.differs
    }

    /// How some of its models differ from the others.
    #[must_use]
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// Where a deployment of this vendor is called. `given` is what the operator gave, if anything.
    ///
    /// # Errors
    /// [`VendorError::NoBaseUrl`] and [`VendorError::BaseUrl`]. The network rules are another question: [`BaseUrl::check`].
    pub fn endpoint(&self, given: Option<&str>) -> Result<BaseUrl, VendorError> {
        match given {
            Some(given) => self.spelt(given).map_err(VendorError::BaseUrl),
            None => self.base_url.clone().ok_or_else(|| VendorError::NoBaseUrl(self.id.clone())),
        }
    }

    /// The base URL as the dialect wants it, out of one as people write it.
    fn spelt(&self, given: &str) -> Result<BaseUrl, InvalidUrl> {
        let mut url: BaseUrl = given.parse()?;
        let too_much = self.never_ends_with.iter().find(|end| url.path().ends_with(end.as_str()));
        if let Some(end) = too_much {
            url = url.as_str().strip_suffix(end.as_str()).unwrap_or_default().parse()?;
        }
        if !self.default_path.is_empty() {
            url = url.or_path(&self.default_path)?;
        }
        if url.path().ends_with(&self.ends_with) { Ok(url) } else { format!("{url}{}", self.ends_with).parse() }
    }

    /// In which dialects a model is called, the usual one first, and by which name.
    #[must_use]
    pub fn calls<'m>(&self, upstream_model: &'m str) -> (Vec<&'static dyn Dialect>, &'m str) {
        let told = self
            .model_prefixes
            .iter()
            .find_map(|(prefix, of)| Some((*of, upstream_model.strip_prefix(prefix.as_str())?)));
        match told {
            Some((dialect, rest)) => (vec![dialect], rest),
            None => (self.dialects.clone(), upstream_model),
        }
    }

    /// All names that it answers to, its id first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_str()).chain(self.also.iter().map(String::as_str))
    }

    /// The name that LiteLLM has for it.
    #[must_use]
    pub fn name_at_litellm(&self) -> &str {
        self.litellm.as_deref().unwrap_or(self.id.as_str())
    }

    fn answers_to(&self, prefix: &str) -> bool {
        self.id.as_str() == prefix || self.also.iter().any(|also| also == prefix)
    }
}

/// All vendors.
#[derive(Debug, Clone)]
pub struct Vendors {
    rows: Vec<Vendor>,
}

/// Why a registration means no vendor, or cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VendorError {
    /// No vendor has this name.
    #[error("there is no vendor `{name}`; there are {known}")]
    Unknown {
        /// What was asked for, cut to 64 characters.
        name: String,
        /// The ids of all vendors.
        known: String,
    },
    /// The model says nothing about its vendor.
    #[error("the model names no vendor: write `vendor/model`, or give a base URL; the vendors are {known}")]
    NotNamed {
        /// The ids of all vendors.
        known: String,
    },
    /// The upstream's name of the model is empty.
    #[error("the model has no name behind its vendor")]
    NoModel,
    /// The vendor has no address of its own.
    #[error("the vendor {0} has no address of its own: give a base URL")]
    NoBaseUrl(VendorId),
    /// The base URL is none.
    #[error("the base URL is not acceptable: {0}")]
    BaseUrl(InvalidUrl),
}

/// Why a table of vendors cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidVendors {
    /// It is not TOML of the right form.
    #[error("the table of vendors cannot be read")]
    Form(#[source] Box<toml::de::Error>),
    /// An id cannot be one.
    #[error("a vendor's id is not one")]
    Id(#[source] InvalidId),
    /// A base URL cannot be one.
    #[error("the base URL of {0} is not one")]
    Url(VendorId, #[source] InvalidUrl),
    /// Two vendors answer to one name.
    #[error("two vendors answer to `{0}`")]
    Twice(String),
    /// It speaks nothing, or what is not built.
    #[error("the vendor {0} speaks no dialect `{1}` that is built")]
    Dialect(VendorId, String),
    /// A path could not be written by its form.
    #[error("the form of paths of {0} lacks something")]
    PathForm(VendorId),
    /// Families of models cannot be read.
    #[error("the table of families of models cannot be read")]
    Families(#[source] Box<toml::de::Error>),
    /// A header's name is not in lower case, or not one that is known.
    #[error("the vendor {0} wants its key in a header that is not known")]
    Header(VendorId),
}

impl Vendors {
    /// The vendors that this build knows.
    ///
    /// # Errors
    /// [`InvalidVendors`]; a test reads the same table, so a build that passed it has none.
    pub fn builtin() -> Result<Self, InvalidVendors> {
        let families = Family::builtin().map_err(|error| InvalidVendors::Families(Box::new(error)))?;
        let mut vendors = Self::parse(include_str!("vendors.toml"))?;
        for vendor in &mut vendors.rows {
            vendor.families = families.iter().filter(|family| family.is_of(&vendor.id)).cloned().collect();
        }
        Ok(vendors)
    }

    /// All vendors, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = &Vendor> {
        self.rows.iter()
    }

    /// The vendor with an id, or that answers to it.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Vendor> {
        self.rows.iter().find(|vendor| vendor.answers_to(id))
    }

    /// The vendor and the upstream's name of the model that a registration means: `litellm_params.model`,
    /// `custom_llm_provider` and whether it gives a base URL.
    ///
    /// A named provider wins, then the prefix of the model, then what the name alone tells. A name that tells nothing,
    /// with a base URL, is OpenAI-compatible.
    ///
    /// # Errors
    /// [`VendorError::Unknown`], [`VendorError::NotNamed`], [`VendorError::NoModel`].
    pub fn resolve<'m>(
        &self,
        model: &'m str,
        provider: Option<&str>,
        has_base_url: bool,
    ) -> Result<(&Vendor, &'m str), VendorError> {
        let (vendor, upstream) = match (provider, model.split_once('/')) {
            (Some(provider), split) => {
                let vendor = self.get(provider).ok_or_else(|| self.unknown(provider))?;
                let prefixed = split.filter(|(prefix, _)| *prefix == provider || vendor.answers_to(prefix));
                (vendor, prefixed.map_or(model, |(_, rest)| rest))
            }
            (None, split) => match split.and_then(|(prefix, rest)| Some((self.get(prefix)?, rest))) {
                Some(found) => found,
                None => (self.by_name_alone(model, has_base_url)?, model),
            },
        };
        if upstream.is_empty() { Err(VendorError::NoModel) } else { Ok((vendor, upstream)) }
    }

    fn by_name_alone(&self, model: &str, has_base_url: bool) -> Result<&Vendor, VendorError> {
        if has_base_url && let Some(vendor) = self.get("openai-compatible") {
            return Ok(vendor);
        }
        let means = |vendor: &&Vendor| vendor.bare_models.iter().any(|start| model.starts_with(start.as_str()));
        match (self.rows.iter().find(means), model.split_once('/')) {
            (Some(vendor), None) => Ok(vendor),
            (_, Some((prefix, _))) => Err(self.unknown(prefix)),
            (None, None) => Err(VendorError::NotNamed { known: self.known() }),
        }
    }

    fn unknown(&self, name: &str) -> VendorError {
        VendorError::Unknown { name: name.chars().take(64).collect(), known: self.known() }
    }

    fn known(&self) -> String {
        self.rows.iter().map(|vendor| vendor.id.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn parse(text: &str) -> Result<Self, InvalidVendors> {
        let table: Table = toml::from_str(text).map_err(|error| InvalidVendors::Form(Box::new(error)))?;
        let rows = table.vendor.into_iter().map(Row::into_vendor).collect::<Result<Vec<_>, _>>()?;
        let mut names = std::collections::BTreeSet::new();
        for vendor in &rows {
            for name in std::iter::once(vendor.id.as_str()).chain(vendor.also.iter().map(String::as_str)) {
                if !names.insert(name) {
                    return Err(InvalidVendors::Twice(name.to_owned()));
                }
            }
        }
        Ok(Self { rows })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    vendor: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    #[serde(default)]
    also: Vec<String>,
    litellm: Option<String>,
    name: String,
    dialects: Vec<String>,
    #[serde(default)]
    model_prefixes: BTreeMap<String, String>,
    #[serde(default)]
    embeddings_path: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    base_url: Option<String>,
    #[serde(default)]
    default_path: String,
    #[serde(default)]
    ends_with: String,
    #[serde(default)]
    never_ends_with: Vec<String>,
    path_form: Option<PathForm>,
    auth: RowAuth,
    #[serde(default)]
    key_optional: bool,
    #[serde(default)]
    key_env: Vec<String>,
    #[serde(default)]
    base_env: Vec<String>,
    #[serde(default)]
    bare_models: Vec<String>,
    #[serde(default)]
    abilities: Differences,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RowAuth {
    Bearer,
    Header(String),
}

impl Row {
    fn into_vendor(self) -> Result<Vendor, InvalidVendors> {
        let id = VendorId::new(&self.id).map_err(InvalidVendors::Id)?;
        let url = |text: String| text.parse().map_err(|error| InvalidVendors::Url(id.clone(), error));
        let auth = match self.auth {
            RowAuth::Bearer => Auth::Bearer,
            RowAuth::Header(name) => {
                let known = KEY_HEADERS.into_iter().find(|known| *known == name);
                Auth::Header(known.ok_or_else(|| InvalidVendors::Header(id.clone()))?)
            }
        };
        let of_name =
            |name: &String| dialect::of_name(name).ok_or_else(|| InvalidVendors::Dialect(id.clone(), name.clone()));
        let dialects = self.dialects.iter().map(of_name).collect::<Result<Vec<_>, _>>()?;
        let prefixed = self.model_prefixes.iter().map(|(prefix, name)| Ok((prefix.clone(), of_name(name)?)));
        let model_prefixes = prefixed.collect::<Result<Vec<_>, InvalidVendors>>()?;
        if dialects.is_empty() {
            return Err(InvalidVendors::Dialect(id, String::new()));
        }
        if self.path_form.as_ref().is_some_and(|form| !form.is_complete()) {
            return Err(InvalidVendors::PathForm(id));
        }
        let speaks_chat = dialects.iter().any(|dialect| dialect.name() == openai_chat::translate::NAME);
        let headers = self.headers.into_iter().map(|(name, value)| Header { name: name.into(), value }).collect();
        Ok(Vendor {
            base_url: self.base_url.map(url).transpose()?,
            id,
            name: self.name,
            dialects,
            model_prefixes,
            embeddings_path: self.embeddings_path.or_else(|| speaks_chat.then(|| "/embeddings".to_owned())),
            headers,
            auth,
            key_optional: self.key_optional,
            key_env: self.key_env,
            base_env: self.base_env,
            also: self.also,
            litellm: self.litellm,
            bare_models: self.bare_models,
            path_form: self.path_form,
            default_path: self.default_path,
            ends_with: self.ends_with,
            never_ends_with: self.never_ends_with,
            differs: self.abilities,
            families: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests;
