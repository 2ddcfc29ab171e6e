//! Leases: how several gateways spend one budget, and never more than it has.
//!
//! An account is one window of one limit of a budget. Its money is given to gateways in *slices*, each by an event in the
//! chain of the lease log that keeps the account, appended at the position it was decided at. A gateway holds from the
//! slices it has, in memory alone, and reports what it spent when it asks for more. So a request waits for no log, and
//! what all gateways together can spend is never more than what the log gave away.
//!
//! For every account, at each position of its chain:
//!
//! ```text
//! posted + out + suspense ≤ limit      posted: reported as spent. out: in slices. suspense: nobody knows yet
//! ```
//!
//! The four rules N1 to N4 that make "never overshoot" are written out in [`checks`]. What is promised, and under which
//! conditions, stands in `docs/budgets.md`.
//!
//! One gateway is the case of several in which nobody else takes part.

// The log's side: one chain.
pub mod event;
pub mod book;
pub mod decide;
pub mod suspense;
pub mod checks;
pub mod recovery;

// The gateway's side: all chains.
pub mod allot;
pub mod slices;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::activity::Charge;
use crate::aggregate::event_types;
use crate::control::Control;
use crate::id::{InvalidId, RealmId};
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::{ChainId, Log, StreamId, StreamKind};

pub use book::Book;
pub use slices::SliceLedger;

/// One window of one limit of a budget.
pub type AccountId = Charge;

/// The most accounts that one event names. A line of so many stays far under the limit of a line.
pub const SLICES_MAX: usize = 500;

/// Whose budgets a chain of the lease log keeps: those of a root realm with all that nests in it, or the gateway's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// The budget of the scope `gateway`.
    Gateway,
    /// Budgets of a realm without a parent, of the realms in it, and of their keys.
    Realm(RealmId),
}

/// The number of a gateway's boot within a chain, from 1. A newer one fences the older ones off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(u64);

event_types! {
    /// What happens to the slices of one root's budgets.
    pub enum Event {
        /// A gateway takes part from now on, and its earlier boots no longer do.
        Joined(event::Joined) = "gateway.joined", 1;
        /// Windows of budgets are open.
        Opened(event::Opened) = "window.opened", 1;
        /// A gateway reported, returned and was granted money.
        Rolled(event::Rolled) = "slice.rolled", 1;
        /// Money of a slice is in suspense.
        Suspended(event::Suspended) = "slice.suspended", 1;
        /// A gateway that was thought gone has its slice back.
        Resumed(event::Resumed) = "slice.resumed", 1;
        /// The slices of an earlier boot were wound up.
        Recovered(event::Recovered) = "slice.recovered", 1;
        /// What was in suspense is known, or decided.
        Closed(event::Closed) = "suspense.closed", 1;
        /// A slice was taken from a gateway that was gone for too long. The one event that can cause an overshoot.
        Reclaimed(event::Reclaimed) = "slice.reclaimed", 1;
    }
}

/// Why a proposal is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The gateway has not joined the chain.
    #[error("the gateway has not joined this chain")]
    NotJoined,
    /// A newer boot of the gateway has joined.
    #[error("a newer boot of this gateway has joined: this is epoch {mine}, that one {newest}")]
    Fenced {
        /// The epoch that asked.
        mine: Epoch,
        /// The newest one.
        newest: Epoch,
    },
    /// No such account is open, or it was wound up already.
    #[error("there is no such account")]
    UnknownAccount(AccountId),
    /// The window is open, or was.
    #[error("the window was opened already")]
    AlreadyOpened(AccountId),
    /// The window has not begun, or a later one is open: the clock of who asks is wrong.
    #[error("the window is not the next one")]
    NotNext(AccountId),
    /// A newer window of the limit is open: nothing more is granted in this one.
    #[error("the window is over")]
    WindowOver(AccountId),
    /// Decided on an older state of control than the account was granted against.
    #[error("the limit is older than the one that was granted against")]
    StaleLimit(AccountId),
    /// The budget has not that much.
    #[error("the budget has not that much left")]
    Exhausted(AccountId),
    /// More is taken from a slice, or from suspense, than is in it.
    #[error("more is taken than there is")]
    Overdrawn(AccountId),
    /// It is too early: the gateway may still be spending.
    #[error("the gateway may still be spending it")]
    TooEarly(AccountId),
    /// What is in suspense is not what was judged: some of it came or went since.
    #[error("there are {} nano-dollars in suspense, and not the amount that was judged", actual.nano())]
    OtherAmount {
        /// The account.
        account: AccountId,
        /// What is there.
        actual: NanoUsd,
    },
    /// Nothing, too much, the same account twice, or an amount below zero.
    #[error(
        "a proposal names 1 to {SLICES_MAX} accounts once each, with amounts of zero and more, and changes something"
    )]
    Malformed,
}

impl Root {
    /// The root of a realm. None when a parent is not there: then nothing may be spent.
    #[must_use]
    pub fn of_realm(control: &Control, realm: &RealmId) -> Option<Self> {
        let top = control.chain(realm).last()?;
        top.parent.is_none().then(|| Self::Realm(top.id.clone()))
    }

    /// The root of a scope's budget. None when the scope, or a realm above it, is not there.
    #[must_use]
    pub fn of_scope(control: &Control, scope: &Scope) -> Option<Self> {
        match control.owner(scope)?.realm {
            None => Some(Self::Gateway),
            Some(realm) => Self::of_realm(control, &realm),
        }
    }

    /// The realm that the chain's lines concern; none for the gateway's own.
    #[must_use]
    pub const fn realm(&self) -> Option<&RealmId> {
        match self {
            Self::Gateway => None,
            Self::Realm(realm) => Some(realm),
        }
    }

    /// The stream of its events, which is the chain's name too.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId::of(StreamKind::Lease, &self.to_string())
    }

    /// Its chain of the lease log.
    #[must_use]
    pub fn chain(&self) -> ChainId {
        ChainId::of(Log::Lease, &self.stream())
    }

    /// The root of a stream of the lease log; none for another kind of stream.
    #[must_use]
    pub fn of_stream(stream: &StreamId) -> Option<Self> {
        match stream.parts() {
            Some((StreamKind::Lease, root)) => root.parse().ok(),
            _ => None,
        }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str("gateway"),
            Self::Realm(realm) => write!(f, "realm:{realm}"),
        }
    }
}

impl std::str::FromStr for Root {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.split_once(':') {
            None if text == "gateway" => Ok(Self::Gateway),
            Some(("realm", id)) => id.parse().map(Self::Realm),
            _ => Err(InvalidId::Form {
                kind: "root of a lease chain",
                text: text.chars().take(64).collect(),
                expected: "write `gateway` or `realm:<id>`",
            }),
        }
    }
}

impl Epoch {
    /// An epoch from its number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A sum of amounts that cannot overflow.
pub(crate) fn wide(amount: NanoUsd) -> i128 {
    i128::from(amount.nano())
}

/// The amount that a sum is, or the nearest that there is.
pub(crate) fn narrow(sum: i128) -> NanoUsd {
    let clamped = sum.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    NanoUsd::new(i64::try_from(clamped).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
