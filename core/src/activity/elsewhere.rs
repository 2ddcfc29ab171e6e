//! What was spent elsewhere, by day: the history of who comes from another gateway.

use serde::{Deserialize, Serialize};

use crate::id::{EndUserId, KeyId, ModelName, SourceName, TagName, VendorId};
use crate::money::NanoUsd;
use crate::time::Day;
use crate::usage::Usage;

/// The most rows of one event: its line stays far below what a log takes, however long the names are.
pub const SPENT_ELSEWHERE_ROWS_MAX: usize = 100;

/// So much was spent elsewhere so far, by keys of one realm. No budget is charged for it.
///
/// Rows say totals, not what came since they were last said: a row that is said again counts once, and one that says less than
/// before changes nothing. So the same may be told any number of times, by several gateways, in any order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpentElsewhere {
    /// Where. What one source says is added to what others say.
    pub source: SourceName,
    /// What: at most [`SPENT_ELSEWHERE_ROWS_MAX`] rows.
    pub rows: Vec<DaySpent>,
}

/// What one key spent on one day with one model of one vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaySpent {
    /// The day on which the requests came in.
    pub day: Day,
    /// The key that asked.
    pub key: KeyId,
    /// The model's public name, whether it is there any more or not.
    pub model: ModelName,
    /// Whose API answered.
    pub vendor: VendorId,
    /// What all of the requests named. Such a row counts in the sums of that alone: what they cost stands in a row without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<Under>,
    /// Requests that were answered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub succeeded: u64,
    /// Requests that were not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Tokens, in five classes.
    pub usage: Usage,
    /// What they cost, in nano-dollars.
    pub cost_nano_usd: NanoUsd,
}

/// A name that requests give.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Under {
    /// In whose name they asked.
    EndUser(EndUserId),
    /// One of their tags.
    Tag(TagName),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}
