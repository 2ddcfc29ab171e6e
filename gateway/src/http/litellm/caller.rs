//! Who reads: the operator, who sees all, or a virtual key, which sees its own; and whoever signed in, as one of these.

use http::HeaderMap;
use serde_json::json;
use tallygate_core::admission;
use tallygate_core::control::Control;
use tallygate_core::id::RealmId;
use tallygate_core::key::{Key, KeyHash, KeyKind};
use tallygate_core::rights;
use tallygate_core::user::{Role, User};
use tallygate_projections::KeyRow;

use crate::http::App;
use crate::http::acting;
use crate::http::credentials;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::operator::{self, Manager};
use crate::http::session_cookie;
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

impl From<&Manager> for Caller {
    fn from(manager: &Manager) -> Self {
        match &manager.key {
            Some(row) if !manager.is_operator() => Self::Key(row.clone()),
            Some(_) | None => Self::Operator,
        }
    }
}

impl Caller {
    /// Finds out who asks, and waits for the position that they demand.
    ///
    /// # Errors
    /// The answer for someone who may not read at all.
    pub(super) async fn of(app: &App, headers: &HeaderMap, route: &str) -> Result<Self, ApiError> {
        let secret = session_cookie::presented(headers)?;
        if acting::is_session(&secret) {
            if let Some(position) = min_position(headers)? {
                reach(&app.pipeline, position).await?;
            }
            return Ok(acting::of_secret(app, &secret)?.key.map_or(Self::Operator, Self::Key));
        }
        match Self::of_any_kind(app, headers).await? {
            Self::Key(row) if row.key.kind == KeyKind::LlmApi => Err(forbidden_route(route)),
            caller => Ok(caller),
        }
    }

    /// The same for what keys of every type may ask. Sessions are for management, and ask none of that.
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

    /// As [`Self::of`]; a key of an operator's, or of an observer's, reads as the operator does.
    ///
    /// # Errors
    /// The answer for someone who may not read at all.
    pub(super) async fn of_reader(app: &App, headers: &HeaderMap, route: &str) -> Result<Self, ApiError> {
        let caller = Self::of(app, headers, route).await?;
        let snapshot = app.pipeline.views.control.snapshot();
        let reads_all = caller.user(&snapshot.control).is_some_and(|user| user.role.reads_all());
        Ok(if reads_all { Self::Operator } else { caller })
    }

    /// The user who asks, if they are registered and their key manages.
    pub(super) fn user<'a>(&self, control: &'a Control) -> Option<&'a User> {
        match self {
            Self::Operator => None,
            Self::Key(row) => operator::managing_user(control, row),
        }
    }

    /// Whether they manage all realms, and what belongs to none.
    pub(super) fn manages_all(&self, control: &Control) -> bool {
        match self {
            Self::Operator => true,
            Self::Key(_) => self.user(control).is_some_and(|user| user.role <= Role::Admin),
        }
    }

    /// Whether they manage a realm.
    pub(super) fn manages(&self, control: &Control, realm: &RealmId) -> bool {
        match self {
            Self::Operator => true,
            Self::Key(_) => self.user(control).is_some_and(|user| rights::manages(control, user, realm)),
        }
    }

    /// Whether they may know what a realm is: their key belongs to it, or they are a member of it, or manage it.
    pub(super) fn may_know(&self, control: &Control, realm: &RealmId) -> bool {
        let is_member = self
            .user(control)
            .is_some_and(|user| user.memberships.contains_key(realm) || user.realm.as_ref() == Some(realm));
        is_member || self.is_of_realm(realm) || self.manages(control, realm)
    }

    /// Whether they may know what a realm has.
    pub(super) fn is_of_realm(&self, realm: &RealmId) -> bool {
        match self {
            Self::Operator => true,
            Self::Key(own) => own.key.realm == *realm,
        }
    }

    /// Whether they may see a key: their own, another of the same user in the same realm or of the same registered user
    /// anywhere, or one of a realm that they manage.
    pub(super) fn may_see(&self, control: &Control, key: &Key) -> bool {
        match self {
            Self::Operator => true,
            Self::Key(own) => {
                let same_user = own.key.user.is_some() && own.key.user == key.user;
                let anywhere = own.key.realm == key.realm || self.user(control).is_some();
                own.key.id == key.id || (same_user && anywhere) || self.manages(control, &key.realm)
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
