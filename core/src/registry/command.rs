//! Commands about models.

use serde::{Deserialize, Serialize};

use crate::id::{CredentialId, DeploymentId, ModelId, ModelName, RealmId, RequestId, VendorId};
use crate::json::Json;
use crate::money::NanoUsd;
use crate::patch::Patch;
use crate::price::Price;
use crate::routing::Routing;

/// Asks for a new model with its first deployments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterModel {
    /// Its id.
    pub model: ModelId,
    /// The realm it belongs to.
    #[serde(default = "RealmId::default_realm")]
    pub realm: RealmId,
    /// The name that clients send.
    pub name: ModelName,
    /// What serves it. At least one.
    pub deployments: Vec<NewDeployment>,
}

/// A deployment that is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDeployment {
    /// Its id.
    pub id: DeploymentId,
    /// Whose API it is.
    pub vendor: VendorId,
    /// The name that the upstream knows the model by.
    pub upstream_model: String,
    /// Where, if not at the vendor's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// With which credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialId>,
    /// Its share of the traffic.
    #[serde(default = "NewDeployment::default_weight")]
    pub weight: u32,
    /// The most tokens it answers with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Its price. Without one it is the price list's; where that has none, calls are unpriced, and refused where a budget
    /// must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What people attach to it.
    #[serde(default)]
    pub info: Json,
    /// The parameters it is registered with, without secrets.
    #[serde(default)]
    pub params: Json,
}

impl NewDeployment {
    /// The weight when none is given.
    #[must_use]
    pub const fn default_weight() -> u32 {
        1
    }
}

/// Asks for one more deployment of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddDeployment {
    /// Which model.
    pub model: ModelId,
    /// The deployment.
    pub deployment: NewDeployment,
}

/// Asks for changes of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviseDeployment {
    /// Which model.
    pub model: ModelId,
    /// Which of its deployments.
    pub deployment: DeploymentId,
    /// Whose API it is. It cannot be cleared.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub vendor: Patch<VendorId>,
    /// The name that the upstream knows the model by. It cannot be cleared.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub upstream_model: Patch<String>,
    /// Where, if not at the vendor's own address.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub base_url: Patch<String>,
    /// With which credential.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub credential: Patch<CredentialId>,
    /// Its share of the traffic; cleared, it is 1.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub weight: Patch<u32>,
    /// The most tokens it answers with.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub max_output_tokens: Patch<u64>,
    /// What people attach to it.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub info: Patch<Json>,
    /// The parameters it is registered with, without secrets.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub params: Patch<Json>,
}

/// Asks that a deployment serve no more. With the last one the model is retired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveDeployment {
    /// Which model.
    pub model: ModelId,
    /// Which of its deployments.
    pub deployment: DeploymentId,
}

/// Asks for another price of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevisePrice {
    /// Which model.
    pub model: ModelId,
    /// Which of its deployments.
    pub deployment: DeploymentId,
    /// The price; none to have calls unpriced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// Asks that a model be served no more. Its name is free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetireModel {
    /// Which model.
    pub model: ModelId,
}

/// Says that a request for a model cost more than was held for it: its price, or the bound of its tokens, is wrong. A gateway
/// that settles such a request asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistrustModel {
    /// Which model.
    pub model: ModelId,
    /// The request.
    pub request: RequestId,
    /// What was held for it.
    pub held_nano_usd: NanoUsd,
    /// What it cost.
    pub cost_nano_usd: NanoUsd,
}

/// Says that a model's price was looked at, and strict budgets may pay for the model again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustModel {
    /// Which model.
    pub model: ModelId,
}

/// Asks for another routing of a model's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRouting {
    /// Which model.
    pub model: ModelId,
    /// The routing; none for the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<Routing>,
}
