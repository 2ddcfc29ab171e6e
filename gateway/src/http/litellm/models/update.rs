//! `POST /model/update` and `PATCH /model/{id}/update`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use tallygate_core::actor::Actor;
use tallygate_core::command::Command;
use tallygate_core::control::Control;
use tallygate_core::credential::RemoveCredential;
use tallygate_core::id::DeploymentId;
use tallygate_core::patch::Patch;
use tallygate_core::registry::{ReviseDeployment, RevisePrice};
use tallygate_core::secret::SecretSource;

use super::find::{self, Found};
use super::key::KeySource;
use super::refused::refused;
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

/// The deployment is named by `model_info.id`.
pub(super) async fn of_body(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/model/update").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let request = ModelRequest::read(&fields)?;
    let info = fields.section("model_info")?.ok_or_else(|| fields.missing("model_info"))?;
    let id = request.id.clone().ok_or_else(|| info.missing("id"))?;
    update(&app, actor, &id, &request).await
}

/// The deployment is named in the path.
pub(super) async fn of_path(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/model/{id}/update").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let request = ModelRequest::read(&Fields::read(&bytes)?)?;
    let id = DeploymentId::new(id).map_err(|_| not_found())?;
    if request.id.as_ref().is_some_and(|other| *other != id) {
        let message = "`model_info.id` names another deployment than the path: an id cannot change";
        return Err(ApiError::new(ErrorCode::ParameterInvalid, message).param("model_info.id"));
    }
    update(&app, actor, &id, &request).await
}

/// Merges what was sent into what is there; null leaves what is there.
async fn update(app: &App, actor: Actor, id: &DeploymentId, request: &ModelRequest) -> Result<Response, ApiError> {
    let snapshot = app.pipeline.views.control.snapshot();
    let current = find::by_id(&snapshot.control, id).ok_or_else(not_found)?;
    stays_where_it_is(request, &current)?;
    let wanted = Wanted::of(&app.pipeline.upstreams, request, id.clone(), Some(&current.deployment))?;
    let commands = commands(app, &snapshot.control, &current, wanted)?;
    let position = carry_out(app, actor, commands).await.map_err(refused)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let found = find::by_id(&snapshot.control, id).ok_or_else(not_found)?;
    Ok(changed(position, row::row(&found)))
}

fn not_found() -> ApiError {
    ApiError::coded("deployment_not_found", 400, "Authentication Error, model not found").param("model_info.id")
}

fn stays_where_it_is(request: &ModelRequest, current: &Found) -> Result<(), ApiError> {
    let moved = |param| {
        let message = format!("`{param}` of a deployment cannot change: add another one and delete this one");
        Err(ApiError::new(ErrorCode::ParameterUnsupported, message).param(param))
    };
    if request.name.as_ref().is_some_and(|name| *name != current.model.name) {
        return moved("model_name");
    }
    if request.realm.as_ref().is_some_and(|realm| *realm != current.model.realm) {
        return moved("model_info.team_id");
    }
    Ok(())
}

/// The commands that make a deployment what is wanted. A new key, or a new host for the key, is a new credential; the
/// old one is forgotten unless something else uses it.
pub(super) fn commands(
    app: &App,
    control: &Control,
    current: &Found,
    wanted: Wanted,
) -> Result<Vec<Command>, ApiError> {
    let Found { model, deployment: was } = current;
    let mut commands: Vec<Command> = Vec::new();
    let key = key_to_store(app, control, current, &wanted)?;
    let mut new = wanted.deployment;
    if let Some(key) = key {
        let store = key.store(app, &model.realm, model.name.as_str(), &wanted.host)?;
        new.credential = Some(store.credential);
        commands.push(store.into());
    }
    let credential = new.credential.map_or(Patch::Keep, Patch::Set);
    commands.push(
        ReviseDeployment {
            model: model.id,
            deployment: was.id.clone(),
            vendor: Patch::Set(new.vendor),
            upstream_model: Patch::Set(new.upstream_model),
            base_url: new.base_url.map_or(Patch::Clear, Patch::Set),
            credential,
            weight: Patch::Set(new.weight),
            max_output_tokens: new.max_output_tokens.map_or(Patch::Clear, Patch::Set),
            info: Patch::Set(new.info),
            params: Patch::Set(new.params),
        }
        .into(),
    );
    if new.price.is_some() {
        commands.push(RevisePrice { model: model.id, deployment: was.id.clone(), price: new.price }.into());
    }
    if let Some(old) = was.credential.filter(|old| new.credential != Some(*old))
        && find::is_used_by_none_but(control, old, &was.id)
    {
        commands.push(RemoveCredential { credential: old }.into());
    }
    Ok(commands)
}

/// The key to store, if the one that there is does not do.
///
/// # Errors
/// 400 if the address changes and the key was sealed for the old one: whoever sends it elsewhere must have it.
fn key_to_store(app: &App, control: &Control, current: &Found, wanted: &Wanted) -> Result<Option<KeySource>, ApiError> {
    let credential = current.deployment.credential.and_then(|id| control.credentials.get(&id));
    if let Some(key) = &wanted.key {
        let is_kept = credential.is_some_and(|credential| key.is_kept_by(app, credential, &wanted.host));
        return Ok((!is_kept).then(|| key.clone()));
    }
    match credential {
        Some(credential) if !credential.hosts.contains(&wanted.host) => match &credential.secret {
            Some(SecretSource::Environment(name)) => Ok(Some(KeySource::Environment(name.clone()))),
            _ => {
                let message = format!("the key was stored for another host than {}: give `api_key` again", wanted.host);
                Err(ApiError::new(ErrorCode::ParameterInvalid, message).param("litellm_params.api_key"))
            }
        },
        _ => Ok(None),
    }
}
