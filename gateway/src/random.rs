//! New secrets.

use tallygate_core::id::SessionId;
use tallygate_core::secret::Secret;

/// The bytes of a virtual key, as LiteLLM's: 22 characters behind `sk-`.
const KEY_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
/// base64url without padding.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A new virtual key: `sk-` and 22 random characters, 128 bits.
pub(crate) fn key() -> String {
    format!("sk-{}", base64url(&bytes::<KEY_BYTES>()))
}

/// A new token of an agent: `agt-` and 43 random characters, 256 bits.
pub(crate) fn token() -> String {
    format!("agt-{}", base64url(&bytes::<SECRET_BYTES>()))
}

/// What the secret of a session begins with, before its id.
pub(crate) const SESSION_PREFIX: &str = "sk-session-";

/// A new secret of a session: `sk-session-`, its id, and 43 random characters, 256 bits.
pub(crate) fn session(id: SessionId) -> Secret {
    Secret::new(format!("{SESSION_PREFIX}{}-{}", id.as_uuid().simple(), base64url(&bytes::<SECRET_BYTES>())))
}

/// A new secret of a gateway: 256 bits.
pub(crate) fn secret() -> String {
    base64url(&bytes::<SECRET_BYTES>())
}

/// What may be shown of a key.
pub(crate) fn shown(key: &str) -> String {
    let last: String = key.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    format!("sk-...{last}")
}

/// Random bytes of the system.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without the system's randomness nothing here is safe: a process that cannot have it must not make secrets.
    if getrandom::fill(&mut bytes).is_err() {
        tracing::error!("the system gives no random bytes");
        std::process::abort();
    }
    bytes
}

fn base64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().enumerate().fold(0_u32, |group, (at, byte)| group | u32::from(*byte) << (16 - 8 * at));
        for at in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(group >> (18 - 6 * at)) as usize & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{base64url, key, shown};

    #[test]
    fn keys_have_the_form_that_clients_know() {
        let key = key();
        assert!(key.starts_with("sk-") && key.len() == 25);
        assert_eq!(shown("sk-abcdefgh"), "sk-...efgh");
    }

    #[test]
    fn bytes_are_written_as_rfc_4648_has_it() {
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xfb\xff", "-_8")] {
            assert_eq!(base64url(bytes), text);
        }
    }
}
