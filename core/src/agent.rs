//! Agents: programs that hold a connection to the gateway and are told which model to call, where and with which key.
//!
//! An agent proves itself with a token, of which only the SHA-256 is kept. It joins realms, and in each it has a virtual
//! key of its own, which may call what the realm may: whoever sends the agent away revokes that key and no other's. The
//! key's secret is kept sealed, since it must be told again whenever the agent connects.

mod command;
mod event;
mod decide;
mod evolve;
pub mod effective;

pub use command::{
    AgentKey, ClearAgentConfiguration, ConfigureAgent, JoinRealm, LeaveRealm, RegisterAgent, RemoveAgent,
    ReplaceAgentKey, RotateAgentToken,
};
pub use decide::{
    Rejection, clear_configuration, configure, join_realm, leave_realm, register, remove, replace_key, rotate_token,
};
pub use event::{
    ConfigurationCleared, Configured, Event, KeyReplaced, RealmJoined, RealmLeft, Registered, Removed, TokenRotated,
};
pub use evolve::evolve;

use serde::{Deserialize, Serialize};

use crate::aggregate::Trail;
use crate::digest::Digest;
use crate::id::{AgentId, AgentName, CredentialId, KeyId, ModelId, RealmId};
use crate::key::KeyHash;
use crate::secret::SealedSecret;
use crate::stream::Position;

/// The most realms that one agent may be in.
pub const REALMS_MAX: usize = 32;
/// The longest provider and model of a manual configuration, in bytes.
pub const TEXT_MAX_BYTES: usize = 256;
/// The longest address of a manual configuration, in bytes.
pub const URL_MAX_BYTES: usize = 2_048;

/// The SHA-256 of an agent's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenHash(Digest);

impl TokenHash {
    /// The hash of a token as an agent presents it.
    #[must_use]
    pub fn of_token(token: &str) -> Self {
        Self(Digest::of(token.as_bytes()))
    }

    /// The digest.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// Its name for people, unique among the agents that there are.
    pub name: AgentName,
    /// The hash of its token.
    pub token: TokenHash,
    /// The realms that it is in, the primary one first. At most [`REALMS_MAX`].
    pub realms: Vec<Membership>,
    /// What it is told to use; none to follow its realms.
    pub configuration: Option<Configuration>,
    /// Since which event it is removed, for ever.
    pub removed: Option<Position>,
    /// Its history.
    pub trail: Trail,
}

/// An agent's place in a realm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The realm.
    pub realm: RealmId,
    /// The agent's own virtual key there.
    pub key: KeyId,
    /// The hash of the secret that is kept: the key works with this one, or was given another since.
    pub hash: KeyHash,
    /// The key's secret, bound to key, realm and agent.
    pub secret: SealedSecret,
    /// The event that it joined by, or got this key by.
    pub since: Position,
}

/// What an agent is told to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Configuration {
    /// The gateway, as this realm.
    Realm(RealmRouting),
    /// The gateway, for this model of the registry, as the first of the agent's realms that may call it.
    Registry(ModelId),
    /// Another server, without the gateway.
    Manual(Manual),
}

/// The gateway, as one of the agent's realms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealmRouting {
    /// The realm.
    pub realm: RealmId,
    /// Which model; none for the one that is selected there.
    #[serde(default)]
    pub model: Option<ModelId>,
}

/// A server that an agent calls without the gateway: nothing of it is counted or limited here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manual {
    /// What the agent knows the API by.
    pub provider: String,
    /// What the server knows the model by.
    pub model: String,
    /// Where it is; none where the agent knows.
    #[serde(default)]
    pub base_url: Option<String>,
    /// What opens it; none for a server that asks for nothing.
    #[serde(default)]
    pub key: Option<ManualKey>,
}

/// A secret that an operator gave for one agent's manual configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManualKey {
    /// What the secret is bound to, beside the agent.
    pub id: CredentialId,
    /// The secret, sealed.
    pub secret: SealedSecret,
}

impl Agent {
    /// Its place in a realm.
    #[must_use]
    pub fn membership(&self, realm: &RealmId) -> Option<&Membership> {
        self.realms.iter().find(|membership| membership.realm == *realm)
    }
}

#[cfg(test)]
mod tests;
