//! Why a command about selections or presets is refused.

use super::CONTEXTS_MAX;
use super::preset::PRESETS_MAX;
use crate::id::{AgentId, ModelName, PresetName, SlotName};
use crate::scope::Scope;

/// See the module.
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
    /// Neither the scope nor a wider one has a preset of that name.
    #[error("there is no preset `{0}`")]
    UnknownPreset(PresetName),
    /// The scope has as many presets as there may be.
    #[error("{0} has {PRESETS_MAX} presets, and there may be no more: delete one")]
    TooManyPresets(Scope),
    /// A parameter of a preset is out of bounds.
    #[error("the parameter `{field}` of a preset is {expected}")]
    Parameter {
        /// Which one.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
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
            Self::UnknownPreset(_) => "preset_not_found",
            Self::TooManyPresets(_) => "preset_too_many",
            Self::Parameter { .. } => "preset_parameter_invalid",
            Self::TooManyContexts(_) => "selection_too_many_contexts",
            Self::NoChange(_) => "no_change",
        }
    }
}
