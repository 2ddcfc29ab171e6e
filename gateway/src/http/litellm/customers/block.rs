//! `POST /customer/block` and `/customer/unblock`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_core::command::{Command, TOGETHER_MAX};
use tallygate_core::end_user::{BlockEndUser, EndUserRef, RegisterEndUser, UnblockEndUser, registered};
use tallygate_core::id::EndUserId;
use tallygate_core::limits::Limits;

use super::new::home;
use super::refused::{not_found, refused};
use super::request::team;
use super::{find, row};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// So many at once: each may take two commands.
const BLOCKED_MAX: usize = TOGETHER_MAX / 2;

/// Has what is asked in the name of end users refused. Whom nobody registered is registered for it, as in LiteLLM.
pub(super) async fn block(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    set(&app, &uri, &headers, body, true).await
}

/// Lets it be served again. They may be unblocked already.
pub(super) async fn unblock(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    set(&app, &uri, &headers, body, false).await
}

async fn set(app: &App, uri: &Uri, headers: &HeaderMap, body: Body, blocked: bool) -> Result<Response, ApiError> {
    let manager = operator::manager(app, headers, uri.path()).await?;
    let bytes = body::read(&app.pipeline.settings, headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let names = fields.texts("user_ids")?.into_value().ok_or_else(|| fields.missing("user_ids"))?;
    if names.len() > BLOCKED_MAX {
        let message = format!("at most {BLOCKED_MAX} end users are changed at once, not {}", names.len());
        return Err(fields.refused("user_ids", &message));
    }
    let team = team(&fields)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let (control, caller) = (&snapshot.control, Caller::from(&manager));
    let (mut commands, mut changed_ones): (Vec<Command>, Vec<EndUserRef>) = (Vec::new(), Vec::new());
    for name in &names {
        let found = find::named(control, &caller, name, team.as_ref(), "user_ids");
        let (whom, is_blocked) = match found {
            Ok(found) => (found.end_user.clone(), found.blocked.is_some()),
            Err(error) if error.status == 404 && blocked => {
                let id = EndUserId::new(name).map_err(|error| fields.refused("user_ids", &error.to_string()))?;
                let realm = home(app, &manager, team.clone());
                let (alias, limits) = (None, Limits::default());
                commands.push(RegisterEndUser { end_user: id.clone(), realm: realm.clone(), alias, limits }.into());
                (EndUserRef { realm, id }, false)
            }
            Err(error) => return Err(error),
        };
        let EndUserRef { realm, id: end_user } = whom.clone();
        match (blocked, is_blocked) {
            (true, false) => commands.push(BlockEndUser { end_user, realm }.into()),
            (false, true) => commands.push(UnblockEndUser { end_user, realm }.into()),
            (true, true) | (false, false) => {}
        }
        changed_ones.push(whom);
    }
    let position = carry_out(app, manager.actor, commands).await.map_err(refused)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let row = |whom: &EndUserRef| {
        let found = registered(&snapshot.control, whom).map_err(|_| not_found(whom.id.as_str(), "user_ids"))?;
        row::row(app, &snapshot.control, found).map(Value::Object)
    };
    let rows = changed_ones.iter().map(row).collect::<Result<Vec<_>, ApiError>>()?;
    let name = if blocked { "blocked_users" } else { "unblocked_users" };
    Ok(changed(position, json!({ name: rows })))
}
