//! The vault: seals the secrets of provider credentials, and opens them for the hosts they were stored for.
//!
//! # Contract
//!
//! - **Bound.** What was sealed under one [`Binding`] opens under an equal one only. A ciphertext that was moved to
//!   another credential, realm or set of hosts is [`OpenError::Forged`].
//! - **Allowlisted.** A variable of the environment is read only if its name is allowed, on each use; never the
//!   gateway's own secrets.
//! - **Silent.** No error, `Debug` or log line holds plaintext.
//! - **Local.** Both calls are synchronous and touch no network: they run when a snapshot is built, not on each request.

use std::collections::BTreeSet;

use crate::id::{CredentialId, RealmId};
use crate::secret::{SealedSecret, Secret, SecretSource};

/// What a stored secret belongs to, and so cannot be used without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The credential.
    pub credential: CredentialId,
    /// The realm that owns it.
    pub realm: &'a RealmId,
    /// Where it may be sent: hosts as [`crate::endpoint::Origin::authority`] writes them.
    pub hosts: &'a BTreeSet<String>,
}

/// Why a secret could not be sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is nothing to seal.
    #[error("an empty secret cannot be stored")]
    Empty,
    /// More than [`SECRET_MAX_BYTES`] bytes.
    #[error("a secret has at most {SECRET_MAX_BYTES} bytes, this one has {bytes}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A character that no header can carry, such as a line feed at the end of a pasted key.
    #[error("a secret must be printable ASCII: it holds another character at byte {at}")]
    Character {
        /// Its place.
        at: usize,
    },
    /// The system gave no randomness for a nonce.
    #[error("the system gave no random bytes")]
    NoRandomness,
}

/// The longest secret, in bytes. Tokens of clouds take some 2,000.
pub const SECRET_MAX_BYTES: usize = 16 * 1024;

/// Why a secret could not be opened. None of them holds a part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The name of the variable is not on the allowlist.
    #[error("the environment variable {name} may not be used as a provider secret: its name is not allowed")]
    NotAllowed {
        /// The variable, cut to 128 characters.
        name: String,
    },
    /// The gateway was started without the variable.
    #[error("the environment variable {name} is not set")]
    NotSet {
        /// The variable.
        name: String,
    },
    /// The variable is set, to nothing.
    #[error("the environment variable {name} is empty")]
    Empty {
        /// The variable.
        name: String,
    },
    /// The variable holds a character that no header can carry.
    #[error("the environment variable {name} holds a character that is not printable ASCII")]
    Character {
        /// The variable.
        name: String,
    },
    /// It was sealed under another gateway secret.
    #[error("the secret was sealed under key {sealed_under}, this gateway holds key {held}")]
    OtherKey {
        /// The key that sealed it.
        sealed_under: String,
        /// The key of this gateway.
        held: String,
    },
    /// The ciphertext was changed, or moved to another credential, realm or set of hosts.
    #[error("the sealed secret does not belong to this credential, realm and hosts, or it was changed")]
    Forged,
}

/// Seals and opens. See the module for the contract.
pub trait Vault: Send + Sync + std::fmt::Debug {
    /// Seals a secret for one binding.
    ///
    /// # Errors
    /// [`SealError`] when the text cannot be a provider secret, or the system has no randomness.
    fn seal(&self, secret: &Secret, binding: &Binding<'_>) -> Result<SealedSecret, SealError>;

    /// The plaintext of a source.
    ///
    /// # Errors
    /// [`OpenError`], by what was wrong.
    fn open(&self, source: &SecretSource, binding: &Binding<'_>) -> Result<Secret, OpenError>;
}
