//! `POST /key/regenerate` and `/key/{key}/regenerate`: another secret for the same key.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde_json::json;
use tallygate_core::actor::Actor;
use tallygate_core::key::{KeyHash, RotateKey};
use tallygate_core::time::{Duration, TimeError, Timestamp};

use super::generate::chosen_secret;
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
use crate::random;

/// The key is named in the body.
pub(super) async fn of_body(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/key/regenerate").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let key = fields.text("key")?.into_value().ok_or_else(|| fields.missing("key"))?;
    regenerate(&app, manager.actor, &key, &fields).await
}

/// The key is named in the path. The body may be left out.
pub(super) async fn of_path(
    State(app): State<App>,
    Path(key): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/key/{key}/regenerate").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let bytes = if bytes.trim_ascii().is_empty() { Bytes::from_static(b"{}") } else { bytes };
    regenerate(&app, manager.actor, &key, &Fields::read(&bytes)?).await
}

/// The old secret is refused from the answer on, or after its grace period; alias, limits, budget and what was spent stay.
async fn regenerate(app: &App, actor: Actor, named: &str, fields: &Fields<'_>) -> Result<Response, ApiError> {
    refuse(fields, &["new_master_key", "spend"])?;
    let request = KeyRequest::read(fields)?;
    let secret = chosen_secret(app, fields, "new_key")?.unwrap_or_else(random::key);
    let current = find::by_secret_or_hash(app, named)?.ok_or_else(|| find::not_found("Key not found."))?;
    let id = current.key.id;
    let now = app.pipeline.clock.now();
    let mut commands = update::commands(&request, &current, now)?;
    let old_until = grace(fields, now)?;
    let rotate = RotateKey { key: id, hash: KeyHash::of_secret(&secret), shown: random::shown(&secret), old_until };
    commands.push(rotate.into());
    let position = carry_out(app, actor, commands).await.map_err(refused)?;
    let mut answer = row::generated(app, &find::by_id(app, id)?, &secret)?;
    answer["duration"] = json!(fields.text("duration")?.into_value());
    Ok(changed(position, answer))
}

/// How long the old secret goes on working, as the moment when it ends. No time at all is none.
fn grace(fields: &Fields<'_>, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = fields.text("grace_period")?.into_value().filter(|text| !text.is_empty()) else { return Ok(None) };
    let refused = |error: TimeError| fields.refused("grace_period", &error.to_string());
    let until = text.parse::<Duration>().and_then(|grace| grace.after(now)).map_err(refused)?;
    Ok((until > now).then_some(until))
}
