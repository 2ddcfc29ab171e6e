//! A deployment as an entry of the proxy's table of models.

use serde_json::{Map, Value, json};
use tallygate_core::id::RealmId;
use tallygate_core::registry::{Deployment, Model};
use tallygate_core::secret::Secret;

use crate::litellm::amount;
use crate::litellm::price_name::of_price;

/// The parameter that holds the upstream's key.
const API_KEY: &str = "api_key";
/// Our own mark in `model_info`: with which credential the entry was told last. A key cannot be read back.
const CREDENTIAL: &str = "tallygate_credential";
/// Parameters that LiteLLM shows of every entry, whoever made it.
const SHOWN_OF_ALL: [&str; 3] = ["merge_reasoning_content_in_choices", "use_in_pass_through", "use_litellm_proxy"];

/// The body of `/model/new`. `vendor` is LiteLLM's name of the vendor; the key is a secret, or `os.environ/NAME`.
#[must_use]
pub fn body(model: &Model, deployment: &Deployment, vendor: &str, api_key: Option<&Secret>) -> Value {
    let mut params = object(deployment.params.to_value());
    // One that was registered by a command has none of LiteLLM's own.
    params.entry("model").or_insert_with(|| json!(format!("{vendor}/{}", deployment.upstream_model)));
    if let Some(base_url) = &deployment.base_url {
        params.entry("api_base").or_insert_with(|| json!(base_url));
    }
    params.insert("weight".to_owned(), json!(deployment.weight));
    params.remove(API_KEY);
    if let Some(key) = api_key {
        params.insert(API_KEY.to_owned(), json!(key.expose()));
    }
    let price = deployment.price.as_ref().map(|in_force| &in_force.price);
    params.extend(
        price.into_iter().flat_map(of_price).map(|(name, rate)| (name.to_string(), amount::usd_per_unit(rate))),
    );
    json!({ "model_name": model.name, "litellm_params": params, "model_info": info(model, deployment) })
}

fn info(model: &Model, deployment: &Deployment) -> Map<String, Value> {
    let mut info = object(deployment.info.to_value());
    info.insert("id".to_owned(), json!(deployment.id));
    if model.realm != RealmId::default_realm() {
        info.insert("team_id".to_owned(), json!(model.realm));
    }
    if let Some(tokens) = deployment.max_output_tokens {
        info.insert("max_output_tokens".to_owned(), json!(tokens));
    }
    if let Some(credential) = deployment.credential {
        info.insert(CREDENTIAL.to_owned(), json!(credential));
    }
    info
}

/// Whether an entry of `/model/info` must be taken out and put in again to become what is wanted: `/model/update` merges
/// parameters, so that none can be taken away, and leaves name and `model_info` as they are.
#[must_use]
pub fn is_made_anew(wanted: &Value, there: &Value) -> bool {
    let of = |value: &Value, name: &str| object(value.get(name).cloned().unwrap_or_default());
    let (params, params_there) = (of(wanted, "litellm_params"), of(there, "litellm_params"));
    let says_nothing = |value: &Value| matches!(value, Value::Null | Value::Bool(false)) || value == "";
    let is_left_over = |(name, value): (&String, &Value)| {
        !params.contains_key(name) && name != API_KEY && !SHOWN_OF_ALL.contains(&name.as_str()) && !says_nothing(value)
    };
    let (info, info_there) = (of(wanted, "model_info"), of(there, "model_info"));
    // The team's own name for it stands elsewhere there, and prices are said as parameters.
    let differs = |(name, value): (&String, &Value)| info_there.get(name) != Some(value);
    let lost_its_key = info_there.get(CREDENTIAL).is_some_and(|mark| !mark.is_null()) && !info.contains_key(CREDENTIAL);
    params_there.iter().any(is_left_over) || info.iter().any(differs) || lost_its_key
}

/// Whether an entry comes from the proxy's configuration file, and so cannot be changed over HTTP.
#[must_use]
pub fn is_of_file(there: &Value) -> bool {
    there.pointer("/model_info/db_model") == Some(&Value::Bool(false))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_made_anew, is_of_file};
    use serde_json::json;

    #[test]
    fn an_entry_is_made_anew_where_a_merge_would_leave_something_behind() {
        let wanted =
            json!({ "litellm_params": { "model": "v/m", "weight": 1 }, "model_info": { "id": "d", "note": "x" } });
        let there = |params: serde_json::Value, info: serde_json::Value| json!({ "litellm_params": params, "model_info": info });
        let same = json!({ "id": "d", "note": "x", "db_model": true, "mode": null });
        assert!(!is_made_anew(
            &wanted,
            &there(json!({ "model": "v/other", "use_in_pass_through": false }), same.clone())
        ));
        assert!(is_made_anew(&wanted, &there(json!({ "model": "v/m", "api_base": "http://old" }), same)));
        assert!(is_made_anew(&wanted, &there(json!({}), json!({ "id": "d", "note": "y" }))));
        let marked = json!({ "id": "d", "note": "x", "tallygate_credential": "c" });
        assert!(is_made_anew(&wanted, &there(json!({}), marked)), "its key is to go");
    }

    #[test]
    fn an_entry_of_the_file_is_known_by_its_mark() {
        assert!(is_of_file(&json!({ "model_info": { "db_model": false } })));
        assert!(!is_of_file(&json!({ "model_info": { "db_model": true } })) && !is_of_file(&json!({})));
    }
}
