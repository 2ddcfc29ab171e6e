//! What an agent is to be told now: its configuration with the opened key, or why there is none.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use tallygate_adapters::provider::doors::OWN_PROVIDER;
use tallygate_core::agent::effective::{Effective, effective};
use tallygate_core::agent::{Agent, Manual, Membership};
use tallygate_core::control::Control;
use tallygate_core::digest::Digest;
use tallygate_core::id::RealmId;
use tallygate_core::key::{Key, KeyHash};
use tallygate_core::port::secret::OpenError;
use tallygate_core::secret::Secret;

use super::sealing;
use crate::http::selector::parameters;
use crate::pipeline::Pipeline;

/// Why there is nothing to tell where a secret cannot be opened here.
const KEY_UNREADABLE: &str = "key_unreadable";

/// What an agent is to be told.
#[derive(Debug)]
pub(crate) struct Told {
    /// What it is to use; none with the reason beside it.
    pub(crate) config: Option<Config>,
    /// A word for why there is nothing to use.
    pub(crate) reason: Option<&'static str>,
    /// The same for the same content.
    pub(crate) fingerprint: Digest,
}

/// What an agent is to use. It is shown with stars in the place of the key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) base_url: Option<String>,
    pub(crate) api_key: Option<Secret>,
    /// The realm whose models it uses; none where it goes past the gateway.
    pub(crate) realm_id: Option<RealmId>,
    /// What its requests are to have, by the preset that was selected; none without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameters: Option<Value>,
}

/// What an agent is to be told, by a state. `base_url` is where it reaches this gateway.
pub(crate) fn told(pipeline: &Pipeline, control: &Control, agent: &Agent, base_url: &str) -> Told {
    let key = |membership: &Membership| key_of(pipeline, membership);
    let config = match effective(control, agent, pipeline.clock.now(), &key) {
        Ok(Effective::Gateway { membership, model, parameters }) => {
            let secret = sealing::open_key(pipeline.upstreams.vault(), &agent.id, membership);
            secret.map_err(|error| unreadable(agent, &error)).map(|secret| Config {
                provider: OWN_PROVIDER.to_owned(),
                model: model.name.to_string(),
                base_url: Some(base_url.to_owned()),
                api_key: Some(secret),
                realm_id: Some(membership.realm.clone()),
                parameters: (!parameters.is_empty()).then(|| parameters::told(&parameters)),
            })
        }
        Ok(Effective::Manual(manual)) => by_hand(pipeline, agent, manual),
        Err(idle) => Err(idle.word()),
    };
    let (config, reason) = match config {
        Ok(config) => (Some(config), None),
        Err(reason) => (None, Some(reason)),
    };
    Told { fingerprint: fingerprint(config.as_ref(), reason), config, reason }
}

/// The key of an agent in a realm. Where the views cannot be read there is none, and the agent is told so until they can.
pub(crate) fn key_of(pipeline: &Pipeline, membership: &Membership) -> Option<Arc<Key>> {
    match pipeline.views.control.key_by_id(membership.key) {
        Ok(row) => row.map(|row| row.key),
        Err(error) => {
            tracing::warn!(%error, "the key of an agent cannot be read");
            None
        }
    }
}

fn by_hand(pipeline: &Pipeline, agent: &Agent, manual: &Manual) -> Result<Config, &'static str> {
    let secret = manual.key.as_ref().map(|key| sealing::open_manual(pipeline.upstreams.vault(), &agent.id, key));
    let api_key = secret.transpose().map_err(|error| unreadable(agent, &error))?;
    Ok(Config {
        provider: manual.provider.clone(),
        model: manual.model.clone(),
        base_url: manual.base_url.clone(),
        api_key,
        realm_id: None,
        parameters: None,
    })
}

fn unreadable(agent: &Agent, error: &OpenError) -> &'static str {
    tracing::warn!(agent = %agent.id, %error, "the key of an agent cannot be opened");
    KEY_UNREADABLE
}

fn fingerprint(config: Option<&Config>, reason: Option<&str>) -> Digest {
    // The key is stars where it is written, so its hash stands beside it.
    let key = config.and_then(|config| config.api_key.as_ref()).map(|key| KeyHash::of_secret(key.expose()));
    Digest::of(&serde_json::to_vec(&(config, key, reason)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use tallygate_core::secret::Secret;

    use super::{Config, fingerprint};

    #[test]
    fn another_key_is_something_else_to_tell_and_is_never_written() {
        let config = |key: &str| Config {
            provider: "p".to_owned(),
            model: "m".to_owned(),
            base_url: None,
            api_key: Some(Secret::new(key)),
            realm_id: None,
            parameters: None,
        };
        let (one, other) = (config("sk-canary-1"), config("sk-canary-2"));
        assert_ne!(fingerprint(Some(&one), None), fingerprint(Some(&other), None));
        assert_eq!(fingerprint(Some(&one), None), fingerprint(Some(&config("sk-canary-1")), None));
        assert_ne!(fingerprint(None, Some("no_model")), fingerprint(None, Some("no_realm")));
        assert!(!serde_json::to_string(&one).unwrap().contains("canary"));
    }
}
