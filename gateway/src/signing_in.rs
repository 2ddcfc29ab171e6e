//! Signing in: what people show once, so that a session stands for it.
//!
//! A password is looked at behind a limit of attempts, one at a time on a thread of its own, and for as long whether the user
//! is there or not. What comes of it is a command: the session is in the log before its secret is told.

mod attempts;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use subtle::ConstantTimeEq as _;
use tallygate_adapters::secret::{Keys, PasswordKey, TokenKey};
use tallygate_core::actor::Actor;
use tallygate_core::digest::Digest;
use tallygate_core::id::WriterId;
use tallygate_core::secret::Secret;
use tallygate_core::user::Password;
use tokio::sync::Semaphore;

pub(crate) use attempts::{Attempts, TooMany};

/// How many passwords are looked at once, at most: each takes a core for a while, and 19 MiB.
const PLACES: usize = 2;
/// How long somebody waits for their turn.
const TURN: Duration = Duration::from_secs(5);
/// The fewest characters of a new password, and the most bytes of any.
pub(crate) const PASSWORD_MIN_CHARACTERS: usize = 12;
/// See [`PASSWORD_MIN_CHARACTERS`].
pub(crate) const PASSWORD_MAX_BYTES: usize = 256;

/// How people sign in.
#[derive(Debug, Clone)]
pub(crate) struct SignInSettings {
    /// The name that the operator signs in by.
    pub(crate) username: String,
    /// Their password; the master key where there is none.
    pub(crate) password: Option<Secret>,
    /// How long a session lasts.
    pub(crate) lasts_seconds: u64,
    /// Whether a proxy says where requests come from.
    pub(crate) trusts_forwarded: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct SigningIn {
    /// How long a session lasts.
    pub(crate) lasts_seconds: u64,
    /// Whether a proxy says where requests come from.
    pub(crate) trusts_forwarded: bool,
    /// Attempts, by name and by address.
    pub(crate) attempts: Attempts,
    /// Who starts sessions, in the log: this gateway, which saw what somebody signed in with.
    pub(crate) gateway: Actor,
    /// Signs what clients are told of a session.
    pub(crate) tokens: TokenKey,
    username: String,
    password: Secret,
    mark: Digest,
    passwords: PasswordKey,
    places: Semaphore,
}

/// Too many are signing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

impl SigningIn {
    /// For one gateway, with the operator's master key.
    pub(crate) fn new(settings: SignInSettings, keys: &Keys, master: &Secret, writer: &WriterId) -> Self {
        let password = settings.password.unwrap_or_else(|| master.clone());
        // Whoever changes one of these ends the operator's sessions.
        let shown = [master.expose(), &settings.username, password.expose()].join("\0");
        Self {
            lasts_seconds: settings.lasts_seconds,
            trusts_forwarded: settings.trusts_forwarded,
            attempts: Attempts::default(),
            gateway: Actor::gateway(writer.as_str()),
            tokens: keys.tokens.clone(),
            mark: keys.mac.tag("what the operator signs in with", shown.as_bytes()),
            username: settings.username,
            password,
            passwords: keys.passwords.clone(),
            places: Semaphore::new(PLACES),
        }
    }

    /// What the operator's sessions stand on here.
    pub(crate) const fn mark(&self) -> Digest {
        self.mark
    }

    /// Whether a name is the one that the operator signs in by.
    pub(crate) fn is_operators_name(&self, username: &str) -> bool {
        self.username.as_bytes().ct_eq(username.as_bytes()).into()
    }

    /// Whether these are the operator's name and password. Digests are compared, so that no length is told.
    pub(crate) fn is_operator(&self, username: &str, password: &Secret) -> bool {
        let (own, given) = (Digest::of(self.password.expose().as_bytes()), Digest::of(password.expose().as_bytes()));
        let is_password: bool = own.as_bytes().ct_eq(given.as_bytes()).into();
        self.is_operators_name(username) & is_password
    }

    /// Whether a password is the one that was kept; it never is where none was, after as long.
    ///
    /// # Errors
    /// Others have not left a place in time.
    pub(crate) async fn is_right(&self, kept: Option<Arc<Password>>, given: Secret) -> Result<bool, Busy> {
        let passwords = self.passwords.clone();
        let look = move || {
            let nobodys = PasswordKey::nobodys();
            let right = passwords.matches(kept.as_deref().unwrap_or(&nobodys), &given);
            right & kept.is_some()
        };
        self.in_turn(look).await
    }

    /// What a new password is kept as.
    ///
    /// # Errors
    /// Others have not left a place in time.
    pub(crate) async fn made_of(&self, password: Secret) -> Result<Password, Busy> {
        let (passwords, salt) = (self.passwords.clone(), crate::random::bytes());
        self.in_turn(move || passwords.hash(&password, salt)).await?.ok_or(Busy)
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let place = tokio::time::timeout(TURN, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(Busy) };
        tokio::task::spawn_blocking(work).await.map_err(|_| Busy)
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) IpAddr);
