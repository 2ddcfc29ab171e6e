//! `POST /model/new`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use tallygate_core::actor::Actor;
use tallygate_core::command::Command;
use tallygate_core::control::Control;
use tallygate_core::id::{DeploymentId, ModelId, ModelName, RealmId};
use tallygate_core::registry::{AddDeployment, RegisterModel};
use tallygate_core::stream::Position;

use super::find::{self, Found};
use super::refused::{exists, refused};
use super::request::ModelRequest;
use super::row;
use super::wanted::Wanted;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// How often a registration is decided anew because another of the same name came first.
const ATTEMPTS_MAX: usize = 3;

/// Adds a deployment, with its key, in one step. A second one of the same name shares the model's traffic; one that is
/// there to the letter is not added again, so a script may run any number of times.
pub(super) async fn new(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/model/new").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let request = ModelRequest::read(&fields)?;
    let name = request.name.clone().ok_or_else(|| fields.missing("model_name"))?;
    let params = fields.section("litellm_params")?.ok_or_else(|| fields.missing("litellm_params"))?;
    if request.model.is_none() {
        return Err(params.missing("model"));
    }
    let id = match &request.id {
        Some(id) => id.clone(),
        None => DeploymentId::new(app.pipeline.ids.uuid().to_string())
            .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?,
    };
    let realm = request.realm.clone().unwrap_or_else(RealmId::default_realm);
    let wanted = Wanted::of(&app.pipeline.upstreams, &request, id, None)?;
    let registration = Registration { realm, name, wanted, id_was_chosen: request.id.is_some() };
    let (position, id) = registration.carry_out(&app, &actor).await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let found = find::by_id(&snapshot.control, &id);
    let found = found.ok_or_else(|| ApiError::new(ErrorCode::Internal, "the deployment was removed meanwhile"))?;
    Ok(changed(position, row::row(&found)))
}

/// A deployment that is to be registered, and where.
struct Registration {
    realm: RealmId,
    name: ModelName,
    wanted: Wanted,
    id_was_chosen: bool,
}

impl Registration {
    /// Registers the deployment unless it is there, and tells its id.
    async fn carry_out(&self, app: &App, actor: &Actor) -> Result<(Position, DeploymentId), ApiError> {
        let mut attempt = 1;
        loop {
            let snapshot = app.pipeline.views.control.snapshot();
            if let Some(there) = self.already_there(app, &snapshot.control)? {
                return Ok((snapshot.position(), there));
            }
            match carry_out(app, actor.clone(), self.commands(app, &snapshot.control)?).await {
                Ok(position) => return Ok((position, self.wanted.deployment.id.clone())),
                Err(error) if attempt < ATTEMPTS_MAX && was_overtaken(error.code) => attempt += 1,
                Err(error) => return Err(refused(error)),
            }
        }
    }

    /// The id of the deployment that is there to the letter.
    fn already_there(&self, app: &App, control: &Control) -> Result<Option<DeploymentId>, ApiError> {
        let id = &self.wanted.deployment.id;
        if self.id_was_chosen {
            return match find::by_id(control, id) {
                None => Ok(None),
                Some(found) if self.is(app, &found) => Ok(Some(id.clone())),
                Some(_) => Err(exists(id)),
            };
        }
        let model = find::by_name(control, &self.realm, &self.name);
        let mut deployments = model.into_iter().flat_map(|model| &model.deployments);
        Ok(deployments.find(|there| self.wanted.is(app, there)).map(|there| there.id.clone()))
    }

    fn is(&self, app: &App, found: &Found) -> bool {
        found.model.realm == self.realm && found.model.name == self.name && self.wanted.is(app, &found.deployment)
    }

    fn commands(&self, app: &App, control: &Control) -> Result<Vec<Command>, ApiError> {
        let mut commands: Vec<Command> = Vec::new();
        let mut deployment = self.wanted.deployment.clone();
        if let Some(key) = &self.wanted.key {
            let store = key.store(app, &self.realm, self.name.as_str(), &self.wanted.host)?;
            deployment.credential = Some(store.credential);
            commands.push(store.into());
        }
        commands.push(match find::by_name(control, &self.realm, &self.name) {
            Some(model) => AddDeployment { model: model.id, deployment }.into(),
            None => RegisterModel {
                model: ModelId::new(app.pipeline.ids.uuid()),
                realm: self.realm.clone(),
                name: self.name.clone(),
                deployments: vec![deployment],
            }
            .into(),
        });
        Ok(commands)
    }
}

/// Whether the name was taken, or given up, since it was looked up.
fn was_overtaken(code: &str) -> bool {
    matches!(code, "model_already_registered" | "model_not_registered")
}
