//! The vendors: rows of `vendors.toml`, and which of them a model's registration means.

use serde::Deserialize;
use tallygate_core::endpoint::{BaseUrl, InvalidUrl};
use tallygate_core::id::{InvalidId, VendorId};
use tallygate_core::port::provider::Auth;

use crate::dialect::openai_chat::LimitField;

/// A vendor: where it is, what it speaks, and how it differs.
#[derive(Debug, Clone)]
pub struct Vendor {
    /// Its id: the vendor of deployments.
    pub id: VendorId,
    /// Its name, for people.
    pub name: String,
    /// What it speaks.
    pub dialect: Dialect,
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
    bare_models: Vec<String>,
    default_path: String,
    quirks: Vec<Quirk>,
}

/// A wire format that is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// [`crate::dialect::openai_chat`].
    OpenaiChat,
}

/// How a vendor differs from others of its dialect. A closed list: each is handled where the dialect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Quirk {
    /// It tells the usage of a stream when asked with `stream_options.include_usage`. Without this it is not asked: it
    /// tells anyhow, or refuses the field.
    UsageOnRequest,
    /// It calls the limit of output `max_completion_tokens`.
    MaxCompletionTokens,
}

impl Vendor {
    /// Whether it should be asked for the usage of a stream.
    #[must_use]
    pub fn tells_usage_on_request(&self) -> bool {
        self.quirks.contains(&Quirk::UsageOnRequest)
    }

    /// What it calls the limit of output.
    #[must_use]
    pub fn limit_field(&self) -> LimitField {
        if self.quirks.contains(&Quirk::MaxCompletionTokens) {
            LimitField::MaxCompletionTokens
        } else {
            LimitField::MaxTokens
        }
    }

    /// Where a deployment of this vendor is called. `given` is what the operator gave, if anything.
    ///
    /// # Errors
    /// [`VendorError::NoBaseUrl`] and [`VendorError::BaseUrl`]. The network rules are another question: [`BaseUrl::check`].
    pub fn endpoint(&self, given: Option<&str>) -> Result<BaseUrl, VendorError> {
        match given {
            Some(given) => given
                .parse()
                .and_then(
                    |url: BaseUrl| if self.default_path.is_empty() { Ok(url) } else { url.or_path(&self.default_path) },
                )
                .map_err(VendorError::BaseUrl),
            None => self.base_url.clone().ok_or_else(|| VendorError::NoBaseUrl(self.id.clone())),
        }
    }

    /// All names that it answers to, its id first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_str()).chain(self.also.iter().map(String::as_str))
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
        Self::parse(include_str!("vendors.toml"))
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
    name: String,
    dialect: Dialect,
    base_url: Option<String>,
    #[serde(default)]
    default_path: String,
    auth: RowAuth,
    #[serde(default)]
    key_optional: bool,
    #[serde(default)]
    key_env: Vec<String>,
    #[serde(default)]
    base_env: Vec<String>,
    #[serde(default)]
    bare_models: Vec<String>,
    quirks: Vec<Quirk>,
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
            RowAuth::Header(name) if name == "api-key" => Auth::Header("api-key"),
            RowAuth::Header(name) if name == "x-api-key" => Auth::Header("x-api-key"),
            RowAuth::Header(_) => return Err(InvalidVendors::Header(id)),
        };
        Ok(Vendor {
            base_url: self.base_url.map(url).transpose()?,
            id,
            name: self.name,
            dialect: self.dialect,
            auth,
            key_optional: self.key_optional,
            key_env: self.key_env,
            base_env: self.base_env,
            also: self.also,
            bare_models: self.bare_models,
            default_path: self.default_path,
            quirks: self.quirks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidVendors, VendorError, Vendors};
    use crate::secret::is_allowed_name;
    use tallygate_core::endpoint::NetworkPolicy;

    fn vendors() -> Vendors {
        Vendors::builtin().unwrap()
    }

    #[test]
    fn every_row_may_be_called_with_a_key_that_may_be_read() {
        for vendor in vendors().iter() {
            if let Some(url) = &vendor.base_url {
                url.check(&NetworkPolicy::default()).unwrap();
            }
            for name in &vendor.key_env {
                assert!(is_allowed_name(name), "{name}");
            }
        }
    }

    #[test]
    fn a_registration_means_one_vendor_and_one_model() {
        let vendors = vendors();
        for (model, provider, has_base_url, vendor, upstream) in [
            ("openai/gpt-5", None, false, "openai", "gpt-5"),
            ("openai/gpt-5", None, true, "openai", "gpt-5"),
            ("gpt-5-mini", None, false, "openai", "gpt-5-mini"),
            ("gpt-5-mini", Some("openai"), false, "openai", "gpt-5-mini"),
            ("deepseek/deepseek-chat", None, false, "deepseek", "deepseek-chat"),
            ("together/meta-llama/Llama-3", None, false, "together_ai", "meta-llama/Llama-3"),
            ("meta-llama/Llama-3", Some("together_ai"), false, "together_ai", "meta-llama/Llama-3"),
            ("openai/gpt-oss-120b", Some("groq"), false, "groq", "openai/gpt-oss-120b"),
            ("groq/openai/gpt-oss-120b", Some("groq"), false, "groq", "openai/gpt-oss-120b"),
            ("accounts/x/models/y", None, true, "openai-compatible", "accounts/x/models/y"),
            ("my-model", None, true, "openai-compatible", "my-model"),
            ("ollama_chat/llama3", None, true, "ollama", "llama3"),
        ] {
            let (found, name) = vendors.resolve(model, provider, has_base_url).unwrap();
            assert_eq!((found.id.as_str(), name), (vendor, upstream), "{model} {provider:?}");
        }
    }

    #[test]
    fn what_is_not_built_is_not_there() {
        let vendors = vendors();
        for model in ["azure/gpt", "bedrock/claude", "vertex_ai/gemini", "nobody/x"] {
            assert!(matches!(vendors.resolve(model, None, false), Err(VendorError::Unknown { .. })), "{model}");
        }
        assert!(matches!(vendors.resolve("x", Some("azure"), true), Err(VendorError::Unknown { .. })));
        assert!(matches!(vendors.resolve("my-model", None, false), Err(VendorError::NotNamed { .. })));
        assert_eq!(vendors.resolve("openai/", None, false).unwrap_err(), VendorError::NoModel);
        assert_eq!(vendors.resolve("", Some("openai"), false).unwrap_err(), VendorError::NoModel);
    }

    #[test]
    fn an_endpoint_is_the_vendors_own_or_the_one_that_is_given() {
        let vendors = vendors();
        let endpoint =
            |vendor: &str, given: Option<&str>| vendors.get(vendor).unwrap().endpoint(given).map(|url| url.to_string());
        assert_eq!(endpoint("openai", None).unwrap(), "https://api.openai.com/v1");
        assert_eq!(endpoint("ollama", Some("http://ollama:11434")).unwrap(), "http://ollama:11434/v1");
        assert_eq!(endpoint("openai-compatible", Some("http://ollama:11434/v1")).unwrap(), "http://ollama:11434/v1");
        assert_eq!(endpoint("openai-compatible", Some("http://llm:8000")).unwrap(), "http://llm:8000");
        assert!(matches!(endpoint("openai-compatible", None), Err(VendorError::NoBaseUrl(_))));
        assert!(matches!(endpoint("openai", Some("ftp://x")), Err(VendorError::BaseUrl(_))));
    }

    #[test]
    fn a_careless_row_is_refused() {
        let row = |more: &str| {
            format!(
                "[[vendor]]\nid = \"a\"\nname = \"A\"\ndialect = \"openai_chat\"\nauth = \"bearer\"\nquirks = []\n{more}\n"
            )
        };
        assert!(Vendors::parse(&row("")).is_ok());
        assert!(matches!(Vendors::parse(&(row("") + &row(""))), Err(InvalidVendors::Twice(_))));
        assert!(matches!(Vendors::parse(&row("also = [\"a\"]")), Err(InvalidVendors::Twice(_))));
        assert!(matches!(Vendors::parse(&row("base_url = \"x\"")), Err(InvalidVendors::Url(..))));
        for more in ["typo = 1", "quirks = [\"unheard_of\"]", "dialect = \"unheard_of\""] {
            assert!(matches!(Vendors::parse(&row(more)), Err(InvalidVendors::Form(_))), "{more}");
        }
    }
}
