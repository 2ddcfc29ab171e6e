//! `POST /team/block` and `/team/unblock`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::Value;
use tallygate_core::command::Command;
use tallygate_core::realm::{ResumeRealm, SuspendRealm};

use super::refused::refused;
use super::{find, row};
use crate::command::Refused;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// Has the keys of a team, and of what nests in it, refused until it is unblocked. It may be blocked already.
pub(super) async fn block(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    set(&app, &headers, body, true).await
}

/// Lets a team's keys work again. They may work already.
pub(super) async fn unblock(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    set(&app, &headers, body, false).await
}

async fn set(app: &App, headers: &HeaderMap, body: Body, blocked: bool) -> Result<Response, ApiError> {
    let route = if blocked { "/team/block" } else { "/team/unblock" };
    let manager = operator::manager(app, headers, route).await?;
    let bytes = body::read(&app.pipeline.settings, headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let control = &app.pipeline.views.control;
    let realm = find::named(&control.snapshot().control, &fields, "team_id")?.id.clone();
    let command: Command = match blocked {
        true => SuspendRealm { realm: realm.clone() }.into(),
        false => ResumeRealm { realm: realm.clone() }.into(),
    };
    let position = match carry_out(app, manager.actor, vec![command]).await {
        Ok(position) => position,
        Err(error) if is_so_already(&error) => control.position(),
        Err(error) => return Err(refused(error)),
    };
    let snapshot = control.snapshot();
    let realm = find::by_id(&snapshot.control, realm.as_str(), "team_id")?;
    Ok(changed(position, Value::Object(row::team(app, &snapshot.control, realm)?)))
}

fn is_so_already(refused: &Refused) -> bool {
    matches!(refused.code, "realm_already_suspended" | "realm_not_suspended")
}
