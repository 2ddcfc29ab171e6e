//! Activity: what happened. Nothing here can be refused, and no prompt or answer text ever stands in it.
//!
//! A settlement holds outcomes, not recipes: tokens, the price event, the cost, and the budget windows it was charged
//! to. So a fold never prices anything again.

mod agents;
mod charged;
mod elsewhere;
mod tags;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::aggregate::event_types;
use crate::id::{CommandId, DeploymentId, KeyId, ModelName, RequestId, UserId, VendorId};
use crate::money::NanoUsd;
use crate::price::Unpriced;
use crate::routing::{Considered, End, Route};
use crate::scope::Scope;
use crate::stream::Position;
use crate::time::{Period, Timestamp};
use crate::usage::Usage;

pub use agents::{AgentConnected, AgentDisconnected, ConfigurationAcknowledged};
pub use charged::Charged;
pub use elsewhere::{DaySpent, SPENT_ELSEWHERE_ROWS_MAX, SpentElsewhere, Under};
pub use tags::{TAGS_MAX, Tags};

/// What a request asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// A chat completion.
    Chat,
    /// Embeddings.
    Embeddings,
    /// The list of models, and other reads of the data plane.
    Models,
    /// A chat as messages of turns and blocks.
    Messages,
    /// A chat as a response made of items.
    Responses,
    /// A chat as generated content.
    Generate,
    /// The continuation of a text.
    Completions,
    /// Whether a content is harmful.
    Moderations,
    /// Images made of a text.
    Images,
    /// Images made of images.
    ImageEdits,
    /// Sound made of a text.
    Speech,
    /// A text made of sound.
    Transcriptions,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 12] = [
        Self::Chat,
        Self::Embeddings,
        Self::Models,
        Self::Messages,
        Self::Responses,
        Self::Generate,
        Self::Completions,
        Self::Moderations,
        Self::Images,
        Self::ImageEdits,
        Self::Speech,
        Self::Transcriptions,
    ];

    /// LiteLLM's `call_type`.
    #[must_use]
    pub const fn call_type(self) -> &'static str {
        match self {
            Self::Chat => "acompletion",
            Self::Embeddings => "aembedding",
            Self::Models => "models",
            Self::Messages => "anthropic_messages",
            Self::Responses => "aresponses",
            Self::Generate => "agenerate_content",
            Self::Completions => "atext_completion",
            Self::Moderations => "amoderation",
            Self::Images => "aimage_generation",
            Self::ImageEdits => "aimage_edit",
            Self::Speech => "aspeech",
            Self::Transcriptions => "atranscription",
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The upstream answered, and the client got all of it.
    Succeeded,
    /// The upstream failed, before or during its answer.
    Failed,
    /// The client went away before the end.
    Disconnected,
}

/// One window of one budget that a settlement was charged to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// The budget's scope.
    pub scope: Scope,
    /// The limit's period.
    pub period: Period,
    /// When the window began.
    pub window: Timestamp,
}

/// A request that reached an upstream has ended, and this is what it used.
///
/// As JSON it says what there is: what is none, false or empty is left out. Schema 1 wrote everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestSettled {
    /// The request: LiteLLM's call id.
    pub request: RequestId,
    /// The id in the upstream's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_request: Option<String>,
    /// What was asked for.
    pub endpoint: Endpoint,
    /// The key that asked.
    pub key: KeyId,
    /// Whose key it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// On whose behalf, by the request's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_user: Option<String>,
    /// The name that the client sent.
    pub requested_model: ModelName,
    /// The model it led to.
    pub model: ModelName,
    /// The deployment that answered.
    pub deployment: DeploymentId,
    /// Whose API it is.
    pub vendor: VendorId,
    /// The name that the upstream knows the model by.
    pub upstream_model: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status that the client got.
    pub status: u16,
    /// Whether the answer was streamed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub streamed: bool,
    /// The tokens.
    pub usage: Usage,
    /// Whether the tokens were counted here, since the upstream did not say.
    #[serde(default, skip_serializing_if = "is_false")]
    pub estimated: bool,
    /// The event that set the price; none when the deployment has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Position>,
    /// The cost in nano-dollars; none when the deployment has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_nano_usd: Option<NanoUsd>,
    /// Why there is no cost. Schemas 1 and 2 did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpriced: Option<Unpriced>,
    /// The budget windows that were charged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charged: Vec<Charged>,
    /// When the request came in.
    pub started_at: Timestamp,
    /// Milliseconds until the upstream's first byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// Milliseconds until the end.
    pub duration_ms: u64,
    /// The attempts, where there was more than one. Schemas 1 to 3 knew of one alone.
    #[serde(default, skip_serializing_if = "Route::is_empty")]
    pub route: Route,
    /// The deployments that the model had to choose from, where there was a choice. Schemas 1 to 4 did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<Box<Considered>>,
    /// What the request was told apart by: its own tags, its key's and its realm's. Schemas 1 to 5 did not say.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// A request was refused before it reached an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRefused {
    /// The request.
    pub request: RequestId,
    /// What was asked for.
    pub endpoint: Endpoint,
    /// The key that asked, if it was known.
    pub key: Option<KeyId>,
    /// The model's name as the client sent it, if it is a name at all.
    pub requested_model: Option<ModelName>,
    /// The stable code of the error.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// The scope whose rule refused.
    pub scope: Option<Scope>,
    /// How many refusals of this kind the record stands for: those without a known key are recorded together.
    pub count: u64,
}

/// A command was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRefused {
    /// The command's id, if it had one.
    pub command: Option<CommandId>,
    /// The name of its type, cut to 64 characters.
    pub kind: String,
    /// The stable code of the rejection.
    pub code: String,
    /// The rejection in words. It names ids, never secrets.
    pub message: String,
}

/// A request cost more than was held for it: its budgets may be over their limits by that. What it cost is settled as it
/// is; this says that the bound did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundViolated {
    /// The request.
    pub request: RequestId,
    /// Whose it was.
    pub key: KeyId,
    /// The model.
    pub model: ModelName,
    /// The deployment that answered.
    pub deployment: DeploymentId,
    /// The event that set its price.
    pub price: Option<Position>,
    /// What was held on each budget, in nano-dollars.
    pub held_nano_usd: NanoUsd,
    /// What it cost.
    pub cost_nano_usd: NanoUsd,
}

/// So much counts in a window of a budget that it was to be told. Each gateway tells it once a window; nothing is refused for
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftLimitReached {
    /// The request that reached it.
    pub request: RequestId,
    /// The window.
    pub account: Charge,
    /// What it was to be told at, in nano-dollars.
    pub told_at_nano_usd: NanoUsd,
    /// What counts, with what running requests hold.
    pub counted_nano_usd: NanoUsd,
}

/// A deployment was asked whether it is well by a call of its model, which its provider may bill. No key and no budget is
/// charged for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentProbed {
    /// The model that it serves.
    pub model: ModelName,
    /// Which.
    pub deployment: DeploymentId,
    /// Whose API it is.
    pub vendor: VendorId,
    /// The name that the upstream knows the model by.
    pub upstream_model: String,
    /// How the call ended.
    pub ended: End,
    /// The tokens; none where nobody told.
    pub usage: Usage,
    /// The event that set the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Position>,
    /// What it cost in nano-dollars; none when the deployment has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_nano_usd: Option<NanoUsd>,
    /// Milliseconds until the end.
    pub duration_ms: u64,
}

event_types! {
    /// What happened.
    pub enum Event {
        /// A request ended.
        RequestSettled(Arc<RequestSettled>) = "request.settled", 6;
        /// A request was refused.
        RequestRefused(RequestRefused) = "request.refused", 1;
        /// A command was refused.
        CommandRefused(CommandRefused) = "command.refused", 1;
        /// A request cost more than it held.
        BoundViolated(BoundViolated) = "budget.bound_violated", 1;
        /// So much counts in a window that it is told.
        SoftLimitReached(SoftLimitReached) = "budget.soft_limit_reached", 1;
        /// A deployment was probed by a call.
        DeploymentProbed(DeploymentProbed) = "deployment.probed", 1;
        /// An agent connected.
        AgentConnected(AgentConnected) = "agent.connected", 1;
        /// An agent uses what it was told.
        ConfigurationAcknowledged(ConfigurationAcknowledged) = "agent.configuration_acknowledged", 1;
        /// An agent's connection ended.
        AgentDisconnected(AgentDisconnected) = "agent.disconnected", 1;
        /// So much was spent elsewhere.
        SpentElsewhere(SpentElsewhere) = "spend.told", 1;
    }
}
