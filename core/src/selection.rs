//! Selections: a scope binds a slot, such as `current`, to a model. Clients call the slot's name and get what the
//! nearest scope selected.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::aggregate::{Mark, Trail, event_types};
use crate::control::{Change, Control, Owner};
use crate::event::Event as AnyEvent;
use crate::id::{AgentId, ModelName, RealmId, SlotName};
use crate::registry::Model;
use crate::scope::{Conversation, Scope};
use crate::stream::Position;

/// How many choices a selection remembers to go back to. What was chosen before those stays in the log.
pub const EARLIER_MAX: usize = 20;

/// In how many conversations of one agent a choice of their own may ever be made, slot by slot: each is a row that stays.
pub const CONTEXTS_MAX: usize = 10_000;

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
    /// What an undo goes back to, the latest last; none for no choice. At most [`EARLIER_MAX`].
    pub earlier: Vec<Option<ModelName>>,
    /// Its history.
    pub trail: Trail,
}

/// One change of a selection: a row of its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The scope.
    pub scope: Scope,
    /// The realm that the scope belongs to; none for the gateway.
    pub realm: Option<RealmId>,
    /// The slot.
    pub slot: SlotName,
    /// The model that was left; none where there was no choice.
    pub from: Option<ModelName>,
    /// The model that was chosen; none where the choice was cleared.
    pub to: Option<ModelName>,
    /// Whether it went back to an earlier choice.
    pub undo: bool,
    /// Who, when, and by which event.
    pub mark: Mark,
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

/// Asks that a slot lead where it led before the last change that was not undone. Again, it goes one further back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoSelection {
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

/// A slot leads where it led before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undone {
    /// The scope.
    pub scope: Scope,
    /// The slot.
    pub slot: SlotName,
    /// The model's public name; none where there was no choice.
    pub model: Option<ModelName>,
}

event_types! {
    /// What happens to selections.
    pub enum Event {
        /// A slot leads to a model.
        Selected(Selected) = "model.selected", 1;
        /// A slot leads nowhere in this scope.
        Cleared(Cleared) = "selection.cleared", 1;
        /// A slot leads where it led before.
        Undone(Undone) = "selection.undone", 1;
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
    /// The scope remembers no earlier choice for that slot.
    #[error("{scope} has no earlier choice for `{slot}` to go back to")]
    NothingToUndo {
        /// The scope.
        scope: Scope,
        /// The slot.
        slot: SlotName,
    },
    /// An agent has choices for too many conversations.
    #[error(
        "the agent `{0}` has choices of its own in {CONTEXTS_MAX} contexts, and there may be no more: choose for the agent, or in one of those contexts"
    )]
    TooManyContexts(AgentId),
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
            Self::NothingToUndo { .. } => "nothing_to_undo",
            Self::TooManyContexts(_) => "selection_too_many_contexts",
            Self::NoChange(_) => "no_change",
        }
    }
}

/// Whom a scope belongs to, if it exists and models can be selected for it.
fn owner(state: &Control, scope: &Scope) -> Result<Owner, Rejection> {
    let owner = state.owner(scope).filter(|_| scope.selects());
    owner.ok_or_else(|| Rejection::UnknownScope(scope.clone()))
}

/// Decides [`SelectModel`].
///
/// # Errors
/// [`Rejection`].
pub fn select(state: &Control, command: &SelectModel) -> Result<Vec<Change>, Rejection> {
    let SelectModel { scope, slot, model } = command;
    let owner = owner(state, scope)?;
    let registered = check_choice(state, &owner, command)?;
    let current = state.selections.get(&(scope.clone(), slot.clone()));
    if current.and_then(|selection| selection.model.as_ref()) == Some(model) {
        return Err(Rejection::NoChange(scope.clone()));
    }
    if current.is_none() {
        check_contexts(state, scope)?;
    }
    let cause = owner.since.into_iter().chain([registered]).collect();
    let selected = Selected { scope: scope.clone(), slot: slot.clone(), model: model.clone() };
    Ok(vec![change(owner.realm, Event::Selected(selected), cause)])
}

/// Whether a slot may lead to a model: what the event was that the model is so since.
fn check_choice(state: &Control, owner: &Owner, choice: &SelectModel) -> Result<Position, Rejection> {
    let SelectModel { scope, slot, model } = choice;
    if state.model_names.iter().any(|((_, name), _)| name.as_str() == slot.as_str()) {
        return Err(Rejection::SlotIsModel(slot.clone()));
    }
    let registered = seen_from(state, owner, scope, model).ok_or_else(|| Rejection::UnknownModel(model.clone()))?;
    if !state.scope_may_call(scope, model) {
        return Err(Rejection::NotGranted { scope: scope.clone(), model: model.clone() });
    }
    Ok(registered.trail.changed.position)
}

/// The model of a name as a scope sees it: an agent sees what the first of its realms sees that may call it.
fn seen_from<'a>(state: &'a Control, owner: &Owner, scope: &Scope, model: &ModelName) -> Option<&'a Arc<Model>> {
    let of_owner = || state.visible_model(&owner.lookup_realm(), model);
    let (Scope::Agent(agent) | Scope::Context(Conversation { agent, .. })) = scope else { return of_owner() };
    let realms = state.agents.get(agent)?.realms.iter().map(|joined| &joined.realm);
    let mut callable = realms.filter(|realm| state.realm_may_call(realm, model));
    callable.find_map(|realm| state.visible_model(realm, model)).or_else(of_owner)
}

/// A conversation that has no choice yet may get one.
fn check_contexts(state: &Control, scope: &Scope) -> Result<(), Rejection> {
    let Scope::Context(Conversation { agent, .. }) = scope else { return Ok(()) };
    let is_of_agent = |of: &Scope| matches!(of, Scope::Context(other) if other.agent == *agent);
    match state.selections.iter().filter(|((of, _), _)| is_of_agent(of)).count() {
        0..CONTEXTS_MAX => Ok(()),
        _ => Err(Rejection::TooManyContexts(agent.clone())),
    }
}

fn change(realm: Option<RealmId>, event: Event, cause: Vec<Position>) -> Change {
    let (scope, slot) = event.place();
    Change { realm, stream: scope.selection_stream(slot), event: AnyEvent::Selection(event), cause }
}

/// Decides [`ClearSelection`].
///
/// # Errors
/// [`Rejection`].
pub fn clear(state: &Control, command: &ClearSelection) -> Result<Vec<Change>, Rejection> {
    let owner = owner(state, &command.scope)?;
    let current = state
        .selections
        .get(&(command.scope.clone(), command.slot.clone()))
        .filter(|selection| selection.model.is_some())
        .ok_or_else(|| Rejection::NothingSelected { scope: command.scope.clone(), slot: command.slot.clone() })?;
    let cleared = Cleared { scope: command.scope.clone(), slot: command.slot.clone() };
    Ok(vec![change(owner.realm, Event::Cleared(cleared), vec![current.trail.changed.position])])
}

/// Decides [`UndoSelection`]. What it goes back to must be as good a choice as if it were made now.
///
/// # Errors
/// [`Rejection`].
pub fn undo(state: &Control, command: &UndoSelection) -> Result<Vec<Change>, Rejection> {
    let UndoSelection { scope, slot } = command;
    let owner = owner(state, scope)?;
    let nothing = || Rejection::NothingToUndo { scope: scope.clone(), slot: slot.clone() };
    let current = state.selections.get(&(scope.clone(), slot.clone())).ok_or_else(nothing)?;
    let model = current.earlier.last().ok_or_else(nothing)?.clone();
    let mut cause: Vec<Position> = owner.since.into_iter().chain([current.trail.changed.position]).collect();
    if let Some(model) = &model {
        let choice = SelectModel { scope: scope.clone(), slot: slot.clone(), model: model.clone() };
        cause.push(check_choice(state, &owner, &choice)?);
    }
    let undone = Undone { scope: scope.clone(), slot: slot.clone(), model };
    Ok(vec![change(owner.realm, Event::Undone(undone), cause)])
}

/// Folds what happened to a selection. A cleared row stays, since the stream's version must go on. Its history gets a row
/// of its own, which is not read here.
pub fn evolve(state: &mut Control, event: &Event, realm: Option<&RealmId>, mark: &Mark) {
    let (scope, slot) = event.place();
    let id = (scope.clone(), slot.clone());
    let before = state.selections.get(&id);
    let from = before.and_then(|selection| selection.model.clone());
    let mut earlier = before.map(|selection| selection.earlier.clone()).unwrap_or_default();
    let to = match event {
        Event::Selected(data) => Some(data.model.clone()),
        Event::Cleared(_) => None,
        Event::Undone(data) => data.model.clone(),
    };
    let undo = matches!(event, Event::Undone(_));
    if undo {
        earlier.pop();
    } else {
        let forgotten = (earlier.len() + 1).saturating_sub(EARLIER_MAX);
        earlier.drain(..forgotten);
        earlier.push(from.clone());
    }
    let trail = before.map_or_else(
        || Trail::born(mark),
        |selection| {
            let mut trail = selection.trail.clone();
            trail.step(mark);
            trail
        },
    );
    let (realm, scope, slot) = (realm.cloned(), scope.clone(), slot.clone());
    let (model, mark) = (to.clone(), mark.clone());
    let choice = Choice { scope: scope.clone(), realm: realm.clone(), slot: slot.clone(), from, to, undo, mark };
    state.choices.put((scope.clone(), slot.clone(), choice.mark.position), choice);
    state.selections.put(id, Selection { scope, realm, slot, model, earlier, trail });
}

impl Event {
    /// The scope and the slot it is about.
    #[must_use]
    pub const fn place(&self) -> (&Scope, &SlotName) {
        match self {
            Self::Selected(data) => (&data.scope, &data.slot),
            Self::Cleared(data) => (&data.scope, &data.slot),
            Self::Undone(data) => (&data.scope, &data.slot),
        }
    }
}

#[cfg(test)]
mod tests;
