//! What a path means.

use std::sync::Arc;

use tallygate_core::agent::Agent;
use tallygate_core::control::Control;
use tallygate_core::id::{AgentId, ModelId, ModelName, RealmId};
use tallygate_core::realm::Realm;
use tallygate_core::registry::Model;

use crate::http::error::ApiError;

/// The realm of an id.
///
/// # Errors
/// 404 if there is none.
pub(super) fn realm<'c>(control: &'c Control, id: &str) -> Result<&'c Arc<Realm>, ApiError> {
    let found = RealmId::new(id).ok().and_then(|id| control.realms.get(&id)).filter(|realm| realm.removed.is_none());
    found.ok_or_else(|| {
        let message = format!("there is no realm `{}`", cut(id));
        ApiError::coded("realm_not_registered", 404, message).param("realmId")
    })
}

/// The model of an id, or of a public name of the realm `default`, if it is in service.
///
/// # Errors
/// 404 if there is none.
pub(super) fn model<'c>(control: &'c Control, id: &str) -> Result<&'c Arc<Model>, ApiError> {
    let by_name = || {
        let name = ModelName::new(id).ok()?;
        control.model_names.get(&(RealmId::default_realm(), name)).map(|id| **id)
    };
    let found = id.parse::<ModelId>().ok().or_else(by_name).and_then(|id| control.models.get(&id));
    found.filter(|model| model.retired.is_none()).ok_or_else(|| {
        ApiError::coded("model_not_registered", 404, format!("there is no model `{}`", cut(id))).param("modelId")
    })
}

/// The agent of an id, or of a name, if it was not removed.
///
/// # Errors
/// 404 if there is none.
pub(in crate::http) fn agent<'c>(control: &'c Control, id: &str) -> Result<&'c Arc<Agent>, ApiError> {
    let by_id = AgentId::new(id).ok().and_then(|id| control.agents.get(&id));
    let by_name = || control.agent_names.get(id).and_then(|id| control.agents.get(id.as_ref()));
    let found = by_id.filter(|agent| agent.removed.is_none()).or_else(by_name);
    found.ok_or_else(|| no_agent(id))
}

/// There is no such agent, or none for whoever asks.
pub(in crate::http) fn no_agent(id: &str) -> ApiError {
    ApiError::coded("agent_not_registered", 404, format!("there is no agent `{}`", cut(id)))
}

/// A text of a path as an error repeats it.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
