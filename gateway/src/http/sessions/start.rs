//! A session begins: what was shown is looked at, and a command says who signed in.

use std::sync::Arc;

use http::HeaderMap;
use tallygate_core::admission;
use tallygate_core::control::Control;
use tallygate_core::id::{KeyId, SessionId, UserId};
use tallygate_core::key::KeyHash;
use tallygate_core::secret::Secret;
use tallygate_core::session::{Session, SessionHash, StartSession, With};
use tallygate_core::stream::Position;
use tallygate_core::user::User;

use super::asked::{self, NameAndPassword};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::roles;
use crate::pipeline::refusal;
use crate::random;
use crate::signing_in::{Busy, Peer};

/// A session that began.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) session: Arc<Session>,
    pub(super) secret: Secret,
    pub(super) position: Position,
}

/// Signs in with a name and a password.
///
/// # Errors
/// One answer, after one time, whether the user is not there, has no password, or it is another.
pub(super) async fn by_password(
    app: &App,
    headers: &HeaderMap,
    peer: Peer,
    given: NameAndPassword,
) -> Result<Begun, ApiError> {
    let NameAndPassword { username, password } = given;
    asked::count(app, headers, peer, Some(&username))?;
    let snapshot = app.pipeline.views.control.snapshot();
    let user = named(&snapshot.control, &username).filter(|user| user.blocked.is_none());
    let kept = user.and_then(|user| snapshot.control.passwords.get(&user.id)).cloned();
    let is_operator = app.signing_in.is_operator(&username, &password);
    let is_users = app.signing_in.is_right(kept, password).await.map_err(busy)?;
    if is_operator {
        return begin(app, With::Operator(app.signing_in.mark())).await;
    }
    match user.filter(|_| is_users) {
        Some(user) => begin(app, With::Password(user.id.clone())).await,
        None => {
            let known = user.is_some() || app.signing_in.is_operators_name(&username);
            Err(wrong(app, known.then_some(user).map(|user| user.map(|user| &user.id))))
        }
    }
}

/// Signs in with a key: the master key, or one of a registered user that may manage.
///
/// # Errors
/// As for any request with such a key; or the key is not one to sign in with.
pub(super) async fn by_key(app: &App, headers: &HeaderMap, peer: Peer, secret: Secret) -> Result<Begun, ApiError> {
    asked::count(app, headers, peer, None)?;
    if app.pipeline.master.matches(&secret) {
        return begin(app, With::Operator(app.signing_in.mark())).await;
    }
    let key = working(app, &secret).inspect_err(|_| app.pipeline.metrics.sign_in("refused"))?;
    begin(app, With::Key(key)).await
}

/// A key that works by its newest secret: one that was rotated away ends soon, and a session would not.
fn working(app: &App, secret: &Secret) -> Result<KeyId, ApiError> {
    let hash = KeyHash::of_secret(secret.expose());
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let row = control.key_by_hash(&hash).map_err(|error| refusal::views(&error))?;
    let row = row.filter(|row| row.key.hash == hash).ok_or_else(|| refusal::unknown_key(secret.expose(), &hash))?;
    admission::authenticate(&snapshot.control, &row.key, &hash, app.pipeline.clock.now())
        .map_err(|refused| refusal::key(&refused, &row.key))?;
    Ok(row.key.id)
}

fn named<'a>(control: &'a Control, username: &str) -> Option<&'a User> {
    roles::by_id(control, username).ok().or_else(|| roles::by_email(control, username))
}

async fn begin(app: &App, with: With) -> Result<Begun, ApiError> {
    let id = SessionId::new(app.pipeline.ids.uuid());
    let secret = random::session(id);
    let expires_at = app.pipeline.clock.now().plus_seconds(app.signing_in.lasts_seconds);
    let expires_at = expires_at.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    let start = StartSession { session: id, hash: SessionHash::of_secret(secret.expose()), with, expires_at };
    let begun = app.commands.issue(app.signing_in.gateway.clone(), start).await;
    app.pipeline.metrics.sign_in(if begun.is_ok() { "started" } else { "refused" });
    let position = begun?.position;
    let snapshot = app.pipeline.views.control.snapshot();
    // Somebody may have ended it in the meantime.
    let session = snapshot.control.sessions.get(&id).cloned().ok_or_else(crate::http::acting::ended)?;
    Ok(Begun { session, secret, position })
}

/// Counts and words a name or a password that is wrong. It is recorded where the name is one that there is: strangers, who
/// make names up, could fill the log.
fn wrong(app: &App, known: Option<Option<&UserId>>) -> ApiError {
    app.pipeline.metrics.sign_in("refused");
    let error = ApiError::new(ErrorCode::SignInRefused, "the name or the password is wrong").kind("auth_error");
    if let Some(user) = known {
        let whose = user.map_or_else(|| "the operator".to_owned(), |user| format!("the user `{user}`"));
        app.commands.sign_in_refused(app.signing_in.gateway.clone(), &error, &whose);
    }
    error
}

/// The answer where passwords of others are being looked at.
pub(super) fn busy(_: Busy) -> ApiError {
    ApiError::new(ErrorCode::Overloaded, "too many are signing in: try again")
        .retry_after(std::time::Duration::from_secs(1))
}
