//! The key that lines are authenticated under.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::digest::Digest;

/// The key under which gateways of one installation authenticate lines. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct MacKey([u8; 32]);

impl MacKey {
    /// A key from its 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The MAC of what gateways tell one another besides lines. No message of one purpose passes for one of another, nor
    /// for a line.
    #[must_use]
    pub fn tag(&self, purpose: &str, message: &[u8]) -> Digest {
        Hmac::<Sha256>::new_from_slice(&self.0).map_or(Digest::ZERO, |mut mac| {
            mac.update(purpose.as_bytes());
            mac.update(&[0]);
            mac.update(message);
            Digest::from_bytes(mac.finalize().into_bytes().into())
        })
    }

    /// The MAC of a line, from the SHA-256 of all that it covers: so that one pass over the bytes gives both the MAC and
    /// the hash that the next line names.
    pub(super) fn mac(&self, covered: &Digest) -> Digest {
        // HMAC takes a key of any length, so this cannot fail; an empty MAC would match nothing.
        Hmac::<Sha256>::new_from_slice(&self.0).map_or(Digest::ZERO, |mut mac| {
            mac.update(covered.as_bytes());
            Digest::from_bytes(mac.finalize().into_bytes().into())
        })
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey(***)")
    }
}
