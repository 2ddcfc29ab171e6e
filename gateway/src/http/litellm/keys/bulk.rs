//! `POST /key/bulk_update`: changes of many keys, each by itself.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tallygate_core::actor::Actor;
use tallygate_core::stream::Position;

use super::refused::refused;
use super::request::KeyRequest;
use super::{find, row, update};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::litellm::unsupported::refuse;
use crate::http::operator;

/// The most keys of one call, as in LiteLLM.
const KEYS_MAX: usize = 500;

/// Changes keys one after another. What is refused of one is told beside the others, and changes nothing of it.
///
/// Cancellation: those that were changed stay so.
pub(super) async fn update(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/key/bulk_update").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let raw = fields.raw("keys").ok_or_else(|| fields.missing("keys"))?;
    let wrong = |_| fields.wrong("keys", "list_type", "Input should be a valid list");
    let changes: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(wrong)?;
    if changes.len() > KEYS_MAX {
        return Err(
            fields.refused("keys", &format!("at most {KEYS_MAX} keys are changed at once, not {}", changes.len()))
        );
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let mut position = app.pipeline.views.control.position();
    for change in &changes {
        let named = serde_json::from_str::<Value>(change.get()).unwrap_or_default()["key"].clone();
        match one(&app, manager.actor.clone(), change).await {
            Ok((at, info)) => {
                position = at;
                done.push(json!({ "key": named, "key_info": info }));
            }
            Err(error) => failed.push(json!({ "key": named, "key_info": null, "failed_reason": error.message })),
        }
    }
    Ok(changed(
        position,
        json!({
            "total_requested": changes.len(), "successful_updates": done, "failed_updates": failed,
        }),
    ))
}

async fn one(app: &App, actor: Actor, change: &RawValue) -> Result<(Position, Value), ApiError> {
    let fields = Fields::read(change.get().as_bytes())?;
    refuse(&fields, &["spend"])?;
    let request = KeyRequest::read(&fields)?;
    let named = fields.text("key")?.into_value().ok_or_else(|| fields.missing("key"))?;
    let current = find::by_secret_or_hash(app, &named)?.ok_or_else(|| find::not_found("Key not found."))?;
    let commands = update::commands(&request, &current, app.pipeline.clock.now())?;
    let position = carry_out(app, actor, commands).await.map_err(refused)?;
    let mut info = row::row(app, &find::by_id(app, current.key.id)?)?;
    info.remove("token");
    Ok((position, Value::Object(info)))
}
