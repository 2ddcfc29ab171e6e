//! JSON Web Tokens that tell a client who signed in (RFC 7519, HS256). The gateway reads none: a session's own secret is
//! what it knows somebody by.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

const HEADER: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;

/// The key that tokens are signed under.
#[derive(Clone)]
pub struct TokenKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(***)")
    }
}

impl TokenKey {
    pub(super) const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// A token of some claims, which are JSON.
    #[must_use]
    pub fn sign(&self, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64URL_NOPAD.encode(HEADER), BASE64URL_NOPAD.encode(claims.as_bytes()));
        // HMAC takes a key of any length, so the fallback is never used.
        let mac = Hmac::<Sha256>::new_from_slice(&*self.0).map(|mut mac| {
            mac.update(signed.as_bytes());
            BASE64URL_NOPAD.encode(&mac.finalize().into_bytes())
        });
        format!("{signed}.{}", mac.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::TokenKey;
    use zeroize::Zeroizing;

    #[test]
    fn a_token_is_what_other_libraries_make() {
        let token = TokenKey::new(Zeroizing::new([7; 32])).sign(r#"{"user_id":"ada"}"#);
        // Computed apart, with the HMAC of another library.
        assert_eq!(
            token,
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoiYWRhIn0.5Kx6xtVDt4NgGeMZobPBv_Br6FFwQI9l_1m8xpO_4tM"
        );
    }
}
