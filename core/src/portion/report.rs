//! What gateways tell one another of their rate limits.

use serde::{Deserialize, Serialize};

use super::LimitId;
use crate::id::WriterId;

/// What one gateway tells all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Who tells it.
    pub gateway: WriterId,
    /// Which run of that gateway: a later one has a larger number.
    pub run: u64,
    /// Its number within the run. An earlier one that arrives later says nothing.
    pub number: u64,
    /// Whether the gateway takes no more requests.
    pub leaves: bool,
    /// Whether the entries are all of them; else the others are as they were told before.
    pub whole: bool,
    /// Limit by limit.
    pub entries: Vec<Entry>,
}

/// What a gateway tells of one limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which limit.
    pub limit: LimitId,
    /// Into how many parts the gateway divides it.
    pub parts: u64,
    /// How many of them it is asked for.
    pub demand: u64,
    /// How many it has.
    pub held: u64,
    /// Requests at once: how many run. It may be more than it has, until they end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub running: u64,
    /// What was unused of what it has no more, and who may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
}

/// Unused parts that change hands with a portion. They are told once: a report that is lost loses them, and never doubles
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    /// Who may use them.
    pub to: WriterId,
    /// How many.
    pub parts: u64,
}

impl Entry {
    /// What no other gateway may count on.
    pub(super) fn taken(&self) -> u64 {
        self.held.max(self.running)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
