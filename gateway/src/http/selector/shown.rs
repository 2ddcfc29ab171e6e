//! A model as a selector shows it: what it can do, how much fits into it, what it costs, and how it did lately.

use serde_json::{Value, json};
use tallygate_adapters::litellm::amount::usd_per_unit;
use tallygate_core::actor::ActorKind;
use tallygate_core::money::PicoUsd;
use tallygate_core::price::Class;
use tallygate_core::registry::Model;
use tallygate_core::routing::{Lately, Steady};

use super::chooser::Chooser;
use super::named::Names;
use crate::http::litellm::models::groups;
use crate::pipeline::Pipeline;
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
    pub(super) fn new(names: &Names<'_>, pipeline: &Pipeline, chooser: &Chooser, model: &Model) -> Option<Self> {
        let vendor = &model.deployments.first()?.vendor;
        let (provider, id) = (vendor.to_string(), names.beside_provider(model, vendor).to_owned());
        let mut info = info(&pipeline.upstreams, model, &provider, &id);
        let lately = pipeline.upstreams.lately(model, Steady::from_millis(pipeline.clock.steady_ms()));
        info["success_rate"] = success_rate(&lately);
        info["latency_ms_p50"] = json!(lately.latency_p50().map(|latency| latency.as_millis()));
        // How much others use it is for the operator alone.
        if chooser.actor.kind == ActorKind::Operator {
            info["calls"] = json!(lately.ended());
        }
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

/// How many of its last calls ended well, in parts of one to the fourth place. Null where none has ended.
fn success_rate(lately: &Lately) -> Value {
    let parts = lately.succeeded().saturating_mul(10_000).checked_div(lately.ended());
    parts.and_then(|parts| format!("{}.{:04}", parts / 10_000, parts % 10_000).parse().ok()).unwrap_or_default()
}

/// The highest price of so many tokens of a class. None where nothing has a price, which is not a price of zero.
fn dearest(model: &Model, class: Class) -> Option<PicoUsd> {
    let prices = model.deployments.iter().filter_map(|deployment| deployment.price.as_ref());
    let dearest = prices.map(|in_force| in_force.price.rates().of(class)).max()?;
    dearest.pico().checked_mul(TOKENS).map(PicoUsd::new)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tallygate_core::port::provider::failure::Kind;
    use tallygate_core::routing::{Cooldown, Ended, Health, How, Lately, Steady, Terms};

    use super::success_rate;

    #[test]
    fn a_rate_is_a_part_of_one_and_null_where_nothing_ended() {
        let terms = Terms { cooldown: Cooldown { allowed_failures: 9, first_ms: 5_000 }, alone: true };
        let (now, mut health) = (Steady::from_millis(1), Health::default());
        let rate = |health: &Health| {
            let mut lately = Lately::default();
            health.add_to(&mut lately, now);
            success_rate(&lately)
        };
        assert_eq!(rate(&health), Value::Null);
        let failed = How::Failed { kind: Kind::ServerError, retry_after: None };
        for (how, expected) in [(How::Succeeded, json!(1.0)), (failed, json!(0.5)), (failed, json!(0.3333))] {
            let begun = health.began(now);
            health.ended(now, begun, &Ended { tokens: 0, how }, &terms);
            assert_eq!(rate(&health), expected);
        }
    }
}
