//! A model by the name that somebody gives: how it is served, by which vocabulary it reads, and what it costs.

use tallygate_adapters::provider::tokens::Vocabulary;
use tallygate_core::id::{ModelName, RealmId, VendorId};
use tallygate_core::price::Price;

use super::caller::Caller;
use crate::http::App;

/// How a model is served.
pub(super) struct Served {
    /// By which vocabulary it reads; none if that is not public.
    pub(super) vocabulary: Option<Vocabulary>,
    /// The name that its vendor has for it.
    pub(super) upstream_model: String,
    /// What it costs; none if it has no price.
    pub(super) price: Option<Price>,
}

/// The first deployment of the model that the caller sees by this name; else what the name itself says, and the catalog
/// knows of it.
pub(super) fn of(app: &App, caller: &Caller, requested: &str) -> Served {
    let snapshot = app.pipeline.views.control.snapshot();
    let realm = match caller {
        Caller::Operator => RealmId::default_realm(),
        Caller::Key(row) => row.key.realm.clone(),
    };
    let name = ModelName::new(requested).ok();
    let model = name.and_then(|name| snapshot.control.visible_model(&realm, &name));
    let served = |vendor: &VendorId, upstream_model: &str, price: Option<&Price>| Served {
        vocabulary: Vocabulary::of(vendor, upstream_model),
        upstream_model: upstream_model.to_owned(),
        price: price.cloned(),
    };
    if let Some(deployment) = model.and_then(|model| model.deployments.first()) {
        let price = deployment.price.as_ref().map(|in_force| &in_force.price);
        return served(&deployment.vendor, &deployment.upstream_model, price);
    }
    let upstreams = &app.pipeline.upstreams;
    match upstreams.vendors().resolve(requested, None, false) {
        Ok((vendor, model)) => {
            let known = upstreams.known_as(&vendor.id, model);
            served(&vendor.id, model, known.and_then(|known| known.price.as_ref()))
        }
        Err(_) => Served { vocabulary: None, upstream_model: requested.to_owned(), price: None },
    }
}
