//! `GET /models/current`: what the next request for a slot gets, and whose choice that is.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::asked::{self, Place};
use super::chooser::Chooser;
use super::named::Names;
use super::parameters;
use super::shown::Shown;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;

/// The model of a slot, by the nearest scope that chose one; nulls where none did.
pub(super) async fn current(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_any_kind(&app, &headers).await?;
    let Place { slot, scope } = asked::query(&uri)?;
    let chooser = Chooser::new(&app, &caller, scope.as_deref())?;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let Some(selection) = control.selected(&chooser.scopes(control), &slot) else {
        return Ok(Json(
            json!({ "model_id": null, "provider": null, "model_info": null, "slot": slot, "callable": false }),
        ));
    };
    let realm = chooser.realm();
    let names = Names { control, vendors: app.pipeline.upstreams.vendors(), realm: &realm };
    let model = selection.model.as_ref().and_then(|name| control.visible_model(&realm, name));
    let callable = model.is_some_and(|model| chooser.gets(control, &slot, model));
    // What may not be called is named, as in the refusal of a request for it, and nothing else is told of it.
    let shown = model.filter(|_| callable).and_then(|model| Shown::new(&names, &app.pipeline, &chooser, model));
    let unshown = || json!({ "model_id": selection.model, "provider": null, "model_info": null });
    let mut answer = shown.as_ref().map_or_else(unshown, Shown::chosen);
    answer["slot"] = json!(slot);
    answer["model"] = json!(selection.model);
    answer["preset"] = json!(selection.preset);
    answer["parameters"] = parameters::told(&selection.parameters);
    answer["callable"] = json!(callable);
    answer["selected_by"] = json!(selection.scope);
    answer["selected_at"] = json!(selection.trail.changed.position);
    Ok(Json(answer))
}
