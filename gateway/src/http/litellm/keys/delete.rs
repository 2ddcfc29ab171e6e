//! `POST /key/delete`.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::json;
use tallygate_core::command::{Command, TOGETHER_MAX};
use tallygate_core::key::RevokeKey;
use tallygate_projections::KeyRow;

use super::find;
use super::refused::refused;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// Revokes keys for ever, all in one step, and tells which ones, as they were named. Those that are not there are left
/// out; none at all is an error.
pub(super) async fn delete(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/key/delete").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let by_key = fields.texts("keys")?.into_value().filter(|keys| !keys.is_empty());
    let (names, found) = match by_key {
        Some(keys) => (keys, find::by_secret_or_hash as fn(&App, &str) -> Result<Option<KeyRow>, ApiError>),
        None => match fields.texts("key_aliases")?.into_value().filter(|aliases| !aliases.is_empty()) {
            Some(aliases) => (aliases, find::by_alias as _),
            None => return Err(fields.missing("keys")),
        },
    };
    if names.len() > TOGETHER_MAX {
        let message = format!("at most {TOGETHER_MAX} keys are deleted at once, not {}", names.len());
        return Err(fields.refused("keys", &message));
    }
    let (mut deleted, mut ids) = (Vec::new(), BTreeSet::new());
    for name in names {
        if let Some(row) = found(&app, &name)? {
            ids.insert(row.key.id);
            deleted.push(name);
        }
    }
    if ids.is_empty() {
        return Err(ApiError::coded("key_not_found", 404, "{'error': 'No keys found'}").kind("internal_server_error"));
    }
    let commands: Vec<Command> = ids.into_iter().map(|key| RevokeKey { key }.into()).collect();
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    Ok(changed(position, json!({ "deleted_keys": deleted })))
}
