//! Money that is not this gateway's: slices of gateways that are gone, and suspense that nobody closed. Any gateway may
//! write what is due; if two do, the log takes one.

use super::super::book::{Account, Slice};
use super::super::event::{Closed, Closer, Closing, Part, Reclaimed, Suspended, Why};
use super::super::suspense::{self, Rest};
use super::super::{AccountId, Epoch, Event, Rejection, Root, SLICES_MAX};
use super::{Chain, SliceLedger};
use crate::id::WriterId;
use crate::money::NanoUsd;

/// When something is due about money that is not one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upkeep {
    /// After how long without a word a gateway's slices go into suspense, in milliseconds: some times the age limit.
    pub gone_after_ms: u64,
    /// How long suspense rests before anyone but its own boot closes it, in milliseconds: the age limit, and the longest
    /// that a request may run.
    pub rest_ms: u64,
}

/// What somebody says about an amount in suspense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// The amount that they saw. If another one is there, nothing is closed; if none is told, whatever is there is meant.
    pub amount: Option<NanoUsd>,
    /// So much of it was spent. The rest was not.
    pub spent: NanoUsd,
    /// By whose word.
    pub by: Closer,
}

/// Whose suspense, and why.
type Owner = (WriterId, Epoch, Why);

impl SliceLedger {
    /// What is due in a chain, if anything: a gateway that was not heard of has its slices suspended; a budget with a grace
    /// (`grace_ms`) takes them back after it; what is in suspense in a window that is over is taken for spent.
    #[must_use]
    pub fn upkeep(
        &self,
        root: &Root,
        upkeep: &Upkeep,
        grace_ms: impl Fn(&AccountId) -> Option<u64>,
        now_ms: u64,
    ) -> Option<Event> {
        let chain = self.chains.iter().find(|chain| chain.root == *root)?;
        self.suspend_gone(chain, upkeep, now_ms)
            .or_else(|| self.reclaim(chain, grace_ms, now_ms))
            .or_else(|| self.close_what_is_over(chain, upkeep, now_ms))
    }

    /// The chain that keeps an account.
    #[must_use]
    pub fn root_of(&self, account: &AccountId) -> Option<&Root> {
        let holds = |chain: &&Chain| chain.book.account(account).is_some();
        self.chains.iter().find(holds).map(|chain| &chain.root)
    }

    /// Closes suspense of one account by somebody's word: so much of it was spent, the rest was not.
    ///
    /// What this gateway's own earlier boots left need not rest: their processes have ended, or this one would not have
    /// the data folder.
    ///
    /// # Errors
    /// [`Rejection`].
    pub fn close_suspense(
        &self,
        (gateway, epoch, why): Owner,
        account: &AccountId,
        Judged { amount, spent, by }: Judged,
        upkeep: &Upkeep,
        now_ms: u64,
    ) -> Result<Event, Rejection> {
        let unknown = || Rejection::UnknownAccount(account.clone());
        let root = self.root_of(account).ok_or_else(unknown)?;
        let book = self.book(root).ok_or_else(unknown)?;
        let slice = book.account(account).and_then(|row| row.slice(&gateway, epoch)).ok_or_else(unknown)?;
        let suspense = slice.suspense(why);
        if suspense == NanoUsd::ZERO {
            return Err(unknown());
        }
        if amount.is_some_and(|seen| seen != suspense) {
            return Err(Rejection::OtherAmount { account: account.clone(), actual: suspense });
        }
        let is_own_past = gateway == self.gateway && self.epoch(root).is_some_and(|own| epoch < own);
        let rest = match why {
            Why::OutcomeUnknown if is_own_past => Rest::NONE,
            _ => self.rest(root, &gateway, epoch, (upkeep.rest_ms, now_ms)),
        };
        let returned = suspense.saturating_minus(spent).at_least_zero();
        let closing = Closing { account: account.clone(), spent_nano_usd: spent, returned_nano_usd: returned };
        let closed = Closed { gateway, epoch, why, by, slices: vec![closing] };
        suspense::close(book, closed, rest)
    }

    /// How long the log was not heard of, in milliseconds; none if it never was.
    #[must_use]
    pub fn unheard_ms(&self, now_ms: u64) -> Option<u64> {
        (self.heard_ms > 0).then(|| now_ms.saturating_sub(self.heard_ms))
    }

    fn rest(&self, root: &Root, gateway: &WriterId, epoch: Epoch, (needed_ms, now_ms): (u64, u64)) -> Rest {
        Rest { needed_ms, passed_ms: self.rested_ms(root, gateway, epoch, now_ms).unwrap_or(0) }
    }

    fn suspend_gone(&self, chain: &Chain, upkeep: &Upkeep, now_ms: u64) -> Option<Event> {
        let is_gone = |gateway: &WriterId| {
            let silent = self.silent_ms(&chain.root, gateway, now_ms);
            *gateway != self.gateway && silent.is_some_and(|silent| silent >= upkeep.gone_after_ms)
        };
        let gone = |slice: &Slice| slice.out > NanoUsd::ZERO && is_gone(&slice.gateway);
        let (first, parts) = of_one_owner(chain, |_, _, slice| gone(slice).then_some((Why::GatewayGone, slice.out)))?;
        let (gateway, epoch, why) = first;
        suspense::suspend(&chain.book, Suspended { gateway, epoch, why, slices: parts }).ok()
    }

    fn reclaim(&self, chain: &Chain, grace_ms: impl Fn(&AccountId) -> Option<u64>, now_ms: u64) -> Option<Event> {
        let rested = |slice: &Slice| self.rested_ms(&chain.root, &slice.gateway, slice.epoch, now_ms).unwrap_or(0);
        let mut grace_of_event = u64::MAX;
        let (owner, parts) = of_one_owner(chain, |account, _, slice| {
            let grace = grace_ms(account).filter(|grace| slice.gone > NanoUsd::ZERO && rested(slice) >= *grace)?;
            grace_of_event = grace_of_event.min(grace);
            Some((Why::GatewayGone, slice.gone))
        })?;
        let (gateway, epoch, _) = owner;
        let rested_ms = self.rested_ms(&chain.root, &gateway, epoch, now_ms).unwrap_or(0);
        let reclaimed = Reclaimed { gateway, epoch, grace_ms: grace_of_event, slices: parts };
        suspense::reclaim(&chain.book, reclaimed, rested_ms).ok()
    }

    fn close_what_is_over(&self, chain: &Chain, upkeep: &Upkeep, now_ms: u64) -> Option<Event> {
        let rested = |slice: &Slice| self.rested_ms(&chain.root, &slice.gateway, slice.epoch, now_ms).unwrap_or(0);
        let due =
            |account: &AccountId, slice: &Slice| !chain.book.is_current(account) && rested(slice) >= upkeep.rest_ms;
        let (owner, parts) = of_one_owner(chain, |account, _, slice| {
            let why = [Why::OutcomeUnknown, Why::GatewayGone].into_iter();
            let mut some = why.filter(|why| slice.suspense(*why) > NanoUsd::ZERO);
            due(account, slice).then(|| some.next()).flatten().map(|why| (why, slice.suspense(why)))
        })?;
        let (gateway, epoch, why) = owner;
        let rest = self.rest(&chain.root, &gateway, epoch, (upkeep.rest_ms, now_ms));
        let spent = |part: Part| Closing {
            account: part.account,
            spent_nano_usd: part.amount_nano_usd,
            returned_nano_usd: NanoUsd::ZERO,
        };
        let slices = parts.into_iter().map(spent).collect();
        suspense::close(&chain.book, Closed { gateway, epoch, why, by: Closer::WindowEnd, slices }, rest).ok()
    }
}

/// Amounts of slices, as far as they are of the owner of the first: an event names one.
fn of_one_owner(
    chain: &Chain,
    mut amount: impl FnMut(&AccountId, &Account, &Slice) -> Option<(Why, NanoUsd)>,
) -> Option<(Owner, Vec<Part>)> {
    let mut found: Option<(Owner, Vec<Part>)> = None;
    for (account, row) in chain.book.accounts() {
        for slice in row.slices() {
            let Some((why, amount_nano_usd)) = amount(account, row, slice) else { continue };
            let owner = (slice.gateway.clone(), slice.epoch, why);
            let part = Part { account: account.clone(), amount_nano_usd };
            match &mut found {
                None => found = Some((owner, vec![part])),
                Some((first, parts)) if *first == owner && parts.len() < SLICES_MAX => parts.push(part),
                Some(_) => {}
            }
        }
    }
    found
}
