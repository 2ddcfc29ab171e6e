//! What happens to selections and presets.

use serde::{Deserialize, Serialize};

use super::Chosen;
use super::preset::{self, Parameters};
use crate::aggregate::event_types;
use crate::control::Control;
use crate::id::{ModelName, PresetName, SlotName};
use crate::scope::Scope;

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

/// A slot leads to what a preset said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetSelected {
    /// The scope.
    pub scope: Scope,
    /// The slot.
    pub slot: SlotName,
    /// The preset's name.
    pub preset: PresetName,
    /// The model's public name.
    pub model: ModelName,
    /// What requests have by default.
    pub parameters: Parameters,
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
        /// A slot leads to what a preset said.
        PresetSelected(PresetSelected) = "preset.selected", 1;
        /// A scope has a preset.
        PresetSaved(preset::Saved) = "preset.saved", 1;
        /// A scope does not have a preset any more.
        PresetDeleted(preset::Deleted) = "preset.deleted", 1;
    }
}

impl Event {
    /// The scope and the slot it is about; none for one about a preset.
    #[must_use]
    pub const fn place(&self) -> Option<(&Scope, &SlotName)> {
        match self {
            Self::Selected(data) => Some((&data.scope, &data.slot)),
            Self::Cleared(data) => Some((&data.scope, &data.slot)),
            Self::Undone(data) => Some((&data.scope, &data.slot)),
            Self::PresetSelected(data) => Some((&data.scope, &data.slot)),
            Self::PresetSaved(_) | Self::PresetDeleted(_) => None,
        }
    }

    /// What the slot leads to from here on. An event that undoes tells the model alone: with what parameters it was chosen
    /// is what the slot remembers (`undone`).
    pub(super) fn chosen(&self, undone: Option<Chosen>) -> Option<Chosen> {
        let plain =
            |model: &ModelName| Chosen { model: model.clone(), preset: None, parameters: Parameters::default() };
        match self {
            Self::Selected(data) => Some(plain(&data.model)),
            Self::PresetSelected(PresetSelected { model, preset, parameters, .. }) => {
                Some(Chosen { model: model.clone(), preset: Some(preset.clone()), parameters: *parameters })
            }
            Self::Undone(data) => {
                let model = data.model.as_ref()?;
                undone.filter(|chosen| chosen.model == *model).or_else(|| Some(plain(model)))
            }
            Self::Cleared(_) | Self::PresetSaved(_) | Self::PresetDeleted(_) => None,
        }
    }

    /// How many events the stream has that it belongs to, before it.
    pub(crate) fn version(&self, state: &Control) -> Option<u64> {
        let trail = match self {
            Self::PresetSaved(preset::Saved { scope, .. }) | Self::PresetDeleted(preset::Deleted { scope, .. }) => {
                &state.presets.get(scope)?.trail
            }
            _ => {
                let (scope, slot) = self.place()?;
                &state.selections.get(&(scope.clone(), slot.clone()))?.trail
            }
        };
        Some(trail.version)
    }
}
