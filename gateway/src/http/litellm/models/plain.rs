//! A model with one deployment in plain words, as the control plane's routes have it: put into LiteLLM's, so that both are
//! registered by one path and to the same rules.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use tallygate_core::command::Command;
use tallygate_core::control::Control;
use tallygate_core::credential::RemoveCredential;
use tallygate_core::id::{CredentialId, DeploymentId, ModelId, ModelName, RealmId};
use tallygate_core::registry::{Model, RegisterModel, RetireModel};
use tallygate_core::secret::Secret;

use super::find::{self, Found};
use super::request::ModelRequest;
use super::update;
use super::wanted::Wanted;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::fields::Fields;

/// What is said of a model. What is not said is none, or stays.
#[derive(Debug, Default)]
pub(in crate::http) struct Plain {
    /// Its name for people.
    pub(in crate::http) name: Option<String>,
    pub(in crate::http) provider: Option<String>,
    /// The name that the upstream knows it by.
    pub(in crate::http) model: Option<String>,
    pub(in crate::http) base_url: Option<String>,
    pub(in crate::http) api_key: Option<Secret>,
    /// Prices in dollars a token, as they were written.
    pub(in crate::http) input_cost: Option<Box<RawValue>>,
    pub(in crate::http) output_cost: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Worded<'p> {
    litellm_params: Params<'p>,
    model_info: Info<'p>,
}

#[derive(Serialize)]
struct Params<'p> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_llm_provider: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_base: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_cost_per_token: Option<&'p RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_cost_per_token: Option<&'p RawValue>,
}

#[derive(Serialize)]
struct Info<'p> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'p str>,
}

impl Plain {
    fn request(&self) -> Result<ModelRequest, ApiError> {
        let worded = Worded {
            litellm_params: Params {
                model: self.model.as_deref(),
                custom_llm_provider: self.provider.as_deref(),
                api_base: self.base_url.as_deref(),
                input_cost_per_token: self.input_cost.as_deref(),
                output_cost_per_token: self.output_cost.as_deref(),
            },
            model_info: Info { name: self.name.as_deref() },
        };
        let body =
            serde_json::to_vec(&worded).map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
        let mut request = ModelRequest::read(&Fields::read(&body)?)?;
        request.api_key.clone_from(&self.api_key);
        Ok(request)
    }
}

/// The commands that register a model under a public name, in the realm `default`.
///
/// # Errors
/// 400 with the field that is not acceptable.
pub(in crate::http) fn register(
    app: &App,
    public: ModelName,
    plain: &Plain,
) -> Result<(ModelId, Vec<Command>), ApiError> {
    let id = DeploymentId::new(app.pipeline.ids.uuid().to_string())
        .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    let (realm, model) = (RealmId::default_realm(), ModelId::new(app.pipeline.ids.uuid()));
    let mut commands: Vec<Command> = Vec::new();
    let Wanted { mut deployment, host, key } = Wanted::of(&app.pipeline.upstreams, &plain.request()?, id, None)?;
    if let Some(key) = key {
        let store = key.store(app, &realm, public.as_str(), &host)?;
        deployment.credential = Some(store.credential);
        commands.push(store.into());
    }
    commands.push(RegisterModel { model, realm, name: public, deployments: vec![deployment] }.into());
    Ok((model, commands))
}

/// The commands that change the first deployment of a model.
///
/// # Errors
/// 400 with the field that is not acceptable.
pub(in crate::http) fn revise(
    app: &App,
    control: &Control,
    model: &Arc<Model>,
    plain: &Plain,
) -> Result<Vec<Command>, ApiError> {
    let unserved = || ApiError::new(ErrorCode::NoDeployment, "nothing serves the model").status(409);
    let deployment = model.deployments.first().ok_or_else(unserved)?.clone();
    let wanted = Wanted::of(&app.pipeline.upstreams, &plain.request()?, deployment.id.clone(), Some(&deployment))?;
    update::commands(app, control, &Found { model: Arc::clone(model), deployment }, wanted)
}

/// The commands that take a model out of service, and forget the keys that nothing else uses.
pub(in crate::http) fn retire(control: &Control, model: &Model) -> Vec<Command> {
    let own = |credential: &CredentialId| {
        let others = model.deployments.iter().filter(|other| other.credential == Some(*credential)).count();
        let first = model.deployments.iter().find(|other| other.credential == Some(*credential));
        others == 1 && first.is_some_and(|first| find::is_used_by_none_but(control, *credential, &first.id))
    };
    let credentials = model.deployments.iter().filter_map(|deployment| deployment.credential).filter(own);
    let forgotten = credentials.map(|credential| RemoveCredential { credential }.into());
    std::iter::once(RetireModel { model: model.id }.into()).chain(forgotten).collect()
}
