//! `POST /user/delete`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::json;
use tallygate_core::command::{Command, TOGETHER_MAX};
use tallygate_core::id::UserId;
use tallygate_core::user::RemoveUser;

use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::litellm::keys::of_user::{of_users, revocations};
use crate::http::litellm::roles;
use crate::http::litellm::teams::refused::refused;
use crate::http::operator;

/// Removes users for ever, all in one step, from which on their keys are refused; then the keys are revoked, a hundred at
/// a time. Tells how many users. One who is not there is an error, and then none is removed.
pub(super) async fn delete(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/user/delete").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let names = fields.texts("user_ids")?.into_value().ok_or_else(|| fields.missing("user_ids"))?;
    if names.len() > TOGETHER_MAX {
        let message = format!("at most {TOGETHER_MAX} users are deleted at once, not {}", names.len());
        return Err(fields.refused("user_ids", &message));
    }
    let snapshot = app.pipeline.views.control.snapshot();
    let users = names.iter().map(|id| roles::by_id(&snapshot.control, id).map(|user| user.id.clone()));
    let users = users.collect::<Result<Vec<UserId>, ApiError>>()?;
    // Looked up before: whoever removes a user may not see their keys any more.
    let keys = of_users(&app, users.clone()).await?;
    let mut position = app.pipeline.views.control.position();
    // The keys first, if someone else's right to them rests on the user.
    for batch in revocations(keys.values().flatten()) {
        position = carry_out(&app, manager.actor.clone(), batch).await.map_err(refused)?;
    }
    let removals: Vec<Command> = users.iter().map(|user| RemoveUser { user: user.clone() }.into()).collect();
    if !removals.is_empty() {
        position = carry_out(&app, manager.actor, removals).await.map_err(refused)?;
    }
    Ok(changed(position, json!(users.len())))
}
