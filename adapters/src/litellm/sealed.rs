//! What LiteLLM seals before it stores it: texts in NaCl's secret box, under the SHA-256 of its salt key, in base64.

use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{Key, KeyInit as _, Nonce, XSalsa20Poly1305};
use data_encoding::{BASE64, BASE64URL};
use sha2::{Digest as _, Sha256};
use tallygate_core::secret::Secret;

/// How long the nonce before the box is, in bytes.
const NONCE_BYTES: usize = 24;

/// Opens what was sealed under one salt key.
pub struct Opener(XSalsa20Poly1305);

/// A text was sealed under another key, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not open with this salt key")]
pub struct NotOpened;

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener(***)")
    }
}

impl Opener {
    /// An opener for `LITELLM_SALT_KEY`, or the master key where LiteLLM had no salt key.
    #[must_use]
    pub fn new(salt_key: &Secret) -> Self {
        let key = Sha256::digest(salt_key.expose().as_bytes());
        Self(XSalsa20Poly1305::new(Key::from_slice(&key)))
    }

    /// Opens a text.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open(&self, sealed: &str) -> Result<String, NotOpened> {
        let bytes = BASE64URL.decode(sealed.as_bytes()).or_else(|_| BASE64.decode(sealed.as_bytes()));
        let bytes = bytes.map_err(|_| NotOpened)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or(NotOpened)?;
        let opened = self.0.decrypt(Nonce::from_slice(nonce), sealed).map_err(|_| NotOpened)?;
        String::from_utf8(opened).map_err(|_| NotOpened)
    }
}

#[cfg(test)]
mod tests {
    use super::{NotOpened, Opener};
    use tallygate_core::secret::Secret;

    /// What LiteLLM's `encrypt_value("os.environ/OPENAI_API_KEY", "a-salt")` makes: PyNaCl's secret box, in base64.
    const SEALED: &str = "PYYvevhFV73mATMOs8JRVw6kMEYOhct658UVpZJJc_QO5YE2eNehoDAhp2TLcpuCDHaxnjmtHpOzd-vcH7xprgw=";

    #[test]
    fn what_litellm_sealed_is_opened_with_its_salt_key_and_no_other() {
        assert_eq!(Opener::new(&Secret::new("a-salt")).open(SEALED).as_deref(), Ok("os.environ/OPENAI_API_KEY"));
        assert_eq!(Opener::new(&Secret::new("another")).open(SEALED), Err(NotOpened));
        for other in ["", "plain text", "c2hvcnQ=", &SEALED[..40]] {
            assert_eq!(Opener::new(&Secret::new("a-salt")).open(other), Err(NotOpened), "{other}");
        }
    }
}
