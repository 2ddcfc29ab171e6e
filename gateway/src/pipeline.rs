//! The life of a request, for every endpoint: phases that own what they proved, so that none can be skipped.
//!
//! ```text
//! Received → Authenticated → Resolved → Admitted → Attempt ⇄ Routed → Settled
//!            key, realms      model      limits     hold,     where   usage fact,
//!                                                   bytes     next    hold closed
//!                                                   through
//! ```
//!
//! Each phase consumes the one before. [`admitted::Admitted`] owns the share of the rate limits, an
//! [`attempt::Attempt`] the hold; whatever happens then, [`settled::Settling`] closes them once. An attempt that failed before
//! its client got anything may be followed by another one: [`routed`] says which.

pub(crate) mod received;
pub(crate) mod authenticated;
pub(crate) mod resolved;
pub(crate) mod admitted;
pub(crate) mod attempt;
pub(crate) mod running;
pub(crate) mod routed;
mod end_user;
mod wishes;
pub(crate) mod tags;
pub(crate) mod called;
pub(crate) mod settled;
pub(crate) mod ended;
pub(crate) mod report;
mod violated;
mod told;
pub(crate) mod stream_body;
pub(crate) mod clientless;
mod unabandoned;
pub(crate) mod refusal;

use std::sync::Arc;

use tallygate_core::envelope::MacKey;
use tallygate_core::port::clock::{Clock, Ids};
use tallygate_projections::Views;

use self::clientless::Clientless;
pub(crate) use self::told::Told;
use crate::activity::ActivityWriter;
use crate::command::Commands;
use crate::limits::Limits;
use crate::master_key::MasterKey;
use crate::metrics::Metrics;
use crate::settings::RequestSettings;
use crate::spending::Spending;
use crate::standing::Standing;
use crate::upstreams::Upstreams;

/// What requests are served with. One for the whole gateway.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) views: Views,
    pub(crate) standing: Arc<Standing>,
    pub(crate) master: MasterKey,
    /// Seals the ids of answers that providers keep.
    pub(crate) seal: MacKey,
    pub(crate) limits: Arc<Limits>,
    pub(crate) spending: Spending,
    pub(crate) upstreams: Upstreams,
    pub(crate) activity: ActivityWriter,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) metrics: Metrics,
    /// For what the gateway itself asks to be changed.
    pub(crate) commands: Commands,
    /// Requests that go on without their client.
    pub(crate) clientless: Arc<Clientless>,
    /// Soft limits that were told of.
    pub(crate) told: Told,
    pub(crate) settings: RequestSettings,
}
