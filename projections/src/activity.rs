//! What views of the activity log show: sums of what was spent, and records of single requests.

pub(crate) mod block;
pub(crate) mod charges;
pub(crate) mod newest;
pub(crate) mod spend;
pub(crate) mod totals;
