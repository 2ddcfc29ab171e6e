//! The vault: XChaCha20-Poly1305, bound to credential, realm and hosts.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use tallygate_core::port::secret::{Binding, OpenError, SECRET_MAX_BYTES, SealError, Vault};
use tallygate_core::secret::{SealedSecret, Secret, SecretSource};
use zeroize::Zeroizing;

use super::environment::Environment;
use super::keys::SealingKey;

/// Seals under the gateways' key, and reads the environment that it was given.
#[derive(Debug)]
pub struct SealedVault {
    key: SealingKey,
    environment: Environment,
}

impl SealedVault {
    /// A vault with this key and these variables.
    #[must_use]
    pub const fn new(key: SealingKey, environment: Environment) -> Self {
        Self { key, environment }
    }

    pub(super) fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key.bytes).into())
    }

    fn unseal(&self, sealed: &SealedSecret, binding: &Binding<'_>) -> Result<Secret, OpenError> {
        if sealed.key_id != self.key.id {
            let sealed_under = sealed.key_id.chars().take(32).collect();
            return Err(OpenError::OtherKey { sealed_under, held: self.key.id.clone() });
        }
        let aad = associated_data(binding);
        let payload = Payload { msg: &sealed.ciphertext, aad: &aad };
        let plain = self.cipher().decrypt(XNonce::from_slice(&sealed.nonce), payload).map_err(|_| OpenError::Forged)?;
        let plain = Zeroizing::new(plain);
        std::str::from_utf8(&plain).map(Secret::new).map_err(|_| OpenError::Forged)
    }
}

impl Vault for SealedVault {
    fn seal(&self, secret: &Secret, binding: &Binding<'_>) -> Result<SealedSecret, SealError> {
        let plain = secret.expose().as_bytes();
        if plain.is_empty() {
            return Err(SealError::Empty);
        }
        if plain.len() > SECRET_MAX_BYTES {
            return Err(SealError::TooLong { bytes: plain.len() });
        }
        if let Some(at) = plain.iter().position(|byte| !byte.is_ascii_graphic() && *byte != b' ') {
            return Err(SealError::Character { at });
        }
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let payload = Payload { msg: plain, aad: &associated_data(binding) };
        // It fails for messages of 256 GiB, far beyond the limit above.
        let ciphertext = self
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| SealError::TooLong { bytes: plain.len() })?;
        Ok(SealedSecret { key_id: self.key.id.clone(), nonce, ciphertext })
    }

    fn open(&self, source: &SecretSource, binding: &Binding<'_>) -> Result<Secret, OpenError> {
        match source {
            SecretSource::Environment(name) => self.environment.open(name),
            SecretSource::Sealed(sealed) => self.unseal(sealed, binding),
        }
    }
}

/// A binding as bytes, in one way only: each part with its length before it, hosts in their order after their number.
fn associated_data(binding: &Binding<'_>) -> Vec<u8> {
    let mut data = b"tallygate credential 1".to_vec();
    let mut add = |part: &[u8]| {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part);
    };
    add(binding.credential.as_uuid().as_bytes());
    add(binding.realm.as_str().as_bytes());
    add(&(binding.hosts.len() as u64).to_be_bytes());
    for host in binding.hosts {
        add(host.as_bytes());
    }
    data
}

#[cfg(test)]
mod tests {
    use super::{SealedVault, associated_data};
    use crate::secret::{Environment, Keys};
    use std::collections::BTreeSet;
    use tallygate_core::id::{CredentialId, RealmId};
    use tallygate_core::port::secret::{Binding, OpenError, SECRET_MAX_BYTES, SealError, Vault as _};
    use tallygate_core::secret::{SealedSecret, Secret, SecretSource};
    use uuid::Uuid;

    fn vault(secret: &str) -> SealedVault {
        SealedVault::new(Keys::derive(&Secret::new(secret)).unwrap().sealing, Environment::default())
    }

    fn hosts(hosts: &[&str]) -> BTreeSet<String> {
        hosts.iter().map(|host| (*host).to_owned()).collect()
    }

    fn sealed(vault: &SealedVault, binding: &Binding<'_>) -> SealedSecret {
        vault.seal(&Secret::new("sk-canary"), binding).unwrap()
    }

    #[test]
    fn a_sealed_secret_opens_for_its_binding_and_no_other() {
        let vault = vault("a gateway secret of some length");
        let (realm, other_realm) = (RealmId::new("a").unwrap(), RealmId::new("b").unwrap());
        let (one, two) = (hosts(&["a.example"]), hosts(&["a.example", "b.example"]));
        let binding = Binding { credential: CredentialId::new(Uuid::from_u128(1)), realm: &realm, hosts: &one };
        let source = SecretSource::Sealed(sealed(&vault, &binding));
        assert_eq!(vault.open(&source, &binding).unwrap().expose(), "sk-canary");
        for moved in [
            Binding { credential: CredentialId::new(Uuid::from_u128(2)), ..binding },
            Binding { realm: &other_realm, ..binding },
            Binding { hosts: &two, ..binding },
            Binding { hosts: &hosts(&["b.example"]), ..binding },
            Binding { hosts: &hosts(&[]), ..binding },
        ] {
            assert_eq!(vault.open(&source, &moved).unwrap_err(), OpenError::Forged, "{moved:?}");
        }
    }

    #[test]
    fn every_changed_bit_is_found() {
        let vault = vault("a gateway secret of some length");
        let (realm, hosts) = (RealmId::default_realm(), hosts(&["a.example"]));
        let binding = Binding { credential: CredentialId::new(Uuid::from_u128(1)), realm: &realm, hosts: &hosts };
        let whole = sealed(&vault, &binding);
        for bit in 0..whole.ciphertext.len() * 8 {
            let mut changed = whole.clone();
            changed.ciphertext[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(vault.open(&SecretSource::Sealed(changed), &binding).unwrap_err(), OpenError::Forged);
        }
        let mut changed = whole;
        changed.nonce[0] ^= 1;
        assert_eq!(vault.open(&SecretSource::Sealed(changed), &binding).unwrap_err(), OpenError::Forged);
    }

    #[test]
    fn another_gateway_secret_is_recognised() {
        let (realm, hosts) = (RealmId::default_realm(), hosts(&["a.example"]));
        let binding = Binding { credential: CredentialId::new(Uuid::from_u128(1)), realm: &realm, hosts: &hosts };
        let source = SecretSource::Sealed(sealed(&vault("a gateway secret of some length"), &binding));
        let error = vault("another gateway secret, as long").open(&source, &binding).unwrap_err();
        assert!(matches!(error, OpenError::OtherKey { .. }), "{error}");
    }

    #[test]
    fn no_two_bindings_have_the_same_bytes() {
        let data = |realm: &str, names: &[&str]| {
            let (realm, hosts) = (RealmId::new(realm).unwrap(), hosts(names));
            associated_data(&Binding { credential: CredentialId::new(Uuid::nil()), realm: &realm, hosts: &hosts })
        };
        assert_ne!(data("a", &["b", "c"]), data("a", &["bc"]));
        assert_ne!(data("ab", &["c"]), data("a", &["bc"]));
        assert_ne!(data("a", &["b"]), data("a", &["b", "c"]));
        assert_eq!(data("a", &["b", "c"]), data("a", &["c", "b"]));
    }

    #[test]
    fn what_no_header_can_carry_is_not_sealed() {
        let vault = vault("a gateway secret of some length");
        let (realm, hosts) = (RealmId::default_realm(), hosts(&["a.example"]));
        let binding = Binding { credential: CredentialId::new(Uuid::from_u128(1)), realm: &realm, hosts: &hosts };
        let seal = |text: &str| vault.seal(&Secret::new(text), &binding).map(drop);
        assert_eq!(seal(""), Err(SealError::Empty));
        assert_eq!(seal("sk-1\n"), Err(SealError::Character { at: 4 }));
        assert_eq!(seal("sk-é"), Err(SealError::Character { at: 3 }));
        assert_eq!(seal(&"x".repeat(SECRET_MAX_BYTES)), Ok(()));
        assert_eq!(seal(&"x".repeat(SECRET_MAX_BYTES + 1)), Err(SealError::TooLong { bytes: SECRET_MAX_BYTES + 1 }));
    }
}
