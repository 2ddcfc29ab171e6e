//! Who reads: the operator, who sees all, or a virtual key, which sees its own.

use http::HeaderMap;
use serde_json::json;
use tallygate_core::admission;
use tallygate_core::id::RealmId;
use tallygate_core::key::{Key, KeyHash, KeyKind};
use tallygate_projections::KeyRow;

use crate::http::App;
use crate::http::credentials;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::pipeline::authenticated::{min_position, reach};
use crate::pipeline::refusal;

/// Who reads.
#[derive(Debug)]
pub(in crate::http) enum Caller {
    /// The holder of the master key.
    Operator,
    /// A virtual key that may be used now.
    Key(KeyRow),
}

impl Caller {
    /// Finds out who asks, and waits for the position that they demand.
    ///
    /// # Errors
    /// The answer for someone who may not read at all.
    pub(super) async fn of(app: &App, headers: &HeaderMap, route: &str) -> Result<Self, ApiError> {
        match Self::of_any_kind(app, headers).await? {
            Self::Key(row) if row.key.kind == KeyKind::LlmApi => Err(forbidden_route(route)),
            caller => Ok(caller),
        }
    }

    /// The same for what keys of every type may ask.
    ///
    /// # Errors
    /// The answer for someone who may not read at all.
    pub(in crate::http) async fn of_any_kind(app: &App, headers: &HeaderMap) -> Result<Self, ApiError> {
        let secret = credentials::presented(headers)?;
        if let Some(position) = min_position(headers)? {
            reach(&app.pipeline, position).await?;
        }
        if app.pipeline.master.matches(&secret) {
            return Ok(Self::Operator);
        }
        let control = &app.pipeline.views.control;
        let snapshot = control.snapshot();
        let hash = KeyHash::of_secret(secret.expose());
        let row = control.key_by_hash(&hash).map_err(|error| refusal::views(&error))?;
        let row = row.ok_or_else(|| refusal::unknown_key(secret.expose(), &hash))?;
        admission::authenticate(&snapshot.control, &row.key, &hash, app.pipeline.clock.now())
            .map_err(|refused| refusal::key(&refused, &row.key))?;
        Ok(Self::Key(row))
    }

    /// Whether they may know what a realm has.
    pub(super) fn is_of_realm(&self, realm: &RealmId) -> bool {
        match self {
            Self::Operator => true,
            Self::Key(own) => own.key.realm == *realm,
        }
    }

    /// Whether they may see a key: their own, or another of the same user in the same realm.
    pub(super) fn may_see(&self, key: &Key) -> bool {
        match self {
            Self::Operator => true,
            Self::Key(own) => {
                let same_user = own.key.user.is_some() && own.key.user == key.user;
                own.key.id == key.id || (same_user && own.key.realm == key.realm)
            }
        }
    }
}

/// A key whose type leaves out reading.
fn forbidden_route(route: &str) -> ApiError {
    let message = format!(
        "Virtual key is not allowed to call this route. Only allowed to call routes: ['llm_api_routes']. Tried to call route: {route}"
    );
    ApiError::new(ErrorCode::KeyKindForbids, message.clone()).framework_detail(json!(message))
}
