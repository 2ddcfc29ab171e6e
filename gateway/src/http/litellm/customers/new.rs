//! `POST /customer/new`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde_json::Value;
use tallygate_core::command::Command;
use tallygate_core::end_user::{BlockEndUser, EndUserRef, registered};
use tallygate_core::id::{EndUserId, RealmId};
use tallygate_core::patch::Patch;
use tallygate_core::scope::Scope;
use tallygate_core::user::Role;

use super::refused::{not_found, refused};
use super::request::{CustomerRequest, team};
use super::row;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator::{self, Manager};

/// Registers an end user, with their budget, in one step: for a team if one is named, else for all that whoever asks
/// manages.
pub(super) async fn new(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, uri.path()).await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let Patch::Set(id) = fields.id("user_id", EndUserId::new)? else { return Err(fields.missing("user_id")) };
    let request = CustomerRequest::read(&fields)?;
    let realm = home(&app, &manager, team(&fields)?);
    let whom = EndUserRef { realm, id };
    let mut commands: Vec<Command> = vec![request.register(&whom).into()];
    commands.extend(request.budget.commands(Scope::EndUser(whom.clone()), None, app.pipeline.clock.now())?);
    if request.blocked == Some(true) {
        commands.push(BlockEndUser { end_user: whom.id.clone(), realm: whom.realm.clone() }.into());
    }
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let row = registered(&snapshot.control, &whom).map_err(|_| not_found(whom.id.as_str(), "user_id"))?;
    Ok(changed(position, Value::Object(row::row(&app, &snapshot.control, row)?)))
}

/// What a new end user is registered for: the team that is named; else the whole gateway, as in LiteLLM, if an operator or
/// an admin asks, and the realm of whoever else does.
pub(in crate::http::litellm) fn home(app: &App, by: &Manager, team: Option<RealmId>) -> Option<RealmId> {
    if team.is_some() || by.role <= Role::Admin {
        return team;
    }
    let snapshot = app.pipeline.views.control.snapshot();
    by.user().and_then(|user| snapshot.control.user(user)).and_then(|user| user.realm.clone())
}
