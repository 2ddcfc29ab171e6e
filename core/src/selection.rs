//! Selections: a scope binds a slot, such as `current`, to a model. Clients call the slot's name and get what the
//! nearest scope selected, with the parameters of the preset by which it was chosen, if it was.

mod event;
mod rejection;
pub mod preset;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::aggregate::{Mark, Trail};
use crate::control::{Change, Control, Owner};
use crate::event::Event as AnyEvent;
use crate::id::{ModelName, PresetName, RealmId, SlotName};
use crate::registry::Model;
use crate::scope::{Conversation, Scope};
use crate::stream::Position;

use preset::{Parameters, Preset};

pub use event::{Cleared, Event, PresetSelected, Selected, Undone};
pub use rejection::Rejection;

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
    /// The preset by which it was chosen, if it was by one.
    pub preset: Option<PresetName>,
    /// What requests have by default.
    pub parameters: Parameters,
    /// What an undo goes back to, the latest last; none for no choice. At most [`EARLIER_MAX`].
    pub earlier: Vec<Option<Chosen>>,
    /// Its history.
    pub trail: Trail,
}

/// What a slot led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The model's public name.
    pub model: ModelName,
    /// The preset by which it was chosen, if it was by one.
    pub preset: Option<PresetName>,
    /// What requests had by default.
    pub parameters: Parameters,
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
    /// The preset by which it was chosen, if it was by one.
    pub preset: Option<PresetName>,
    /// What requests have by default since.
    pub parameters: Parameters,
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

/// Asks that a slot lead to what a preset says, in a scope: the scope's own preset, else that of the nearest wider scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelectPreset {
    /// The scope.
    pub scope: Scope,
    /// The slot.
    #[serde(default = "SlotName::current")]
    pub slot: SlotName,
    /// The preset's name.
    pub preset: PresetName,
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
    let chosen = Chosen { model: model.clone(), preset: None, parameters: Parameters::default() };
    choose(state, owner(state, scope)?, (scope, slot), chosen)
}

/// Decides [`SelectPreset`].
///
/// # Errors
/// [`Rejection`].
pub fn select_preset(state: &Control, command: &SelectPreset) -> Result<Vec<Change>, Rejection> {
    let SelectPreset { scope, slot, preset } = command;
    let owner = owner(state, scope)?;
    let unknown = || Rejection::UnknownPreset(preset.clone());
    let (of, meant) = preset::meant(state, &owner, scope, preset).ok_or_else(unknown)?;
    let chosen = Chosen { model: meant.model.clone(), preset: Some(preset.clone()), parameters: meant.parameters };
    let since = meant.since;
    let mut changes = choose(state, owner, (scope, slot), chosen).map_err(|rejection| match rejection {
        // Which model a wider scope means is not for everyone to know.
        Rejection::UnknownModel(_) | Rejection::NotGranted { .. } if of != *scope => unknown(),
        rejection => rejection,
    })?;
    changes.iter_mut().for_each(|change| change.cause.push(since));
    Ok(changes)
}

fn choose(
    state: &Control,
    owner: Owner,
    (scope, slot): (&Scope, &SlotName),
    chosen: Chosen,
) -> Result<Vec<Change>, Rejection> {
    let registered = check_choice(state, &owner, (scope, slot), &chosen.model)?;
    let current = state.selections.get(&(scope.clone(), slot.clone()));
    if current.and_then(|selection| selection.chosen()).as_ref() == Some(&chosen) {
        return Err(Rejection::NoChange(scope.clone()));
    }
    if current.is_none() {
        check_contexts(state, scope)?;
    }
    let cause = owner.since.into_iter().chain([registered]).collect();
    let Chosen { model, preset, parameters } = chosen;
    let place = (scope, slot);
    let (scope, slot) = (scope.clone(), slot.clone());
    let event = match preset {
        None => Event::Selected(Selected { scope, slot, model }),
        Some(preset) => Event::PresetSelected(PresetSelected { scope, slot, preset, model, parameters }),
    };
    Ok(vec![change(owner.realm, place, event, cause)])
}

/// Whether a slot may lead to a model: what the event was that the model is so since.
fn check_choice(
    state: &Control,
    owner: &Owner,
    (scope, slot): (&Scope, &SlotName),
    model: &ModelName,
) -> Result<Position, Rejection> {
    if state.model_names.iter().any(|((_, name), _)| name.as_str() == slot.as_str()) {
        return Err(Rejection::SlotIsModel(slot.clone()));
    }
    check_model(state, owner, scope, model)
}

/// Whether a scope may choose a model: what the event was that the model is so since.
fn check_model(state: &Control, owner: &Owner, scope: &Scope, model: &ModelName) -> Result<Position, Rejection> {
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

fn change(realm: Option<RealmId>, (scope, slot): (&Scope, &SlotName), event: Event, cause: Vec<Position>) -> Change {
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
    let place = (&command.scope, &command.slot);
    Ok(vec![change(owner.realm, place, Event::Cleared(cleared), vec![current.trail.changed.position])])
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
    let model = current.earlier.last().ok_or_else(nothing)?.as_ref().map(|chosen| chosen.model.clone());
    let mut cause: Vec<Position> = owner.since.into_iter().chain([current.trail.changed.position]).collect();
    if let Some(model) = &model {
        cause.push(check_choice(state, &owner, (scope, slot), model)?);
    }
    let undone = Undone { scope: scope.clone(), slot: slot.clone(), model };
    Ok(vec![change(owner.realm, (scope, slot), Event::Undone(undone), cause)])
}

/// Folds what happened to a selection or to a preset.
pub fn evolve(state: &mut Control, event: &Event, realm: Option<&RealmId>, mark: &Mark) {
    match event {
        Event::PresetSaved(data) => preset::evolve(state, &data.scope, realm, mark, |presets| {
            let saved = Preset { model: data.model.clone(), parameters: data.parameters, since: mark.position };
            presets.insert(data.preset.clone(), saved);
        }),
        Event::PresetDeleted(data) => preset::evolve(state, &data.scope, realm, mark, |presets| {
            presets.remove(&data.preset);
        }),
        Event::Selected(_) | Event::Cleared(_) | Event::Undone(_) | Event::PresetSelected(_) => {
            evolve_slot(state, event, realm, mark);
        }
    }
}

/// A cleared row stays, since the stream's version must go on. Its history gets a row of its own, which is not read here.
fn evolve_slot(state: &mut Control, event: &Event, realm: Option<&RealmId>, mark: &Mark) {
    let Some((scope, slot)) = event.place() else { return };
    let id = (scope.clone(), slot.clone());
    let before = state.selections.get(&id);
    let left = before.and_then(|selection| selection.chosen());
    let mut earlier = before.map(|selection| selection.earlier.clone()).unwrap_or_default();
    let undo = matches!(event, Event::Undone(_));
    let undone = if undo { earlier.pop().flatten() } else { None };
    if !undo {
        let forgotten = (earlier.len() + 1).saturating_sub(EARLIER_MAX);
        earlier.drain(..forgotten);
        earlier.push(left.clone());
    }
    let to = event.chosen(undone);
    let trail = before.map_or_else(|| Trail::born(mark), |selection| selection.trail.stepped(mark));
    let (realm, scope, slot, mark) = (realm.cloned(), scope.clone(), slot.clone(), mark.clone());
    let from = left.map(|left| left.model);
    let (model, preset, parameters) = match to {
        Some(Chosen { model, preset, parameters }) => (Some(model), preset, parameters),
        None => (None, None, Parameters::default()),
    };
    let choice = Choice {
        scope: scope.clone(),
        realm: realm.clone(),
        slot: slot.clone(),
        from,
        to: model.clone(),
        preset: preset.clone(),
        parameters,
        undo,
        mark,
    };
    state.choices.put((scope.clone(), slot.clone(), choice.mark.position), choice);
    state.selections.put(id, Selection { scope, realm, slot, model, preset, parameters, earlier, trail });
}

impl Selection {
    /// What the slot leads to; none when the choice was cleared.
    #[must_use]
    pub fn chosen(&self) -> Option<Chosen> {
        let Self { model, preset, parameters, .. } = self;
        model.clone().map(|model| Chosen { model, preset: preset.clone(), parameters: *parameters })
    }
}

#[cfg(test)]
mod tests;
