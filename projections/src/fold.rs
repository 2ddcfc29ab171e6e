//! Folds: groups of events in, rows and published views out. A fold belongs to one follower, blocks, and is the only
//! writer of its store.

pub(crate) mod activity;
pub(crate) mod activity_rows;
pub(crate) mod control;
pub(crate) mod control_rows;
mod records;
mod sums;
mod told;
