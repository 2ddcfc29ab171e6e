//! `litellm_params`: a closed list. What is not on it is refused by name, so that no secret is stored by mistake and no
//! parameter is accepted that nobody acts on.

use serde_json::{Map, Value};

use super::price;
use crate::http::error::ApiError;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::unsupported::{not_supported, says_nothing};

/// Parameters that are acted on.
const ACTED_ON: [&str; 20] = [
    "additional_drop_params",
    "api_base",
    "api_key",
    "api_version",
    "base_url",
    "connect_timeout",
    "custom_llm_provider",
    "drop_params",
    "first_byte_timeout",
    "idle_timeout",
    "max_retries",
    "model",
    "order",
    "rpm",
    "stream_timeout",
    "tags",
    "timeout",
    "total_timeout",
    "tpm",
    "weight",
];
/// Parameters that are kept and shown. They would tune how LiteLLM calls the upstream; none changes who may do what, or
/// what it costs.
const KEPT: [&str; 4] =
    ["merge_reasoning_content_in_choices", "region_name", "use_in_pass_through", "use_litellm_proxy"];
/// The parameter that is never kept as it came.
pub(super) const API_KEY: &str = "api_key";

/// The parameters to keep and show, without the key, and without prices: those are shown as they are in force. What says
/// nothing is left out.
///
/// # Errors
/// 400 for a parameter that is not on the list; 422 for one that is acted on and is of another type.
pub(super) fn kept(fields: &Fields<'_>) -> Result<Map<String, Value>, ApiError> {
    let mut kept = Map::new();
    check(fields)?;
    for name in fields.names() {
        if name == API_KEY || price::is_counted(name) {
            continue;
        }
        let value = fields.value(name)?;
        let is_known = ACTED_ON.contains(&name) || KEPT.contains(&name);
        if is_known && (value == Value::Bool(false) || !says_nothing(&value)) {
            kept.insert(name.to_owned(), value);
        } else if !is_known && !says_nothing(&value) {
            return Err(not_supported(&fields.place(name).join(".")));
        }
    }
    Ok(kept)
}

/// What is read from the parameters when the deployment is called must be readable then.
fn check(fields: &Fields<'_>) -> Result<(), ApiError> {
    fields.count::<u32>("order")?;
    fields.count::<u64>("rpm")?;
    fields.count::<u64>("tpm")?;
    fields.text("api_version")?;
    fields.texts("tags")?;
    fields.texts("additional_drop_params")?;
    fields.flag("drop_params").map(drop)
}

#[cfg(test)]
mod tests {
    use super::kept;
    use crate::http::litellm::fields::Fields;
    use serde_json::{Value, json};

    fn of(params: &Value) -> Result<Value, (u16, Option<Box<str>>)> {
        let body = json!({ "litellm_params": params }).to_string();
        let fields = Fields::read(body.as_bytes()).unwrap();
        let section = fields.section("litellm_params").unwrap().unwrap();
        kept(&section).map(Value::Object).map_err(|error| (error.status, error.param))
    }

    #[test]
    fn parameters_are_kept_without_the_key() {
        let params = json!({"model": "m", "api_key": "sk-canary", "rpm": 10, "timeout": null, "drop_params": false});
        assert_eq!(of(&params), Ok(json!({"model": "m", "rpm": 10, "drop_params": false})));
    }

    #[test]
    fn what_is_not_on_the_list_is_refused_unless_it_says_nothing() {
        assert_eq!(
            of(&json!({"model": "m", "aws_secret_access_key": null, "mock_response": ""})),
            Ok(json!({"model": "m"}))
        );
        for (name, value) in
            [("aws_secret_access_key", json!("s")), ("temperature", json!(0)), ("max_budget", json!(1))]
        {
            let refused = (400, Some(format!("litellm_params.{name}").into()));
            assert_eq!(of(&json!({"model": "m", name: value})), Err(refused));
        }
    }

    #[test]
    fn what_routing_reads_must_be_readable() {
        let params = json!({"order": 1, "rpm": 10, "tpm": 20, "tags": ["a"], "api_version": "v", "drop_params": true});
        assert_eq!(of(&params), Ok(params));
        for (name, value) in [
            ("order", json!(-1)),
            ("rpm", json!("x")),
            ("tpm", json!(0.5)),
            ("tags", json!("a")),
            ("tags", json!([1])),
            ("additional_drop_params", json!({"a": 1})),
            ("api_version", json!(7)),
            ("drop_params", json!("yes")),
        ] {
            assert_eq!(of(&json!({ name: value })).map_err(|error| error.0), Err(422), "{name}");
        }
    }
}
