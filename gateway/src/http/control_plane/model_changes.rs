//! Changes of the registry: a model is registered, changed, taken out of service.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tallygate_core::command::Command;
use tallygate_core::control::Control;
use tallygate_core::grant::WithdrawGrant;
use tallygate_core::model_pattern::{Allowed, ModelPattern};
use tallygate_core::registry::Model;
use tallygate_core::secret::Secret;

use super::{answered, asked, find, shown, slug};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::change::carry_out;
use crate::http::litellm::models::plain::{self, Plain};
use crate::http::operator;

/// The most grants that are withdrawn in one step, below what may be carried out together.
const WITHDRAWN_MAX: usize = 90;

/// A model that is to be, or what of one is to change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    name: Option<String>,
    provider: Option<String>,
    model_id: Option<String>,
    base_url: Option<String>,
    api_key: Option<Secret>,
    input_cost_per_token: Option<Box<RawValue>>,
    output_cost_per_token: Option<Box<RawValue>>,
}

impl From<Asked> for Plain {
    fn from(asked: Asked) -> Self {
        Self {
            name: asked.name,
            provider: asked.provider,
            model: asked.model_id,
            base_url: asked.base_url.filter(|url| !url.is_empty()),
            api_key: asked.api_key.filter(|key| !key.is_empty()),
            input_cost: asked.input_cost_per_token,
            output_cost: asked.output_cost_per_token,
        }
    }
}

/// `POST /api/models`.
pub(super) async fn create(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/models").await?;
    let plain: Plain = asked::read::<Asked>(&app, &headers, body).await?.into();
    let missing = |param| asked::refused(param, format!("`{param}` is missing"));
    let name = plain.name.as_deref().ok_or_else(|| missing("name"))?;
    let provider = plain.provider.as_deref().ok_or_else(|| missing("provider"))?;
    plain.model.as_deref().ok_or_else(|| missing("modelId"))?;
    let public = slug::public_name(provider, name)?;
    let (id, commands) = plain::register(&app, public, &plain).map_err(plainly)?;
    let position = carry_out(&app, actor, commands).await.map_err(|refused| plainly(refused.into()))?;
    let snapshot = app.pipeline.views.control.snapshot();
    let model = find::model(&snapshot.control, &id.to_string())?;
    Ok(answered::created(position, json!({ "model": shown::model(&snapshot.control, model) })))
}

/// `PATCH /api/models/{id}`: the name for people may change, the public name may not.
pub(super) async fn revise(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/models/{model}").await?;
    let plain: Plain = asked::read::<Asked>(&app, &headers, body).await?.into();
    let snapshot = app.pipeline.views.control.snapshot();
    let model = find::model(&snapshot.control, &id)?;
    let commands = plain::revise(&app, &snapshot.control, model, &plain).map_err(plainly)?;
    let position = carry_out(&app, actor, commands).await.map_err(|refused| plainly(refused.into()))?;
    let snapshot = app.pipeline.views.control.snapshot();
    let model = find::model(&snapshot.control, &id)?;
    Ok(answered::changed(position, json!({ "model": shown::model(&snapshot.control, model) })))
}

/// `DELETE /api/models/{id}`: taken out of service, with its key, and with every grant that names just it: whoever registers
/// the name again grants it again.
pub(super) async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/models/{model}").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let model = find::model(&snapshot.control, &id)?;
    let mut commands = grants_of(&snapshot.control, model);
    while commands.len() > WITHDRAWN_MAX {
        let some = commands.split_off(commands.len() - WITHDRAWN_MAX);
        carry_out(&app, actor.clone(), some).await?;
    }
    commands.extend(plain::retire(&snapshot.control, model));
    let position = carry_out(&app, actor, commands).await?;
    Ok(answered::changed(position, json!({ "id": model.id })))
}

/// The grants that name just this model, where the name leads to it.
fn grants_of(control: &Control, model: &Model) -> Vec<Command> {
    let pattern = ModelPattern::exactly(model.name.clone());
    let names = control.grants.iter().filter(|(realm, grants)| {
        matches!(&grants.allowed, Allowed::Only(patterns) if patterns.contains(&pattern))
            && control.visible_model(realm, &model.name).is_some_and(|seen| seen.id == model.id)
            && control.realms.get(*realm).is_some_and(|realm| realm.removed.is_none())
    });
    names.map(|(realm, _)| WithdrawGrant { realm: realm.clone(), model: pattern.clone() }.into()).collect()
}

/// An error of a registration, by the names that these routes have for what is wrong.
fn plainly(error: ApiError) -> ApiError {
    let name = match error.param.as_deref() {
        Some("litellm_params.api_base") => "baseUrl",
        Some("litellm_params.api_key") => "apiKey",
        Some("litellm_params.custom_llm_provider") => "provider",
        Some("litellm_params.model") => "modelId",
        Some("litellm_params.input_cost_per_token") => "inputCostPerToken",
        Some("litellm_params.output_cost_per_token") => "outputCostPerToken",
        _ => return error,
    };
    error.param(name)
}
