//! Commands about agents. None holds a token or a key in plain: whoever makes one sends its hash, and the key sealed.

use serde::{Deserialize, Serialize};

use super::{Configuration, TokenHash};
use crate::id::{AgentId, AgentName, KeyId, RealmId};
use crate::key::KeyHash;
use crate::secret::SealedSecret;

/// Asks for a new agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterAgent {
    /// Its id.
    pub agent: AgentId,
    /// Its name for people.
    pub name: AgentName,
    /// The hash of its token.
    pub token: TokenHash,
}

/// Asks for another token of an agent. The old one is refused from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateAgentToken {
    /// Which agent.
    pub agent: AgentId,
    /// The hash of the new token.
    pub token: TokenHash,
}

/// A virtual key that is to be an agent's own in a realm. Only a gateway can seal one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentKey {
    /// Its id.
    pub key: KeyId,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// What may be shown of the secret.
    pub shown: String,
    /// The secret, bound to key, realm and agent.
    pub secret: SealedSecret,
}

/// Asks that an agent be in a realm, with a key of its own there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRealm {
    /// Which agent.
    pub agent: AgentId,
    /// Which realm.
    pub realm: RealmId,
    /// Whether the realm is to be the agent's primary one. The first that it joins is so anyway.
    #[serde(default)]
    pub primary: bool,
    /// Its key there.
    pub key: AgentKey,
}

/// Asks that an agent be in a realm no more. Its key there is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveRealm {
    /// Which agent.
    pub agent: AgentId,
    /// Which realm.
    pub realm: RealmId,
}

/// Asks for another key of an agent in a realm. The old one is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplaceAgentKey {
    /// Which agent.
    pub agent: AgentId,
    /// Which realm.
    pub realm: RealmId,
    /// Its new key there.
    pub key: AgentKey,
}

/// Asks that an agent be told to use just this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigureAgent {
    /// Which agent.
    pub agent: AgentId,
    /// What it is told to use.
    pub configuration: Configuration,
}

/// Asks that an agent follow its realms again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClearAgentConfiguration {
    /// Which agent.
    pub agent: AgentId,
}

/// Asks that an agent be refused for ever, and its keys with it. Its name is free again; its id is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveAgent {
    /// Which agent.
    pub agent: AgentId,
}
