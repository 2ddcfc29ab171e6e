//! `GET /model_group/info`: what is known of each model over all its deployments.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_core::money::PicoUsd;
use tallygate_core::price::Price;
use tallygate_core::registry::{Deployment, Model};

use super::info::visible;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::amount::usd_per_unit;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::query::Query;

/// The models that a caller may see, or the one of a name.
pub(super) async fn info(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of(&app, &headers, "/model_group/info").await?;
    let query = Query::read(&uri)?;
    let wanted = query.text("model_group");
    let snapshot = app.pipeline.views.control.snapshot();
    let models = visible(&snapshot.control, &caller);
    let wanted = models.iter().filter(|model| wanted.is_none_or(|name| model.name.as_str() == name));
    Ok(Json(json!({ "data": wanted.map(|model| group(model)).collect::<Vec<_>>() })))
}

/// One model: of numbers the largest of its deployments, since a caller may get any of them.
fn group(model: &Model) -> Value {
    let infos: Vec<Value> = model.deployments.iter().map(|deployment| deployment.info.to_value()).collect();
    let params: Vec<Value> = model.deployments.iter().map(|deployment| deployment.params.to_value()).collect();
    let largest = |values: &[Value], name: &str| values.iter().filter_map(|value| value.get(name)?.as_u64()).max();
    let sum = |name: &str| params.iter().filter_map(|value| value.get(name)?.as_u64()).reduce(u64::saturating_add);
    let any = |name: &str| infos.iter().any(|info| info.get(name) == Some(&Value::Bool(true)));
    let dearest = |of: fn(&Price) -> PicoUsd| {
        let prices = model.deployments.iter().filter_map(|deployment| deployment.price.as_ref());
        prices.map(|in_force| of(&in_force.price)).max().map_or(Value::Null, usd_per_unit)
    };
    let providers: BTreeSet<&str> = model.deployments.iter().map(|deployment| deployment.vendor.as_str()).collect();
    let mode = infos.iter().find_map(|info| info.get("mode")?.as_str());
    json!({
        "model_group": model.name,
        "providers": providers,
        "max_input_tokens": largest(&infos, "max_input_tokens"),
        "max_output_tokens": max_output(&model.deployments),
        "input_cost_per_token": dearest(|price| price.input_pico_usd),
        "output_cost_per_token": dearest(|price| price.output_pico_usd),
        "input_cost_per_pixel": null,
        "mode": mode,
        "tpm": sum("tpm"),
        "rpm": sum("rpm"),
        "supports_parallel_function_calling": any("supports_parallel_function_calling"),
        "supports_vision": any("supports_vision"),
        "supports_web_search": any("supports_web_search"),
        "supports_url_context": any("supports_url_context"),
        "supports_reasoning": any("supports_reasoning"),
        "supports_function_calling": any("supports_function_calling"),
        "supported_openai_params": [],
        "configurable_clientside_auth_params": null,
        "is_public_model_group": false,
    })
}

fn max_output(deployments: &[Deployment]) -> Option<u64> {
    deployments.iter().filter_map(|deployment| deployment.max_output_tokens).max()
}
