//! Selections: a scope binds a slot, such as `current`, to a model. Clients call the slot's name and get what the
//! nearest scope selected.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Mark, Trail, event_types};
use crate::control::{Change, Control};
use crate::event::Event as AnyEvent;
use crate::id::{ModelName, RealmId, SlotName};
use crate::scope::Scope;
use crate::stream::Position;

/// What a scope selected for a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// The scope.
    pub scope: Scope,
    /// The realm that the scope belongs to; none for the gateway.
    pub realm: Option<RealmId>,
    /// The slot.
    pub slot: SlotName,
    /// The model's public name; none when the choice was cleared.
    pub model: Option<ModelName>,
    /// Its history.
    pub trail: Trail,
}

/// Asks that a slot lead to a model, in a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelectModel {
    /// The scope.
    pub scope: Scope,
    /// The slot.
    #[serde(default = "SlotName::current")]
    pub slot: SlotName,
    /// The model's public name.
    pub model: ModelName,
}

/// Asks that a scope have no choice of its own for a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClearSelection {
    /// The scope.
    pub scope: Scope,
    /// The slot.
    #[serde(default = "SlotName::current")]
    pub slot: SlotName,
}

/// A slot leads to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selected {
    /// The scope.
    pub scope: Scope,
    /// The slot.
    pub slot: SlotName,
    /// The model's public name.
    pub model: ModelName,
}

/// A scope has no choice of its own for a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cleared {
    /// The scope.
    pub scope: Scope,
    /// The slot.
    pub slot: SlotName,
}

event_types! {
    /// What happens to selections.
    pub enum Event {
        /// A slot leads to a model.
        Selected(Selected) = "model.selected", 1;
        /// A slot leads nowhere in this scope.
        Cleared(Cleared) = "selection.cleared", 1;
    }
}

/// Why a command about selections is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The scope's realm or key does not exist.
    #[error("there is no {0} to select for")]
    UnknownScope(Scope),
    /// No model of that name can be seen from the scope.
    #[error("there is no model `{0}`")]
    UnknownModel(ModelName),
    /// The scope may not call it.
    #[error("{scope} may not call the model `{model}`: grant it first")]
    NotGranted {
        /// The scope.
        scope: Scope,
        /// The model.
        model: ModelName,
    },
    /// A model goes by the slot's name.
    #[error("`{0}` is the name of a model: choose another name for the slot")]
    SlotIsModel(SlotName),
    /// The scope has no choice for that slot.
    #[error("{scope} has selected nothing for `{slot}`")]
    NothingSelected {
        /// The scope.
        scope: Scope,
        /// The slot.
        slot: SlotName,
    },
    /// The command would change nothing.
    #[error("the selection of {0} would not change")]
    NoChange(Scope),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownScope(_) => "selection_scope_unknown",
            Self::UnknownModel(_) => "model_not_found",
            Self::NotGranted { .. } => "selection_not_granted",
            Self::SlotIsModel(_) => "slot_is_model",
            Self::NothingSelected { .. } => "nothing_selected",
            Self::NoChange(_) => "no_change",
        }
    }
}

/// Decides [`SelectModel`].
///
/// # Errors
/// [`Rejection`].
pub fn select(state: &Control, command: &SelectModel) -> Result<Vec<Change>, Rejection> {
    let owner = state.owner(&command.scope).ok_or_else(|| Rejection::UnknownScope(command.scope.clone()))?;
    if state.model_names.iter().any(|((_, name), _)| name.as_str() == command.slot.as_str()) {
        return Err(Rejection::SlotIsModel(command.slot.clone()));
    }
    let model = state
        .visible_model(&owner.lookup_realm(), &command.model)
        .ok_or_else(|| Rejection::UnknownModel(command.model.clone()))?;
    if !state.scope_may_call(&command.scope, &command.model) {
        return Err(Rejection::NotGranted { scope: command.scope.clone(), model: command.model.clone() });
    }
    let current = state.selections.get(&(command.scope.clone(), command.slot.clone()));
    if current.and_then(|selection| selection.model.as_ref()) == Some(&command.model) {
        return Err(Rejection::NoChange(command.scope.clone()));
    }
    let mut cause: Vec<Position> = owner.since.into_iter().collect();
    cause.push(model.trail.changed.position);
    let selected = Selected { scope: command.scope.clone(), slot: command.slot.clone(), model: command.model.clone() };
    Ok(vec![Change {
        realm: owner.realm,
        stream: command.scope.selection_stream(&command.slot),
        event: AnyEvent::Selection(Event::Selected(selected)),
        cause,
    }])
}

/// Decides [`ClearSelection`].
///
/// # Errors
/// [`Rejection`].
pub fn clear(state: &Control, command: &ClearSelection) -> Result<Vec<Change>, Rejection> {
    let owner = state.owner(&command.scope).ok_or_else(|| Rejection::UnknownScope(command.scope.clone()))?;
    let current = state
        .selections
        .get(&(command.scope.clone(), command.slot.clone()))
        .filter(|selection| selection.model.is_some())
        .ok_or_else(|| Rejection::NothingSelected { scope: command.scope.clone(), slot: command.slot.clone() })?;
    let cleared = Cleared { scope: command.scope.clone(), slot: command.slot.clone() };
    Ok(vec![Change {
        realm: owner.realm,
        stream: command.scope.selection_stream(&command.slot),
        event: AnyEvent::Selection(Event::Cleared(cleared)),
        cause: vec![current.trail.changed.position],
    }])
}

/// Folds what happened to a selection. A cleared row stays, since the stream's version must go on.
pub fn evolve(state: &mut Control, event: &Event, realm: Option<&RealmId>, mark: &Mark) {
    let (scope, slot, model) = match event {
        Event::Selected(data) => (&data.scope, &data.slot, Some(data.model.clone())),
        Event::Cleared(data) => (&data.scope, &data.slot, None),
    };
    let id = (scope.clone(), slot.clone());
    let trail = match state.selections.get(&id) {
        Some(selection) => {
            let mut trail = selection.trail.clone();
            trail.step(mark);
            trail
        }
        None => Trail::born(mark),
    };
    let selection = Selection { scope: scope.clone(), realm: realm.cloned(), slot: slot.clone(), model, trail };
    state.selections.put(id, selection);
}

impl Event {
    /// The scope and the slot it is about.
    #[must_use]
    pub const fn place(&self) -> (&Scope, &SlotName) {
        match self {
            Self::Selected(data) => (&data.scope, &data.slot),
            Self::Cleared(data) => (&data.scope, &data.slot),
        }
    }
}

#[cfg(test)]
mod tests;
