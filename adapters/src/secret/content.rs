//! What people said, sealed for the gateway's own disk: XChaCha20-Poly1305 under the key that seals credentials, bound to the
//! name that it is kept under. It opens as no credential, and no credential opens as it.

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead as _, Payload};
use tallygate_core::digest::Digest;
use zeroize::Zeroizing;

use super::vault::SealedVault;

const NONCE_BYTES: usize = 24;

/// Why a content is not what was kept under its name: it was changed, moved, or sealed under another gateway secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a content was changed, moved, or sealed under another secret")]
pub struct Unreadable;

/// The system has no randomness, or the content is longer than any can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a content cannot be sealed")]
pub struct NotSealed;

impl SealedVault {
    /// Seals a content: a nonce, and then the ciphertext.
    ///
    /// # Errors
    /// [`NotSealed`].
    pub fn seal_content(&self, name: &Digest, content: &[u8]) -> Result<Vec<u8>, NotSealed> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| NotSealed)?;
        let payload = Payload { msg: content, aad: &associated_data(name) };
        let sealed = self.cipher().encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| NotSealed)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens a content that was sealed for its name.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn open_content(&self, name: &Digest, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_BYTES).ok_or(Unreadable)?;
        let payload = Payload { msg: ciphertext, aad: &associated_data(name) };
        let content = self.cipher().decrypt(XNonce::from_slice(nonce), payload);
        content.map(Zeroizing::new).map_err(|_| Unreadable)
    }
}

fn associated_data(name: &Digest) -> Vec<u8> {
    [b"tallygate content 1", name.as_bytes().as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use tallygate_core::digest::Digest;
    use tallygate_core::secret::Secret;

    use super::Unreadable;
    use crate::secret::{Environment, Keys, SealedVault};

    fn vault(secret: &str) -> SealedVault {
        SealedVault::new(Keys::derive(&Secret::new(secret)).unwrap().sealing, Environment::default())
    }

    #[test]
    fn a_content_opens_under_its_name_and_its_secret_alone() {
        let (vault, name) = (vault("a gateway secret of some length"), Digest::of(b"name"));
        let sealed = vault.seal_content(&name, b"what was said").unwrap();
        assert!(!sealed.windows(4).any(|bytes| bytes == b"what"));
        assert_eq!(vault.open_content(&name, &sealed).unwrap().as_slice(), b"what was said");
        assert_eq!(vault.open_content(&Digest::of(b"other"), &sealed), Err(Unreadable));
        assert_eq!(self::vault("another secret of some length").open_content(&name, &sealed), Err(Unreadable));
        let mut changed = sealed.clone();
        changed[30] ^= 1;
        for damaged in [&changed[..], &sealed[..23], &[]] {
            assert_eq!(vault.open_content(&name, damaged), Err(Unreadable));
        }
        assert_ne!(vault.seal_content(&name, b"what was said").unwrap(), sealed, "each has a nonce of its own");
    }
}
