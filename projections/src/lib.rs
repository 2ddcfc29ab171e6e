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
mod activity_view;
mod lease_books;
mod content_store;
mod waiting;
mod replay;

mod view;
mod activity;
mod follower;
mod follow;
mod fold;

mod background;
mod row_cache;
mod row_codec;
mod row_key;
mod store;
mod digest;
mod metrics;
#[cfg(test)]
mod golden_rows;

pub use activity::named::Named;
pub use activity::newest::{UsageFilter, UsagePage};
pub use activity::record::{Ending, UsageRecord};
pub use activity::spend::{Days, Detail, RANKING_MAX, SPEND_ROWS_MAX, Spent};
pub use activity::totals::Totals;
pub use activity_view::{ActivityView, Positions};
pub use content_store::{Content, ContentStore};
pub use control_view::{ControlView, DecisionState};
pub use digest::StateDigest;
pub use follow::chain::{ChainTip, Followed};
pub use follow::checkpoint::Mismatch;
pub use follow::recent_lines::RecentLines;
pub use follow::{Damage, FollowError, Health, Misplaced};
pub use lease_books::{ChainMark, Kept, KeptChain, LeaseBooks};
pub use metrics::{Metrics, SkippedLines};
pub use replay::{
    AsOf, Moment, ReplayError, as_of, rebuild_activity, rebuild_control, stored_activity_digest, stored_control_digest,
};
pub use row_codec::RowError;
pub use snapshot::Snapshot;
pub use store::StoreError;
pub use view::choices::CHOICES_MAX;
pub use view::key_list::{KeyPage, PAGE_ROWS_MAX, Page};
pub use view::keys::KeyRow;
pub use views::{Followers, OpenError, Options, Views};
pub use waiting::Ended;
