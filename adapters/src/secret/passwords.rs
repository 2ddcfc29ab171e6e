//! What is made of passwords: Argon2id under a key of the gateways. Who reads the log has what was made and not that key, so
//! cannot try passwords on it.

use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq as _;
use tallygate_core::digest::Digest;
use tallygate_core::secret::Secret;
use tallygate_core::user::Password;
use zeroize::Zeroizing;

/// The memory of a hash, in KiB, and how often it goes over that: what OWASP asks for at least.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;

/// The key that passwords are hashed under.
#[derive(Clone)]
pub struct PasswordKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for PasswordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordKey(***)")
    }
}

impl PasswordKey {
    pub(super) const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// What a password is kept as. It takes tens of milliseconds of a core and 19 MiB: no task of a runtime may wait in it.
    /// None for one that is longer than Argon2 takes, 4 GiB.
    #[must_use]
    pub fn hash(&self, password: &Secret, salt: [u8; 32]) -> Option<Password> {
        let kept =
            Password { memory_kib: MEMORY_KIB, passes: PASSES, salt: Digest::from_bytes(salt), hash: Digest::ZERO };
        self.made_of(password, &kept).map(|hash| Password { hash, ..kept })
    }

    /// Whether a password is the one that was kept. As [`Self::hash`], it takes its time.
    #[must_use]
    pub fn matches(&self, kept: &Password, password: &Secret) -> bool {
        let made = self.made_of(password, kept);
        made.is_some_and(|made| made.as_bytes().ct_eq(kept.hash.as_bytes()).into())
    }

    /// What stands for the password of somebody who has none: to compare with it takes as long as with any, and nothing is it.
    #[must_use]
    pub fn nobodys() -> Password {
        Password { memory_kib: MEMORY_KIB, passes: PASSES, salt: Digest::ZERO, hash: Digest::ZERO }
    }

    fn made_of(&self, password: &Secret, kept: &Password) -> Option<Digest> {
        let params = Params::new(kept.memory_kib, kept.passes, 1, Some(32)).ok()?;
        let argon = Argon2::new_with_secret(&*self.0, Algorithm::Argon2id, Version::V0x13, params).ok()?;
        let mut made = [0; 32];
        argon.hash_password_into(password.expose().as_bytes(), kept.salt.as_bytes(), &mut made).ok()?;
        Some(Digest::from_bytes(made))
    }
}

#[cfg(test)]
mod tests {
    use super::PasswordKey;
    use crate::secret::Keys;
    use tallygate_core::secret::Secret;

    fn key(secret: &str) -> PasswordKey {
        Keys::derive(&Secret::new(secret)).unwrap().passwords
    }

    #[test]
    fn a_password_is_known_again_under_its_own_key_and_salt_alone() {
        let (key, password) = (key("a gateway secret of some length"), Secret::new("correct horse battery"));
        let kept = key.hash(&password, [7; 32]).unwrap();
        assert!(key.matches(&kept, &password));
        assert!(!key.matches(&kept, &Secret::new("correct horse batterz")));
        assert_ne!(key.hash(&password, [8; 32]).unwrap().hash, kept.hash);
        assert!(!super::tests::key("a gateway secret of some lengtH").matches(&kept, &password));
        assert!(!key.matches(&PasswordKey::nobodys(), &Secret::new("")));
        assert_eq!(format!("{key:?}"), "PasswordKey(***)");
    }

    #[test]
    fn what_was_kept_is_known_for_ever() {
        let kept = key("a gateway secret of some length").hash(&Secret::new("correct horse battery"), [7; 32]).unwrap();
        assert_eq!(kept.hash.to_string(), "b463157fba650a6492a8abb2398f80cf491ddf485a2dda522d5cbf35e13e0008");
    }
}
