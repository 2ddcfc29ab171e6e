//! Which deployment a request means.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::id::{CredentialId, DeploymentId, ModelName, RealmId};
use tallygate_core::registry::{Deployment, Model};

/// A deployment and the model that it serves.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) model: Arc<Model>,
    pub(super) deployment: Deployment,
}

/// The deployment of an id, if it is in service.
pub(super) fn by_id(control: &Control, id: &DeploymentId) -> Option<Found> {
    let model = control.models.get(control.deployments.get(id)?.as_ref())?;
    let deployment = model.deployment(id)?.clone();
    Some(Found { model: Arc::clone(model), deployment })
}

/// The model of a name in just one realm.
pub(in crate::http::litellm) fn by_name<'a>(
    control: &'a Control,
    realm: &RealmId,
    name: &ModelName,
) -> Option<&'a Arc<Model>> {
    control.models.get(control.model_names.get(&(realm.clone(), name.clone()))?.as_ref())
}

/// Whether no other deployment than one uses a credential.
pub(super) fn is_used_by_none_but(control: &Control, credential: CredentialId, deployment: &DeploymentId) -> bool {
    !control
        .models
        .iter()
        .filter(|(_, model)| model.retired.is_none())
        .flat_map(|(_, model)| &model.deployments)
        .any(|other| other.credential == Some(credential) && other.id != *deployment)
}
