//! Whose session a secret is, and as which key it manages.

use std::sync::Arc;

use tallygate_core::actor::Actor;
use tallygate_core::admission;
use tallygate_core::id::SessionId;
use tallygate_core::secret::Secret;
use tallygate_core::session::{Session, SessionHash, Standing, With};
use tallygate_core::stream::StreamId;
use tallygate_projections::KeyRow;
use uuid::Uuid;

use super::App;
use super::error::ApiError;
use super::error_code::ErrorCode;
use crate::pipeline::refusal;
use crate::random::SESSION_PREFIX;

/// Somebody who signed in.
#[derive(Debug)]
pub(super) struct Acting {
    pub(super) session: Arc<Session>,
    /// As which key; none as the operator.
    pub(super) key: Option<KeyRow>,
}

impl Acting {
    /// Who they are in the log.
    pub(super) fn actor(&self) -> Actor {
        Actor::session(self.session.id)
    }
}

/// Whether a secret is that of a session, by its form.
pub(super) fn is_session(secret: &Secret) -> bool {
    secret.expose().starts_with(SESSION_PREFIX)
}

/// Who signed in, if all that the session stands on is still so.
///
/// # Errors
/// The answer to somebody whose session has ended; one for all reasons.
pub(super) fn of_secret(app: &App, secret: &Secret) -> Result<Acting, ApiError> {
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let state = &snapshot.control;
    let now = app.pipeline.clock.now();
    let found = id_of(secret).and_then(|id| state.sessions.get(&id));
    let session = found.filter(|session| session.hash == SessionHash::of_secret(secret.expose())).ok_or_else(ended)?;
    if session.expires_at <= now || state.quarantined.contains(&StreamId::session(&session.owner)) {
        return Err(ended());
    }
    let key = match session.standing(state).ok_or_else(ended)? {
        Standing::Operator => {
            let is_so = matches!(&session.with, With::Operator(mark) if *mark == app.signing_in.mark());
            return if is_so { Ok(Acting { session: Arc::clone(session), key: None }) } else { Err(ended()) };
        }
        Standing::Key(id) => control.key_by_id(id).map_err(|error| refusal::views(&error))?.ok_or_else(ended)?,
        Standing::User(key) => KeyRow { key: Arc::new(*key), budget: None },
    };
    let is_theirs = key.key.user.as_ref() == session.owner.user();
    let is_served = admission::authenticate(state, &key.key, &key.key.hash, now).is_ok();
    if is_theirs && is_served { Ok(Acting { session: Arc::clone(session), key: Some(key) }) } else { Err(ended()) }
}

fn id_of(secret: &Secret) -> Option<SessionId> {
    let id = secret.expose().strip_prefix(SESSION_PREFIX)?.get(..32)?;
    Uuid::try_parse(id).ok().map(SessionId::new)
}

/// One answer, whether the session never was, was ended or expired.
pub(super) fn ended() -> ApiError {
    ApiError::new(ErrorCode::SessionEnded, "the session has ended: sign in again").kind("auth_error")
}
