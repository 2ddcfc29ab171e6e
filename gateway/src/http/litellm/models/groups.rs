//! `GET /model_group/info`: what is known of each model over all its deployments.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_adapters::litellm::amount::usd_per_unit;
use tallygate_core::price::Class;
use tallygate_core::registry::{Deployment, Model};

use super::info::visible;
use super::known;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::query::Query;
use crate::upstreams::Upstreams;

/// The models that a caller may see, or the one of a name.
pub(super) async fn info(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/model_group/info").await?;
    let query = Query::read(&uri)?;
    let wanted = query.text("model_group");
    let snapshot = app.pipeline.views.control.snapshot();
    let models = visible(&snapshot.control, &caller);
    let wanted = models.iter().filter(|model| wanted.is_none_or(|name| model.name.as_str() == name));
    Ok(Json(json!({ "data": wanted.map(|model| group(model, &app.pipeline.upstreams)).collect::<Vec<_>>() })))
}

/// One model: of numbers the largest of its deployments, since a caller may get any of them.
fn group(model: &Model, upstreams: &Upstreams) -> Value {
    let infos: Vec<Value> = model.deployments.iter().map(|deployment| told(deployment, upstreams)).collect();
    let params: Vec<Value> = model.deployments.iter().map(|deployment| deployment.params.to_value()).collect();
    let largest = |values: &[Value], name: &str| values.iter().filter_map(|value| value.get(name)?.as_u64()).max();
    let sum = |name: &str| params.iter().filter_map(|value| value.get(name)?.as_u64()).reduce(u64::saturating_add);
    let any = |name: &str| infos.iter().any(|info| info.get(name) == Some(&Value::Bool(true)));
    // A class that costs nothing is not the same as one without a price.
    let dearest = |class| {
        let prices = model.deployments.iter().filter_map(|deployment| deployment.price.as_ref());
        prices.map(|in_force| in_force.price.rates().of(class)).max().map_or(Value::Null, usd_per_unit)
    };
    let unpriced = model.deployments.iter().filter(|deployment| deployment.price.is_none()).count();
    let providers: BTreeSet<&str> = model.deployments.iter().map(|deployment| deployment.vendor.as_str()).collect();
    let mode = infos.iter().find_map(|info| info.get("mode")?.as_str());
    json!({
        "model_group": model.name,
        "providers": providers,
        "max_input_tokens": largest(&infos, "max_input_tokens"),
        "max_output_tokens": largest(&infos, "max_output_tokens"),
        "input_cost_per_token": dearest(Class::Input),
        "output_cost_per_token": dearest(Class::Output),
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
        "tallygate": { "priced": unpriced == 0, "unpriced_deployments": unpriced },
    })
}

/// What people attached to a deployment, over what the catalog knows of its model.
pub(in crate::http) fn told(deployment: &Deployment, upstreams: &Upstreams) -> Value {
    let mut info = upstreams.known(deployment).map(known::info).unwrap_or_default();
    if let Value::Object(attached) = deployment.info.to_value() {
        info.extend(attached);
    }
    if let Some(tokens) = deployment.max_output_tokens {
        info.insert("max_output_tokens".to_owned(), Value::from(tokens));
    }
    Value::Object(info)
}
