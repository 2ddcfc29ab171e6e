//! `POST /tag/new`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::json;
use tallygate_core::command::Command;
use tallygate_core::id::TagName;
use tallygate_core::patch::Patch;
use tallygate_core::scope::Scope;
use tallygate_core::tag::{TagRef, registered};

use super::refused::{not_found, refused};
use super::request::{TagRequest, team};
use super::row;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::customers::home;
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// Registers a tag, with its budget, in one step: for a team if one is named, else for all that whoever asks manages.
pub(super) async fn new(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/tag/new").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let Patch::Set(name) = fields.id("name", TagName::new)? else { return Err(fields.missing("name")) };
    let snapshot = app.pipeline.views.control.snapshot();
    let request = TagRequest::read(&fields, &snapshot.control)?;
    let which = TagRef { realm: home(&app, &manager, team(&fields)?), name };
    let mut commands: Vec<Command> = vec![request.register(&which).into()];
    commands.extend(request.budget.commands(Scope::Tag(which.clone()), None, app.pipeline.clock.now())?);
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let gone = |_| not_found(&format!("Tag {} not found", which.name), "name");
    let tag = row::brief(registered(&snapshot.control, &which).map_err(gone)?);
    let message = format!("Tag {} created successfully", which.name);
    Ok(changed(position, json!({ "message": message, "tag": tag })))
}
