//! Decisions about end users, and their fold.

use super::command::{BlockEndUser, RegisterEndUser, RemoveEndUser, ReviseEndUser, UnblockEndUser};
use super::event::{Blocked, Event, Registered, Removed, Revised, Unblocked};
use super::{ALIAS_MAX_CHARACTERS, EndUser, EndUserRef};
use crate::aggregate::{Mark, Trail};
use crate::budget;
use crate::control::{Change, Control};
use crate::event::Event as AnyEvent;
use crate::realm;
use crate::scope::Scope;
use crate::stream::{Position, StreamId};

/// Why a command about end users is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No such realm.
    #[error(transparent)]
    Realm(#[from] realm::Rejection),
    /// There is one of that id.
    #[error("the end user `{0}` is already registered")]
    AlreadyRegistered(EndUserRef),
    /// There is none, or they are removed.
    #[error("there is no end user `{0}`")]
    NotRegistered(EndUserRef),
    /// They are blocked already.
    #[error("the end user `{0}` is already blocked")]
    AlreadyBlocked(EndUserRef),
    /// They are not blocked.
    #[error("the end user `{0}` is not blocked")]
    NotBlocked(EndUserRef),
    /// An empty name, or a very long one.
    #[error("`alias` of an end user has 1 to {ALIAS_MAX_CHARACTERS} characters")]
    Alias,
    /// The command would change nothing.
    #[error("nothing about the end user `{0}` would change")]
    NoChange(EndUserRef),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Realm(rejection) => rejection.code(),
            Self::AlreadyRegistered(_) => "end_user_already_registered",
            Self::NotRegistered(_) => "end_user_not_registered",
            Self::AlreadyBlocked(_) => "end_user_already_blocked",
            Self::NotBlocked(_) => "end_user_not_blocked",
            Self::Alias => "end_user_alias_invalid",
            Self::NoChange(_) => "no_change",
        }
    }
}

/// The end user, if they are registered and not removed.
///
/// # Errors
/// [`Rejection::NotRegistered`].
pub fn registered<'a>(state: &'a Control, whom: &EndUserRef) -> Result<&'a EndUser, Rejection> {
    state.end_user(whom).ok_or_else(|| Rejection::NotRegistered(whom.clone()))
}

/// Decides [`RegisterEndUser`].
///
/// # Errors
/// [`Rejection`].
pub fn register(state: &Control, command: &RegisterEndUser) -> Result<Vec<Change>, Rejection> {
    let whom = command.whom();
    if state.end_user(&whom).is_some() {
        return Err(Rejection::AlreadyRegistered(whom));
    }
    let mut cause = Vec::new();
    if let Some(realm) = &command.realm {
        cause.push(realm::registered(state, realm)?.trail.changed.position);
    }
    check_alias(command.alias.as_deref())?;
    Ok(vec![change(&whom, Event::Registered(Registered::from(command)), cause)])
}

/// Decides [`ReviseEndUser`].
///
/// # Errors
/// [`Rejection`].
pub fn revise(state: &Control, command: &ReviseEndUser) -> Result<Vec<Change>, Rejection> {
    let whom = command.whom();
    let current = registered(state, &whom)?;
    let revised = Revised::new(command, current);
    if revised.is_empty() {
        return Err(Rejection::NoChange(whom));
    }
    check_alias(revised.alias.change().flatten().map(String::as_str))?;
    Ok(vec![follows(current, Event::Revised(revised))])
}

/// Decides [`BlockEndUser`].
///
/// # Errors
/// [`Rejection`].
pub fn block(state: &Control, command: &BlockEndUser) -> Result<Vec<Change>, Rejection> {
    let whom = command.whom();
    let current = registered(state, &whom)?;
    if current.blocked.is_some() {
        return Err(Rejection::AlreadyBlocked(whom));
    }
    let EndUserRef { realm, id: end_user } = whom;
    Ok(vec![follows(current, Event::Blocked(Blocked { end_user, realm }))])
}

/// Decides [`UnblockEndUser`].
///
/// # Errors
/// [`Rejection`].
pub fn unblock(state: &Control, command: &UnblockEndUser) -> Result<Vec<Change>, Rejection> {
    let whom = command.whom();
    let current = registered(state, &whom)?;
    if current.blocked.is_none() {
        return Err(Rejection::NotBlocked(whom));
    }
    let EndUserRef { realm, id: end_user } = whom;
    Ok(vec![follows(current, Event::Unblocked(Unblocked { end_user, realm }))])
}

/// Decides [`RemoveEndUser`]. Their budget goes with them: whoever is registered under the id later has none.
///
/// # Errors
/// [`Rejection`].
pub fn remove(state: &Control, command: &RemoveEndUser) -> Result<Vec<Change>, Rejection> {
    let whom = command.whom();
    let current = registered(state, &whom)?;
    let mut changes = Vec::new();
    changes.extend(budget::withdrawn(state, &Scope::EndUser(whom.clone())));
    let EndUserRef { realm, id: end_user } = whom;
    changes.push(follows(current, Event::Removed(Removed { end_user, realm })));
    Ok(changes)
}

fn follows(current: &EndUser, event: Event) -> Change {
    change(&current.end_user, event, vec![current.trail.changed.position])
}

fn change(whom: &EndUserRef, event: Event, cause: Vec<Position>) -> Change {
    Change { realm: whom.realm.clone(), stream: StreamId::end_user(whom), event: AnyEvent::EndUser(event), cause }
}

fn check_alias(alias: Option<&str>) -> Result<(), Rejection> {
    match alias {
        Some(text) if !(1..=ALIAS_MAX_CHARACTERS).contains(&text.chars().count()) => Err(Rejection::Alias),
        _ => Ok(()),
    }
}

/// Folds what happened to an end user.
pub fn evolve(state: &mut Control, event: &Event, mark: &Mark) {
    let whom = event.end_user();
    if let Event::Registered(data) = event {
        let row = born(state, &whom, data, mark);
        state.end_users.put(whom, row);
        return;
    }
    state.end_users.update(&whom, |end_user| {
        match event {
            Event::Registered(_) => {}
            Event::Revised(data) => {
                data.alias.apply(&mut end_user.alias);
                data.limits.apply(&mut end_user.limits);
            }
            Event::Blocked(_) => end_user.blocked = Some(mark.position),
            Event::Unblocked(_) => end_user.blocked = None,
            Event::Removed(_) => end_user.removed = Some(mark.position),
        }
        end_user.trail.step(mark);
    });
}

/// One who comes back goes on in the stream that they had.
fn born(state: &Control, whom: &EndUserRef, data: &Registered, mark: &Mark) -> EndUser {
    let trail = match state.end_users.get(whom) {
        Some(earlier) => Trail { version: earlier.trail.version + 1, ..Trail::born(mark) },
        None => Trail::born(mark),
    };
    EndUser {
        end_user: whom.clone(),
        alias: data.alias.clone(),
        limits: data.limits,
        blocked: None,
        removed: None,
        trail,
    }
}
