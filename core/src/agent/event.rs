//! What happens to agents.

use serde::{Deserialize, Serialize};

use super::{Configuration, TokenHash};
use crate::aggregate::event_types;
use crate::id::{AgentId, AgentName, KeyId, RealmId};
use crate::key::KeyHash;
use crate::secret::SealedSecret;

/// An agent came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// Its id.
    pub agent: AgentId,
    /// Its name for people.
    pub name: AgentName,
    /// The hash of its token.
    pub token: TokenHash,
}

/// An agent has another token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRotated {
    /// Which agent.
    pub agent: AgentId,
    /// The hash of the new token.
    pub token: TokenHash,
}

/// An agent is in a realm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealmJoined {
    /// Which agent.
    pub agent: AgentId,
    /// Which realm.
    pub realm: RealmId,
    /// Whether it is the agent's primary realm.
    pub primary: bool,
    /// The agent's key there.
    pub key: KeyId,
    /// The hash of the key's secret.
    pub hash: KeyHash,
    /// The key's secret, sealed.
    pub secret: SealedSecret,
}

/// An agent is in a realm no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealmLeft {
    /// Which agent.
    pub agent: AgentId,
    /// Which realm.
    pub realm: RealmId,
}

/// An agent has another key in a realm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyReplaced {
    /// Which agent.
    pub agent: AgentId,
    /// Which realm.
    pub realm: RealmId,
    /// The agent's key there.
    pub key: KeyId,
    /// The hash of the key's secret.
    pub hash: KeyHash,
    /// The key's secret, sealed.
    pub secret: SealedSecret,
}

/// An agent is told to use just this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configured {
    /// Which agent.
    pub agent: AgentId,
    /// What it is told to use.
    pub configuration: Configuration,
}

/// An agent follows its realms again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationCleared {
    /// Which agent.
    pub agent: AgentId,
}

/// An agent is refused for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Which agent.
    pub agent: AgentId,
}

event_types! {
    /// What happens to agents.
    pub enum Event {
        /// It came to be.
        Registered(Registered) = "agent.registered", 1;
        /// It has another token.
        TokenRotated(TokenRotated) = "agent.token_rotated", 1;
        /// It is in a realm.
        RealmJoined(RealmJoined) = "agent.realm_joined", 1;
        /// It is in a realm no more.
        RealmLeft(RealmLeft) = "agent.realm_left", 1;
        /// It has another key in a realm.
        KeyReplaced(KeyReplaced) = "agent.key_replaced", 1;
        /// It is told to use just this.
        Configured(Configured) = "agent.configured", 1;
        /// It follows its realms again.
        ConfigurationCleared(ConfigurationCleared) = "agent.configuration_cleared", 1;
        /// It is refused for ever.
        Removed(Removed) = "agent.removed", 1;
    }
}

impl Event {
    /// The agent it is about.
    #[must_use]
    pub const fn agent(&self) -> &AgentId {
        match self {
            Self::Registered(data) => &data.agent,
            Self::TokenRotated(data) => &data.agent,
            Self::RealmJoined(data) => &data.agent,
            Self::RealmLeft(data) => &data.agent,
            Self::KeyReplaced(data) => &data.agent,
            Self::Configured(data) => &data.agent,
            Self::ConfigurationCleared(data) => &data.agent,
            Self::Removed(data) => &data.agent,
        }
    }
}
