//! `POST /tag/update`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::json;
use tallygate_core::command::Command;
use tallygate_core::scope::Scope;
use tallygate_core::tag::{ReviseTag, registered};

use super::refused::{not_found, refused};
use super::request::{TagRequest, team};
use super::{find, row};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// Changes a tag, in one step. Only the fields that are sent change; in LiteLLM models that are not sent are none.
pub(super) async fn update(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/tag/update").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let name = fields.text("name")?.into_value().ok_or_else(|| fields.missing("name"))?;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let request = TagRequest::read(&fields, control)?;
    let current = find::named(control, &Caller::from(&manager), &name, team(&fields)?.as_ref())?;
    let which = current.tag.clone();
    // What says nothing asks for no right either.
    let revise = request.revise(which.clone());
    let mut commands: Vec<Command> = Vec::new();
    if revise != ReviseTag::nothing(which.clone()) {
        commands.push(revise.into());
    }
    let scope = Scope::Tag(which.clone());
    let budget = control.budget(&scope);
    commands.extend(request.budget.commands(scope, budget, app.pipeline.clock.now())?);
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let gone = |_| not_found(&format!("Tag {name} not found"), "name");
    let tag = row::brief(registered(&snapshot.control, &which).map_err(gone)?);
    Ok(changed(position, json!({ "message": format!("Tag {name} updated successfully"), "tag": tag })))
}
