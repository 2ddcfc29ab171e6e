//! From the one secret that gateways share to the keys they use it for.
//!
//! Each key is an HMAC-SHA-256 of its own label under the secret (the expand step of HKDF, RFC 5869, for one block, after
//! its extract step with a fixed salt), so no key tells anything about another.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use tallygate_core::digest::Digest;
use tallygate_core::envelope::MacKey;
use tallygate_core::secret::Secret;
use zeroize::Zeroizing;

use super::passwords::PasswordKey;
use super::tokens::TokenKey;

/// The shortest gateway secret, in bytes.
pub const GATEWAY_SECRET_MIN_BYTES: usize = 16;

const SALT: &[u8] = b"tallygate keys 1";
const SEALING_LABEL: &[u8] = b"seal provider credentials\x01";
const MAC_LABEL: &[u8] = b"authenticate log lines\x01";
const PASSWORD_LABEL: &[u8] = b"key what is made of passwords\x01";
const TOKEN_LABEL: &[u8] = b"sign tokens of those who signed in\x01";
const KEY_ID_LABEL: &[u8] = b"name the sealing key\x01";

/// The gateway secret is too short to keep anything under it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the gateway secret has {bytes} bytes, at least {GATEWAY_SECRET_MIN_BYTES} are needed")]
pub struct WeakSecret {
    /// Its length.
    pub bytes: usize,
}

/// The keys of a gateway.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Seals provider credentials.
    pub sealing: SealingKey,
    /// Authenticates the lines of the logs.
    pub mac: MacKey,
    /// What passwords are hashed under.
    pub passwords: PasswordKey,
    /// Signs tokens that tell a client who signed in.
    pub tokens: TokenKey,
}

/// The key that seals provider credentials, with its public name.
#[derive(Clone)]
pub struct SealingKey {
    pub(super) bytes: Zeroizing<[u8; 32]>,
    pub(super) id: String,
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingKey({}, ***)", self.id)
    }
}

impl Keys {
    /// The keys of a gateway secret. The same secret gives the same keys, for ever.
    ///
    /// # Errors
    /// [`WeakSecret`] when the secret is shorter than [`GATEWAY_SECRET_MIN_BYTES`].
    pub fn derive(secret: &Secret) -> Result<Self, WeakSecret> {
        let secret = secret.expose().as_bytes();
        if secret.len() < GATEWAY_SECRET_MIN_BYTES {
            return Err(WeakSecret { bytes: secret.len() });
        }
        let root = mac(SALT, secret);
        let sealing = mac(&*root, SEALING_LABEL);
        // The name is public, so it comes from another label, and shows eight of its bytes.
        let name = Digest::from_bytes(*mac(&*root, KEY_ID_LABEL)).to_string();
        let id = name.chars().take(16).collect();
        Ok(Self {
            sealing: SealingKey { bytes: sealing, id },
            mac: MacKey::new(*mac(&*root, MAC_LABEL)),
            passwords: PasswordKey::new(mac(&*root, PASSWORD_LABEL)),
            tokens: TokenKey::new(mac(&*root, TOKEN_LABEL)),
        })
    }
}

fn mac(key: &[u8], message: &[u8]) -> Zeroizing<[u8; 32]> {
    // HMAC takes a key of any length, so the fallback is never used.
    let computed = Hmac::<Sha256>::new_from_slice(key).map(|mut mac| {
        mac.update(message);
        mac.finalize().into_bytes().into()
    });
    Zeroizing::new(computed.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{Keys, WeakSecret};
    use tallygate_core::secret::Secret;

    #[test]
    fn the_same_secret_gives_the_same_keys_for_ever() {
        let keys = Keys::derive(&Secret::new("a gateway secret of some length")).unwrap();
        // Computed apart, with the HMAC of another library.
        assert_eq!(keys.sealing.id, "13218236ab4a33fa");
        assert_eq!(keys.sealing.bytes[..4], [0xb3, 0x70, 0x96, 0xdd]);
    }

    #[test]
    fn no_key_is_another_and_none_is_printed() {
        let keys = Keys::derive(&Secret::new("a gateway secret of some length")).unwrap();
        let other = Keys::derive(&Secret::new("a gateway secret of some lengtH")).unwrap();
        assert_ne!(keys.sealing.bytes, other.sealing.bytes);
        assert_ne!(keys.sealing.id, other.sealing.id);
        let shown = format!("{keys:?}");
        assert_eq!(
            shown,
            format!(
                "Keys {{ sealing: SealingKey({}, ***), mac: MacKey(***), passwords: PasswordKey(***), tokens: TokenKey(***) }}",
                keys.sealing.id
            )
        );
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(Keys::derive(&Secret::new("sk-1234")).unwrap_err(), WeakSecret { bytes: 7 });
        assert_eq!(Keys::derive(&Secret::new("")).unwrap_err(), WeakSecret { bytes: 0 });
    }
}
