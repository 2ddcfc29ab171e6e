//! `POST /user/bulk_update`: changes of many users, each by itself.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tallygate_core::actor::Actor;
use tallygate_core::id::UserId;
use tallygate_core::stream::Position;

use super::{row, update};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::change::changed;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::roles;
use crate::http::litellm::unsupported::refuse;
use crate::http::operator;

/// The most users of one call, as in LiteLLM.
const USERS_MAX: usize = 500;

/// Changes users one after another: those who are named, or `all_users` by the same `user_updates`. What is refused of one is told beside the others, and changes nothing of them.
///
/// Cancellation: those who were changed stay so.
pub(super) async fn update(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/user/bulk_update").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let changes = match fields.flag("all_users")?.into_value() {
        Some(true) => of_all(&app, &fields)?,
        _ => of_some(&fields)?,
    };
    if changes.is_empty() || changes.len() > USERS_MAX {
        let message = format!("1 to {USERS_MAX} users are changed at once, not {}", changes.len());
        return Err(fields.refused("users", &message));
    }
    let (mut results, mut done) = (Vec::with_capacity(changes.len()), 0_usize);
    let mut position = app.pipeline.views.control.position();
    for change in &changes {
        let named = serde_json::from_str::<Value>(change.get()).unwrap_or_default();
        let (user_id, user_email) = (&named["user_id"], &named["user_email"]);
        results.push(match one(&app, manager.actor.clone(), change).await {
            Ok((at, row)) => {
                (position, done) = (at, done + 1);
                json!({ "user_id": row["user_id"], "user_email": row["user_email"], "success": true, "error": null,
                        "updated_user": row })
            }
            Err(error) => json!({ "user_id": user_id, "user_email": user_email, "success": false,
                                  "error": error.message, "updated_user": null }),
        });
    }
    Ok(changed(
        position,
        json!({ "results": results, "total_requested": changes.len(), "successful_updates": done,
                "failed_updates": changes.len() - done }),
    ))
}

/// The changes of users who are named.
fn of_some(fields: &Fields<'_>) -> Result<Vec<Box<RawValue>>, ApiError> {
    // What all users are to be is said of nobody by itself.
    refuse(fields, &["user_updates"])?;
    let raw = fields.raw("users").ok_or_else(|| fields.missing("users"))?;
    let wrong = |_| fields.wrong("users", "list_type", "Input should be a valid list");
    serde_json::from_str(raw.get()).map_err(wrong)
}

/// One change of every user there is.
fn of_all(app: &App, fields: &Fields<'_>) -> Result<Vec<Box<RawValue>>, ApiError> {
    // Either some are named, or all are meant.
    refuse(fields, &["users"])?;
    let wanted = fields.section("user_updates")?.ok_or_else(|| fields.missing("user_updates"))?;
    // They would be the same of everybody.
    for name in ["user_id", "user_email"] {
        if wanted.raw(name).is_some() {
            return Err(wanted.refused(name, &format!("`{name}` is no change of all users")));
        }
    }
    let named = |id: &UserId| -> Result<Box<RawValue>, serde_json::Error> {
        let fields = wanted.names().filter_map(|name| Some((name, wanted.raw(name)?)));
        let id = serde_json::value::to_raw_value(id)?;
        let change: BTreeMap<&str, &RawValue> = fields.chain([("user_id", &*id)]).collect();
        serde_json::value::to_raw_value(&change)
    };
    let snapshot = app.pipeline.views.control.snapshot();
    let users = snapshot.control.users.iter().map(|(_, user)| user).filter(|user| user.removed.is_none());
    let changes = users.map(|user| named(&user.id)).collect::<Result<Vec<_>, _>>();
    changes.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))
}

async fn one(app: &App, actor: Actor, change: &RawValue) -> Result<(Position, Value), ApiError> {
    let (position, id) = update::one(app, actor, &Fields::read(change.get().as_bytes())?).await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let user = roles::by_id(&snapshot.control, id.as_str())?;
    row::brief(app, &snapshot.control, user).map(|row| (position, Value::Object(row)))
}
