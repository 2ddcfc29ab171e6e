//! Secrets: a value that no output shows, and where a stored one comes from.
//!
//! A [`Secret`] is plaintext in memory; it prints as stars wherever it is printed. What events and views hold is a
//! [`SecretSource`]: the name of an environment variable, or a ciphertext that only the gateways' key opens.

mod hex;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What LiteLLM's configuration writes before the name of an environment variable.
const ENVIRONMENT_PREFIX: &str = "os.environ/";
/// What stands for a secret wherever one would be printed.
const STARS: &str = "***";

/// A secret in plaintext. `Debug`, `Display` and `Serialize` show stars; [`Secret::expose`] is the only way to the text.
///
/// It can be read from JSON, since people send secrets, but it can never be written to it.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes a text into custody.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The plaintext. Call it where the bytes leave for their bound host, and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A text that came from where the secret went, with stars wherever it stands.
    #[must_use]
    pub fn hide_in(&self, text: &str) -> String {
        if self.is_empty() { text.to_owned() } else { text.replace(self.expose(), STARS) }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STARS)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STARS)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(STARS)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Where the plaintext of a stored credential comes from. This is what events hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// An environment variable of the gateway, by its name. Which names are allowed, the vault decides on each use.
    Environment(String),
    /// A ciphertext.
    Sealed(SealedSecret),
}

impl SecretSource {
    /// The name in `os.environ/NAME`; none if the text is no such reference, and so is a secret itself.
    #[must_use]
    pub fn environment_reference(text: &str) -> Option<&str> {
        text.strip_prefix(ENVIRONMENT_PREFIX)
    }
}

/// A secret under the gateways' sealing key. In JSON its bytes are lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedSecret {
    /// Names the sealing key, so that a changed gateway secret is recognised instead of looking like damage.
    pub key_id: String,
    /// Random, and never used twice under one key.
    #[serde(with = "hex")]
    pub nonce: [u8; 24],
    /// Ciphertext and tag.
    #[serde(with = "hex")]
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedSecret(key {}, {} bytes)", self.key_id, self.ciphertext.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{SealedSecret, Secret, SecretSource};

    #[test]
    fn a_secret_prints_as_stars_everywhere() {
        let secret = Secret::new("sk-canary");
        let printed = format!("{secret} {secret:?} {secret:#?} {}", serde_json::to_string(&secret).unwrap());
        assert!(!printed.contains("canary"), "{printed}");
        assert_eq!(secret.expose(), "sk-canary");
        assert_eq!(serde_json::from_str::<Secret>("\"sk-canary\"").unwrap().expose(), "sk-canary");
    }

    #[test]
    fn a_secret_is_hidden_in_what_others_say() {
        let secret = Secret::new("sk-canary");
        assert_eq!(secret.hide_in("wrong key: sk-canary (sk-canary)"), "wrong key: *** (***)");
        assert_eq!(Secret::new("").hide_in("as it was"), "as it was");
    }

    #[test]
    fn a_source_has_one_stable_form_in_json() {
        let sealed = SealedSecret { key_id: "ab".to_owned(), nonce: [7; 24], ciphertext: vec![0, 255, 16] };
        let source = SecretSource::Sealed(sealed);
        let json = serde_json::to_string(&source).unwrap();
        let nonce = "07".repeat(24);
        assert_eq!(json, format!(r#"{{"sealed":{{"key_id":"ab","nonce":"{nonce}","ciphertext":"00ff10"}}}}"#));
        assert_eq!(serde_json::from_str::<SecretSource>(&json).unwrap(), source);
        let named = SecretSource::Environment("LITELLM_OPENAI_API_KEY".to_owned());
        assert_eq!(serde_json::to_string(&named).unwrap(), r#"{"environment":"LITELLM_OPENAI_API_KEY"}"#);
    }

    #[test]
    fn hexadecimal_digits_of_another_form_are_refused() {
        for (nonce, ciphertext) in [
            ("07".repeat(23), "00"),
            ("07".repeat(25), "00"),
            ("07".repeat(24), "0"),
            ("07".repeat(24), "0G"),
            ("0A".repeat(24), "00"),
        ] {
            let json = format!(r#"{{"key_id":"ab","nonce":"{nonce}","ciphertext":"{ciphertext}"}}"#);
            assert!(serde_json::from_str::<SealedSecret>(&json).is_err(), "{json}");
        }
    }

    #[test]
    fn only_the_exact_prefix_is_a_reference() {
        assert_eq!(SecretSource::environment_reference("os.environ/A_API_KEY"), Some("A_API_KEY"));
        assert_eq!(SecretSource::environment_reference("OS.ENVIRON/A_API_KEY"), None);
        assert_eq!(SecretSource::environment_reference("sk-1"), None);
    }
}
