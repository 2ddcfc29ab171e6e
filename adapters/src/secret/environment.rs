//! Secrets in the environment, by an allowlist of names.
//!
//! Who registers a model chooses the name in `os.environ/NAME` and the host that its value is sent to. So the names of
//! the gateway's own secrets must be out of reach, whatever rights that person has.

use std::collections::BTreeMap;

use tallygate_core::port::secret::OpenError;
use tallygate_core::secret::Secret;

/// Endings of names that hold a provider's key, or its address.
const ALLOWED_ENDINGS: [&str; 4] = ["_API_KEY", "_API_BASE", "_BASE_URL", "_API_TOKEN"];
/// What no allowed name may hold: the gateway's own secrets, its clients', and those of its stores.
const FORBIDDEN_WORDS: [&str; 12] = [
    "MASTER",
    "SALT",
    "TALLYGATE",
    "NATS",
    "DATABASE",
    "PASSWORD",
    "PASSWD",
    "REDIS",
    "POSTGRES",
    "PROXY",
    "LICENSE",
    "WEBHOOK",
];
/// The longest name, in bytes.
const NAME_MAX_BYTES: usize = 128;

/// Whether a variable may be read as a provider's secret: upper-case letters, digits and underscores, that end with one of
/// `_API_KEY`, `_API_BASE`, `_BASE_URL`, `_API_TOKEN`, and hold none of the words that mark the gateway's own secrets
/// (`MASTER`, `SALT`, `TALLYGATE`, `NATS`, `DATABASE`, `PASSWORD`, …).
#[must_use]
pub fn is_allowed_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= NAME_MAX_BYTES
        && name.bytes().all(is_plain)
        && ALLOWED_ENDINGS.iter().any(|ending| name.len() > ending.len() && name.ends_with(ending))
        && !FORBIDDEN_WORDS.iter().any(|word| name.contains(word))
}

/// Whether a variable may hold a secret of the gateway's own, its clients' or its stores', by its name.
#[must_use]
pub fn is_own_name(name: &str) -> bool {
    FORBIDDEN_WORDS.iter().any(|word| name.to_ascii_uppercase().contains(word))
}

/// The variables that the gateway was started with and that may be read as provider secrets. The rest is not even kept.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, Secret>,
}

impl Environment {
    /// Keeps the variables with allowed names.
    #[must_use]
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let allowed = variables.into_iter().filter(|(name, _)| is_allowed_name(name));
        Self { variables: allowed.map(|(name, value)| (name, Secret::new(value))).collect() }
    }

    /// The value of a variable, for the reference `os.environ/<name>`.
    ///
    /// # Errors
    /// [`OpenError`]: not allowed, not set, empty, or not what a header can carry.
    pub fn open(&self, name: &str) -> Result<Secret, OpenError> {
        let name_shown = || name.chars().take(NAME_MAX_BYTES).collect::<String>();
        if !is_allowed_name(name) {
            return Err(OpenError::NotAllowed { name: name_shown() });
        }
        let secret = self.variables.get(name).ok_or_else(|| OpenError::NotSet { name: name_shown() })?;
        if secret.is_empty() {
            return Err(OpenError::Empty { name: name_shown() });
        }
        if !secret.expose().bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(OpenError::Character { name: name_shown() });
        }
        Ok(secret.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{Environment, is_allowed_name};
    use tallygate_core::port::secret::OpenError;

    #[test]
    fn names_of_provider_keys_are_allowed() {
        for name in [
            "OPENAI_API_KEY",
            "LITELLM_OPENAI_API_KEY",
            "AZURE_API_BASE",
            "OLLAMA_BASE_URL",
            "HF_API_TOKEN",
            "VENDOR_2_API_KEY",
        ] {
            assert!(is_allowed_name(name), "{name}");
        }
    }

    #[test]
    fn the_gateways_own_secrets_are_out_of_reach() {
        for name in [
            "LITELLM_MASTER_KEY",
            "LITELLM_SALT_KEY",
            "MASTER_API_KEY",
            "TALLYGATE_API_KEY",
            "TALLYGATE_MASTER_KEY",
            "NATS_API_KEY",
            "DATABASE_URL",
            "DATABASE_API_KEY",
            "UI_PASSWORD",
            "UI_PASSWORD_API_KEY",
            "PATH",
            "HOME",
            "AWS_SECRET_ACCESS_KEY",
            "",
            "_API_KEY",
            "openai_api_key",
            "OPENAI_API_KEY ",
            "OPENAI_API_KEY\n",
            "../OPENAI_API_KEY",
            "OPENAI-API_KEY",
            "ＯPENAI_API_KEY",
        ] {
            assert!(!is_allowed_name(name), "{name}");
        }
        assert!(!is_allowed_name(&format!("{}_API_KEY", "A".repeat(121))));
    }

    #[test]
    fn each_way_to_fail_has_its_error() {
        let pairs = [
            ("A_API_KEY", "sk-canary"),
            ("EMPTY_API_KEY", ""),
            ("PASTED_API_KEY", "sk-1\n"),
            ("LITELLM_MASTER_KEY", "sk-master"),
        ];
        let environment = Environment::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(environment.open("A_API_KEY").unwrap().expose(), "sk-canary");
        let name = |name: &str| name.to_owned();
        assert_eq!(environment.open("EMPTY_API_KEY").unwrap_err(), OpenError::Empty { name: name("EMPTY_API_KEY") });
        assert_eq!(
            environment.open("PASTED_API_KEY").unwrap_err(),
            OpenError::Character { name: name("PASTED_API_KEY") }
        );
        assert_eq!(environment.open("B_API_KEY").unwrap_err(), OpenError::NotSet { name: name("B_API_KEY") });
        assert_eq!(
            environment.open("LITELLM_MASTER_KEY").unwrap_err(),
            OpenError::NotAllowed { name: name("LITELLM_MASTER_KEY") }
        );
        let shown = format!("{environment:?}");
        assert!(!shown.contains("canary") && !shown.contains("MASTER"), "{shown}");
    }
}
