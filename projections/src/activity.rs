//! What views of the activity log show: sums of what was spent, and records of single requests.

pub(crate) mod block;
pub(crate) mod charges;
pub(crate) mod named;
pub(crate) mod newest;
mod packed;
mod places;
pub(crate) mod record;
pub(crate) mod spend;
mod steps;
pub(crate) mod told;
mod tokens;
pub(crate) mod totals;
