//! `POST /key/update`, and the commands for a changed key.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_core::command::Command;
use tallygate_core::id::RealmId;
use tallygate_core::key::{BlockKey, ReviseKey, UnblockKey};
use tallygate_core::patch::Patch;
use tallygate_core::scope::Scope;
use tallygate_core::time::Timestamp;
use tallygate_projections::KeyRow;

use super::refused::refused;
use super::request::KeyRequest;
use super::{find, row};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::litellm::unsupported::refuse;
use crate::http::operator;

/// Changes a key, named by its secret, its hash or its alias, in one step. Only the fields that are sent change.
pub(super) async fn update(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/key/update").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    refuse(&fields, &["spend"])?;
    let request = KeyRequest::read(&fields)?;
    let (named, current) = meant(&app, &fields)?;
    let commands = commands(&request, &current, app.pipeline.clock.now())?;
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let mut answer = row::row(&app, &find::by_id(&app, current.key.id)?)?;
    answer.insert("key".to_owned(), json!(named));
    Ok(changed(position, Value::Object(answer)))
}

/// The key that is meant, and how it was named.
fn meant(app: &App, fields: &Fields<'_>) -> Result<(String, KeyRow), ApiError> {
    let found = |row: Option<KeyRow>| row.ok_or_else(|| find::not_found("Key not found."));
    if let Some(key) = fields.text("key")?.into_value().filter(|key| !key.is_empty()) {
        let row = found(find::by_secret_or_hash(app, &key)?)?;
        return Ok((key, row));
    }
    match fields.text("key_alias")?.into_value() {
        Some(alias) => {
            let row = found(find::by_alias(app, &alias)?)?;
            Ok((row.key.hash.to_string(), row))
        }
        None => Err(fields.missing("key")),
    }
}

/// The commands that make a key what a request says.
///
/// # Errors
/// 400 for what cannot be.
pub(super) fn commands(request: &KeyRequest, current: &KeyRow, now: Timestamp) -> Result<Vec<Command>, ApiError> {
    let key = &current.key;
    stays_in_its_realm(&request.realm, &key.realm)?;
    let revise = request.revise(key, now)?;
    // What says nothing asks for no right either.
    let mut commands: Vec<Command> = Vec::new();
    if revise != ReviseKey::nothing(key.id) {
        commands.push(revise.into());
    }
    commands.extend(request.budget.commands(Scope::Key(key.id), current.budget.as_deref(), now)?);
    match (&request.blocked, key.blocked.is_some()) {
        (Patch::Set(true), false) => commands.push(BlockKey { key: key.id }.into()),
        (Patch::Set(false) | Patch::Clear, true) => commands.push(UnblockKey { key: key.id }.into()),
        _ => {}
    }
    Ok(commands)
}

/// A key never moves to another tenant: its holder would come to spend another's money.
fn stays_in_its_realm(asked: &Patch<RealmId>, realm: &RealmId) -> Result<(), ApiError> {
    let stays = match asked {
        Patch::Keep => true,
        Patch::Clear => *realm == RealmId::default_realm(),
        Patch::Set(asked) => asked == realm,
    };
    if stays {
        return Ok(());
    }
    let message = format!("a key cannot move to another team: it belongs to `{realm}`; generate another key");
    Err(ApiError::new(ErrorCode::ParameterUnsupported, message).param("team_id"))
}
