//! `POST /user/new`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Map, Value, json};
use tallygate_core::command::Command;
use tallygate_core::control::Control;
use tallygate_core::id::{KeyId, RealmId, UserId};
use tallygate_core::key::IssueKey;
use tallygate_core::limits::Limits;
use tallygate_core::model_pattern::Allowed;
use tallygate_core::patch::Patch;
use tallygate_core::scope::Scope;

use super::request::UserRequest;
use super::row;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::litellm::keys;
use crate::http::litellm::keys::request::KeyRequest;
use crate::http::litellm::roles;
use crate::http::litellm::teams::refused::refused;
use crate::http::operator::{self, Manager};
use crate::random;

/// Registers a user with their budget and, unless it is not wanted, a key, in one step. The key's secret is in this answer
/// and nowhere else.
pub(super) async fn new(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/user/new").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let request = UserRequest::read(&fields)?;
    let user = match fields.id("user_id", UserId::new)? {
        Patch::Set(id) => id,
        Patch::Keep | Patch::Clear => roles::new_user_id(&app)?,
    };
    let home = home(&manager, &app.pipeline.views.control.snapshot().control, &request);
    let now = app.pipeline.clock.now();
    let mut commands: Vec<Command> = vec![request.register(user.clone(), home.clone())?.into()];
    commands.extend(request.budget.commands(Scope::User(user.clone()), None, now)?);
    let key = match fields.flag("auto_create_key")? {
        Patch::Set(false) => None,
        _ => Some(key_of(&app, &fields, &user, home)?),
    };
    commands.extend(key.iter().map(|(command, _)| command.clone().into()));
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let key = key.map(|(command, secret)| (command.key, secret));
    Ok(changed(position, answer(&app, &user, key, &fields)?))
}

/// Where a new user belongs: to the whole gateway if an operator or an admin makes them, as in LiteLLM; else to the first
/// of their teams, or where their maker does.
fn home(by: &Manager, control: &Control, request: &UserRequest) -> Option<RealmId> {
    if by.role <= tallygate_core::user::Role::Admin {
        return None;
    }
    let own = by.user().and_then(|user| control.user(user)).and_then(|user| user.realm.clone());
    request.teams.first().cloned().or(own)
}

/// The key that comes with a user: what they may is said of them, so it is not said of the key again.
fn key_of(
    app: &App,
    fields: &Fields<'_>,
    user: &UserId,
    home: Option<RealmId>,
) -> Result<(IssueKey, String), ApiError> {
    let request = KeyRequest::read(fields)?;
    let secret = keys::generate::chosen_secret(app, fields, "key")?.unwrap_or_else(random::key);
    let id = KeyId::new(app.pipeline.ids.uuid());
    let key = request.issue(id, &secret, app.pipeline.clock.now())?;
    let realm = home.unwrap_or_else(RealmId::default_realm);
    Ok((IssueKey { realm, user: Some(user.clone()), models: Allowed::All, limits: Limits::default(), ..key }, secret))
}

/// LiteLLM's answer: the fields of the key, and above them those of the user.
fn answer(app: &App, user: &UserId, key: Option<(KeyId, String)>, fields: &Fields<'_>) -> Result<Value, ApiError> {
    let mut answer: Map<String, Value> = Map::new();
    if let Some((id, secret)) = key {
        let row = keys::find::by_id(app, id)?;
        answer.extend(keys::row::object(keys::row::generated(app, &row, &secret)?));
        answer.insert("duration".to_owned(), json!(fields.text("duration")?.into_value()));
    } else {
        answer.insert("key".to_owned(), Value::Null);
    }
    let snapshot = app.pipeline.views.control.snapshot();
    let user = roles::by_id(&snapshot.control, user.as_str())?;
    let mut row = row::brief(app, &snapshot.control, user)?;
    // A new user has spent nothing.
    row.insert("spend".to_owned(), tallygate_adapters::litellm::amount::usd(tallygate_core::money::NanoUsd::ZERO));
    answer.extend(row);
    Ok(Value::Object(answer))
}
