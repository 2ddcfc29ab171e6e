//! Realms: tenants. A realm nests in a parent and can never do more than its parents allow.

mod remove;

pub use remove::{RemoveRealm, Removed, remove};

use serde::{Deserialize, Serialize};

use crate::aggregate::{Mark, Trail, event_types};
use crate::control::{Change, Control};
use crate::event::Event as AnyEvent;
use crate::grant;
use crate::id::RealmId;
use crate::json::Json;
use crate::limits::{Limits, LimitsPatch};
use crate::model_pattern::{Allowed, PATTERNS_MAX};
use crate::patch::Patch;
use crate::stream::{Position, StreamId};

/// How deep realms nest: a realm, its parent, and so on.
pub const DEPTH_MAX: usize = 8;
/// The longest name of a realm for people, in characters.
pub const NAME_MAX_CHARACTERS: usize = 256;

/// A realm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Realm {
    /// Its id.
    pub id: RealmId,
    /// Its name for people.
    pub name: Option<String>,
    /// The realm it nests in. It never changes, so there can be no cycle.
    pub parent: Option<RealmId>,
    /// Its rate limits, over all its keys and child realms.
    pub limits: Limits,
    /// Since which event it is suspended.
    pub suspended: Option<Position>,
    /// Since which event it is removed, for ever. Its id stays taken, since its history stays.
    pub removed: Option<Position>,
    /// What people attached to it.
    pub metadata: Json,
    /// Its history.
    pub trail: Trail,
}

/// Asks for a new realm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterRealm {
    /// Its id.
    pub realm: RealmId,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The realm it nests in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RealmId>,
    /// The models it is granted from the start; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Allowed>,
    /// Its rate limits.
    #[serde(default)]
    pub limits: Limits,
    /// What people attach to it.
    #[serde(default)]
    pub metadata: Json,
}

/// Asks for changes of a realm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviseRealm {
    /// Which realm.
    pub realm: RealmId,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub name: Patch<String>,
    /// Its rate limits.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_keep")]
    pub limits: LimitsPatch,
    /// What people attach to it.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub metadata: Patch<Json>,
}

/// Asks that nothing of a realm and its children be served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspendRealm {
    /// Which realm.
    pub realm: RealmId,
}

/// Asks that a suspended realm be served again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeRealm {
    /// Which realm.
    pub realm: RealmId,
}

/// A realm came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// Its id.
    pub realm: RealmId,
    /// Its name for people.
    pub name: Option<String>,
    /// The realm it nests in.
    pub parent: Option<RealmId>,
    /// Its rate limits.
    pub limits: Limits,
    /// What people attached to it.
    pub metadata: Json,
}

/// A realm changed. Fields that did not are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revised {
    /// Which realm.
    pub realm: RealmId,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub name: Patch<String>,
    /// Its rate limits.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_keep")]
    pub limits: LimitsPatch,
    /// What people attached to it.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub metadata: Patch<Json>,
}

/// A realm was suspended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspended {
    /// Which realm.
    pub realm: RealmId,
}

/// A realm is served again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resumed {
    /// Which realm.
    pub realm: RealmId,
}

event_types! {
    /// What happens to realms.
    pub enum Event {
        /// It came to be.
        Registered(Registered) = "realm.registered", 1;
        /// It changed.
        Revised(Revised) = "realm.revised", 1;
        /// It was suspended.
        Suspended(Suspended) = "realm.suspended", 1;
        /// It is served again.
        Resumed(Resumed) = "realm.resumed", 1;
        /// It is there no more.
        Removed(Removed) = "realm.removed", 1;
    }
}

/// Why a command about a realm is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is one of that id.
    #[error("the realm `{0}` is already registered")]
    AlreadyRegistered(RealmId),
    /// There is none.
    #[error("there is no realm `{0}`")]
    NotRegistered(RealmId),
    /// It would nest too deep.
    #[error("realms nest at most {DEPTH_MAX} deep, and `{0}` is at that depth")]
    TooDeep(RealmId),
    /// It is suspended already.
    #[error("the realm `{0}` is already suspended")]
    AlreadySuspended(RealmId),
    /// It is not suspended.
    #[error("the realm `{0}` is not suspended")]
    NotSuspended(RealmId),
    /// Another realm nests in it.
    #[error("the realm `{child}` nests in `{realm}`: remove it first")]
    HasChildren {
        /// The realm.
        realm: RealmId,
        /// The first that nests in it.
        child: RealmId,
    },
    /// What names no realm belongs to it.
    #[error("the realm `default` cannot be removed: what names no realm belongs to it")]
    IsDefault,
    /// The name is no name.
    #[error("a realm's name has 1 to {NAME_MAX_CHARACTERS} characters")]
    Name,
    /// Too many models to be granted from the start.
    #[error("a set of models holds at most {PATTERNS_MAX} names and patterns: use a wildcard")]
    TooManyPatterns,
    /// The command would change nothing.
    #[error("nothing about the realm `{0}` would change")]
    NoChange(RealmId),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyRegistered(_) => "realm_already_registered",
            Self::NotRegistered(_) => "realm_not_registered",
            Self::TooDeep(_) => "realm_too_deep",
            Self::AlreadySuspended(_) => "realm_already_suspended",
            Self::NotSuspended(_) => "realm_not_suspended",
            Self::HasChildren { .. } => "realm_has_children",
            Self::IsDefault => "realm_is_default",
            Self::Name => "realm_name_invalid",
            Self::TooManyPatterns => "too_many_patterns",
            Self::NoChange(_) => "no_change",
        }
    }
}

/// The realm, if it is registered and not removed.
///
/// # Errors
/// [`Rejection::NotRegistered`].
pub fn registered<'a>(state: &'a Control, id: &RealmId) -> Result<&'a Realm, Rejection> {
    let realm = state.realms.get(id).map(AsRef::as_ref).filter(|realm| realm.removed.is_none());
    realm.ok_or_else(|| Rejection::NotRegistered(id.clone()))
}

/// Decides [`RegisterRealm`].
///
/// # Errors
/// [`Rejection`].
pub fn register(state: &Control, command: &RegisterRealm) -> Result<Vec<Change>, Rejection> {
    if state.realms.contains(&command.realm) {
        return Err(Rejection::AlreadyRegistered(command.realm.clone()));
    }
    let mut cause = Vec::new();
    if let Some(parent) = &command.parent {
        registered(state, parent)?;
        if state.chain(parent).count() >= DEPTH_MAX {
            return Err(Rejection::TooDeep(parent.clone()));
        }
        cause.extend(state.chain(parent).map(|realm| realm.trail.created.position));
    }
    check_name(command.name.as_deref())?;
    if command.models.as_ref().is_some_and(Allowed::is_too_long) {
        return Err(Rejection::TooManyPatterns);
    }
    let registered = Registered {
        realm: command.realm.clone(),
        name: command.name.clone(),
        parent: command.parent.clone(),
        limits: command.limits,
        metadata: command.metadata.clone(),
    };
    let mut changes = vec![Change {
        realm: Some(command.realm.clone()),
        stream: StreamId::realm(&command.realm),
        event: AnyEvent::Realm(Event::Registered(registered)),
        cause,
    }];
    if let Some(models) = &command.models {
        changes.push(grant::replaced(&command.realm, models.clone(), Vec::new()));
    }
    Ok(changes)
}

fn check_name(name: Option<&str>) -> Result<(), Rejection> {
    match name {
        Some(name) if !(1..=NAME_MAX_CHARACTERS).contains(&name.chars().count()) => Err(Rejection::Name),
        _ => Ok(()),
    }
}

/// Decides [`ReviseRealm`].
///
/// # Errors
/// [`Rejection`].
pub fn revise(state: &Control, command: &ReviseRealm) -> Result<Vec<Change>, Rejection> {
    let realm = registered(state, &command.realm)?;
    let revised = Revised {
        realm: command.realm.clone(),
        name: command.name.against(realm.name.as_ref()),
        limits: command.limits.against(&realm.limits),
        metadata: command.metadata.against_or(&realm.metadata, &Json::empty()),
    };
    if revised.name.is_keep() && revised.limits.is_keep() && revised.metadata.is_keep() {
        return Err(Rejection::NoChange(command.realm.clone()));
    }
    check_name(revised.name.change().flatten().map(String::as_str))?;
    Ok(vec![change(realm, Event::Revised(revised))])
}

/// Decides [`SuspendRealm`].
///
/// # Errors
/// [`Rejection`].
pub fn suspend(state: &Control, command: &SuspendRealm) -> Result<Vec<Change>, Rejection> {
    let realm = registered(state, &command.realm)?;
    if realm.suspended.is_some() {
        return Err(Rejection::AlreadySuspended(command.realm.clone()));
    }
    Ok(vec![change(realm, Event::Suspended(Suspended { realm: command.realm.clone() }))])
}

/// Decides [`ResumeRealm`].
///
/// # Errors
/// [`Rejection`].
pub fn resume(state: &Control, command: &ResumeRealm) -> Result<Vec<Change>, Rejection> {
    let realm = registered(state, &command.realm)?;
    if realm.suspended.is_none() {
        return Err(Rejection::NotSuspended(command.realm.clone()));
    }
    Ok(vec![change(realm, Event::Resumed(Resumed { realm: command.realm.clone() }))])
}

fn change(realm: &Realm, event: Event) -> Change {
    Change {
        realm: Some(realm.id.clone()),
        stream: StreamId::realm(&realm.id),
        event: AnyEvent::Realm(event),
        cause: vec![realm.trail.changed.position],
    }
}

/// Folds what happened to a realm.
pub fn evolve(state: &mut Control, event: &Event, mark: &Mark) {
    match event {
        Event::Registered(data) => state.realms.put(
            data.realm.clone(),
            Realm {
                id: data.realm.clone(),
                name: data.name.clone(),
                parent: data.parent.clone(),
                limits: data.limits,
                suspended: None,
                removed: None,
                metadata: data.metadata.clone(),
                trail: Trail::born(mark),
            },
        ),
        Event::Revised(data) => state.realms.update(&data.realm, |realm| {
            data.name.apply(&mut realm.name);
            data.limits.apply(&mut realm.limits);
            data.metadata.apply_or(&mut realm.metadata, Json::empty());
            realm.trail.step(mark);
        }),
        Event::Suspended(data) => state.realms.update(&data.realm, |realm| {
            realm.suspended = Some(mark.position);
            realm.trail.step(mark);
        }),
        Event::Resumed(data) => state.realms.update(&data.realm, |realm| {
            realm.suspended = None;
            realm.trail.step(mark);
        }),
        Event::Removed(data) => state.realms.update(&data.realm, |realm| {
            realm.removed = Some(mark.position);
            realm.trail.step(mark);
        }),
    }
}

#[cfg(test)]
mod tests;
