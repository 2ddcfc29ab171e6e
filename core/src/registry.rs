//! The registry: models (public names) and their deployments (concrete upstreams that serve them).
//!
//! A model belongs to a realm and can be seen from it and from the realms that nest in it; a model of the realm
//! `default` can be seen from every realm. The nearest one of a name wins, `default` last. To see a model is not to be
//! allowed to call it: that takes grants. A model without deployments is retired: its name is free again.

mod command;
mod decide;
mod trust;
mod set_routing;
mod event;
mod evolve;
mod setting;
mod patience;
mod probing;

pub use command::{
    AddDeployment, DistrustModel, NewDeployment, RegisterModel, RemoveDeployment, RetireModel, ReviseDeployment,
    RevisePrice, SetRouting, TrustModel,
};
pub use decide::{Rejection, add_deployment, register, remove_deployment, retire, revise_deployment, revise_price};
pub use event::{
    DeploymentAdded, DeploymentRemoved, DeploymentRevised, Event, ModelDistrusted, ModelRegistered, ModelRetired,
    ModelTrusted, PriceRevised, RoutingSet,
};
pub use evolve::evolve;
pub use patience::{CALL_MAX, CONNECT_MAX, Patience};
pub use probing::{PROBE_INTERVAL_MAX, PROBE_TIMEOUT_MAX, Probing};
pub use set_routing::set_routing;
pub use setting::InvalidSetting;
pub use trust::{distrust, trust};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::aggregate::{Mark, Trail};
use crate::id::{CredentialId, DeploymentId, ModelId, ModelName, RealmId, VendorId};
use crate::json::Json;
use crate::price::Price;
use crate::routing::Routing;
use crate::stream::Position;

/// The most deployments of one model.
pub const DEPLOYMENTS_MAX: usize = 100;
/// The largest weight of a deployment.
pub const WEIGHT_MAX: u32 = 1_000_000;

static DEFAULT_ROUTING: Routing = Routing::DEFAULT;

/// A model: a public name and what serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Its id.
    pub id: ModelId,
    /// The realm it belongs to.
    pub realm: RealmId,
    /// The name that clients send.
    pub name: ModelName,
    /// What serves it, in the order of registration.
    pub deployments: Vec<Deployment>,
    /// Since which event it is retired.
    pub retired: Option<Position>,
    /// Since which event its price is not trusted: a request cost more than was held for it.
    pub distrusted: Option<Position>,
    /// How its requests are routed; none for the default.
    pub routing: Option<Arc<Routing>>,
    /// Its history.
    pub trail: Trail,
}

/// A concrete upstream that serves a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// Whose API it is: a row of `vendors.toml`.
    pub vendor: VendorId,
    /// The name that the upstream knows the model by.
    pub upstream_model: String,
    /// Where, if not at the vendor's own address.
    pub base_url: Option<String>,
    /// With which credential; none for an upstream that asks for none.
    pub credential: Option<CredentialId>,
    /// Its share of the model's traffic, against the other deployments. Zero: only when nothing else is left.
    pub weight: u32,
    /// The most tokens it answers with.
    pub max_output_tokens: Option<u64>,
    /// The price in force, and the event that set it.
    pub price: Option<PriceInForce>,
    /// What people attached to it: LiteLLM's `model_info`.
    pub info: Json,
    /// The parameters it was registered with, without secrets: LiteLLM's `litellm_params`.
    pub params: Json,
    /// When it was added.
    pub added: Mark,
    /// When it last changed.
    pub changed: Mark,
}

/// A price with the event that set it: a settlement names it, so that its cost can be explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceInForce {
    /// The position of the `price.revised` event.
    pub position: Position,
    /// The price.
    pub price: Price,
}

impl Model {
    /// How its requests are routed.
    #[must_use]
    pub fn routing_in_force(&self) -> &Routing {
        self.routing.as_deref().unwrap_or(&DEFAULT_ROUTING)
    }

    /// A deployment by its id.
    #[must_use]
    pub fn deployment(&self, id: &DeploymentId) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.id == *id)
    }
}

#[cfg(test)]
mod tests;
