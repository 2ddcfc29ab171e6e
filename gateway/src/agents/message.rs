//! What passes between a gateway and an agent: JSON, one object a message.

use serde::Deserialize;
use serde_json::{Value, json};
use tallygate_core::id::AgentId;
use tallygate_core::secret::Secret;
use tallygate_core::stream::Position;
use tallygate_core::time::Timestamp;

use super::told::{Config, Told};

/// What an agent says. Other fields, and messages of other types, mean nothing here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Heard {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// With `auth`: the agent's token.
    pub(crate) token: Option<Secret>,
    /// With `ack`: the message.
    pub(crate) message_id: Option<String>,
    /// With `ack`: the position in place of the message.
    pub(crate) position: Option<u64>,
}

/// An envelope around what the gateway says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope<'e> {
    pub(crate) id: &'e str,
    pub(crate) agent: Option<&'e AgentId>,
    pub(crate) at: Timestamp,
}

impl Envelope<'_> {
    /// The configuration that the agent is to use, with its key: the one place where it leaves.
    pub(crate) fn configuration(&self, told: &Told, position: Position) -> String {
        let payload = json!({
            "config": told.config.as_ref().map(with_key),
            "reason": told.reason,
            "position": position,
        });
        self.around("llm_config", &payload)
    }

    /// Why the connection ends.
    pub(crate) fn error(&self, word: &str, message: &str) -> String {
        self.around("error", &json!({ "code": word, "message": message }))
    }

    fn around(&self, kind: &str, payload: &Value) -> String {
        json!({
            "messageId": self.id,
            "type": kind,
            "agentId": self.agent,
            "payload": payload,
            "timestamp": self.at,
        })
        .to_string()
    }
}

fn with_key(config: &Config) -> Value {
    let mut told = json!({
        "provider": config.provider,
        "model": config.model,
        "baseUrl": config.base_url,
        "apiKey": config.api_key.as_ref().map(Secret::expose),
        "realmId": config.realm_id,
    });
    if let Some(parameters) = &config.parameters {
        told["parameters"] = parameters.clone();
    }
    told
}
