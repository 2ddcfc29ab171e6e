//! `POST /user/update`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::json;
use tallygate_core::actor::Actor;
use tallygate_core::command::Command;
use tallygate_core::id::UserId;
use tallygate_core::scope::Scope;
use tallygate_core::stream::Position;

use super::request::UserRequest;
use super::row;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::litellm::roles;
use crate::http::litellm::teams::refused::refused;
use crate::http::litellm::unsupported::refuse;
use crate::http::operator;

/// Changes a user, named by their id or their email address, in one step. Only the fields that are sent change.
pub(super) async fn update(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/user/update").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let (position, id) = one(&app, manager.actor, &Fields::read(&bytes)?).await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let data = row::brief(&app, &snapshot.control, roles::by_id(&snapshot.control, id.as_str())?)?;
    Ok(changed(position, json!({ "user_id": id, "data": data })))
}

/// Changes the user that some fields name, and tells whom.
///
/// # Errors
/// The answer for the client. Nothing is changed.
pub(super) async fn one(app: &App, actor: Actor, fields: &Fields<'_>) -> Result<(Position, UserId), ApiError> {
    // Memberships have routes of their own, and what was spent is counted, not said.
    refuse(fields, &["spend", "teams"])?;
    let request = UserRequest::read(fields)?;
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let user = roles::named(&snapshot.control, fields)?;
    let (id, scope) = (user.id.clone(), Scope::User(user.id.clone()));
    let mut commands: Vec<Command> = vec![request.revise(user)?.into()];
    let budget = snapshot.control.budget(&scope);
    commands.extend(request.budget.commands(scope, budget, app.pipeline.clock.now())?);
    let position = carry_out(app, actor, commands).await.map_err(refused)?;
    Ok((position, id))
}
