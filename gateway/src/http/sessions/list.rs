//! `GET /api/sessions`: who is signed in.

use axum::Json;
use axum::extract::{Query, State};
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use tallygate_core::id::{SessionId, UserId};
use tallygate_core::session::{Owner, Session, With};

use crate::http::App;
use crate::http::control_plane::asked::refused;
use crate::http::error::ApiError;
use crate::http::operator::{self, Manager, admins_only};

const ROUTE: &str = "/api/sessions";

#[derive(Debug, Deserialize)]
struct Whose {
    user: Option<String>,
}

/// One's own sessions; an operator's, or an observer's, of a user: `?user=`.
pub(super) async fn list(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let manager = operator::manager_to_read(&app, &headers, ROUTE).await?;
    let own = own(&manager);
    let owner = named(&uri)?.map_or_else(|| own.clone(), Owner::User);
    if owner != own && !manager.role.reads_all() {
        return Err(admins_only(ROUTE));
    }
    let snapshot = app.pipeline.views.control.snapshot();
    let now = app.pipeline.clock.now();
    let live = snapshot.control.sessions_of(&owner).filter(|session| session.expires_at > now);
    let shown: Vec<Value> = live.map(|session| shown(session, manager.session)).collect();
    Ok(Json(json!({ "sessions": shown })))
}

/// Whose sessions are the caller's own.
pub(super) fn own(manager: &Manager) -> Owner {
    manager.user().cloned().into()
}

/// The user that a request is about; none for oneself.
pub(super) fn named(uri: &Uri) -> Result<Option<UserId>, ApiError> {
    let Query(Whose { user }) = Query::try_from_uri(uri).map_err(|error| refused("user", error.body_text()))?;
    let user = user.filter(|user| !user.is_empty());
    user.map(|user| UserId::new(user).map_err(|error| refused("user", error))).transpose()
}

/// A session as its owner sees it.
pub(super) fn shown(session: &Session, current: Option<SessionId>) -> Value {
    let with = match &session.with {
        With::Key(_) => "key",
        With::Password(_) => "password",
        With::Operator(_) => "operator",
    };
    json!({
        "id": session.id,
        "user": session.owner.user(),
        "with": with,
        "startedAt": session.trail.created.at,
        "expiresAt": session.expires_at,
        "current": current == Some(session.id),
    })
}
