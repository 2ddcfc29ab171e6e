//! What a configuration file declares, as the commands that make it so: what is there to the letter needs none, what differs is
//! revised, what the file does not name any more goes. The same translation as that of `/model/new`, for a whole list at once.

use std::collections::{BTreeMap, BTreeSet};

use tallygate_adapters::litellm::config_file::ModelEntry;
use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::command::Command;
use tallygate_core::control::Control;
use tallygate_core::credential::RemoveCredential;
use tallygate_core::digest::Digest;
use tallygate_core::id::{CredentialId, DeploymentId, ModelId, ModelName, RealmId};
use tallygate_core::patch::Patch;
use tallygate_core::registry::{
    AddDeployment, Deployment, Model, NewDeployment, RegisterModel, RemoveDeployment, ReviseDeployment, RevisePrice,
    SetRouting,
};
use tallygate_core::routing::Routing;

use super::find::{self, Found};
use super::request::ModelRequest;
use super::wanted::Wanted;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::fields::Fields;
use crate::upstreams::Upstreams;

/// A deployment that a file declares, read and checked.
#[derive(Debug)]
pub(crate) struct Declared {
    /// Where in the file, from 1.
    pub(crate) line: usize,
    pub(crate) realm: RealmId,
    pub(crate) name: ModelName,
    wanted: Wanted,
}

impl Declared {
    /// The deployment's id.
    pub(crate) const fn id(&self) -> &DeploymentId {
        &self.wanted.deployment.id
    }

    /// Whether the file gives it a price.
    pub(crate) const fn has_price(&self) -> bool {
        self.wanted.deployment.price.is_some()
    }
}

/// What is asked beside the deployments.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    /// The file as an actor.
    pub(crate) file: &'a Actor,
    /// Whether others may change what is declared: what they changed stays until it is declared no more.
    pub(crate) shares: bool,
    /// The routing of each model; none for the default one.
    pub(crate) routing: &'a BTreeMap<ModelName, Option<Routing>>,
}

/// Why an entry cannot be what it says.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) line: usize,
    /// Which field of the entry, if it is one.
    pub(crate) field: String,
    pub(crate) message: String,
}

/// Reads and checks all entries of a file.
///
/// # Errors
/// All that is wrong with them, not the first alone.
pub(crate) fn read(upstreams: &Upstreams, entries: &[ModelEntry]) -> Result<Vec<Declared>, Vec<Wrong>> {
    let (mut declared, mut wrong) = (Vec::new(), Vec::new());
    let mut ids: BTreeMap<DeploymentId, usize> = BTreeMap::new();
    let mut alike: BTreeMap<String, usize> = BTreeMap::new();
    for entry in entries {
        let one = read_one(upstreams, entry, &mut alike);
        let one = one.and_then(|one| match ids.insert(one.id().clone(), one.line) {
            None => Ok(one),
            Some(line) => {
                let message = format!("`{}` is the id of the entry in line {line} too", one.id());
                Err(ApiError::new(ErrorCode::ParameterInvalid, message).param("model_info.id"))
            }
        });
        match one {
            Ok(one) => declared.push(one),
            Err(error) => {
                let field = error.param.as_deref().unwrap_or_default().to_owned();
                wrong.push(Wrong { line: entry.line, field, message: error.message });
            }
        }
    }
    if wrong.is_empty() { Ok(declared) } else { Err(wrong) }
}

fn read_one(
    upstreams: &Upstreams,
    entry: &ModelEntry,
    alike: &mut BTreeMap<String, usize>,
) -> Result<Declared, ApiError> {
    let fields = Fields::read(entry.body.as_bytes())?;
    let request = ModelRequest::read(&fields)?;
    let name = request.name.clone().ok_or_else(|| fields.missing("model_name"))?;
    let params = fields.section("litellm_params")?.ok_or_else(|| fields.missing("litellm_params"))?;
    let model = request.model.clone().ok_or_else(|| params.missing("model"))?;
    let id = match &request.id {
        Some(id) => id.clone(),
        None => {
            let base = request.api_base.as_deref().unwrap_or_default();
            let provider = request.provider.as_deref().unwrap_or_default();
            let same = format!("{name}\n{provider}\n{model}\n{base}");
            let number = alike.entry(same.clone()).or_default();
            *number += 1;
            made_id(&same, *number)?
        }
    };
    let realm = request.realm.clone().unwrap_or_else(RealmId::default_realm);
    let wanted = Wanted::of(upstreams, &request, id, None)?;
    Ok(Declared { line: entry.line, realm, name, wanted })
}

/// The id of an entry that names none: of what it serves and by what, so that another key, weight or price leaves it as it
/// is, and the same on every gateway. Entries that are alike are told apart by their order.
fn made_id(same: &str, number: usize) -> Result<DeploymentId, ApiError> {
    let digest = Digest::of(format!("{same}\n{number}").as_bytes()).to_string();
    DeploymentId::new(digest).map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))
}

/// The file that declared a deployment, if one did.
pub(crate) fn file_of(deployment: &Deployment) -> Option<&str> {
    let by = &deployment.added.by;
    (by.kind == ActorKind::Configuration).then_some(by.id.as_str())
}

/// All deployments in service that a file declared, with their models.
fn declared_by<'a>(control: &'a Control, file: &'a str) -> impl Iterator<Item = (&'a Model, &'a Deployment)> {
    let models = control.models.iter().map(|(_, model)| model.as_ref()).filter(|model| model.retired.is_none());
    models.flat_map(move |model| {
        let own = model.deployments.iter().filter(move |deployment| file_of(deployment) == Some(file));
        own.map(move |deployment| (model, deployment))
    })
}

/// The commands that make what is declared so, in the order in which they must be carried out.
///
/// # Errors
/// What is declared and there already as somebody else's.
pub(crate) fn commands(
    app: &App,
    control: &Control,
    declared: &[Declared],
    ask: &Ask<'_>,
) -> Result<Vec<Command>, Vec<Wrong>> {
    let mut changes = Changes::new(app, control, ask);
    let mut wrong = Vec::new();
    let mut new: BTreeMap<(RealmId, ModelName), Vec<&Declared>> = BTreeMap::new();
    for one in declared {
        match changes.declare(one) {
            Ok(true) => new.entry((one.realm.clone(), one.name.clone())).or_default().push(one),
            Ok(false) => {}
            Err(error) => wrong.push(Wrong { line: one.line, field: String::new(), message: error.message }),
        }
    }
    for ((realm, name), all) in new {
        if let Err(error) = changes.add(realm, name, &all) {
            let line = all.first().map_or(1, |one| one.line);
            wrong.push(Wrong { line, field: String::new(), message: error.message });
        }
    }
    changes.route(declared);
    let kept: BTreeSet<&DeploymentId> = declared.iter().map(Declared::id).collect();
    for (model, deployment) in
        declared_by(control, &ask.file.id).filter(|(_, deployment)| !kept.contains(&deployment.id))
    {
        let remove = RemoveDeployment { model: model.id, deployment: deployment.id.clone() };
        changes.made.push(remove.into());
        changes.free(deployment);
    }
    if wrong.is_empty() { Ok(changes.all()) } else { Err(wrong) }
}

/// Commands as they come together.
struct Changes<'a> {
    app: &'a App,
    control: &'a Control,
    ask: &'a Ask<'a>,
    /// The models that are new, by realm and name.
    new: BTreeMap<(RealmId, ModelName), ModelId>,
    /// Removals of what is declared elsewhere now, which must come first.
    moved: Vec<Command>,
    made: Vec<Command>,
    /// Credentials that nothing uses any more, which come last.
    freed: Vec<CredentialId>,
}

impl<'a> Changes<'a> {
    const fn new(app: &'a App, control: &'a Control, ask: &'a Ask<'a>) -> Self {
        Self { app, control, ask, new: BTreeMap::new(), moved: Vec::new(), made: Vec::new(), freed: Vec::new() }
    }

    /// Revises what is there. Whether it is not there, and must be added.
    fn declare(&mut self, one: &Declared) -> Result<bool, ApiError> {
        let Some(found) = find::by_id(self.control, one.id()) else { return Ok(true) };
        if file_of(&found.deployment) != Some(self.ask.file.id.as_str()) {
            let message = format!(
                "the id `{}` belongs to a deployment of `{}` that is not declared in this file: choose another model_info.id, or delete that deployment",
                one.id(),
                found.model.name
            );
            return Err(ApiError::new(ErrorCode::ParameterInvalid, message));
        }
        if found.model.name != one.name || found.model.realm != one.realm {
            let remove = RemoveDeployment { model: found.model.id, deployment: one.id().clone() };
            self.moved.push(remove.into());
            self.free(&found.deployment);
            return Ok(true);
        }
        let is_anothers = self.ask.shares && found.deployment.changed.by != *self.ask.file;
        if !is_anothers && !one.wanted.is(self.app, &found.deployment) {
            self.revise(one, &found)?;
        }
        Ok(false)
    }

    /// What the file does not say is not so: unlike an update over HTTP, nothing stays because it is not named.
    fn revise(&mut self, one: &Declared, found: &Found) -> Result<(), ApiError> {
        let Found { model, deployment: was } = found;
        let credential = if one.wanted.has_key_of(self.app, was.credential) {
            was.credential
        } else {
            self.free(was);
            self.store(one)?
        };
        let new = one.wanted.deployment.clone();
        let revise = ReviseDeployment {
            model: model.id,
            deployment: was.id.clone(),
            vendor: Patch::Set(new.vendor),
            upstream_model: Patch::Set(new.upstream_model),
            base_url: new.base_url.map_or(Patch::Clear, Patch::Set),
            credential: credential.map_or(Patch::Clear, Patch::Set),
            weight: Patch::Set(new.weight),
            max_output_tokens: new.max_output_tokens.map_or(Patch::Clear, Patch::Set),
            info: Patch::Set(new.info),
            params: Patch::Set(new.params),
        };
        self.made.push(revise.into());
        if new.price.is_some() {
            let revise = RevisePrice { model: model.id, deployment: was.id.clone(), price: new.price };
            self.made.push(revise.into());
        }
        Ok(())
    }

    /// Adds deployments of one name: to the model that has it and stays, or as a new one.
    fn add(&mut self, realm: RealmId, name: ModelName, all: &[&Declared]) -> Result<(), ApiError> {
        let mut deployments: Vec<NewDeployment> = Vec::new();
        for one in all {
            let credential = self.store(one)?;
            deployments.push(NewDeployment { credential, ..one.wanted.deployment.clone() });
        }
        match find::by_name(self.control, &realm, &name).filter(|model| self.stays(model)) {
            Some(model) => {
                let add = |deployment| AddDeployment { model: model.id, deployment }.into();
                self.made.extend(deployments.into_iter().map(add));
            }
            None => {
                let model = ModelId::new(self.app.pipeline.ids.uuid());
                self.new.insert((realm.clone(), name.clone()), model);
                self.made.push(RegisterModel { model, realm, name, deployments }.into());
            }
        }
        Ok(())
    }

    /// Routes the requests for what is declared as the file says.
    fn route(&mut self, declared: &[Declared]) {
        let names: BTreeSet<(&RealmId, &ModelName)> = declared.iter().map(|one| (&one.realm, &one.name)).collect();
        for (realm, name) in names {
            let routing = self.ask.routing.get(name).cloned().flatten();
            let model = match self.new.get(&(realm.clone(), name.clone())) {
                Some(new) => routing.is_some().then_some(*new),
                None => {
                    let there = find::by_name(self.control, realm, name);
                    let differs = |model: &Model| model.routing.as_deref() != routing.as_ref();
                    let is_others = self.ask.shares && routing.is_none();
                    there.filter(|model| differs(model) && !is_others).map(|model| model.id)
                }
            };
            self.made.extend(model.map(|model| Command::from(SetRouting { model, routing })));
        }
    }

    /// Whether a model keeps a deployment when those that move have gone: without one it is retired by then.
    fn stays(&self, model: &Model) -> bool {
        let goes = |deployment: &Deployment| {
            self.moved.iter().any(
                |command| matches!(command, Command::RemoveDeployment(remove) if remove.deployment == deployment.id),
            )
        };
        model.deployments.iter().any(|deployment| !goes(deployment))
    }

    /// Stores the key of a deployment, if it has one.
    fn store(&mut self, one: &Declared) -> Result<Option<CredentialId>, ApiError> {
        let Some(key) = &one.wanted.key else { return Ok(None) };
        let store = key.store(self.app, &one.realm, one.name.as_str(), &one.wanted.host)?;
        let credential = store.credential;
        self.made.push(store.into());
        Ok(Some(credential))
    }

    /// Notes that a deployment does not use its credential any more.
    fn free(&mut self, deployment: &Deployment) {
        let credential = deployment.credential;
        let unused = |id: &CredentialId| find::is_used_by_none_but(self.control, *id, &deployment.id);
        self.freed.extend(credential.filter(unused));
    }

    fn all(self) -> Vec<Command> {
        let removals = self.freed.into_iter().map(|credential| RemoveCredential { credential }.into());
        self.moved.into_iter().chain(self.made).chain(removals).collect()
    }
}
