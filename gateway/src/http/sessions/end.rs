//! `DELETE /api/sessions`: signing out.

use axum::extract::{Path, State};
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderMap, Uri};
use serde_json::json;
use tallygate_core::id::SessionId;
use tallygate_core::session::{EndSession, Owner};
use tallygate_core::stream::Position;

use super::list::{named, own};
use crate::http::App;
use crate::http::control_plane::answered;
use crate::http::control_plane::asked::refused;
use crate::http::error::ApiError;
use crate::http::litellm::change::carry_out;
use crate::http::operator;
use crate::http::session_cookie;

/// `DELETE /api/sessions/{session}`: one session; `current` is the one that asks.
pub(super) async fn end(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/api/sessions/{session}").await?;
    let session = match manager.session.filter(|_| id == "current") {
        Some(current) => current,
        None => id.parse::<SessionId>().map_err(|error| refused("session", error))?,
    };
    let is_own = manager.session == Some(session);
    let position = carry_out(&app, manager.actor, vec![EndSession { session }.into()]).await?;
    Ok(answer(&app, &headers, position, is_own))
}

/// `DELETE /api/sessions`: all of one's own, or with `?user=` all of a user whom one manages.
pub(super) async fn end_all(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/api/sessions").await?;
    let own = own(&manager);
    let owner = named(&uri)?.map_or_else(|| own.clone(), Owner::User);
    let snapshot = app.pipeline.views.control.snapshot();
    let mut sessions: Vec<SessionId> = snapshot.control.sessions_of(&owner).map(|session| session.id).collect();
    // The one that asks comes last: once it has ended, it may end no other.
    sessions.sort_by_key(|session| manager.session == Some(*session));
    let mut position = app.pipeline.views.control.position();
    // Each by itself: one that has ended in the meantime is no reason for the others to go on.
    for session in sessions {
        match carry_out(&app, manager.actor.clone(), vec![EndSession { session }.into()]).await {
            Ok(reached) => position = reached,
            Err(refused) if refused.code == "session_not_found" => {}
            Err(refused) => return Err(refused.into()),
        }
    }
    Ok(answer(&app, &headers, position, owner == own))
}

/// The answer, which has a browser forget the cookie where the session was its own.
fn answer(app: &App, headers: &HeaderMap, position: Position, is_own: bool) -> Response {
    let mut response = answered::changed(position, json!({}));
    let forgotten = session_cookie::forgotten(app, headers).filter(|_| is_own);
    response.headers_mut().extend(forgotten.map(|cookie| (SET_COOKIE, cookie)));
    response
}
