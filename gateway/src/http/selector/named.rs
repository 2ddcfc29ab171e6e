//! Which model a selector means: a public name, or the bare name with its provider.

use std::sync::Arc;

use tallygate_adapters::provider::vendors::{Vendor, Vendors};
use tallygate_core::control::Control;
use tallygate_core::id::{ModelName, RealmId, VendorId};
use tallygate_core::registry::Model;

use super::chooser::Chooser;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// Where names are looked up.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Names<'a> {
    pub(in crate::http) control: &'a Control,
    pub(in crate::http) vendors: &'a Vendors,
    pub(in crate::http) realm: &'a RealmId,
}

impl<'a> Names<'a> {
    /// The model that is meant. With a provider, a public name wins whose model that provider serves; then the name behind
    /// the provider's, as it is written and in its other spellings.
    pub(in crate::http) fn find(&self, model_id: &str, provider: Option<&str>) -> Option<&'a Arc<Model>> {
        let Some(provider) = provider else { return self.visible(model_id) };
        let vendor = self.vendors.get(provider);
        self.served(model_id, vendor)
            .or_else(|| self.visible(&format!("{provider}/{model_id}")))
            .or_else(|| vendor?.names().find_map(|prefix| self.served(&format!("{prefix}/{model_id}"), vendor)))
    }

    /// What a model is called where its provider stands beside it: without the provider's name before it, if that still
    /// means this model.
    pub(super) fn beside_provider<'m>(&self, model: &'m Model, provider: &VendorId) -> &'m str {
        let name = model.name.as_str();
        let is_provider = |prefix: &str| self.vendors.get(prefix).is_some_and(|vendor| vendor.id == *provider);
        let bare = name.split_once('/').filter(|(prefix, _)| is_provider(prefix)).map(|(_, bare)| bare);
        let means = |bare: &&str| self.find(bare, Some(provider.as_str())).is_some_and(|found| found.id == model.id);
        bare.filter(means).unwrap_or(name)
    }

    fn visible(&self, name: &str) -> Option<&'a Arc<Model>> {
        self.control.visible_model(self.realm, &ModelName::new(name).ok()?)
    }

    fn served(&self, name: &str, vendor: Option<&Vendor>) -> Option<&'a Arc<Model>> {
        let vendor = vendor?;
        self.visible(name).filter(|model| model.deployments.iter().any(|deployment| deployment.vendor == vendor.id))
    }
}

/// The public name that is meant. A name that means nothing is what the command is refused for, and recorded with.
///
/// # Errors
/// 400 for what is no name.
pub(super) fn meant(
    app: &App,
    chooser: &Chooser,
    model_id: &str,
    provider: Option<&str>,
) -> Result<ModelName, ApiError> {
    let snapshot = app.pipeline.views.control.snapshot();
    let realm = chooser.realm();
    let names = Names { control: &snapshot.control, vendors: app.pipeline.upstreams.vendors(), realm: &realm };
    if let Some(found) = names.find(model_id, provider) {
        return Ok(found.name.clone());
    }
    let name = provider.map_or_else(|| model_id.to_owned(), |provider| format!("{provider}/{model_id}"));
    ModelName::new(name)
        .map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.to_string()).param("model_id"))
}
