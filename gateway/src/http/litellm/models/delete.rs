//! `POST /model/delete`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::json;
use tallygate_core::command::Command;
use tallygate_core::credential::RemoveCredential;
use tallygate_core::id::DeploymentId;
use tallygate_core::registry::RemoveDeployment;

use super::find;
use super::refused::refused;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// Takes a deployment out of service, and forgets its key unless something else uses it. With the last deployment the
/// model goes.
pub(super) async fn delete(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/model/delete").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let id = fields.text("id")?.into_value().ok_or_else(|| fields.missing("id"))?;
    let not_found = || {
        let message = format!("Model with id={id} not found in db");
        ApiError::coded("deployment_not_found", 400, message).param("id")
    };
    let deployment = DeploymentId::new(&id).map_err(|_| not_found())?;
    let snapshot = app.pipeline.views.control.snapshot();
    let found = find::by_id(&snapshot.control, &deployment).ok_or_else(not_found)?;
    let mut commands: Vec<Command> =
        vec![RemoveDeployment { model: found.model.id, deployment: deployment.clone() }.into()];
    if let Some(credential) = found.deployment.credential
        && find::is_used_by_none_but(&snapshot.control, credential, &deployment)
    {
        commands.push(RemoveCredential { credential }.into());
    }
    let position = match carry_out(&app, actor, commands).await {
        Ok(position) => position,
        Err(error) if matches!(error.code, "deployment_not_found" | "model_not_registered") => return Err(not_found()),
        Err(error) => return Err(refused(error)),
    };
    Ok(changed(position, json!({ "message": format!("Model: {id} deleted successfully") })))
}
