//! Grants: which models a realm may call. A realm without grants may call none; a child realm never more than its
//! parents.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::aggregate::{Mark, Trail, event_types};
use crate::control::{Change, Control};
use crate::event::Event as AnyEvent;
use crate::id::RealmId;
use crate::model_pattern::{Allowed, ModelPattern, PATTERNS_MAX};
use crate::realm;
use crate::stream::{Position, StreamId};

/// What a realm was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// The realm.
    pub realm: RealmId,
    /// The models it may call.
    pub allowed: Allowed,
    /// Their history.
    pub trail: Trail,
}

/// Asks that a realm may call one more model, or pattern of models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantModel {
    /// Which realm.
    pub realm: RealmId,
    /// Which models.
    pub model: ModelPattern,
}

/// Asks that a realm may no longer call what it was granted by just this name or pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawGrant {
    /// Which realm.
    pub realm: RealmId,
    /// Which grant.
    pub model: ModelPattern,
}

/// Asks that a realm may call just these models, or all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplaceGrants {
    /// Which realm.
    pub realm: RealmId,
    /// Which models.
    pub models: Allowed,
}

/// A realm may call one more model, or pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelGranted {
    /// Which realm.
    pub realm: RealmId,
    /// Which models.
    pub model: ModelPattern,
}

/// A realm lost a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawn {
    /// Which realm.
    pub realm: RealmId,
    /// Which grant.
    pub model: ModelPattern,
}

/// A realm may call just these models, or all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// Which realm.
    pub realm: RealmId,
    /// Which models.
    pub models: Allowed,
}

event_types! {
    /// What happens to grants.
    pub enum Event {
        /// One more.
        ModelGranted(ModelGranted) = "model.granted", 1;
        /// One less.
        Withdrawn(Withdrawn) = "grant.withdrawn", 1;
        /// All of them anew.
        Replaced(Replaced) = "grants.replaced", 1;
    }
}

/// Why a command about grants is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No such realm.
    #[error(transparent)]
    Realm(#[from] realm::Rejection),
    /// The realm has it already.
    #[error("the realm `{realm}` is already granted `{model}`")]
    AlreadyGranted {
        /// The realm.
        realm: RealmId,
        /// The model or pattern, `*` when the realm may call all.
        model: ModelPattern,
    },
    /// The realm does not have it.
    #[error("the realm `{realm}` is not granted `{model}` by that name")]
    NotGranted {
        /// The realm.
        realm: RealmId,
        /// The model or pattern.
        model: ModelPattern,
    },
    /// Too many.
    #[error("a set of models holds at most {PATTERNS_MAX} names and patterns: use a wildcard")]
    TooMany,
    /// The command would change nothing.
    #[error("the grants of the realm `{0}` would not change")]
    NoChange(RealmId),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Realm(rejection) => rejection.code(),
            Self::AlreadyGranted { .. } => "model_already_granted",
            Self::NotGranted { .. } => "grant_not_found",
            Self::TooMany => "too_many_patterns",
            Self::NoChange(_) => "no_change",
        }
    }
}

/// Decides [`GrantModel`].
///
/// # Errors
/// [`Rejection`].
pub fn grant(state: &Control, command: &GrantModel) -> Result<Vec<Change>, Rejection> {
    let realm = realm::registered(state, &command.realm)?;
    match state.grants.get(&command.realm).map(|grants| &grants.allowed) {
        Some(Allowed::All) => return Err(already(command)),
        Some(Allowed::Only(patterns)) if patterns.contains(&command.model) => return Err(already(command)),
        Some(Allowed::Only(patterns)) if patterns.len() >= PATTERNS_MAX => return Err(Rejection::TooMany),
        _ => {}
    }
    let granted = ModelGranted { realm: command.realm.clone(), model: command.model.clone() };
    Ok(vec![change(&command.realm, Event::ModelGranted(granted), vec![realm.trail.changed.position])])
}

fn already(command: &GrantModel) -> Rejection {
    Rejection::AlreadyGranted { realm: command.realm.clone(), model: command.model.clone() }
}

/// Decides [`WithdrawGrant`].
///
/// # Errors
/// [`Rejection`].
pub fn withdraw(state: &Control, command: &WithdrawGrant) -> Result<Vec<Change>, Rejection> {
    realm::registered(state, &command.realm)?;
    let missing = || Rejection::NotGranted { realm: command.realm.clone(), model: command.model.clone() };
    let grants = state.grants.get(&command.realm).ok_or_else(missing)?;
    match &grants.allowed {
        Allowed::Only(patterns) if patterns.contains(&command.model) => {
            let withdrawn = Withdrawn { realm: command.realm.clone(), model: command.model.clone() };
            Ok(vec![change(&command.realm, Event::Withdrawn(withdrawn), vec![grants.trail.changed.position])])
        }
        _ => Err(missing()),
    }
}

/// Decides [`ReplaceGrants`].
///
/// # Errors
/// [`Rejection`].
pub fn replace(state: &Control, command: &ReplaceGrants) -> Result<Vec<Change>, Rejection> {
    let realm = realm::registered(state, &command.realm)?;
    if command.models.is_too_long() {
        return Err(Rejection::TooMany);
    }
    let current = state.grants.get(&command.realm).map_or_else(Allowed::none, |grants| grants.allowed.clone());
    if current == command.models {
        return Err(Rejection::NoChange(command.realm.clone()));
    }
    Ok(vec![replaced(&command.realm, command.models.clone(), vec![realm.trail.changed.position])])
}

/// The change that sets a realm's grants, for the registration of a realm with models.
pub(crate) fn replaced(realm: &RealmId, models: Allowed, cause: Vec<Position>) -> Change {
    change(realm, Event::Replaced(Replaced { realm: realm.clone(), models }), cause)
}

fn change(realm: &RealmId, event: Event, cause: Vec<Position>) -> Change {
    Change { realm: Some(realm.clone()), stream: StreamId::grant(realm), event: AnyEvent::Grant(event), cause }
}

/// Folds what happened to grants.
pub fn evolve(state: &mut Control, event: &Event, mark: &Mark) {
    let (realm, allowed) = match event {
        Event::ModelGranted(data) => {
            let mut patterns = current(state, &data.realm);
            patterns.insert(data.model.clone());
            (&data.realm, Allowed::Only(patterns))
        }
        Event::Withdrawn(data) => {
            let mut patterns = current(state, &data.realm);
            patterns.remove(&data.model);
            (&data.realm, Allowed::Only(patterns))
        }
        Event::Replaced(data) => (&data.realm, data.models.clone()),
    };
    let trail = match state.grants.get(realm) {
        Some(grants) => {
            let mut trail = grants.trail.clone();
            trail.step(mark);
            trail
        }
        None => Trail::born(mark),
    };
    state.grants.put(realm.clone(), Grants { realm: realm.clone(), allowed, trail });
}

fn current(state: &Control, realm: &RealmId) -> BTreeSet<ModelPattern> {
    match state.grants.get(realm).map(|grants| &grants.allowed) {
        Some(Allowed::Only(patterns)) => patterns.clone(),
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests;
