//! `/fallback`: the models that one model falls back to, for one reason. LiteLLM's way to a part of a model's routing.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_core::control::Control;
use tallygate_core::id::{ModelName, RealmId};
use tallygate_core::registry::{Model, SetRouting};
use tallygate_core::routing::Routing;

use super::change::{carry_out, changed};
use super::fields::{Fields, located};
use super::models::find;
use super::query::Query;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::operator;

/// The routes. The model stands last, since its name may hold slashes.
pub(super) fn router() -> Router<App> {
    Router::new().route("/fallback", post(set)).route("/fallback/{*model}", get(show).delete(clear))
}

/// For which reason a model is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    General,
    ContextWindow,
    ContentPolicy,
}

impl Reason {
    const ALL: [Self; 3] = [Self::General, Self::ContextWindow, Self::ContentPolicy];

    const fn name(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::ContextWindow => "context_window",
            Self::ContentPolicy => "content_policy",
        }
    }

    /// General, unless another one is named.
    fn read(told: Option<&str>, part: &str) -> Result<Self, ApiError> {
        let Some(told) = told else { return Ok(Self::General) };
        let message = "Input should be 'general', 'context_window' or 'content_policy'";
        let wrong = || located(part, &["fallback_type"], "literal_error", message, &json!(told));
        Self::ALL.into_iter().find(|reason| reason.name() == told).ok_or_else(wrong)
    }

    const fn list(self, routing: &Routing) -> &Vec<ModelName> {
        match self {
            Self::General => &routing.fallbacks,
            Self::ContextWindow => &routing.context_window_fallbacks,
            Self::ContentPolicy => &routing.content_policy_fallbacks,
        }
    }

    /// The same routing with this list for the reason.
    fn with(self, mut routing: Routing, list: Vec<ModelName>) -> Routing {
        match self {
            Self::General => routing.fallbacks = list,
            Self::ContextWindow => routing.context_window_fallbacks = list,
            Self::ContentPolicy => routing.content_policy_fallbacks = list,
        }
        routing
    }
}

/// `POST /fallback`: sets the list of `model` for a reason. The rest of its routing stays.
async fn set(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/fallback").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let name = fields.text("model")?.into_value().ok_or_else(|| fields.missing("model"))?;
    let told = fields.texts("fallback_models")?.into_value().ok_or_else(|| fields.missing("fallback_models"))?;
    let reason = Reason::read(fields.text("fallback_type")?.into_value().as_deref(), "body")?;
    let snapshot = app.pipeline.views.control.snapshot();
    let model = find(&snapshot.control, &name)?;
    let named = |text: &String| {
        let found = find(&snapshot.control, text).map(|model| model.name.clone());
        found.map_err(|_| {
            let message = format!("Invalid fallback models: there is no model `{text}`");
            refused(ErrorCode::ParameterInvalid, message).status(400).param("fallback_models")
        })
    };
    let list = told.iter().map(named).collect::<Result<Vec<_>, _>>()?;
    if list.is_empty() {
        let message = "List should have at least 1 item after validation, not 0";
        return Err(located("body", &["fallback_models"], "too_short", message, &json!([])));
    }
    let routing = reason.with(in_force(&app, model), list);
    let command = SetRouting { model: model.id, routing: Some(routing) };
    let position = carry_out(&app, actor, vec![command.into()]).await?;
    let message = "Fallback configuration created successfully";
    let told = json!({ "model": name, "fallback_models": told, "fallback_type": reason.name(), "message": message });
    Ok(changed(position, told))
}

/// `GET /fallback/{model}`: the list for a reason.
async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/fallback/{*model}").await?;
    let reason = Reason::read(Query::read(&uri)?.text("fallback_type"), "query")?;
    let snapshot = app.pipeline.views.control.snapshot();
    let list = configured(&snapshot.control, &name, reason)?.1;
    Ok(Json(json!({ "model": name, "fallback_models": list, "fallback_type": reason.name() })))
}

/// `DELETE /fallback/{model}`: no fallbacks for a reason. The rest of its routing stays.
async fn clear(
    State(app): State<App>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/fallback/{*model}").await?;
    let reason = Reason::read(Query::read(&uri)?.text("fallback_type"), "query")?;
    let snapshot = app.pipeline.views.control.snapshot();
    let (model, _) = configured(&snapshot.control, &name, reason)?;
    let routing = reason.with(in_force(&app, model), Vec::new());
    let command = SetRouting { model: model.id, routing: Some(routing) };
    let position = carry_out(&app, actor, vec![command.into()]).await?;
    let message = "Fallback configuration deleted successfully";
    Ok(changed(position, json!({ "model": name, "fallback_type": reason.name(), "message": message })))
}

/// A model's own routing, or what holds without one.
fn in_force(app: &App, model: &Model) -> Routing {
    model.routing.as_deref().unwrap_or(&app.pipeline.settings.routing).clone()
}

/// The model of a name in the realm `default`.
fn find<'c>(control: &'c Control, name: &str) -> Result<&'c Model, ApiError> {
    let found = ModelName::new(name).ok().and_then(|name| find::by_name(control, &RealmId::default_realm(), &name));
    let missing = || refused(ErrorCode::ModelNotFound, format!("Model '{name}' not found in router")).param("model");
    found.map(AsRef::as_ref).ok_or_else(missing)
}

/// A model and its list for a reason, if it has one.
fn configured<'c>(control: &'c Control, name: &str, reason: Reason) -> Result<(&'c Model, &'c [ModelName]), ApiError> {
    let model = find(control, name)?;
    let list = model.routing.as_deref().map(|routing| reason.list(routing)).filter(|list| !list.is_empty());
    let missing = || {
        let message = format!("No {} fallbacks configured for model '{name}'", reason.name());
        refused(ErrorCode::ModelNotFound, message).param("model")
    };
    Ok((model, list.ok_or_else(missing)?))
}

/// An error in FastAPI's shape, with ours beside it.
fn refused(code: ErrorCode, message: String) -> ApiError {
    let detail = json!({ "error": message });
    ApiError::new(code, message).status(404).framework_detail(detail)
}
