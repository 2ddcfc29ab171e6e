//! What events of the lease log say. Amounts are zero or more; each account stands once in an event.

use serde::{Deserialize, Serialize};

use super::{AccountId, Epoch, Event};
use crate::id::WriterId;
use crate::money::NanoUsd;
use crate::stream::Position;
use crate::time::Timestamp;

/// A gateway takes part in a chain from now on. Its earlier boots are fenced off: nothing more is granted to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joined {
    /// Which gateway.
    pub gateway: WriterId,
    /// The number of this boot.
    pub epoch: Epoch,
}

/// Windows are open from now on, and the earlier ones of the same limits are over. The gateway that opens them has a
/// first slice of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// Which gateway opened them.
    pub gateway: WriterId,
    /// Its boot.
    pub epoch: Epoch,
    /// The windows.
    pub windows: Vec<Window>,
}

/// A window that was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The account.
    pub account: AccountId,
    /// When it ends, by the calendar; none for a total.
    pub ends_at: Option<Timestamp>,
    /// The most that may be spent in it.
    pub limit_nano_usd: NanoUsd,
    /// The event in control that set the limit.
    pub control: Position,
    /// What was charged to it before there were leases.
    pub posted_nano_usd: NanoUsd,
    /// The first slice.
    pub granted_nano_usd: NanoUsd,
}

/// A gateway reported what it spent, returned what it does not need, and was granted more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rolled {
    /// Which gateway.
    pub gateway: WriterId,
    /// Its boot.
    pub epoch: Epoch,
    /// Its slices.
    pub slices: Vec<Roll>,
}

/// The change of one slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roll {
    /// The account.
    pub account: AccountId,
    /// Spent since the last report.
    pub spent_nano_usd: NanoUsd,
    /// Given back.
    pub returned_nano_usd: NanoUsd,
    /// What was granted, and against what.
    pub granted: Option<Grant>,
}

/// Money for a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// How much.
    pub amount_nano_usd: NanoUsd,
    /// The limit that it was granted against.
    pub limit_nano_usd: NanoUsd,
    /// The event in control that set the limit.
    pub control: Position,
}

/// Why money is in suspense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Requests whose end nobody knows held it.
    OutcomeUnknown,
    /// The gateway was not heard of. When it comes back it has its slice back.
    GatewayGone,
}

/// A part of a slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The account.
    pub account: AccountId,
    /// How much of the slice.
    pub amount_nano_usd: NanoUsd,
}

/// Money of slices is in suspense: it counts, and nobody may spend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspended {
    /// Whose slices.
    pub gateway: WriterId,
    /// The boot whose slices they are.
    pub epoch: Epoch,
    /// Why.
    pub why: Why,
    /// How much of which.
    pub slices: Vec<Part>,
}

/// A gateway that was thought gone has its slices back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resumed {
    /// Which gateway.
    pub gateway: WriterId,
    /// The boot whose slices they are.
    pub epoch: Epoch,
    /// How much of which.
    pub slices: Vec<Part>,
}

/// What a gateway's journal said about an earlier boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// All of it: what is not spent and not held was never sent.
    Whole,
    /// Some of it may be missing: what is not known to be spent is in suspense.
    Partial,
    /// It is not there: all is in suspense.
    Missing,
}

/// The slices of an earlier boot were wound up by the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovered {
    /// Which gateway.
    pub gateway: WriterId,
    /// The boot that ended.
    pub epoch: Epoch,
    /// The boot that winds it up.
    pub by_epoch: Epoch,
    /// What it knows of it.
    pub journal: Evidence,
    /// What became of its slices.
    pub slices: Vec<WoundUp>,
}

/// What became of a slice of an earlier boot. The three amounts are all that was out in it, or in suspense since the
/// gateway was gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WoundUp {
    /// The account.
    pub account: AccountId,
    /// Spent and not reported before.
    pub spent_nano_usd: NanoUsd,
    /// Held by requests whose end nobody knows.
    pub suspended_nano_usd: NanoUsd,
    /// Never used.
    pub returned_nano_usd: NanoUsd,
}

/// Who closes suspense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closer {
    /// The boot whose money it is: it knows.
    Gateway,
    /// An operator.
    Operator,
    /// The provider's report of usage.
    Provider,
    /// The policy at the end of the window: all is taken for spent.
    WindowEnd,
}

/// What was in suspense is known, or decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// Whose money it was.
    pub gateway: WriterId,
    /// The boot whose money it was.
    pub epoch: Epoch,
    /// Why it was in suspense.
    pub why: Why,
    /// Who closed it.
    pub by: Closer,
    /// How much of which.
    pub slices: Vec<Closing>,
}

/// The end of an amount in suspense.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closing {
    /// The account.
    pub account: AccountId,
    /// It was spent.
    pub spent_nano_usd: NanoUsd,
    /// It was not.
    pub returned_nano_usd: NanoUsd,
}

/// Slices were taken from a gateway that was gone for longer than the budget's grace. If it is still spending, the budget
/// may be overshot by these amounts and no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reclaimed {
    /// Which gateway.
    pub gateway: WriterId,
    /// The boot whose slices they were.
    pub epoch: Epoch,
    /// How long it had been in suspense at least, in milliseconds.
    pub grace_ms: u64,
    /// How much of which.
    pub slices: Vec<Part>,
}

impl Event {
    /// The accounts that it names.
    pub fn accounts(&self) -> Box<dyn Iterator<Item = &AccountId> + '_> {
        match self {
            Self::Joined(_) => Box::new(std::iter::empty()),
            Self::Opened(data) => Box::new(data.windows.iter().map(|window| &window.account)),
            Self::Rolled(data) => Box::new(data.slices.iter().map(|roll| &roll.account)),
            Self::Suspended(data) => Box::new(data.slices.iter().map(|part| &part.account)),
            Self::Resumed(data) => Box::new(data.slices.iter().map(|part| &part.account)),
            Self::Recovered(data) => Box::new(data.slices.iter().map(|wound| &wound.account)),
            Self::Closed(data) => Box::new(data.slices.iter().map(|closing| &closing.account)),
            Self::Reclaimed(data) => Box::new(data.slices.iter().map(|part| &part.account)),
        }
    }
}
