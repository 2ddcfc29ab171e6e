//! A deployment as LiteLLM shows it: the row of its table, and an entry of `/model/info`.

use serde_json::{Map, Value, json};
use tallygate_adapters::provider::catalog::Entry;
use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::id::RealmId;
use tallygate_core::registry::{Deployment, Model};

use super::declared::file_of;
use super::find::Found;
use super::known;
use super::params::API_KEY;
use super::price;

/// LiteLLM's name for the holder of the master key.
const OPERATOR: &str = "default_user_id";
/// Parameters that tell of the operator's network: for the operator alone.
const OF_THE_NETWORK: [&str; 3] = [API_KEY, "api_base", "base_url"];
/// What LiteLLM tells of every model, if it knows.
const KNOWN_OF_MODELS: [&str; 12] = [
    "max_tokens",
    "max_input_tokens",
    "max_output_tokens",
    "mode",
    "supports_function_calling",
    "supports_parallel_function_calling",
    "supports_prompt_caching",
    "supports_reasoning",
    "supports_response_schema",
    "supports_vision",
    "supports_web_search",
    "supported_openai_params",
];

/// The row of a deployment.
pub(super) fn row(found: &Found) -> Value {
    let Found { model, deployment } = found;
    json!({
        "model_id": deployment.id,
        "model_name": model.name,
        "litellm_params": params(deployment),
        "model_info": own_info(model, deployment),
        "created_at": deployment.added.at,
        "created_by": name(&deployment.added.by),
        "updated_at": deployment.changed.at,
        "updated_by": name(&deployment.changed.by),
    })
}

/// An entry of `/model/info`.
pub(super) fn entry(model: &Model, deployment: &Deployment, known: Option<&Entry>, for_operator: bool) -> Value {
    let mut params = params(deployment);
    for name in ["use_in_pass_through", "use_litellm_proxy", "merge_reasoning_content_in_choices"] {
        params.entry(name).or_insert(Value::Bool(false));
    }
    if !for_operator {
        params.retain(|name, _| !OF_THE_NETWORK.contains(&name.as_str()));
    }
    let mut info: Map<String, Value> = KNOWN_OF_MODELS.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    info.insert("key".to_owned(), json!(deployment.upstream_model));
    info.insert("litellm_provider".to_owned(), json!(deployment.vendor));
    info.extend(price::unknown().map(|name| (name, Value::Null)));
    info.extend(known.map(known::info).unwrap_or_default());
    info.extend(own_info(model, deployment));
    info.insert("tallygate".to_owned(), known::pricing(deployment, known));
    json!({ "model_name": model.name, "litellm_params": params, "model_info": info })
}

/// `litellm_params` without the key, and for others than the operator without what tells of the operator's network.
pub(in crate::http::litellm) fn shown(deployment: &Deployment, for_operator: bool) -> Map<String, Value> {
    let mut params = params(deployment);
    params.remove(API_KEY);
    if !for_operator {
        params.retain(|name, _| !OF_THE_NETWORK.contains(&name.as_str()));
    }
    params
}

/// `litellm_params`, without secrets: they were kept without.
fn params(deployment: &Deployment) -> Map<String, Value> {
    let mut params = object(deployment.params.to_value());
    // A deployment that was registered by a command has none of LiteLLM's own.
    params.entry("model").or_insert_with(|| json!(format!("{}/{}", deployment.vendor, deployment.upstream_model)));
    if let Some(base_url) = &deployment.base_url {
        params.entry("api_base").or_insert_with(|| json!(base_url));
    }
    params.extend(prices(deployment));
    params
}

/// `model_info`: what people attached, and what the gateway itself knows.
fn own_info(model: &Model, deployment: &Deployment) -> Map<String, Value> {
    let mut info = object(deployment.info.to_value());
    info.insert("id".to_owned(), json!(deployment.id));
    info.insert("db_model".to_owned(), json!(file_of(deployment).is_none()));
    if model.realm != RealmId::default_realm() {
        info.insert("team_id".to_owned(), json!(model.realm));
    }
    if let Some(tokens) = deployment.max_output_tokens {
        info.insert("max_output_tokens".to_owned(), json!(tokens));
    }
    info.extend(prices(deployment));
    info
}

/// The prices in force, by LiteLLM's names.
fn prices(deployment: &Deployment) -> Map<String, Value> {
    price::shown(deployment.price.as_ref().map(|in_force| &in_force.price))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Who added or changed it.
fn name(actor: &Actor) -> &str {
    if actor.kind == ActorKind::Operator { OPERATOR } else { &actor.id }
}
