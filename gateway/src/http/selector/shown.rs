//! A model as a selector shows it: what it can do, how much fits into it, and what it costs.

use serde_json::{Value, json};
use tallygate_core::money::PicoUsd;
use tallygate_core::price::Class;
use tallygate_core::registry::Model;

use super::named::Names;
use crate::http::litellm::amount::usd_per_unit;
use crate::http::litellm::models::groups;
use crate::upstreams::Upstreams;

/// How many tokens the prices are for.
const TOKENS: u64 = 1_000_000;

/// A model with the provider it stands under.
#[derive(Debug)]
pub(super) struct Shown {
    /// The vendor of its first deployment.
    pub(super) provider: String,
    /// What it is called beside its provider.
    pub(super) id: String,
    /// All that is told of it.
    pub(super) info: Value,
}

impl Shown {
    /// A model that something serves; none for one that nothing does.
    pub(super) fn new(names: &Names<'_>, upstreams: &Upstreams, model: &Model) -> Option<Self> {
        let vendor = &model.deployments.first()?.vendor;
        let (provider, id) = (vendor.to_string(), names.beside_provider(model, vendor).to_owned());
        let info = info(upstreams, model, &provider, &id);
        Some(Self { provider, id, info })
    }

    /// The answer that says that this model is chosen.
    pub(super) fn chosen(&self) -> Value {
        json!({ "model_id": self.id, "provider": self.provider, "model_info": self.info })
    }
}

/// What a model can: where nobody knows, null. A caller may get any of its deployments, so what one of them can is told, and of
/// prices the highest.
fn info(upstreams: &Upstreams, model: &Model, provider: &str, id: &str) -> Value {
    let told: Vec<Value> = model.deployments.iter().map(|deployment| groups::told(deployment, upstreams)).collect();
    let known = model.deployments.iter().any(|deployment| upstreams.known(deployment).is_some());
    let text = |names: &[&str]| names.iter().find_map(|name| told.iter().find_map(|told| told.get(name)?.as_str()));
    let most = |name: &str| told.iter().filter_map(|told| told.get(name)?.as_u64()).max();
    let can = |name: &str| {
        let says = told.iter().filter_map(|told| told.get(name)?.as_bool()).reduce(|one, other| one || other);
        says.or(known.then_some(false))
    };
    let streams = told.iter().filter_map(|told| told.get("supports_native_streaming")?.as_bool());
    let price = |class| dearest(model, class).map_or(Value::Null, usd_per_unit);
    json!({
        "id": id,
        "name": text(&["display_name", "name"]).unwrap_or(id),
        "provider": provider,
        "description": text(&["description"]).unwrap_or_default(),
        "context_window": most("max_input_tokens"),
        "max_output_tokens": most("max_output_tokens"),
        // Every dialect streams; a model that cannot says so.
        "supports_streaming": streams.reduce(|one, other| one || other).unwrap_or(true),
        "supports_tools": can("supports_function_calling"),
        "supports_vision": can("supports_vision"),
        "is_reasoning": can("supports_reasoning"),
        "model": model.name,
        "priced": model.deployments.iter().all(|deployment| deployment.price.is_some()),
        "input_usd_per_million_tokens": price(Class::Input),
        "output_usd_per_million_tokens": price(Class::Output),
        "cached_input_usd_per_million_tokens": price(Class::CachedInput),
    })
}

/// The highest price of so many tokens of a class. None where nothing has a price, which is not a price of zero.
fn dearest(model: &Model, class: Class) -> Option<PicoUsd> {
    let prices = model.deployments.iter().filter_map(|deployment| deployment.price.as_ref());
    let dearest = prices.map(|in_force| in_force.price.rates().of(class)).max()?;
    dearest.pico().checked_mul(TOKENS).map(PicoUsd::new)
}
