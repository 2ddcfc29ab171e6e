//! What the catalog knows of a deployment's model, in LiteLLM's words, and whether the deployment has a price.

use serde_json::{Map, Value, json};
use tallygate_adapters::provider::catalog::Entry;
use tallygate_core::price::Unpriced;
use tallygate_core::registry::Deployment;

/// The fields of `model_info` that the catalog fills. What is not known is left out.
pub(super) fn info(known: &Entry) -> Map<String, Value> {
    let mut info = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            info.insert(name.to_owned(), value);
        }
    };
    put("mode", Some(json!(known.mode)));
    put("max_input_tokens", known.context_tokens.map(Value::from));
    put("max_output_tokens", known.max_output_tokens.map(Value::from));
    put("max_tokens", known.max_output_tokens.map(Value::from));
    put("deprecation_date", known.retired.as_deref().map(Value::from));
    put("supports_native_streaming", (!known.streams).then_some(Value::Bool(false)));
    for ability in &known.abilities {
        put(ability.field(), Some(Value::Bool(true)));
    }
    info
}

/// What the gateway says of a deployment's price: since which event it is in force, or that there is none, which is not
/// the same as a price of zero. And where the catalog has its figures from.
pub(super) fn pricing(deployment: &Deployment, known: Option<&Entry>) -> Value {
    let catalog = known.map(|known| {
        json!({
            "source": known.source,
            "source_date": known.source_date,
            "retired": known.retired,
            "other_price": known.other_price,
        })
    });
    match &deployment.price {
        Some(in_force) => json!({ "priced": true, "price_position": in_force.position, "catalog": catalog }),
        None => json!({ "priced": false, "unpriced_reason": Unpriced::NoPrice, "catalog": catalog }),
    }
}
