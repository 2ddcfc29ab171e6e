//! `POST /team/model/add` and `/team/model/delete`: single models of a team.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::Value;
use tallygate_core::grant::ReplaceGrants;
use tallygate_core::id::RealmId;
use tallygate_core::model_pattern::{Allowed, ModelPattern};

use super::refused::refused;
use super::{find, row};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// Lets a team call more models. One that may call all may call them already.
pub(super) async fn add(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    change(&app, &headers, body, true).await
}

/// Lets a team call fewer models.
pub(super) async fn delete(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    change(&app, &headers, body, false).await
}

async fn change(app: &App, headers: &HeaderMap, body: Body, adds: bool) -> Result<Response, ApiError> {
    let route = if adds { "/team/model/add" } else { "/team/model/delete" };
    let manager = operator::manager(app, headers, route).await?;
    let bytes = body::read(&app.pipeline.settings, headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let names = fields.texts("models")?.into_value().ok_or_else(|| fields.missing("models"))?;
    let patterns = names.iter().map(ModelPattern::new).collect::<Result<Vec<_>, _>>();
    let patterns = patterns.map_err(|error| fields.refused("models", &error.to_string()))?;
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let realm = find::named(&snapshot.control, &fields, "team_id")?.id.clone();
    let granted = snapshot.control.grants.get(&realm).map_or_else(Allowed::none, |grants| grants.allowed.clone());
    let commands = match changed_set(granted, patterns, adds)? {
        Some(models) => vec![ReplaceGrants { realm: realm.clone(), models }.into()],
        None => Vec::new(),
    };
    let position = carry_out(app, manager.actor, commands).await.map_err(refused)?;
    answer(app, position, &realm)
}

fn answer(app: &App, position: tallygate_core::stream::Position, realm: &RealmId) -> Result<Response, ApiError> {
    let snapshot = app.pipeline.views.control.snapshot();
    let realm = find::by_id(&snapshot.control, realm.as_str(), "team_id")?;
    Ok(changed(position, Value::Object(row::team(app, &snapshot.control, realm)?)))
}

/// The set that is to be, if it is another one.
fn changed_set(granted: Allowed, patterns: Vec<ModelPattern>, adds: bool) -> Result<Option<Allowed>, ApiError> {
    match (granted, adds) {
        (Allowed::All, true) => Ok(None),
        (Allowed::All, false) => {
            let message = "the team may call all models: name those that it may call with `/team/update`";
            Err(ApiError::new(ErrorCode::ParameterInvalid, message).param("models"))
        }
        (Allowed::Only(mut set), true) => {
            set.extend(patterns);
            Ok(Some(Allowed::Only(set)))
        }
        (Allowed::Only(set), false) => {
            Ok(Some(Allowed::Only(set.into_iter().filter(|pattern| !patterns.contains(pattern)).collect())))
        }
    }
}
