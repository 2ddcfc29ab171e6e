//! Ids of answers that a provider keeps, as clients get them: bound to the realm that asked, and to the deployment that
//! has the answer.
//!
//! To a provider all tenants of a gateway are one, so it would go on with anybody's conversation for whoever knows its id.
//! So clients get the id under a seal, and one that was not sealed for their realm leads nowhere. Nothing is stored: every
//! gateway of the installation opens what another one sealed, also after a restart.

use data_encoding::BASE64URL_NOPAD;
use tallygate_core::envelope::MacKey;
use tallygate_core::id::{DeploymentId, RealmId};

/// What a sealed id begins with: the number is that of the form.
const PREFIX: &str = "resp_tg1";
/// What the seal is for: it passes for no other one.
const PURPOSE: &str = "answer id";
/// So many bytes of the MAC are in an id.
const TAG_BYTES: usize = 16;
/// The longest id that is opened, in bytes. Providers' ids have less than 100.
const SEALED_MAX_BYTES: usize = 2_048;

/// Seals the ids of one deployment's answers for one realm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealer {
    /// The key that all gateways of the installation share.
    pub key: MacKey,
    /// Whose answers they are.
    pub realm: RealmId,
    /// Who keeps them.
    pub deployment: DeploymentId,
}

/// An answer that a request goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Which deployment keeps it.
    pub deployment: DeploymentId,
    /// Its id there.
    pub id: String,
}

impl Sealer {
    /// The id as a client gets it.
    #[must_use]
    pub fn seal(&self, id: &str) -> String {
        let said = said(self.deployment.as_str(), id);
        let tag = tag(&self.key, &self.realm, &said);
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&[&tag[..], &said].concat()))
    }
}

/// Opens an id that a client of a realm sends. None if it was not sealed for that realm.
#[must_use]
pub fn open(key: &MacKey, realm: &RealmId, sealed: &str) -> Option<Earlier> {
    let encoded = sealed.strip_prefix(PREFIX).filter(|_| sealed.len() <= SEALED_MAX_BYTES)?;
    let bytes = BASE64URL_NOPAD.decode(encoded.as_bytes()).ok()?;
    let (found, said) = bytes.split_at_checked(TAG_BYTES)?;
    // A wrong id is told in no time that says how wrong it is: the two are compared as hashes.
    let hashed = |tag: &[u8]| key.tag(PURPOSE, tag);
    if hashed(found) != hashed(&tag(key, realm, said)) {
        return None;
    }
    let (length, rest) = said.split_first_chunk::<2>()?;
    let (deployment, id) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let deployment = DeploymentId::new(std::str::from_utf8(deployment).ok()?).ok()?;
    Some(Earlier { deployment, id: std::str::from_utf8(id).ok()?.to_owned() })
}

/// What a sealed id says, so that it is read in one way only.
fn said(deployment: &str, id: &str) -> Vec<u8> {
    let length = u16::try_from(deployment.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], deployment.as_bytes(), id.as_bytes()].concat()
}

fn tag(key: &MacKey, realm: &RealmId, said: &[u8]) -> [u8; TAG_BYTES] {
    // Realms have no zero byte in their names.
    let message = [realm.as_str().as_bytes(), &[0], said].concat();
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&key.tag(PURPOSE, &message).as_bytes()[..TAG_BYTES]);
    tag
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tallygate_core::envelope::MacKey;
    use tallygate_core::id::{DeploymentId, RealmId};

    use super::{Earlier, Sealer, open};

    const KEY: MacKey = MacKey::new([7; 32]);

    fn realm(name: &str) -> RealmId {
        RealmId::new(name).unwrap()
    }

    fn sealer() -> Sealer {
        Sealer { key: KEY, realm: realm("acme"), deployment: DeploymentId::new("d-1").unwrap() }
    }

    #[test]
    fn an_id_opens_for_the_realm_and_the_installation_that_it_was_sealed_for_alone() {
        let sealed = sealer().seal("resp_68af4030baa48193b0b43b4c2a176a1a");
        let earlier =
            Earlier { deployment: sealer().deployment, id: "resp_68af4030baa48193b0b43b4c2a176a1a".to_owned() };
        assert_eq!(open(&KEY, &realm("acme"), &sealed), Some(earlier));
        assert_eq!(open(&KEY, &realm("acme-2"), &sealed), None);
        assert_eq!(open(&MacKey::new([8; 32]), &realm("acme"), &sealed), None);
        for other in ["", "resp_1", "resp_tg1", "resp_tg1AAAA", "resp_68af4030baa48193b0b43b4c2a176a1a"] {
            assert_eq!(open(&KEY, &realm("acme"), other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn no_other_text_opens(at in 0_usize..60, letter in "[A-Za-z0-9_-]") {
            let sealed = sealer().seal("resp_1");
            let at = at.min(sealed.len() - 1);
            let changed = format!("{}{letter}{}", &sealed[..at], &sealed[at + 1..]);
            prop_assert_eq!(open(&KEY, &realm("acme"), &changed).is_some(), changed == sealed);
        }

        #[test]
        fn any_id_comes_back(id in ".{0,80}") {
            let earlier = open(&KEY, &realm("acme"), &sealer().seal(&id)).unwrap();
            prop_assert_eq!(earlier.id, id);
        }
    }
}
