//! Presets: a model with parameters, saved by a scope under a name, and chosen for a slot as one thing.
//!
//! What is chosen is what the preset says at that moment: a preset that is saved anew changes no choice that was made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Event, Rejection, check_model, owner};
use crate::admission;
use crate::aggregate::{Mark, Trail};
use crate::control::{Change, Control, Owner};
use crate::conversation::Effort;
use crate::event::Event as AnyEvent;
use crate::id::{ModelName, PresetName, RealmId};
use crate::scope::{Conversation, Scope};
use crate::stream::Position;

/// How many presets a scope may have.
pub const PRESETS_MAX: usize = 100;
/// The highest temperature, in thousandths.
pub const TEMPERATURE_MAX_THOUSANDTHS: u32 = 2_000;
/// The highest share of probability that is chosen from, in thousandths.
pub const TOP_P_MAX_THOUSANDTHS: u32 = 1_000;
/// The largest limit of output, in tokens.
pub const MAX_TOKENS_MAX: u64 = 100_000_000;

/// What a request for a slot has where its client says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// How freely tokens are chosen, in thousandths. At most [`TEMPERATURE_MAX_THOUSANDTHS`].
    pub temperature_thousandths: Option<u32>,
    /// The share of probability that is chosen from, in thousandths: 1 to [`TOP_P_MAX_THOUSANDTHS`].
    pub top_p_thousandths: Option<u32>,
    /// The most tokens of an answer: 1 to [`MAX_TOKENS_MAX`].
    pub max_tokens: Option<u64>,
    /// How hard the model reasons.
    pub reasoning_effort: Option<Effort>,
}

/// A model with parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preset {
    /// The model's public name.
    pub model: ModelName,
    /// What requests have by default.
    pub parameters: Parameters,
    /// The event that it is so since.
    pub since: Position,
}

/// The presets of one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presets {
    /// The scope.
    pub scope: Scope,
    /// The realm that the scope belongs to; none for the gateway.
    pub realm: Option<RealmId>,
    /// The presets by their names: at most [`PRESETS_MAX`].
    pub presets: BTreeMap<PresetName, Preset>,
    /// Their history.
    pub trail: Trail,
}

/// Asks that a scope have a preset, in place of one that it has under that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavePreset {
    /// The scope.
    pub scope: Scope,
    /// Its name.
    pub preset: PresetName,
    /// The model's public name.
    pub model: ModelName,
    /// What requests have by default.
    #[serde(default)]
    pub parameters: Parameters,
}

/// Asks that a scope not have a preset any more. Choices that were made by it stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeletePreset {
    /// The scope.
    pub scope: Scope,
    /// Its name.
    pub preset: PresetName,
}

/// A scope has a preset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// The scope.
    pub scope: Scope,
    /// Its name.
    pub preset: PresetName,
    /// The model's public name.
    pub model: ModelName,
    /// What requests have by default.
    pub parameters: Parameters,
}

/// A scope does not have a preset any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deleted {
    /// The scope.
    pub scope: Scope,
    /// Its name.
    pub preset: PresetName,
}

impl Parameters {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn check(&self) -> Result<(), Rejection> {
        let wrong = |field, expected| Err(Rejection::Parameter { field, expected });
        if self.temperature_thousandths.is_some_and(|temperature| temperature > TEMPERATURE_MAX_THOUSANDTHS) {
            return wrong("temperature", "from 0 to 2");
        }
        if self.top_p_thousandths.is_some_and(|top_p| !(1..=TOP_P_MAX_THOUSANDTHS).contains(&top_p)) {
            return wrong("top_p", "from 0.001 to 1");
        }
        if self.max_tokens.is_some_and(|tokens| !(1..=MAX_TOKENS_MAX).contains(&tokens)) {
            return wrong("max_tokens", "from 1 to 100000000");
        }
        Ok(())
    }
}

/// Decides [`SavePreset`]. What is saved could be chosen now.
///
/// # Errors
/// [`Rejection`].
pub fn save(state: &Control, command: &SavePreset) -> Result<Vec<Change>, Rejection> {
    let SavePreset { scope, preset, model, parameters } = command;
    let owner = saves(state, scope)?;
    parameters.check()?;
    let registered = check_model(state, &owner, scope, model)?;
    let presets = state.presets.get(scope).map(|row| &row.presets);
    let before = presets.and_then(|presets| presets.get(preset));
    if before.is_some_and(|before| before.model == *model && before.parameters == *parameters) {
        return Err(Rejection::NoChange(scope.clone()));
    }
    if before.is_none() && presets.is_some_and(|presets| presets.len() >= PRESETS_MAX) {
        return Err(Rejection::TooManyPresets(scope.clone()));
    }
    let saved = Saved { scope: scope.clone(), preset: preset.clone(), model: model.clone(), parameters: *parameters };
    let cause = owner.since.into_iter().chain([registered]).collect();
    Ok(vec![change(owner.realm, scope, Event::PresetSaved(saved), cause)])
}

/// Decides [`DeletePreset`].
///
/// # Errors
/// [`Rejection`].
pub fn delete(state: &Control, command: &DeletePreset) -> Result<Vec<Change>, Rejection> {
    let DeletePreset { scope, preset } = command;
    let owner = saves(state, scope)?;
    let before = state.presets.get(scope).and_then(|row| row.presets.get(preset));
    let since = before.ok_or_else(|| Rejection::UnknownPreset(preset.clone()))?.since;
    let deleted = Deleted { scope: scope.clone(), preset: preset.clone() };
    Ok(vec![change(owner.realm, scope, Event::PresetDeleted(deleted), vec![since])])
}

/// Whom a scope belongs to that may have presets. A conversation has none of its own: it has its agent's.
fn saves(state: &Control, scope: &Scope) -> Result<Owner, Rejection> {
    match scope {
        Scope::Context(_) => Err(Rejection::UnknownScope(scope.clone())),
        _ => owner(state, scope),
    }
}

fn change(realm: Option<RealmId>, scope: &Scope, event: Event, cause: Vec<Position>) -> Change {
    Change { realm, stream: scope.preset_stream(), event: AnyEvent::Selection(event), cause }
}

/// The preset that a name means for a scope, and whose it is: its own, else the one of the nearest wider scope. Nothing lies behind presets
/// that this version cannot read.
pub(super) fn meant<'a>(
    state: &'a Control,
    owner: &Owner,
    scope: &Scope,
    name: &PresetName,
) -> Option<(Scope, &'a Preset)> {
    for scope in seen_by(state, owner, scope) {
        if state.quarantined.contains(&scope.preset_stream()) {
            return None;
        }
        if let Some(found) = state.presets.get(&scope).and_then(|row| row.presets.get(name)) {
            return Some((scope, found));
        }
    }
    None
}

/// The scopes whose presets a scope may choose, nearest first.
#[must_use]
pub fn seen_by(state: &Control, owner: &Owner, scope: &Scope) -> Vec<Scope> {
    let own = match scope {
        Scope::Key(id) => match state.keys.get(id) {
            Some(key) => return admission::choosers(state, key, None).collect(),
            None => Some(scope.clone()),
        },
        Scope::Context(Conversation { agent, .. }) => Some(Scope::Agent(agent.clone())),
        Scope::Gateway | Scope::Realm(_) => None,
        Scope::User(_) | Scope::Agent(_) | Scope::Model(..) | Scope::EndUser(_) | Scope::Tag(_) => Some(scope.clone()),
    };
    let realms = owner.realm.iter().flat_map(|realm| state.chain(realm)).map(|realm| Scope::Realm(realm.id.clone()));
    own.into_iter().chain(realms).chain([Scope::Gateway]).collect()
}

/// Folds what happened to the presets of a scope. The row stays when the last one is gone, since the stream's version must go
/// on.
pub(super) fn evolve(
    state: &mut Control,
    scope: &Scope,
    realm: Option<&RealmId>,
    mark: &Mark,
    change: impl FnOnce(&mut BTreeMap<PresetName, Preset>),
) {
    let before = state.presets.get(scope);
    let mut presets = before.map(|row| row.presets.clone()).unwrap_or_default();
    change(&mut presets);
    let trail = before.map_or_else(|| Trail::born(mark), |row| row.trail.stepped(mark));
    state.presets.put(scope.clone(), Presets { scope: scope.clone(), realm: realm.cloned(), presets, trail });
}

#[cfg(test)]
mod tests;
