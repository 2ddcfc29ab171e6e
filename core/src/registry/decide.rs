//! Decisions about models.

use super::command::{
    AddDeployment, NewDeployment, RegisterModel, RemoveDeployment, RetireModel, ReviseDeployment, RevisePrice,
};
use super::event::{
    DeploymentAdded, DeploymentRemoved, DeploymentRevised, Event, ModelRegistered, ModelRetired, PriceRevised,
};
use super::{DEPLOYMENTS_MAX, Deployment, InvalidSetting, Model, Patience, Probing, WEIGHT_MAX};
use crate::command::Context;
use crate::control::{Change, Control};
use crate::credential;
use crate::endpoint::BaseUrl;
use crate::event::Event as AnyEvent;
use crate::id::{CredentialId, DeploymentId, ModelId, ModelName, RealmId, SlotName, VendorId};
use crate::json::Json;
use crate::price::Price;
use crate::realm;
use crate::routing::InvalidRouting;
use crate::stream::{Position, StreamId};

/// Why a command about models is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No such realm.
    #[error(transparent)]
    Realm(#[from] realm::Rejection),
    /// No such credential for this realm.
    #[error(transparent)]
    Credential(#[from] credential::Rejection),
    /// The id or the name is taken.
    #[error("the model `{name}` is already registered in the realm `{realm}`")]
    AlreadyRegistered {
        /// The realm.
        realm: RealmId,
        /// The name.
        name: ModelName,
    },
    /// There is none, or it is retired.
    #[error("there is no model {0}")]
    NotRegistered(ModelId),
    /// Some deployment has that id.
    #[error("the deployment `{0}` exists already")]
    DeploymentExists(DeploymentId),
    /// The model has no such deployment.
    #[error("the model has no deployment `{0}`")]
    NoDeployment(DeploymentId),
    /// A model needs one at least, and has a hundred at most.
    #[error("a model has between 1 and {DEPLOYMENTS_MAX} deployments")]
    DeploymentCount,
    /// No row of `vendors.toml`.
    #[error("there is no vendor `{0}`")]
    UnknownVendor(VendorId),
    /// A field of a deployment is out of its range.
    #[error("`{field}` of a deployment {expected}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A selection's slot goes by that name.
    #[error("`{0}` is the name of a selection's slot: clear the selection or choose another name")]
    NameIsSlot(ModelName),
    /// The settings of routing are outside their limits.
    #[error(transparent)]
    Routing(InvalidRouting),
    /// The command would change nothing.
    #[error("nothing about the model {0} would change")]
    NoChange(ModelId),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Realm(rejection) => rejection.code(),
            Self::Credential(rejection) => rejection.code(),
            Self::AlreadyRegistered { .. } => "model_already_registered",
            Self::NotRegistered(_) => "model_not_registered",
            Self::DeploymentExists(_) => "deployment_already_exists",
            Self::NoDeployment(_) => "deployment_not_found",
            Self::DeploymentCount => "deployment_count",
            Self::UnknownVendor(_) => "unknown_vendor",
            Self::Field { .. } => "deployment_field_invalid",
            Self::NameIsSlot(_) => "name_is_slot",
            Self::Routing(_) => "routing_invalid",
            Self::NoChange(_) => "no_change",
        }
    }
}

impl From<InvalidSetting> for Rejection {
    fn from(InvalidSetting { field, expected }: InvalidSetting) -> Self {
        Self::Field { field, expected }
    }
}

pub(super) fn registered(state: &Control, id: ModelId) -> Result<&Model, Rejection> {
    state.models.get(&id).map(AsRef::as_ref).filter(|model| model.retired.is_none()).ok_or(Rejection::NotRegistered(id))
}

fn deployment_of<'a>(model: &'a Model, id: &DeploymentId) -> Result<&'a Deployment, Rejection> {
    model.deployment(id).ok_or_else(|| Rejection::NoDeployment(id.clone()))
}

/// Decides [`RegisterModel`].
///
/// # Errors
/// [`Rejection`].
pub fn register(state: &Control, command: &RegisterModel, context: &Context<'_>) -> Result<Vec<Change>, Rejection> {
    let realm = realm::registered(state, &command.realm)?;
    let named = state.model_names.contains(&(command.realm.clone(), command.name.clone()));
    if named || state.models.contains(&command.model) {
        return Err(Rejection::AlreadyRegistered { realm: command.realm.clone(), name: command.name.clone() });
    }
    let is_slot = |slot: &SlotName| slot.as_str() == command.name.as_str();
    if state.selections.iter().any(|((_, slot), selection)| is_slot(slot) && selection.model.is_some()) {
        return Err(Rejection::NameIsSlot(command.name.clone()));
    }
    if command.deployments.is_empty() || command.deployments.len() > DEPLOYMENTS_MAX {
        return Err(Rejection::DeploymentCount);
    }
    let registered = ModelRegistered { model: command.model, realm: command.realm.clone(), name: command.name.clone() };
    let change = |event, cause| Change {
        realm: Some(command.realm.clone()),
        stream: StreamId::model(command.model),
        event,
        cause,
    };
    let mut changes =
        vec![change(AnyEvent::Registry(Event::Registered(registered)), vec![realm.trail.changed.position])];
    for (index, deployment) in command.deployments.iter().enumerate() {
        if command.deployments[..index].iter().any(|earlier| earlier.id == deployment.id) {
            return Err(Rejection::DeploymentExists(deployment.id.clone()));
        }
        let cause = check_new(state, &command.realm, deployment, context)?;
        for event in added(command.model, deployment, context) {
            changes.push(change(AnyEvent::Registry(event), cause.clone()));
        }
    }
    Ok(changes)
}

/// Decides [`AddDeployment`].
///
/// # Errors
/// [`Rejection`].
pub fn add_deployment(
    state: &Control,
    command: &AddDeployment,
    context: &Context<'_>,
) -> Result<Vec<Change>, Rejection> {
    let model = registered(state, command.model)?;
    if model.deployments.len() >= DEPLOYMENTS_MAX {
        return Err(Rejection::DeploymentCount);
    }
    let mut cause = check_new(state, &model.realm, &command.deployment, context)?;
    cause.push(model.trail.changed.position);
    let events = added(command.model, &command.deployment, context);
    Ok(events.into_iter().map(|event| change(model, event, cause.clone())).collect())
}

/// A deployment for which nobody gave a price has the one of the list, if there is one.
fn added(model: ModelId, new: &NewDeployment, context: &Context<'_>) -> Vec<Event> {
    let mut events = vec![Event::DeploymentAdded(DeploymentAdded::new(model, new))];
    let price = new.price.as_ref().or_else(|| context.prices.get(&new.vendor, &new.upstream_model));
    if let Some(price) = price.cloned() {
        events.push(Event::PriceRevised(PriceRevised { model, deployment: new.id.clone(), price: Some(price) }));
    }
    events
}

/// Checks a deployment that is to be, and tells which events decided.
fn check_new(
    state: &Control,
    realm: &RealmId,
    new: &NewDeployment,
    context: &Context<'_>,
) -> Result<Vec<Position>, Rejection> {
    if state.deployments.contains(&new.id) {
        return Err(Rejection::DeploymentExists(new.id.clone()));
    }
    check_vendor(&new.vendor, context)?;
    check_upstream_model(&new.upstream_model)?;
    check_base_url(new.base_url.as_deref())?;
    check_weight(new.weight)?;
    check_max_output(new.max_output_tokens)?;
    check_settings(Some(&new.params), Some(&new.info))?;
    check_credential(state, realm, new.credential)
}

fn check_vendor(vendor: &VendorId, context: &Context<'_>) -> Result<(), Rejection> {
    if context.vendors.contains(vendor) { Ok(()) } else { Err(Rejection::UnknownVendor(vendor.clone())) }
}

fn check_upstream_model(name: &str) -> Result<(), Rejection> {
    match ModelName::new(name) {
        Ok(_) => Ok(()),
        Err(_) => {
            Err(Rejection::Field { field: "upstream_model", expected: "is a name of 1 to 256 visible characters" })
        }
    }
}

/// Whether any gateway may call it. What its own network's policy says, each checks again when it does.
fn check_base_url(url: Option<&str>) -> Result<(), Rejection> {
    if url.is_none_or(BaseUrl::is_callable_anywhere) {
        return Ok(());
    }
    // The text is not repeated: it may hold a password.
    let expected = "is an http or https URL of at most 1024 bytes, without user name, query or fragment, to a host and port that may be called";
    Err(Rejection::Field { field: "base_url", expected })
}

const fn check_weight(weight: u32) -> Result<(), Rejection> {
    if weight > WEIGHT_MAX {
        return Err(Rejection::Field { field: "weight", expected: "is at most 1000000" });
    }
    Ok(())
}

const fn check_max_output(tokens: Option<u64>) -> Result<(), Rejection> {
    if matches!(tokens, Some(0)) {
        return Err(Rejection::Field { field: "max_output_tokens", expected: "is at least 1" });
    }
    Ok(())
}

/// What of parameters and attachments a gateway acts on. Those that were accepted before there were bounds are acted on as
/// far as they can be read.
fn check_settings(params: Option<&Json>, info: Option<&Json>) -> Result<(), Rejection> {
    params.map_or(Ok(Patience::default()), |params| Patience::of(&params.to_value()))?;
    info.map_or(Ok(Probing::default()), Probing::of_text)?;
    Ok(())
}

/// A deployment may use a credential of its model's realm or of a parent realm, never of another tenant.
fn check_credential(state: &Control, realm: &RealmId, id: Option<CredentialId>) -> Result<Vec<Position>, Rejection> {
    let Some(id) = id else { return Ok(Vec::new()) };
    let credential = credential::stored(state, id)?;
    if !state.chain(realm).any(|ancestor| ancestor.id == credential.realm) {
        return Err(credential::Rejection::NotStored(id).into());
    }
    Ok(vec![credential.trail.changed.position])
}

/// Decides [`ReviseDeployment`].
///
/// # Errors
/// [`Rejection`].
pub fn revise_deployment(
    state: &Control,
    command: &ReviseDeployment,
    context: &Context<'_>,
) -> Result<Vec<Change>, Rejection> {
    let model = registered(state, command.model)?;
    let current = deployment_of(model, &command.deployment)?;
    let revised = DeploymentRevised::new(command, current);
    if revised.is_empty() {
        return Err(Rejection::NoChange(command.model));
    }
    match revised.vendor.change() {
        Some(Some(vendor)) => check_vendor(vendor, context)?,
        Some(None) => return Err(Rejection::Field { field: "vendor", expected: "cannot be cleared" }),
        None => {}
    }
    match revised.upstream_model.change() {
        Some(Some(name)) => check_upstream_model(name)?,
        Some(None) => return Err(Rejection::Field { field: "upstream_model", expected: "cannot be cleared" }),
        None => {}
    }
    check_base_url(revised.base_url.change().flatten().map(String::as_str))?;
    if let Some(Some(weight)) = revised.weight.change() {
        check_weight(*weight)?;
    }
    check_max_output(revised.max_output_tokens.change().flatten().copied())?;
    check_settings(revised.params.change().flatten(), revised.info.change().flatten())?;
    let mut cause = check_credential(state, &model.realm, revised.credential.change().flatten().copied())?;
    cause.push(current.changed.position);
    let followed = followed(current, &revised, context);
    let mut changes = vec![change(model, Event::DeploymentRevised(revised), cause.clone())];
    if let Some(price) = followed {
        let revised = PriceRevised { model: command.model, deployment: command.deployment.clone(), price };
        changes.push(change(model, Event::PriceRevised(revised), cause));
    }
    Ok(changes)
}

/// The price of a deployment that serves another model from here on, if it changes by that: one that is the list's
/// follows the model, one that somebody set stays.
fn followed(current: &Deployment, revised: &DeploymentRevised, context: &Context<'_>) -> Option<Option<Price>> {
    let vendor = revised.vendor.change().flatten().unwrap_or(&current.vendor);
    let upstream_model = revised.upstream_model.change().flatten().unwrap_or(&current.upstream_model);
    let was_listed = context.prices.get(&current.vendor, &current.upstream_model);
    let listed = context.prices.get(vendor, upstream_model);
    let in_force = current.price.as_ref().map(|in_force| &in_force.price);
    (in_force == was_listed && in_force != listed).then(|| listed.cloned())
}

/// Decides [`RemoveDeployment`].
///
/// # Errors
/// [`Rejection`].
pub fn remove_deployment(state: &Control, command: &RemoveDeployment) -> Result<Vec<Change>, Rejection> {
    let model = registered(state, command.model)?;
    let current = deployment_of(model, &command.deployment)?;
    let removed = DeploymentRemoved { model: command.model, deployment: command.deployment.clone() };
    let mut changes = vec![change(model, Event::DeploymentRemoved(removed), vec![current.changed.position])];
    if model.deployments.len() == 1 {
        let retired = ModelRetired { model: command.model };
        changes.push(change(model, Event::Retired(retired), vec![model.trail.changed.position]));
    }
    Ok(changes)
}

/// Decides [`RevisePrice`].
///
/// # Errors
/// [`Rejection`].
pub fn revise_price(state: &Control, command: &RevisePrice) -> Result<Vec<Change>, Rejection> {
    let model = registered(state, command.model)?;
    let current = deployment_of(model, &command.deployment)?;
    if current.price.as_ref().map(|in_force| &in_force.price) == command.price.as_ref() {
        return Err(Rejection::NoChange(command.model));
    }
    let revised =
        PriceRevised { model: command.model, deployment: command.deployment.clone(), price: command.price.clone() };
    Ok(vec![change(model, Event::PriceRevised(revised), vec![current.changed.position])])
}

/// Decides [`RetireModel`].
///
/// # Errors
/// [`Rejection`].
pub fn retire(state: &Control, command: &RetireModel) -> Result<Vec<Change>, Rejection> {
    let model = registered(state, command.model)?;
    let retired = ModelRetired { model: command.model };
    Ok(vec![change(model, Event::Retired(retired), vec![model.trail.changed.position])])
}

pub(super) fn change(model: &Model, event: Event, cause: Vec<Position>) -> Change {
    Change {
        realm: Some(model.realm.clone()),
        stream: StreamId::model(model.id),
        event: AnyEvent::Registry(event),
        cause,
    }
}
