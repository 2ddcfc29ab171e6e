//! What a rule of models is answered with.

use tallygate_core::command::Rejection;
use tallygate_core::id::DeploymentId;
use tallygate_core::{realm, registry};

use crate::command::Refused;
use crate::http::error::ApiError;

/// LiteLLM's status, type and parameter for a refused command about a model.
pub(super) fn refused(refused: Refused) -> ApiError {
    match refused.rejection.as_deref() {
        Some(Rejection::Registry(registry::Rejection::DeploymentExists(id))) => exists(id),
        Some(Rejection::Registry(registry::Rejection::Realm(realm::Rejection::NotRegistered(realm)))) => {
            let message = format!("Team id = {realm} does not exist: register the realm first, or leave `team_id` out");
            ApiError::coded(refused.code, 400, message).param("model_info.team_id")
        }
        Some(Rejection::Registry(registry::Rejection::Field { field, .. })) => {
            let param = match field.split_once('.') {
                Some(("params", name)) => format!("litellm_params.{name}"),
                Some((_, name)) => format!("model_info.{name}"),
                None => format!("litellm_params.{field}"),
            };
            ApiError::coded(refused.code, 400, refused.message).param(param)
        }
        Some(Rejection::Registry(registry::Rejection::NameIsSlot(_))) => {
            ApiError::coded(refused.code, 400, refused.message).param("model_name")
        }
        _ => refused.into(),
    }
}

/// Another deployment has the id. LiteLLM answers 500 here; a client cannot tell that from an outage, so it is 409.
pub(super) fn exists(id: &DeploymentId) -> ApiError {
    let message =
        format!("Failed to add model to db. Another deployment has the id `{id}`: choose another model_info.id");
    ApiError::coded("deployment_already_exists", 409, message).kind("auth_error").param("model_info.id")
}
