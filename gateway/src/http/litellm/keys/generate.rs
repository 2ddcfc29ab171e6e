//! `POST /key/generate`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::json;
use tallygate_core::command::Command;
use tallygate_core::id::KeyId;
use tallygate_core::key::IssueKey;
use tallygate_core::scope::Scope;
use tallygate_core::secret::Secret;

use super::refused::refused;
use super::request::KeyRequest;
use super::{find, row};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator::{self, Manager};
use crate::random;

/// The longest secret that a caller may choose, in bytes: no longer one could be presented.
const SECRET_MAX_BYTES: usize = 1_024;

/// Makes a key, with its budget, in one step. Its secret is in this answer and nowhere else.
pub(super) async fn generate(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/key/generate").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let request = KeyRequest::read(&fields)?;
    let duration = fields.text("duration")?.into_value();
    let secret = chosen_secret(&app, &fields, "key")?.unwrap_or_else(random::key);
    let (id, now) = (KeyId::new(app.pipeline.ids.uuid()), app.pipeline.clock.now());
    let issue = of_caller(&app, &manager, &request, request.issue(id, &secret, now)?);
    let mut commands: Vec<Command> = vec![issue.into()];
    commands.extend(request.budget.commands(Scope::Key(id), None, now)?);
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let mut answer = row::generated(&app, &find::by_id(&app, id)?, &secret)?;
    answer["duration"] = json!(duration);
    Ok(changed(position, answer))
}

/// A key that a user makes with a key of theirs is their own, where they belong, unless they say whose it is and where.
fn of_caller(app: &App, manager: &Manager, request: &KeyRequest, issue: IssueKey) -> IssueKey {
    let Some(user) = manager.user() else { return issue };
    let snapshot = app.pipeline.views.control.snapshot();
    let home = snapshot.control.user(user).and_then(|user| user.realm.clone());
    IssueKey {
        user: if request.user.is_keep() { Some(user.clone()) } else { issue.user },
        realm: home.filter(|_| request.realm.is_keep()).unwrap_or(issue.realm),
        ..issue
    }
}

/// The secret that the caller chose, if they chose one.
///
/// # Errors
/// 400 if it does not have the form of a secret, or is the master key.
pub(in crate::http::litellm) fn chosen_secret(
    app: &App,
    fields: &Fields<'_>,
    name: &str,
) -> Result<Option<String>, ApiError> {
    let Some(secret) = fields.text(name)?.into_value().filter(|secret| !secret.is_empty()) else { return Ok(None) };
    if !secret.starts_with("sk-") {
        return Err(fields.refused(name, "Invalid key format. LiteLLM Virtual Key must start with 'sk-'."));
    }
    if secret.len() > SECRET_MAX_BYTES || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("Invalid key format. A key is at most {SECRET_MAX_BYTES} printable ASCII characters.");
        return Err(fields.refused(name, &message));
    }
    if app.pipeline.master.matches(&Secret::new(secret.as_str())) {
        return Err(fields.refused(name, "Invalid key format. This secret is taken."));
    }
    Ok(Some(secret))
}
