//! `POST /customer/delete`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde_json::json;
use tallygate_core::command::{Command, TOGETHER_MAX};
use tallygate_core::end_user::{EndUserRef, RemoveEndUser};

use super::find;
use super::refused::refused;
use super::request::team;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// Removes end users with their budgets, all or none: one who is not there is an error. What they spent stays on record.
pub(super) async fn delete(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, uri.path()).await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let names = fields.texts("user_ids")?.into_value().ok_or_else(|| fields.missing("user_ids"))?;
    if names.is_empty() || names.len() > TOGETHER_MAX {
        let message = format!("1 to {TOGETHER_MAX} end users are deleted at once, not {}", names.len());
        return Err(fields.refused("user_ids", &message));
    }
    let team = team(&fields)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let caller = Caller::from(&manager);
    let removal = |name: &String| -> Result<Command, ApiError> {
        let found = find::named(&snapshot.control, &caller, name, team.as_ref(), "user_ids")?;
        let EndUserRef { realm, id: end_user } = found.end_user.clone();
        Ok(RemoveEndUser { end_user, realm }.into())
    };
    let commands = names.iter().map(removal).collect::<Result<Vec<_>, _>>()?;
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let listed: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    let message = format!("Successfully deleted customers with ids: [{}]", listed.join(", "));
    Ok(changed(position, json!({ "deleted_customers": names.len(), "message": message })))
}
