//! Who may manage: the holder of the master key, a key of an operator's, and, where their rights are looked at with each
//! command, the keys of other users; and whoever signed in, as what they signed in with. Any other key gets LiteLLM's answer.

use http::HeaderMap;
use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::admission;
use tallygate_core::id::{RealmId, SessionId, UserId};
use tallygate_core::key::{KeyHash, KeyKind};
use tallygate_core::secret::Secret;
use tallygate_core::user::{Role, User};
use tallygate_projections::KeyRow;

use super::App;
use super::acting::{self, Acting};
use super::error::ApiError;
use super::error_code::ErrorCode;
use super::session_cookie;
use crate::pipeline::authenticated::{min_position, reach};
use crate::pipeline::refusal;

/// Someone who asks for changes, whose rights are decided with each command.
#[derive(Debug)]
pub(super) struct Manager {
    /// Who they are in the log.
    pub(super) actor: Actor,
    /// Their key, or the one that their session manages as; none for the holder of the master key.
    pub(super) key: Option<KeyRow>,
    /// Their session, where they signed in.
    pub(super) session: Option<SessionId>,
    /// What they are; an operator for the holder of the master key.
    pub(super) role: Role,
}

impl Manager {
    /// The user whose key asks.
    pub(super) fn user(&self) -> Option<&UserId> {
        self.key.as_ref().and_then(|row| row.key.user.as_ref())
    }

    /// Whether all may be seen and done.
    pub(super) fn is_operator(&self) -> bool {
        self.role == Role::Operator
    }
}

/// Checks that a change is the operator's, and waits for the position that it demands. That a key asked for it is
/// recorded; strangers are not, who could fill the log.
pub(super) async fn authorize(app: &App, headers: &HeaderMap, route: &str) -> Result<Actor, ApiError> {
    let manager = check(app, headers, route).await.and_then(|manager| manager.operator(route));
    manager.map(|manager| manager.actor).map_err(|denied| denied.record(app))
}

/// Checks that a change is asked for by someone who may ask for some, and waits for the position that it demands. What
/// they may change is decided with the command.
pub(super) async fn manager(app: &App, headers: &HeaderMap, route: &str) -> Result<Manager, ApiError> {
    check(app, headers, route).await.map_err(|denied| denied.record(app))
}

/// The same for who only reads: nothing of it is recorded.
pub(super) async fn manager_to_read(app: &App, headers: &HeaderMap, route: &str) -> Result<Manager, ApiError> {
    check(app, headers, route).await.map_err(|denied| *denied.error)
}

/// Checks that a request to read is the operator's, or an observer's, and waits for the position that it demands.
pub(super) async fn authorize_to_read(app: &App, headers: &HeaderMap, route: &str) -> Result<(), ApiError> {
    let manager = check(app, headers, route).await.and_then(|manager| manager.reader(route));
    manager.map(drop).map_err(|denied| *denied.error)
}

/// The same where a question is sent as a body: that a key asked it is recorded, as with a change.
pub(super) async fn authorize_to_ask(app: &App, headers: &HeaderMap, route: &str) -> Result<(), ApiError> {
    let manager = check(app, headers, route).await.and_then(|manager| manager.reader(route));
    manager.map(drop).map_err(|denied| denied.record(app))
}

/// Someone who may not, and who they are, where that is known.
struct Denied {
    error: Box<ApiError>,
    who: Option<(RealmId, Actor)>,
}

impl From<ApiError> for Denied {
    fn from(error: ApiError) -> Self {
        Self { error: Box::new(error), who: None }
    }
}

impl Denied {
    fn record(self, app: &App) -> ApiError {
        if let Some((realm, actor)) = self.who {
            app.commands.denied_to(realm, actor, &self.error);
        }
        *self.error
    }
}

impl Manager {
    fn reader(self, route: &str) -> Result<Self, Denied> {
        if self.role.reads_all() {
            return Ok(self);
        }
        self.operator(route)
    }

    fn operator(self, route: &str) -> Result<Self, Denied> {
        if self.is_operator() {
            return Ok(self);
        }
        let who = self.key.map(|row| (row.key.realm.clone(), self.actor));
        Err(Denied { error: Box::new(admins_only(route)), who })
    }
}

async fn check(app: &App, headers: &HeaderMap, route: &str) -> Result<Manager, Denied> {
    let secret = session_cookie::presented(headers)?;
    let manager = if acting::is_session(&secret) {
        of_session(app, acting::of_secret(app, &secret)?)?
    } else if app.pipeline.master.matches(&secret) {
        Manager { actor: Actor::operator(), key: None, session: None, role: Role::Operator }
    } else {
        of_key(app, &secret, route)?
    };
    if let Some(position) = min_position(headers)? {
        reach(&app.pipeline, position).await?;
    }
    Ok(manager)
}

fn of_session(app: &App, acting: Acting) -> Result<Manager, Denied> {
    let role = match &acting.key {
        None => Role::Operator,
        Some(row) => {
            let snapshot = app.pipeline.views.control.snapshot();
            managing_user(&snapshot.control, row).ok_or_else(acting::ended)?.role
        }
    };
    Ok(Manager { actor: acting.actor(), session: Some(acting.session.id), key: acting.key, role })
}

fn of_key(app: &App, secret: &Secret, route: &str) -> Result<Manager, Denied> {
    let hash = KeyHash::of_secret(secret.expose());
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let row = match control.key_by_hash(&hash) {
        Ok(Some(row)) => row,
        Ok(None) => return Err(refusal::unknown_key(secret.expose(), &hash).into()),
        Err(error) => return Err(refusal::views(&error).into()),
    };
    let now = app.pipeline.clock.now();
    let is_served = admission::authenticate(&snapshot.control, &row.key, &hash, now).is_ok();
    let actor = Actor { kind: ActorKind::Key, id: row.key.id.to_string() };
    match managing_user(&snapshot.control, &row).filter(|_| is_served) {
        Some(user) => Ok(Manager { actor, role: user.role, session: None, key: Some(row) }),
        None => Err(Denied { error: Box::new(admins_only(route)), who: Some((row.key.realm.clone(), actor)) }),
    }
}

/// The user of a key whose type includes management.
pub(super) fn managing_user<'a>(control: &'a tallygate_core::control::Control, row: &KeyRow) -> Option<&'a User> {
    let manages = matches!(row.key.kind, KeyKind::Default | KeyKind::Management);
    admission::user_of(control, &row.key).filter(|_| manages)
}

/// The answer to someone who may not.
pub(super) fn admins_only(route: &str) -> ApiError {
    let message = format!(
        "Authentication Error, Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route={route}. Your role=unknown. Your user_id=***"
    );
    ApiError::new(ErrorCode::AdminOnly, message).kind("auth_error")
}
