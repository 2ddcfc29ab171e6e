//! What a hold is, how it ends, and why there may be none.

use super::super::{AccountId, Epoch, Root};
use crate::activity::Charged;
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::time::{Period, Timestamp};

/// Spending that is held on every budget of a chain. It must be given to `settle`, `release` or `suspend` of
/// [`SliceLedger`](super::SliceLedger): whoever owns it owes the ledger its end.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a hold that is dropped stays held: settle, release or suspend it"]
pub struct Hold {
    pub(super) number: u64,
    pub(super) amount: NanoUsd,
    pub(super) slots: Vec<u32>,
}

/// One account of a hold, as a journal notes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldPart<'a> {
    /// The slot's number in this process.
    pub serial: u32,
    /// The root of its chain.
    pub root: &'a Root,
    /// The epoch whose slice it is.
    pub epoch: Epoch,
    /// The account.
    pub account: &'a AccountId,
    /// The same, for settlements.
    pub charged: &'a Charged,
}

/// How a settlement went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// By how much the request cost more than it held: a wrong price. It counts in full, and it must be reported.
    pub over: Option<NanoUsd>,
}

/// A budget cannot pay, even if every gateway returned its slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhausted {
    /// The account.
    pub account: AccountId,
    /// Its limit.
    pub limit: NanoUsd,
    /// When its window ends; none for a total.
    pub resets_at: Option<Timestamp>,
    /// Settled, by all gateways as far as they reported, and by this one.
    pub posted: NanoUsd,
    /// Held by requests of this gateway, and in the hands of others.
    pub held: NanoUsd,
    /// Of requests whose end is not known.
    pub suspense: NanoUsd,
    /// What was asked.
    pub asked: NanoUsd,
}

/// Why nothing may be held in a chain now, whatever it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// The gateway has not joined the chain yet, or is still winding up its last run.
    NotJoined,
    /// A newer boot of this gateway has taken over.
    Fenced,
    /// The log was not heard of for too long.
    Stale,
    /// The chain has an event that this version cannot read.
    Unreadable,
}

/// Why a hold was not placed. Nothing is held then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// A budget cannot pay: an answer for the client.
    Exhausted(Box<Exhausted>),
    /// A budget can pay, but not from this gateway's slice: the chain should be written to, and the hold tried again.
    Short {
        /// The root of the chain to refill from.
        root: Root,
        /// What the slice lacks.
        lacking: NanoUsd,
    },
    /// A window is not open: ask for it ([`SliceLedger::ask`](super::SliceLedger::ask)) and try again.
    Unopened {
        /// Of which scope.
        scope: Scope,
        /// Of which limit.
        period: Period,
    },
    /// Nothing may be held there now.
    Unavailable(Unavailable),
}

impl Hold {
    /// Its number in this process, from 1: what a journal knows it by.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// How much is held on each account.
    #[must_use]
    pub const fn amount(&self) -> NanoUsd {
        self.amount
    }

    /// What is left of it on each account beyond a cost.
    #[must_use]
    pub const fn rest(&self, cost: NanoUsd) -> NanoUsd {
        self.amount.saturating_minus(cost.at_least_zero()).at_least_zero()
    }

    /// On how many accounts.
    #[must_use]
    pub const fn accounts(&self) -> usize {
        self.slots.len()
    }
}
