//! Passwords of users, as they are kept: what Argon2id made of them. A password itself is in no command and no event.

use serde::{Deserialize, Serialize};

use super::event::{Event, PasswordSet};
use super::{Rejection, SetPassword, registered};
use crate::control::{Change, Control};
use crate::digest::Digest;
use crate::event::Event as AnyEvent;
use crate::stream::StreamId;

/// The memory that a hash may take, in KiB: whoever signs in has it computed.
const MEMORY_KIB: std::ops::RangeInclusive<u32> = 8..=65_536;
/// How often a hash goes over that memory.
const PASSES: std::ops::RangeInclusive<u32> = 1..=8;

/// What Argon2id (RFC 9106, one lane) made of a password and a key of the gateways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Password {
    /// The memory that it took, in KiB.
    pub memory_kib: u32,
    /// How often it went over that.
    pub passes: u32,
    /// 32 random bytes.
    pub salt: Digest,
    /// The 32 bytes that came of it.
    pub hash: Digest,
}

/// Decides [`SetPassword`].
///
/// # Errors
/// [`Rejection`].
pub fn set_password(state: &Control, command: &SetPassword) -> Result<Vec<Change>, Rejection> {
    let user = registered(state, &command.user)?;
    match &command.password {
        Some(password) if !MEMORY_KIB.contains(&password.memory_kib) || !PASSES.contains(&password.passes) => {
            return Err(Rejection::Field {
                field: "password",
                expected: "takes 8 to 65536 KiB of memory and 1 to 8 passes",
            });
        }
        new if new.as_ref() == state.passwords.get(&command.user).map(AsRef::as_ref) => {
            return Err(Rejection::NoChange(command.user.clone()));
        }
        Some(_) | None => {}
    }
    let SetPassword { user: of, password } = command.clone();
    Ok(vec![Change {
        realm: user.realm.clone(),
        stream: StreamId::user(&user.id),
        event: AnyEvent::User(Event::PasswordSet(PasswordSet { user: of, password })),
        cause: vec![user.trail.changed.position],
    }])
}
