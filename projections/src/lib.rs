//! What the log means now: views folded from the log.
//!
//! A follower carries a log's entries into a fold; the fold evolves the state of `core`, writes the touched rows and the
//! checkpoint in one batch, and publishes them to memory. Nothing else writes a view, and every view may be deleted: it
//! is made again from the log. This crate does not know how events come to be, nor who asks what.
//!
//! Modules are listed in reading order.

mod views;
mod snapshot;
mod control_view;
mod waiting;

mod view;
mod follow;
mod fold;

mod row_cache;
mod row_codec;
mod row_key;
mod store;
mod digest;
mod metrics;

pub use control_view::{ControlView, DecisionState};
pub use digest::StateDigest;
pub use follow::checkpoint::Mismatch;
pub use follow::{Damage, FollowError, Health, Misplaced};
pub use metrics::Metrics;
pub use row_codec::RowError;
pub use snapshot::Snapshot;
pub use store::StoreError;
pub use view::key_list::{KeyPage, PAGE_ROWS_MAX, Page};
pub use view::keys::KeyRow;
pub use views::{Followers, OpenError, Options, Views};
pub use waiting::Ended;
/// TEMP.
#[derive(Debug, Clone)]
pub struct ActivityView;
impl ActivityView {
    /// TEMP.
    pub fn charged(&self, _a: &tallygate_core::activity::Charge) -> tallygate_core::money::NanoUsd {
        Default::default()
    }
    /// TEMP.
    pub async fn wait_for(
        &self,
        _c: &tallygate_core::stream::ChainId,
        _p: tallygate_core::stream::Position,
    ) -> Result<(), Ended> {
        Ok(())
    }
}
