//! The gateway's side: the slices it has, and the holds it places on them, over all chains.
//!
//! A hold takes from all slices of its chain of budgets or from none, in memory, without I/O. The ledger follows the
//! chains ([`SliceLedger::apply`]) and says what to append to them next ([`SliceLedger::propose`]); it never changes a
//! slice but by an event it has read back. One process owns it, behind a lock; nothing here waits.
//!
//! For each account: granted = spent + held + suspended + returned + free, and for holds:
//! held = settled + released + suspense + open.

mod slot;
mod hold;
mod holding;
mod following;
mod proposing;
mod upkeep;

use std::collections::BTreeMap;

use foldhash::HashMap;

use super::allot::{Policy, autonomy_seconds};
use super::book::{Book, Slice};
use super::decide::Opening;
use super::{AccountId, Epoch, Event, Root};
use crate::id::{EventId, WriterId};
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::Position;
use crate::time::{Period, Timestamp};

pub use hold::{Exhausted, Hold, HoldPart, Refused, Settled, Unavailable};
pub use slot::{Flow, Slot};
pub use upkeep::{Judged, Upkeep};

/// The slices of one gateway.
#[derive(Debug)]
pub struct SliceLedger {
    gateway: WriterId,
    policy: Policy,
    chains: Vec<Chain>,
    slots: Vec<Option<Slot>>,
    vacant: Vec<u32>,
    /// The slots of a scope: every window that something hangs on.
    index: HashMap<Scope, Vec<(Period, u32)>>,
    /// When the log was last heard of, by a clock that only runs forward.
    heard_ms: u64,
    holds: u64,
    serials: u32,
    is_retiring: bool,
}

/// A chain as its gateway sees it.
#[derive(Debug)]
struct Chain {
    root: Root,
    book: Book,
    standing: Standing,
    pending: Option<Pending>,
    /// Windows that a request needs and that are not open.
    unopened: Vec<Opening>,
    /// When each gateway was last heard of here, and when money of each boot last went into suspense, by the clock that
    /// only runs forward.
    heard_ms: BTreeMap<WriterId, u64>,
    suspended_ms: BTreeMap<(WriterId, Epoch), u64>,
    /// A slice runs low or a request waits: propose soon.
    is_urgent: bool,
}

/// Whether the gateway may spend from a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Outside,
    /// It joined, and earlier boots are not wound up yet.
    Recovering(Epoch),
    Member(Epoch),
    /// A newer boot joined.
    Fenced(Epoch),
    /// An event of the chain cannot be read by this version: nobody knows what it gave to whom.
    Unreadable(Option<Epoch>),
}

/// What was proposed, and is in the log or not.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pending {
    id: EventId,
    after: Position,
    accounts: Vec<AccountId>,
}

/// What to append to a chain: one event, sealed as the line after `after`, under the id that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The id that the line must have.
    pub id: EventId,
    /// Where the chain must end.
    pub after: Position,
    /// The event.
    pub event: Event,
}

/// An event of a lease chain, as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its id.
    pub id: EventId,
    /// Its place in the chain.
    pub position: Position,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub event: &'a Event,
}

/// The moment by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// By the calendar. It may jump.
    pub at: Timestamp,
    /// Milliseconds by a clock that only runs forward, also while the machine sleeps.
    pub ms: u64,
}

/// What became of an event that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was folded.
    Folded,
    /// It was folded before.
    Known,
}

/// An event is missing before this one: read the chain from where the ledger stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chain was read to {known}, and the next event is {found}")]
pub struct Gap {
    /// As far as it was read.
    pub known: Position,
    /// What came.
    pub found: Position,
}

impl SliceLedger {
    /// A ledger without slices. It must join a chain before it can hold anything there.
    #[must_use]
    pub fn new(gateway: WriterId, policy: Policy) -> Self {
        Self {
            gateway,
            policy,
            chains: Vec::new(),
            slots: Vec::new(),
            vacant: Vec::new(),
            index: HashMap::default(),
            heard_ms: 0,
            holds: 0,
            serials: 0,
            is_retiring: false,
        }
    }

    /// Whose slices these are.
    #[must_use]
    pub const fn gateway(&self) -> &WriterId {
        &self.gateway
    }

    /// The log was heard of at this moment, and all that it holds was applied.
    pub fn heard(&mut self, now_ms: u64) {
        self.heard_ms = self.heard_ms.max(now_ms);
    }

    /// The gateway is about to stop: from here on proposals report all that was spent and return all that is free.
    pub const fn retire(&mut self) {
        self.is_retiring = true;
    }

    /// For how long, in milliseconds, a gateway has written nothing to a chain since it was read here. What is longer than a
    /// few idle times, while it has slices, may be suspended.
    #[must_use]
    pub fn silent_ms(&self, root: &Root, gateway: &WriterId, now_ms: u64) -> Option<u64> {
        let chain = self.chains.iter().find(|chain| chain.root == *root)?;
        chain.heard_ms.get(gateway).map(|heard| now_ms.saturating_sub(*heard))
    }

    /// For how long, in milliseconds, money of a boot has been in suspense since that was read here: what closing and
    /// reclaiming ask for ([`super::suspense::Rest`]).
    #[must_use]
    pub fn rested_ms(&self, root: &Root, gateway: &WriterId, epoch: Epoch, now_ms: u64) -> Option<u64> {
        let chain = self.chains.iter().find(|chain| chain.root == *root)?;
        let since = chain.suspended_ms.get(&(gateway.clone(), epoch))?;
        Some(now_ms.saturating_sub(*since))
    }

    /// The roots of all chains that were met.
    pub fn roots(&self) -> impl Iterator<Item = &Root> {
        self.chains.iter().map(|chain| &chain.root)
    }

    /// The book of a chain, as far as it was applied.
    #[must_use]
    pub fn book(&self, root: &Root) -> Option<&Book> {
        self.chains.iter().find(|chain| chain.root == *root).map(|chain| &chain.book)
    }

    /// The epoch under which it takes part in a chain; none before it joined. A fenced boot keeps its own.
    #[must_use]
    pub fn epoch(&self, root: &Root) -> Option<Epoch> {
        match self.chains.iter().find(|chain| chain.root == *root)?.standing {
            Standing::Outside => None,
            Standing::Recovering(epoch) | Standing::Member(epoch) | Standing::Fenced(epoch) => Some(epoch),
            Standing::Unreadable(epoch) => epoch,
        }
    }

    /// Whether it takes part in a chain, with its earlier boots wound up: what its journal says of them is not needed any
    /// more.
    #[must_use]
    pub fn is_member(&self, root: &Root) -> bool {
        self.chains.iter().any(|chain| chain.root == *root && matches!(chain.standing, Standing::Member(_)))
    }

    /// Whether something that an earlier boot of this gateway had in a chain waits to be wound up.
    #[must_use]
    pub fn left_something(&self, root: &Root) -> bool {
        let Some(chain) = self.chains.iter().find(|chain| chain.root == *root) else { return false };
        let left =
            |slice: &Slice| slice.gateway == self.gateway && (slice.out != NanoUsd::ZERO || slice.gone > NanoUsd::ZERO);
        chain.standing.epoch().is_none() && chain.book.accounts().any(|(_, row)| row.slices().iter().any(left))
    }

    /// Whether a newer boot took over a chain. The gateway should stop: it may hold nothing more there.
    #[must_use]
    pub fn is_fenced(&self, root: &Root) -> bool {
        self.chains.iter().any(|chain| chain.root == *root && matches!(chain.standing, Standing::Fenced(_)))
    }

    /// Whether a chain has an event that this version cannot read ([`Self::lose_track`]): nothing is applied to it any more.
    #[must_use]
    pub fn has_lost_track(&self, root: &Root) -> bool {
        self.chains.iter().any(|chain| chain.root == *root && matches!(chain.standing, Standing::Unreadable(_)))
    }

    /// Takes the roots whose chains should be written to soon, since a slice runs low or a request waits.
    pub fn take_urgent(&mut self) -> Vec<Root> {
        let urgent = |chain: &mut Chain| std::mem::take(&mut chain.is_urgent).then(|| chain.root.clone());
        self.chains.iter_mut().filter_map(urgent).collect()
    }

    /// How many seconds the gateway can go on without the log, at the rate of the moment: what the slice that ends first
    /// lasts. None when nothing is spent.
    #[must_use]
    pub fn autonomy_seconds(&self) -> Option<u64> {
        self.slots.iter().flatten().filter_map(|slot| autonomy_seconds(slot.free(), slot.rate.per_second())).min()
    }

    /// Every slice, with its account, for metrics and checks.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().flatten()
    }

    /// What requests hold now, over all accounts: zero when nothing runs.
    #[must_use]
    pub fn held(&self) -> NanoUsd {
        self.slots().fold(NanoUsd::ZERO, |sum, slot| sum.saturating_plus(slot.held))
    }

    fn chain_index(&mut self, root: &Root) -> usize {
        let found = self.chains.iter().position(|chain| chain.root == *root);
        found.unwrap_or_else(|| {
            self.chains.push(Chain::new(root.clone()));
            self.chains.len() - 1
        })
    }

    fn slot_of(&self, account: &AccountId) -> Option<u32> {
        let slots = self.index.get(&account.scope)?;
        let is = |index: u32| self.slot(index).is_some_and(|slot| slot.account.window == account.window);
        slots.iter().find(|(period, index)| *period == account.period && is(*index)).map(|(_, index)| *index)
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        self.slots.get(index as usize)?.as_ref()
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    /// Makes a slot for an account and copies into it what the book says.
    fn track(&mut self, chain: usize, account: AccountId, now_ms: u64) -> u32 {
        self.serials = self.serials.wrapping_add(1);
        let (scope, period) = (account.scope.clone(), account.period);
        let slot = Slot::new(self.serials, u32::try_from(chain).unwrap_or(u32::MAX), account, now_ms);
        let index = match self.vacant.pop() {
            Some(index) => index,
            None => {
                self.slots.push(None);
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(place) = self.slots.get_mut(index as usize) {
            *place = Some(slot);
        }
        self.index.entry(scope).or_default().push((period, index));
        self.mirror(index);
        self.go_on(index);
        index
    }

    /// Copies what the book says of a slot's account.
    fn mirror(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize).and_then(Option::as_mut) else { return };
        let Some(chain) = self.chains.get(slot.chain as usize) else { return };
        slot.mirror(&chain.book, &self.gateway, chain.standing.epoch());
    }

    fn go_on(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize).and_then(Option::as_mut) else { return };
        let Some(chain) = self.chains.get(slot.chain as usize) else { return };
        let row = chain.book.account(&slot.account);
        let own = chain.standing.epoch().and_then(|epoch| row?.slice(&self.gateway, epoch));
        own.into_iter().for_each(|own| slot.go_on(own));
    }

    /// Lets go of a slot that nothing hangs on.
    fn forget(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize).and_then(Option::take) else { return };
        self.vacant.push(index);
        if let Some(slots) = self.index.get_mut(&slot.account.scope) {
            slots.retain(|(_, other)| *other != index);
            if slots.is_empty() {
                self.index.remove(&slot.account.scope);
            }
        }
    }
}

impl Chain {
    fn new(root: Root) -> Self {
        Self {
            root,
            book: Book::default(),
            standing: Standing::Outside,
            pending: None,
            unopened: Vec::new(),
            heard_ms: BTreeMap::new(),
            suspended_ms: BTreeMap::new(),
            is_urgent: true,
        }
    }
}

impl Standing {
    const fn epoch(self) -> Option<Epoch> {
        match self {
            Self::Outside => None,
            Self::Recovering(epoch) | Self::Member(epoch) | Self::Fenced(epoch) => Some(epoch),
            Self::Unreadable(epoch) => epoch,
        }
    }
}

#[cfg(test)]
mod tests;
