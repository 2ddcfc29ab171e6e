//! `POST /customer/update`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde_json::Value;
use tallygate_core::command::Command;
use tallygate_core::end_user::{BlockEndUser, ReviseEndUser, UnblockEndUser, registered};
use tallygate_core::scope::Scope;

use super::refused::{not_found, refused};
use super::request::{CustomerRequest, team};
use super::{find, row};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// Changes an end user, in one step. Only the fields that are sent change.
pub(super) async fn update(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, uri.path()).await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let id = fields.text("user_id")?.into_value().ok_or_else(|| fields.missing("user_id"))?;
    let request = CustomerRequest::read(&fields)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let current = find::named(control, &Caller::from(&manager), &id, team(&fields)?.as_ref(), "user_id")?;
    let whom = current.end_user.clone();
    // What says nothing asks for no right either.
    let revise = request.revise(current);
    let mut commands: Vec<Command> = Vec::new();
    if revise != ReviseEndUser::nothing(whom.clone()) {
        commands.push(revise.into());
    }
    let scope = Scope::EndUser(whom.clone());
    let budget = control.budget(&scope);
    commands.extend(request.budget.commands(scope, budget, app.pipeline.clock.now())?);
    let (end_user, realm) = (whom.id.clone(), whom.realm.clone());
    match (request.blocked, current.blocked.is_some()) {
        (Some(true), false) => commands.push(BlockEndUser { end_user, realm }.into()),
        (Some(false), true) => commands.push(UnblockEndUser { end_user, realm }.into()),
        _ => {}
    }
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let row = registered(&snapshot.control, &whom).map_err(|_| not_found(&id, "user_id"))?;
    Ok(changed(position, Value::Object(row::row(&app, &snapshot.control, row)?)))
}
