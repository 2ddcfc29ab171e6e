//! Provider credentials: a reference to the environment, or a sealed secret, bound to the hosts it may be sent to.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::aggregate::{Mark, Trail, event_types};
use crate::control::{Change, Control};
use crate::event::Event as AnyEvent;
use crate::id::{CredentialId, RealmId};
use crate::realm;
use crate::secret::SecretSource;
use crate::stream::StreamId;

/// The most hosts of one credential.
pub const HOSTS_MAX: usize = 20;

/// A provider credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// The realm it belongs to.
    pub realm: RealmId,
    /// Its name for people.
    pub name: String,
    /// Where the secret is; none once the credential was removed.
    pub secret: Option<SecretSource>,
    /// The hosts it may be sent to. A new host is a new credential.
    pub hosts: BTreeSet<String>,
    /// Its history.
    pub trail: Trail,
}

/// Asks that a credential be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreCredential {
    /// Its id. A sealed secret is bound to it.
    pub credential: CredentialId,
    /// The realm it belongs to.
    #[serde(default = "RealmId::default_realm")]
    pub realm: RealmId,
    /// Its name for people.
    pub name: String,
    /// Where the secret is.
    pub secret: SecretSource,
    /// The hosts it may be sent to. At least one.
    pub hosts: BTreeSet<String>,
}

/// Asks for another secret of a credential, for the same hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplaceSecret {
    /// Which credential.
    pub credential: CredentialId,
    /// Where the new secret is.
    pub secret: SecretSource,
}

/// Asks that a credential be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveCredential {
    /// Which credential.
    pub credential: CredentialId,
}

/// A credential is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Its id.
    pub credential: CredentialId,
    /// The realm it belongs to.
    pub realm: RealmId,
    /// Its name for people.
    pub name: String,
    /// Where the secret is.
    pub secret: SecretSource,
    /// The hosts it may be sent to.
    pub hosts: BTreeSet<String>,
}

/// A credential has another secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretReplaced {
    /// Which credential.
    pub credential: CredentialId,
    /// Where the new secret is.
    pub secret: SecretSource,
}

/// A credential is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Which credential.
    pub credential: CredentialId,
}

event_types! {
    /// What happens to credentials.
    pub enum Event {
        /// It is kept.
        Stored(Stored) = "credential.stored", 1;
        /// It has another secret.
        SecretReplaced(SecretReplaced) = "credential.secret_replaced", 1;
        /// It is forgotten.
        Removed(Removed) = "credential.removed", 1;
    }
}

/// Why a command about credentials is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No such realm.
    #[error(transparent)]
    Realm(#[from] realm::Rejection),
    /// The id is taken.
    #[error("the credential {0} exists already")]
    AlreadyStored(CredentialId),
    /// There is none, or not for this realm.
    #[error("there is no credential {0}")]
    NotStored(CredentialId),
    /// A deployment still needs it.
    #[error("the credential {credential} is used by the deployment `{deployment}`: change that first")]
    InUse {
        /// The credential.
        credential: CredentialId,
        /// A deployment that uses it.
        deployment: crate::id::DeploymentId,
    },
    /// The hosts are not a list of hosts.
    #[error("a credential has between 1 and {HOSTS_MAX} hosts in lower case, without scheme or path")]
    Hosts,
    /// The name is no name.
    #[error("a credential's name has 1 to 256 characters")]
    Name,
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Realm(rejection) => rejection.code(),
            Self::AlreadyStored(_) => "credential_already_stored",
            Self::NotStored(_) => "credential_not_found",
            Self::InUse { .. } => "credential_in_use",
            Self::Hosts => "credential_hosts_invalid",
            Self::Name => "credential_name_invalid",
        }
    }
}

/// The credential, if it is kept.
///
/// # Errors
/// [`Rejection::NotStored`].
pub fn stored(state: &Control, id: CredentialId) -> Result<&Credential, Rejection> {
    state
        .credentials
        .get(&id)
        .map(AsRef::as_ref)
        .filter(|credential| credential.secret.is_some())
        .ok_or(Rejection::NotStored(id))
}

/// Decides [`StoreCredential`].
///
/// # Errors
/// [`Rejection`].
pub fn store(state: &Control, command: &StoreCredential) -> Result<Vec<Change>, Rejection> {
    let realm = realm::registered(state, &command.realm)?;
    if state.credentials.contains(&command.credential) {
        return Err(Rejection::AlreadyStored(command.credential));
    }
    if command.hosts.is_empty() || command.hosts.len() > HOSTS_MAX || !command.hosts.iter().all(|host| is_host(host)) {
        return Err(Rejection::Hosts);
    }
    if command.name.is_empty() || command.name.chars().count() > 256 {
        return Err(Rejection::Name);
    }
    let stored = Stored {
        credential: command.credential,
        realm: command.realm.clone(),
        name: command.name.clone(),
        secret: command.secret.clone(),
        hosts: command.hosts.clone(),
    };
    Ok(vec![Change {
        realm: Some(command.realm.clone()),
        stream: StreamId::credential(command.credential),
        event: AnyEvent::Credential(Event::Stored(stored)),
        cause: vec![realm.trail.changed.position],
    }])
}

/// A host name, an IPv4 address, or an IPv6 address in brackets, with a port or without.
fn is_host(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_:[]".contains(&byte);
    !host.is_empty() && host.len() <= 260 && host.bytes().all(allowed)
}

/// Decides [`ReplaceSecret`].
///
/// # Errors
/// [`Rejection`].
pub fn replace_secret(state: &Control, command: &ReplaceSecret) -> Result<Vec<Change>, Rejection> {
    let current = stored(state, command.credential)?;
    let replaced = SecretReplaced { credential: command.credential, secret: command.secret.clone() };
    Ok(vec![change(current, Event::SecretReplaced(replaced))])
}

/// Decides [`RemoveCredential`].
///
/// # Errors
/// [`Rejection`].
pub fn remove(state: &Control, command: &RemoveCredential) -> Result<Vec<Change>, Rejection> {
    let current = stored(state, command.credential)?;
    let used = state
        .models
        .iter()
        .filter(|(_, model)| model.retired.is_none())
        .flat_map(|(_, model)| &model.deployments)
        .find(|deployment| deployment.credential == Some(command.credential));
    if let Some(deployment) = used {
        return Err(Rejection::InUse { credential: command.credential, deployment: deployment.id.clone() });
    }
    Ok(vec![change(current, Event::Removed(Removed { credential: command.credential }))])
}

fn change(credential: &Credential, event: Event) -> Change {
    Change {
        realm: Some(credential.realm.clone()),
        stream: StreamId::credential(credential.id),
        event: AnyEvent::Credential(event),
        cause: vec![credential.trail.changed.position],
    }
}

/// Folds what happened to a credential.
pub fn evolve(state: &mut Control, event: &Event, mark: &Mark) {
    match event {
        Event::Stored(data) => state.credentials.put(
            data.credential,
            Credential {
                id: data.credential,
                realm: data.realm.clone(),
                name: data.name.clone(),
                secret: Some(data.secret.clone()),
                hosts: data.hosts.clone(),
                trail: Trail::born(mark),
            },
        ),
        Event::SecretReplaced(data) => state.credentials.update(&data.credential, |credential| {
            credential.secret = Some(data.secret.clone());
            credential.trail.step(mark);
        }),
        // The row stays, without its secret: the stream's version must go on.
        Event::Removed(data) => state.credentials.update(&data.credential, |credential| {
            credential.secret = None;
            credential.trail.step(mark);
        }),
    }
}

impl Event {
    /// The credential it is about.
    #[must_use]
    pub const fn credential(&self) -> CredentialId {
        match self {
            Self::Stored(data) => data.credential,
            Self::SecretReplaced(data) => data.credential,
            Self::Removed(data) => data.credential,
        }
    }
}

#[cfg(test)]
mod tests;
