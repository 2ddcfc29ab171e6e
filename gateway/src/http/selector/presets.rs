//! `/models/presets`: models with parameters under names, which a scope saves and chooses as one thing.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use tallygate_core::id::{CommandId, PresetName};
use tallygate_core::selection::preset::{DeletePreset, SavePreset};

use super::asked::{self, Whose};
use super::carried;
use super::chooser::Chooser;
use super::named::meant;
use super::parameters::{Written, told};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::change::changed;

/// The presets that the caller may choose, its own first; of wider scopes those whose model it may call, and whose name no
/// nearer scope has.
pub(super) async fn list(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_any_kind(&app, &headers).await?;
    let asked: Whose = asked::query(&uri)?;
    let chooser = Chooser::new(&app, &caller, asked.scope.as_deref())?;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let callable = chooser.callable(control);
    let mut seen: Vec<&PresetName> = Vec::new();
    let mut rows = Vec::new();
    let scopes = chooser.scopes(control);
    let saved = scopes.iter().filter_map(|scope| control.presets.get(scope));
    for (of, name, preset) in saved.flat_map(|row| row.presets.iter().map(|(name, preset)| (&row.scope, name, preset)))
    {
        let is_nearest = !seen.contains(&name);
        seen.push(name);
        let is_callable = callable.iter().any(|model| model.name == preset.model);
        if is_nearest && (is_callable || *of == chooser.scope) {
            rows.push(json!({
                "name": name, "scope": of, "model": preset.model, "parameters": told(&preset.parameters),
                "callable": is_callable, "saved_at": preset.since,
            }));
        }
    }
    Ok(Json(json!({ "presets": rows, "position": snapshot.position() })))
}

/// What is to be saved.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: PresetName,
    /// A public name, or the bare name with the provider.
    model_id: String,
    provider: Option<String>,
    #[serde(default)]
    parameters: Written,
    /// For the holder of the master key; none for the gateway.
    scope: Option<String>,
    /// The id of the command: the same again is carried out once.
    id: Option<CommandId>,
}

/// Saves a preset, in place of one that the scope has under that name. To save what is saved already is no error.
///
/// Cancellation: what was begun may still be carried out.
pub(super) async fn save(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let caller = Caller::of_any_kind(&app, &headers).await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let Asked { name, model_id, provider, parameters, scope, id } = asked::body(&bytes)?;
    let parameters = parameters.read()?;
    let chooser = Chooser::to_change(&app, &caller, scope.as_deref())?;
    let model = meant(&app, &chooser, &model_id, provider.as_deref())?;
    let scope = chooser.scope.clone();
    let command = SavePreset { scope, preset: name.clone(), model: model.clone(), parameters };
    let position = carried::out(&app, &chooser, id, command.into()).await?;
    let saved = json!({
        "name": name, "scope": chooser.scope, "model": model, "parameters": told(&parameters), "position": position,
    });
    Ok(changed(position, saved))
}

/// Which preset is to be deleted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: PresetName,
    scope: Option<String>,
    id: Option<CommandId>,
}

/// Deletes a preset. What was chosen by it stays chosen.
///
/// Cancellation: what was begun may still be carried out.
pub(super) async fn delete(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    let caller = Caller::of_any_kind(&app, &headers).await?;
    let Named { name, scope, id } = asked::query(&uri)?;
    let chooser = Chooser::to_change(&app, &caller, scope.as_deref())?;
    let command = DeletePreset { scope: chooser.scope.clone(), preset: name.clone() };
    let position = carried::out(&app, &chooser, id, command.into()).await?;
    Ok(changed(position, json!({ "name": name, "scope": chooser.scope, "deleted": true, "position": position })))
}
