//! What happens to models.

use serde::{Deserialize, Serialize};

use super::command::{NewDeployment, ReviseDeployment};
use crate::aggregate::event_types;
use crate::id::{CredentialId, DeploymentId, ModelId, ModelName, RealmId, RequestId, VendorId};
use crate::json::Json;
use crate::money::NanoUsd;
use crate::patch::Patch;
use crate::price::Price;
use crate::routing::Routing;

/// A model came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRegistered {
    /// Its id.
    pub model: ModelId,
    /// The realm it belongs to.
    pub realm: RealmId,
    /// The name that clients send.
    pub name: ModelName,
}

/// A model got a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentAdded {
    /// Which model.
    pub model: ModelId,
    /// The deployment's id.
    pub deployment: DeploymentId,
    /// Whose API it is.
    pub vendor: VendorId,
    /// The name that the upstream knows the model by.
    pub upstream_model: String,
    /// Where, if not at the vendor's own address.
    pub base_url: Option<String>,
    /// With which credential.
    pub credential: Option<CredentialId>,
    /// Its share of the traffic.
    pub weight: u32,
    /// The most tokens it answers with.
    pub max_output_tokens: Option<u64>,
    /// What people attached to it.
    pub info: Json,
    /// The parameters it was registered with, without secrets.
    pub params: Json,
}

impl DeploymentAdded {
    pub(super) fn new(model: ModelId, new: &NewDeployment) -> Self {
        Self {
            model,
            deployment: new.id.clone(),
            vendor: new.vendor.clone(),
            upstream_model: new.upstream_model.clone(),
            base_url: new.base_url.clone(),
            credential: new.credential,
            weight: new.weight,
            max_output_tokens: new.max_output_tokens,
            info: new.info.clone(),
            params: new.params.clone(),
        }
    }
}

/// A deployment changed. Fields that did not are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentRevised {
    /// Which model.
    pub model: ModelId,
    /// Which of its deployments.
    pub deployment: DeploymentId,
    /// Whose API it is.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub vendor: Patch<VendorId>,
    /// The name that the upstream knows the model by.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub upstream_model: Patch<String>,
    /// Where, if not at the vendor's own address.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub base_url: Patch<String>,
    /// With which credential.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub credential: Patch<CredentialId>,
    /// Its share of the traffic.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub weight: Patch<u32>,
    /// The most tokens it answers with.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub max_output_tokens: Patch<u64>,
    /// What people attached to it.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub info: Patch<Json>,
    /// The parameters it was registered with, without secrets.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub params: Patch<Json>,
}

impl DeploymentRevised {
    /// What the command changes, less what is so already.
    pub(super) fn new(command: &ReviseDeployment, current: &super::Deployment) -> Self {
        Self {
            model: command.model,
            deployment: command.deployment.clone(),
            vendor: command.vendor.against(Some(&current.vendor)),
            upstream_model: command.upstream_model.against(Some(&current.upstream_model)),
            base_url: command.base_url.against(current.base_url.as_ref()),
            credential: command.credential.against(current.credential.as_ref()),
            weight: command.weight.against_or(&current.weight, &NewDeployment::default_weight()),
            max_output_tokens: command.max_output_tokens.against(current.max_output_tokens.as_ref()),
            info: command.info.against_or(&current.info, &Json::empty()),
            params: command.params.against_or(&current.params, &Json::empty()),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.vendor.is_keep()
            && self.upstream_model.is_keep()
            && self.base_url.is_keep()
            && self.credential.is_keep()
            && self.weight.is_keep()
            && self.max_output_tokens.is_keep()
            && self.info.is_keep()
            && self.params.is_keep()
    }
}

/// A deployment serves no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentRemoved {
    /// Which model.
    pub model: ModelId,
    /// Which of its deployments.
    pub deployment: DeploymentId,
}

/// A deployment has another price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceRevised {
    /// Which model.
    pub model: ModelId,
    /// Which of its deployments.
    pub deployment: DeploymentId,
    /// The price; none when calls are unpriced from here on.
    pub price: Option<Price>,
}

/// A model is served no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRetired {
    /// Which model.
    pub model: ModelId,
}

/// A request for a model cost more than was held for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelDistrusted {
    /// Which model.
    pub model: ModelId,
    /// The request.
    pub request: RequestId,
    /// What was held for it.
    pub held_nano_usd: NanoUsd,
    /// What it cost.
    pub cost_nano_usd: NanoUsd,
}

/// An operator looked at a model's price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelTrusted {
    /// Which model.
    pub model: ModelId,
}

/// The requests for a model are routed in another way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingSet {
    /// Which model.
    pub model: ModelId,
    /// The routing; none when it is the default one from here on.
    pub routing: Option<Routing>,
}

event_types! {
    /// What happens to models.
    pub enum Event {
        /// A model came to be.
        Registered(ModelRegistered) = "model.registered", 1;
        /// It got a deployment.
        DeploymentAdded(DeploymentAdded) = "deployment.added", 1;
        /// A deployment changed.
        DeploymentRevised(DeploymentRevised) = "deployment.revised", 1;
        /// A deployment serves no more.
        DeploymentRemoved(DeploymentRemoved) = "deployment.removed", 1;
        /// A deployment has another price.
        PriceRevised(PriceRevised) = "price.revised", 2;
        /// It is served no more.
        Retired(ModelRetired) = "model.retired", 1;
        /// Its price is not trusted.
        Distrusted(ModelDistrusted) = "model.distrusted", 1;
        /// Its price is trusted again.
        Trusted(ModelTrusted) = "model.trusted", 1;
        /// Its requests are routed in another way.
        RoutingSet(RoutingSet) = "model.routing_set", 1;
    }
}

impl Event {
    /// The model it is about.
    #[must_use]
    pub const fn model(&self) -> ModelId {
        match self {
            Self::Registered(data) => data.model,
            Self::DeploymentAdded(data) => data.model,
            Self::DeploymentRevised(data) => data.model,
            Self::DeploymentRemoved(data) => data.model,
            Self::PriceRevised(data) => data.model,
            Self::Retired(data) => data.model,
            Self::Distrusted(data) => data.model,
            Self::Trusted(data) => data.model,
            Self::RoutingSet(data) => data.model,
        }
    }
}
