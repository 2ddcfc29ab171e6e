//! Decisions about sessions.

use super::command::{EndSession, StartSession};
use super::event::{Ended, Event, Started};
use super::{LASTS_MAX_SECONDS, Owner, SESSIONS_MAX, Session, With};
use crate::control::{Change, Control};
use crate::event::Event as AnyEvent;
use crate::id::{KeyId, SessionId, UserId};
use crate::key::{Key, KeyKind};
use crate::stream::{Position, StreamId};
use crate::time::Timestamp;
use crate::user::{self, User};

/// Why a command about sessions is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No such user.
    #[error(transparent)]
    User(#[from] user::Rejection),
    /// There is one of that id.
    #[error("the session `{0}` is already started")]
    AlreadyStarted(SessionId),
    /// There is none, or it has ended.
    #[error("there is no session `{0}`")]
    NotStarted(SessionId),
    /// The user may not sign in, or not with this.
    #[error("a session cannot be started: {0}")]
    Refused(&'static str),
    /// It would have ended already, or last for too long.
    #[error("`expires_at` of a session is a moment of the next 30 days")]
    Expiry,
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::User(rejection) => rejection.code(),
            Self::AlreadyStarted(_) => "session_already_started",
            Self::NotStarted(_) => "session_not_found",
            Self::Refused(_) => "session_refused",
            Self::Expiry => "session_expiry_invalid",
        }
    }
}

/// What a session would stand on.
struct Ground<'a> {
    user: Option<&'a User>,
    key: Option<&'a Key>,
}

/// Decides [`StartSession`].
///
/// # Errors
/// [`Rejection`].
pub fn start(state: &Control, command: &StartSession, now: Timestamp) -> Result<Vec<Change>, Rejection> {
    if state.sessions.contains(&command.session) {
        return Err(Rejection::AlreadyStarted(command.session));
    }
    let ground = ground(state, &command.with, now)?;
    let latest = now.plus_seconds(LASTS_MAX_SECONDS).unwrap_or(now);
    if command.expires_at <= now || command.expires_at > latest {
        return Err(Rejection::Expiry);
    }
    let of_key = ground.key.and_then(|key| key.expires_at);
    let expires_at = of_key.map_or(command.expires_at, |of_key| of_key.min(command.expires_at));
    let user = ground.user.map(|user| user.id.clone());
    let owner = Owner::from(user.clone());
    let mut changes: Vec<Change> = crowded_out(state, &owner, now).map(|one| ended(state, one)).collect();
    changes.push(Change {
        realm: ground.user.and_then(|user| user.realm.clone()),
        stream: StreamId::session(&owner),
        event: AnyEvent::Session(Event::Started(Started {
            session: command.session,
            hash: command.hash,
            user,
            with: command.with.clone(),
            expires_at,
        })),
        cause: causes(&ground),
    });
    Ok(changes)
}

/// Decides [`EndSession`].
///
/// # Errors
/// [`Rejection`].
pub fn end(state: &Control, command: &EndSession) -> Result<Vec<Change>, Rejection> {
    let session = state.sessions.get(&command.session).ok_or(Rejection::NotStarted(command.session))?;
    Ok(vec![ended(state, session)])
}

fn ground<'a>(state: &'a Control, with: &With, now: Timestamp) -> Result<Ground<'a>, Rejection> {
    match with {
        With::Operator(_) => Ok(Ground { user: None, key: None }),
        With::Password(id) => {
            let user = unblocked(state, id)?;
            match state.passwords.contains(id) {
                true => Ok(Ground { user: Some(user), key: None }),
                false => Err(Rejection::Refused("the user has no password")),
            }
        }
        With::Key(id) => {
            let key = managing(state, *id, now)?;
            let user = key.user.as_ref().ok_or(Rejection::Refused("the key is nobody's"))?;
            Ok(Ground { user: Some(unblocked(state, user)?), key: Some(key) })
        }
    }
}

fn unblocked<'a>(state: &'a Control, id: &UserId) -> Result<&'a User, Rejection> {
    let user = user::registered(state, id)?;
    if user.blocked.is_some() { Err(Rejection::Refused("the user is blocked")) } else { Ok(user) }
}

fn managing(state: &Control, id: KeyId, now: Timestamp) -> Result<&Key, Rejection> {
    let key = state.keys.get(&id).map(AsRef::as_ref).ok_or(Rejection::Refused("there is no such key"))?;
    let expired = key.expires_at.is_some_and(|expires_at| expires_at <= now);
    if key.revoked.is_some() || key.blocked.is_some() || expired {
        return Err(Rejection::Refused("the key is revoked, blocked or expired"));
    }
    match key.kind {
        KeyKind::Default | KeyKind::Management => Ok(key),
        KeyKind::LlmApi | KeyKind::ReadOnly => Err(Rejection::Refused("the key's type leaves out management")),
    }
}

/// The oldest sessions of somebody who has as many as there may be, so that one more fits. Those that have expired make
/// room by themselves.
fn crowded_out<'a>(state: &'a Control, owner: &'a Owner, now: Timestamp) -> impl Iterator<Item = &'a Session> {
    let mut live: Vec<&Session> = state.sessions_of(owner).filter(|session| session.expires_at > now).collect();
    live.sort_by_key(|session| session.trail.created.position);
    let over = (live.len() + 1).saturating_sub(SESSIONS_MAX);
    live.into_iter().take(over)
}

fn ended(state: &Control, session: &Session) -> Change {
    let user = session.owner.user().and_then(|user| state.users.get(user));
    Change {
        realm: user.and_then(|user| user.realm.clone()),
        stream: StreamId::session(&session.owner),
        event: AnyEvent::Session(Event::Ended(Ended { session: session.id })),
        cause: vec![session.trail.changed.position],
    }
}

fn causes(ground: &Ground<'_>) -> Vec<Position> {
    let user = ground.user.map(|user| user.trail.changed.position);
    let key = ground.key.map(|key| key.trail.changed.position);
    user.into_iter().chain(key).collect()
}
