//! The fold of what happens to models.

use std::sync::Arc;

use super::command::NewDeployment;
use super::event::{DeploymentAdded, DeploymentRevised, Event, ModelRetired};
use super::{Deployment, Model, PriceInForce};
use crate::aggregate::{Mark, Trail};
use crate::control::Control;
use crate::id::ModelId;
use crate::json::Json;

/// Folds what happened to a model.
pub fn evolve(state: &mut Control, event: &Event, mark: &Mark) {
    match event {
        Event::Registered(data) => {
            state.model_names.put((data.realm.clone(), data.name.clone()), data.model);
            let model = Model {
                id: data.model,
                realm: data.realm.clone(),
                name: data.name.clone(),
                deployments: Vec::new(),
                retired: None,
                distrusted: None,
                routing: None,
                trail: Trail::born(mark),
            };
            state.models.put(data.model, model);
        }
        Event::DeploymentAdded(data) => {
            state.deployments.put(data.deployment.clone(), data.model);
            update(state, data.model, mark, |model| model.deployments.push(deployment(data, mark)));
        }
        Event::DeploymentRevised(data) => update(state, data.model, mark, |model| {
            if let Some(current) = model.deployments.iter_mut().find(|current| current.id == data.deployment) {
                apply(data, current, mark);
            }
        }),
        Event::DeploymentRemoved(data) => {
            state.deployments.remove(&data.deployment);
            update(state, data.model, mark, |model| model.deployments.retain(|current| current.id != data.deployment));
        }
        Event::PriceRevised(data) => update(state, data.model, mark, |model| {
            if let Some(current) = model.deployments.iter_mut().find(|current| current.id == data.deployment) {
                current.price = data.price.clone().map(|price| PriceInForce { position: mark.position, price });
                current.changed = mark.clone();
            }
        }),
        Event::Retired(data) => evolve_retired(state, data, mark),
        Event::Distrusted(data) => {
            update(state, data.model, mark, |model| model.distrusted = Some(mark.position));
        }
        Event::Trusted(data) => update(state, data.model, mark, |model| model.distrusted = None),
        Event::RoutingSet(data) => {
            update(state, data.model, mark, |model| model.routing = data.routing.clone().map(Arc::new));
        }
    }
}

fn evolve_retired(state: &mut Control, data: &ModelRetired, mark: &Mark) {
    if let Some(model) = state.models.get(&data.model).cloned() {
        state.model_names.remove(&(model.realm.clone(), model.name.clone()));
        for deployment in &model.deployments {
            state.deployments.remove(&deployment.id);
        }
    }
    update(state, data.model, mark, |model| model.retired = Some(mark.position));
}

fn update(state: &mut Control, id: ModelId, mark: &Mark, change: impl FnOnce(&mut Model)) {
    state.models.update(&id, |model| {
        change(model);
        model.trail.step(mark);
    });
}

fn deployment(data: &DeploymentAdded, mark: &Mark) -> Deployment {
    Deployment {
        id: data.deployment.clone(),
        vendor: data.vendor.clone(),
        upstream_model: data.upstream_model.clone(),
        base_url: data.base_url.clone(),
        credential: data.credential,
        weight: data.weight,
        max_output_tokens: data.max_output_tokens,
        price: None,
        info: data.info.clone(),
        params: data.params.clone(),
        added: mark.clone(),
        changed: mark.clone(),
    }
}

fn apply(data: &DeploymentRevised, current: &mut Deployment, mark: &Mark) {
    if let Some(Some(vendor)) = data.vendor.change() {
        current.vendor = vendor.clone();
    }
    if let Some(Some(name)) = data.upstream_model.change() {
        current.upstream_model.clone_from(name);
    }
    data.base_url.apply(&mut current.base_url);
    data.credential.apply(&mut current.credential);
    data.weight.apply_or(&mut current.weight, NewDeployment::default_weight());
    data.max_output_tokens.apply(&mut current.max_output_tokens);
    data.info.apply_or(&mut current.info, Json::empty());
    data.params.apply_or(&mut current.params, Json::empty());
    current.changed = mark.clone();
}
