//! The agent's key at the gateway: found, issued, or brought in step with the models that are its default.

use std::collections::BTreeSet;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tallygate_core::key::KeyHash;

use super::BootstrapError;
use crate::operator_client::{Client, ClientError};

/// Where the key's metadata remember for which defaults its models were set: what somebody changed since stays until the
/// defaults change.
const DEFAULTS: &str = "bootstrap_models";
/// The form of the secrets that gateways issue: `sk-` and so many characters of base64url.
const ISSUED_CHARACTERS: usize = 22;

/// What became of the key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The key of the file works, and its models are those of the defaults.
    Kept,
    /// The key of the file works, and has the models of the new defaults now.
    Refreshed,
    /// The gateway did not know the key of the file, and does now: its state was wiped, and agents have the key.
    Restored,
    /// A new key, to be written down.
    Issued(String),
    /// The gateway has a key of this alias whose secret nobody wrote down: another secret of it, to be written down.
    Reissued(String),
}

/// The key that is to be.
#[derive(Debug)]
pub(super) struct AgentKey<'a> {
    pub(super) alias: &'a str,
    pub(super) models: &'a [String],
}

/// What `/key/info` tells. Further fields are for others.
#[derive(Debug, Deserialize)]
struct Found {
    info: Info,
}

#[derive(Debug, Deserialize)]
struct Info {
    models: Vec<String>,
    metadata: Map<String, Value>,
}

/// What `/key/generate` and `/key/regenerate` answer.
#[derive(Debug, Deserialize)]
struct Made {
    key: String,
}

/// What `/key/list` answers.
#[derive(Debug, Deserialize)]
struct Listed {
    keys: Vec<String>,
}

impl AgentKey<'_> {
    /// Sees to the key, given the secret that the file holds, if it holds one.
    ///
    /// # Errors
    /// [`BootstrapError::ForeignKey`], and what the gateway refuses.
    pub(super) async fn ensure(&self, client: &Client, secret: Option<&str>) -> Result<Outcome, BootstrapError> {
        match secret {
            Some(secret) => self.ensure_known(client, secret).await,
            None => self.issue(client).await,
        }
    }

    async fn ensure_known(&self, client: &Client, secret: &str) -> Result<Outcome, BootstrapError> {
        let hash = KeyHash::of_secret(secret).to_string();
        if let Some(info) = info(client, &hash).await? {
            return Ok(if self.refresh(client, &hash, info).await? { Outcome::Refreshed } else { Outcome::Kept });
        }
        if !is_of_a_gateway(secret) || self.of_alias(client).await?.is_some() {
            return Err(BootstrapError::ForeignKey);
        }
        self.generate(client, Some(secret)).await?;
        Ok(Outcome::Restored)
    }

    async fn issue(&self, client: &Client) -> Result<Outcome, BootstrapError> {
        let Some(hash) = self.of_alias(client).await? else {
            return Ok(Outcome::Issued(self.generate(client, None).await?));
        };
        if let Some(info) = info(client, &hash).await? {
            self.refresh(client, &hash, info).await?;
        }
        let made: Made = client.post("/key/regenerate", &json!({ "key": hash })).await?;
        Ok(Outcome::Reissued(made.key))
    }

    async fn generate(&self, client: &Client, secret: Option<&str>) -> Result<String, BootstrapError> {
        let metadata = json!({ DEFAULTS: self.models });
        let mut body = json!({ "key_alias": self.alias, "models": self.models, "metadata": metadata });
        if let Some(secret) = secret {
            body["key"] = json!(secret);
        }
        let made: Made = client.post("/key/generate", &body).await?;
        Ok(made.key)
    }

    /// Sets the models of the defaults if they are not those that the key was last set for. Whether it had to be done.
    async fn refresh(&self, client: &Client, hash: &str, info: Info) -> Result<bool, BootstrapError> {
        let Info { models, mut metadata } = info;
        let before = metadata.get(DEFAULTS).and_then(Value::as_array);
        let before: BTreeSet<&str> = match before {
            Some(before) => before.iter().filter_map(Value::as_str).collect(),
            None => models.iter().map(String::as_str).collect(),
        };
        if before == self.models.iter().map(String::as_str).collect() {
            return Ok(false);
        }
        metadata.insert(DEFAULTS.to_owned(), json!(self.models));
        let body = json!({ "key": hash, "models": self.models, "metadata": metadata });
        let _: Value = client.post("/key/update", &body).await?;
        Ok(true)
    }

    /// The hash of the key that has the alias.
    async fn of_alias(&self, client: &Client) -> Result<Option<String>, BootstrapError> {
        let alias = utf8_percent_encode(self.alias, NON_ALPHANUMERIC);
        let listed: Listed = client.get(format!("/key/list?size=1&key_alias={alias}")).await?;
        Ok(listed.keys.into_iter().next())
    }
}

/// What the gateway knows of a key. It is named by its hash: a secret does not belong into an address.
async fn info(client: &Client, hash: &str) -> Result<Option<Info>, ClientError> {
    match client.get::<Found>(format!("/key/info?key={hash}")).await {
        Ok(found) => Ok(Some(found.info)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a secret has the form of those that gateways issue: a provider's own key must not become a virtual key.
fn is_of_a_gateway(secret: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    secret.strip_prefix("sk-").is_some_and(|rest| rest.len() == ISSUED_CHARACTERS && rest.bytes().all(is_base64url))
}

#[cfg(test)]
mod tests {
    use super::is_of_a_gateway;

    #[test]
    fn a_providers_key_is_not_taken_for_one_of_ours() {
        assert!(is_of_a_gateway(&crate::random::key()));
        for other in [
            "",
            "sk-",
            "sk-proj-0123456789abcdefghij0123456789",
            "sk-0123456789abcdefghij0123",
            "xx-0123456789abcdefghij01",
        ] {
            assert!(!is_of_a_gateway(other), "{other}");
        }
    }
}
