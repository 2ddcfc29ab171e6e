//! The registry: models with their deployments and prices, their names, and which model a deployment serves.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::id::{DeploymentId, ModelId, ModelName, RealmId};
use tallygate_core::registry::Model;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const MODELS: RowTable<Model> = RowTable::new(3, 4, "models");
/// Models in force, by realm and name. Holds ids alone.
pub(crate) const MODEL_NAMES: RowTable<(RealmId, ModelName, ModelId)> = RowTable::new(4, 1, "model names");
/// A global index: a deployment's id is unique over all realms. Holds ids alone.
pub(crate) const DEPLOYMENTS: RowTable<(DeploymentId, ModelId)> = RowTable::new(5, 1, "deployments");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &MODELS, |model| control.models.load(model.id, Arc::new(model)))?;
    light::load(store, &MODEL_NAMES, |(realm, name, id)| control.model_names.load((realm, name), Arc::new(id)))?;
    light::load(store, &DEPLOYMENTS, |(deployment, model)| control.deployments.load(deployment, Arc::new(model)))
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.models.take_touched(), &MODELS, writes, |id, model| {
        RowKey::of(&MODELS).realm(Some(&model.realm)).uuid(id.as_uuid())
    })?;
    for ((realm, name), id) in control.model_names.take_touched() {
        let key = RowKey::of(&MODEL_NAMES).realm(Some(&realm)).text(name.as_str());
        match id {
            Some(id) => writes.put(&MODEL_NAMES, key, &(realm, name, *id))?,
            None => writes.remove(key),
        }
    }
    for (deployment, model) in control.deployments.take_touched() {
        let key = RowKey::of(&DEPLOYMENTS).text(deployment.as_str());
        match model {
            Some(model) => writes.put(&DEPLOYMENTS, key, &(deployment, *model))?,
            None => writes.remove(key),
        }
    }
    Ok(())
}
