//! Secrets that are kept for one agent: sealed as credentials are, and bound to the agent in the place of hosts. No host can
//! be written so, so what was sealed for an agent opens for no upstream, and the other way round.

use std::collections::BTreeSet;

use tallygate_core::agent::{AgentKey, ManualKey, Membership};
use tallygate_core::id::{AgentId, CredentialId, KeyId, RealmId};
use tallygate_core::key::KeyHash;
use tallygate_core::port::clock::Ids;
use tallygate_core::port::secret::{Binding, OpenError, SealError, Vault};
use tallygate_core::secret::{SealedSecret, Secret, SecretSource};

use crate::random;

/// A new key for an agent in a realm.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn new_key(
    vault: &dyn Vault,
    ids: &dyn Ids,
    agent: &AgentId,
    realm: &RealmId,
) -> Result<AgentKey, SealError> {
    let (key, secret) = (KeyId::new(ids.uuid()), random::key());
    let (hash, shown) = (KeyHash::of_secret(&secret), random::shown(&secret));
    let only = only_for(agent);
    let binding = Binding { credential: CredentialId::new(*key.as_uuid()), realm, hosts: &only };
    let secret = vault.seal(&Secret::new(secret), &binding)?;
    Ok(AgentKey { key, hash, shown, secret })
}

/// The secret of an agent's key in a realm.
///
/// # Errors
/// [`OpenError`]: it was moved, changed, or sealed under another gateway secret.
pub(crate) fn open_key(vault: &dyn Vault, agent: &AgentId, membership: &Membership) -> Result<Secret, OpenError> {
    let credential = CredentialId::new(*membership.key.as_uuid());
    open(vault, &membership.secret, credential, &membership.realm, agent)
}

/// A secret that an operator gave for an agent's manual configuration.
///
/// # Errors
/// When the text cannot be a secret, or the system has no randomness.
pub(crate) fn seal_manual(
    vault: &dyn Vault,
    ids: &dyn Ids,
    agent: &AgentId,
    secret: &Secret,
) -> Result<ManualKey, SealError> {
    let id = CredentialId::new(ids.uuid());
    let only = only_for(agent);
    let binding = Binding { credential: id, realm: &RealmId::default_realm(), hosts: &only };
    Ok(ManualKey { id, secret: vault.seal(secret, &binding)? })
}

/// The secret of a manual configuration.
///
/// # Errors
/// As [`open_key`].
pub(crate) fn open_manual(vault: &dyn Vault, agent: &AgentId, key: &ManualKey) -> Result<Secret, OpenError> {
    open(vault, &key.secret, key.id, &RealmId::default_realm(), agent)
}

fn open(
    vault: &dyn Vault,
    sealed: &SealedSecret,
    credential: CredentialId,
    realm: &RealmId,
    agent: &AgentId,
) -> Result<Secret, OpenError> {
    let only = only_for(agent);
    vault.open(&SecretSource::Sealed(sealed.clone()), &Binding { credential, realm, hosts: &only })
}

fn only_for(agent: &AgentId) -> BTreeSet<String> {
    // A host holds no space.
    BTreeSet::from([format!("agent {agent}")])
}

#[cfg(test)]
mod tests {
    use tallygate_adapters::secret::{Environment, Keys, SealedVault};
    use tallygate_core::agent::Membership;
    use tallygate_core::key::KeyHash;
    use tallygate_core::port::secret::OpenError;
    use tallygate_core::secret::Secret;
    use tallygate_core::stream::Position;
    use tallygate_core::testing::samples::{id, key_id};
    use tallygate_core::testing::seeded_ids::SeededIds;

    use super::{new_key, open_key, open_manual, seal_manual};

    fn vault() -> SealedVault {
        let keys = Keys::derive(&Secret::new("a gateway secret of some length")).unwrap();
        SealedVault::new(keys.sealing, Environment::default())
    }

    #[test]
    fn a_key_opens_for_its_agent_its_realm_and_its_id_alone() {
        let vault = vault();
        let key = new_key(&vault, &SeededIds::new(1), &id("did:a"), &id("acme")).unwrap();
        let membership =
            Membership { realm: id("acme"), key: key.key, hash: key.hash, secret: key.secret, since: Position::new(1) };
        let opened = open_key(&vault, &id("did:a"), &membership).unwrap();
        assert_eq!(KeyHash::of_secret(opened.expose()), membership.hash);
        assert_eq!(open_key(&vault, &id("did:b"), &membership).unwrap_err(), OpenError::Forged);
        let moved = Membership { realm: id("other"), ..membership.clone() };
        assert_eq!(open_key(&vault, &id("did:a"), &moved).unwrap_err(), OpenError::Forged);
        let moved = Membership { key: key_id(1), ..membership };
        assert_eq!(open_key(&vault, &id("did:a"), &moved).unwrap_err(), OpenError::Forged);
    }

    #[test]
    fn a_secret_of_a_manual_configuration_opens_for_its_agent_alone() {
        let vault = vault();
        let key = seal_manual(&vault, &SeededIds::new(1), &id("did:a"), &Secret::new("sk-canary")).unwrap();
        assert_eq!(open_manual(&vault, &id("did:a"), &key).unwrap().expose(), "sk-canary");
        assert_eq!(open_manual(&vault, &id("did:b"), &key).unwrap_err(), OpenError::Forged);
    }
}
