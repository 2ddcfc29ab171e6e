//! The book of one chain of the lease log: who holds how much of which account.
//!
//! It is folded from the chain alone ([`Book::evolve`]) and never refuses; what may be written is decided elsewhere. It
//! knows what was reported, not what a gateway does with its slice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::{Closing, Grant, Opened, Part, Roll, Why, WoundUp};
use super::{AccountId, Epoch, Event, narrow, wide};
use crate::id::WriterId;
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::Position;
use crate::time::{Period, Timestamp};

/// The state of one chain. It may be stored and loaded with the position it stands at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    position: Position,
    gateways: BTreeMap<WriterId, Member>,
    accounts: BTreeMap<AccountId, Account>,
    windows: BTreeMap<(Scope, Period), Windows>,
}

/// A gateway that takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its newest boot.
    pub epoch: Epoch,
    /// When it last wrote.
    pub heard_at: Timestamp,
}

/// Which windows of a limit are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Windows {
    current: Timestamp,
    /// The latest window that was wound up and forgotten.
    forgotten: Option<Timestamp>,
}

/// One window of one limit of a budget, as its chain has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The limit that was last granted against.
    pub limit: NanoUsd,
    /// The event in control that set it.
    pub control: Position,
    /// When the window ends, by the calendar.
    pub ends_at: Option<Timestamp>,
    /// Reported as spent.
    pub posted: NanoUsd,
    /// By how much the budget may be overshot, since slices were reclaimed from gateways that were gone.
    pub exposed: NanoUsd,
    slices: Vec<Slice>,
}

/// What one boot of a gateway has of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Whose it is.
    pub gateway: WriterId,
    /// Which boot's.
    pub epoch: Epoch,
    /// In its hands: granted, and not reported as spent, returned or suspended. Below zero when it spent more.
    pub out: NanoUsd,
    /// Reported as spent, ever.
    pub spent: NanoUsd,
    /// Put into suspense by its own gateway, ever.
    pub suspended: NanoUsd,
    /// In suspense: the ends of requests are unknown.
    pub unknown: NanoUsd,
    /// In suspense: the gateway was not heard of.
    pub gone: NanoUsd,
    /// When something of it last went into suspense.
    pub suspended_at: Option<Timestamp>,
}

impl Account {
    /// All that counts against the limit: posted, out and in suspense.
    #[must_use]
    pub fn counted(&self) -> NanoUsd {
        narrow(self.counted_wide())
    }

    pub(crate) fn counted_wide(&self) -> i128 {
        wide(self.posted) + self.slices.iter().map(Slice::counted).sum::<i128>()
    }

    /// What is in slices.
    #[must_use]
    pub fn out(&self) -> NanoUsd {
        narrow(self.slices.iter().map(|slice| wide(slice.out.at_least_zero())).sum())
    }

    /// What is in suspense, for either reason.
    #[must_use]
    pub fn suspense(&self) -> NanoUsd {
        narrow(self.slices.iter().map(|slice| wide(slice.unknown) + wide(slice.gone)).sum())
    }

    /// Every slice that is not empty.
    #[must_use]
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// The slice of a boot of a gateway.
    #[must_use]
    pub fn slice(&self, gateway: &WriterId, epoch: Epoch) -> Option<&Slice> {
        self.slices.iter().find(|slice| slice.epoch == epoch && slice.gateway == *gateway)
    }

    fn slice_mut(&mut self, gateway: &WriterId, epoch: Epoch) -> &mut Slice {
        let found = self.slices.iter().position(|slice| slice.epoch == epoch && slice.gateway == *gateway);
        let at = found.unwrap_or_else(|| {
            self.slices.push(Slice::empty(gateway.clone(), epoch));
            self.slices.len() - 1
        });
        &mut self.slices[at]
    }

    fn is_wound_up(&self) -> bool {
        self.slices.iter().all(|slice| slice.counted() == 0)
    }
}

impl Slice {
    const fn empty(gateway: WriterId, epoch: Epoch) -> Self {
        let zero = NanoUsd::ZERO;
        Self { gateway, epoch, out: zero, spent: zero, suspended: zero, unknown: zero, gone: zero, suspended_at: None }
    }

    fn counted(&self) -> i128 {
        wide(self.out.at_least_zero()) + wide(self.unknown) + wide(self.gone)
    }

    /// What is in suspense for a reason.
    #[must_use]
    pub const fn suspense(&self, why: Why) -> NanoUsd {
        match why {
            Why::OutcomeUnknown => self.unknown,
            Why::GatewayGone => self.gone,
        }
    }

    const fn suspense_mut(&mut self, why: Why) -> &mut NanoUsd {
        match why {
            Why::OutcomeUnknown => &mut self.unknown,
            Why::GatewayGone => &mut self.gone,
        }
    }
}

impl Book {
    /// Where its chain ends, as far as it was folded.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// A gateway, if it joined.
    #[must_use]
    pub fn gateway(&self, gateway: &WriterId) -> Option<&Member> {
        self.gateways.get(gateway)
    }

    /// Every gateway that joined.
    pub fn gateways(&self) -> impl Iterator<Item = (&WriterId, &Member)> {
        self.gateways.iter()
    }

    /// An account, if it is open or not yet wound up.
    #[must_use]
    pub fn account(&self, account: &AccountId) -> Option<&Account> {
        self.accounts.get(account)
    }

    /// Every account that is open or not yet wound up.
    pub fn accounts(&self) -> impl Iterator<Item = (&AccountId, &Account)> {
        self.accounts.iter()
    }

    /// The open window of a limit.
    #[must_use]
    pub fn current(&self, scope: &Scope, period: Period) -> Option<AccountId> {
        let windows = self.windows.get(&(scope.clone(), period))?;
        Some(AccountId { scope: scope.clone(), period, window: windows.current })
    }

    /// Whether an account is the open window of its limit.
    #[must_use]
    pub fn is_current(&self, account: &AccountId) -> bool {
        let windows = self.windows.get(&(account.scope.clone(), account.period));
        windows.is_some_and(|windows| windows.current == account.window)
    }

    /// Whether an account was opened, even if it is forgotten since.
    #[must_use]
    pub fn was_opened(&self, account: &AccountId) -> bool {
        let windows = self.windows.get(&(account.scope.clone(), account.period));
        let forgotten = windows.and_then(|windows| windows.forgotten);
        self.accounts.contains_key(account) || forgotten.is_some_and(|latest| account.window <= latest)
    }

    /// A place of the chain is taken by a line that is no gateway's: nothing happened there.
    pub(super) fn skip(&mut self, position: Position) {
        self.position = self.position.max(position);
    }

    /// Folds the next event of the chain.
    pub fn evolve(&mut self, position: Position, at: Timestamp, event: &Event) {
        self.position = position;
        match event {
            Event::Joined(data) => {
                let member = Member { epoch: data.epoch, heard_at: at };
                self.gateways.insert(data.gateway.clone(), member);
            }
            Event::Opened(data) => {
                self.heard(&data.gateway, at);
                self.open(data);
            }
            Event::Rolled(data) => {
                self.heard(&data.gateway, at);
                self.each(
                    &data.slices,
                    |roll| &roll.account,
                    |account, roll| {
                        account.roll(&data.gateway, data.epoch, roll);
                    },
                );
            }
            Event::Suspended(data) => self.each(
                &data.slices,
                |part| &part.account,
                |account, part| {
                    account.suspend(&data.gateway, data.epoch, data.why, part, at);
                },
            ),
            Event::Resumed(data) => {
                self.heard(&data.gateway, at);
                self.each(
                    &data.slices,
                    |part| &part.account,
                    |account, part| {
                        account.resume(&data.gateway, data.epoch, part);
                    },
                );
            }
            Event::Recovered(data) => {
                self.heard(&data.gateway, at);
                self.each(
                    &data.slices,
                    |wound| &wound.account,
                    |account, wound| {
                        account.wind_up(&data.gateway, data.epoch, wound, at);
                    },
                );
            }
            Event::Closed(data) => self.each(
                &data.slices,
                |closing| &closing.account,
                |account, closing| {
                    account.close(&data.gateway, data.epoch, data.why, closing);
                },
            ),
            Event::Reclaimed(data) => self.each(
                &data.slices,
                |part| &part.account,
                |account, part| {
                    account.reclaim(&data.gateway, data.epoch, part);
                },
            ),
        }
    }

    fn heard(&mut self, gateway: &WriterId, at: Timestamp) {
        if let Some(member) = self.gateways.get_mut(gateway) {
            member.heard_at = at;
        }
    }

    fn open(&mut self, data: &Opened) {
        for window in &data.windows {
            let mut account = Account {
                limit: window.limit_nano_usd,
                control: window.control,
                ends_at: window.ends_at,
                posted: window.posted_nano_usd,
                exposed: NanoUsd::ZERO,
                slices: Vec::new(),
            };
            account.slice_mut(&data.gateway, data.epoch).out = window.granted_nano_usd;
            self.accounts.insert(window.account.clone(), account);
            let limit = (window.account.scope.clone(), window.account.period);
            let start = window.account.window;
            let before = self.windows.get(&limit).copied();
            let forgotten = before.and_then(|windows| windows.forgotten);
            self.windows.insert(limit, Windows { current: start, forgotten });
            if let Some(before) = before {
                self.tidy(&AccountId { window: before.current, ..window.account.clone() });
            }
        }
    }

    /// Changes the accounts that the entries of an event name. One that is not there is not changed: an event about what
    /// is wound up says nothing any more.
    fn each<T>(&mut self, entries: &[T], id: impl Fn(&T) -> &AccountId, change: impl Fn(&mut Account, &T)) {
        for entry in entries {
            if let Some(account) = self.accounts.get_mut(id(entry)) {
                change(account, entry);
                self.tidy(id(entry));
            }
        }
    }

    /// Forgets what nothing hangs on any more: slices of older boots, and windows that are over.
    fn tidy(&mut self, id: &AccountId) {
        let Some(account) = self.accounts.get_mut(id) else { return };
        let gateways = &self.gateways;
        let is_newest = |slice: &Slice| gateways.get(&slice.gateway).is_some_and(|member| member.epoch == slice.epoch);
        account.slices.retain(|slice| slice.counted() > 0 || is_newest(slice));
        if !account.is_wound_up() {
            return;
        }
        if let Some(windows) = self.windows.get_mut(&(id.scope.clone(), id.period))
            && windows.current != id.window
        {
            windows.forgotten = windows.forgotten.max(Some(id.window));
            self.accounts.remove(id);
        }
    }
}

// === changes of one account ===

impl Account {
    fn spend(&mut self, gateway: &WriterId, epoch: Epoch, spent: NanoUsd) {
        self.posted = self.posted.saturating_plus(spent);
        let slice = self.slice_mut(gateway, epoch);
        slice.spent = slice.spent.saturating_plus(spent);
    }

    fn roll(&mut self, gateway: &WriterId, epoch: Epoch, roll: &Roll) {
        self.spend(gateway, epoch, roll.spent_nano_usd);
        let granted = roll.granted.map_or(NanoUsd::ZERO, |grant: Grant| grant.amount_nano_usd);
        let slice = self.slice_mut(gateway, epoch);
        let less = slice.out.saturating_minus(roll.spent_nano_usd).saturating_minus(roll.returned_nano_usd);
        slice.out = less.saturating_plus(granted);
        if let Some(grant) = roll.granted {
            self.limit = grant.limit_nano_usd;
            self.control = grant.control;
        }
    }

    fn suspend(&mut self, gateway: &WriterId, epoch: Epoch, why: Why, part: &Part, at: Timestamp) {
        let slice = self.slice_mut(gateway, epoch);
        slice.out = slice.out.saturating_minus(part.amount_nano_usd);
        let suspense = slice.suspense_mut(why);
        *suspense = suspense.saturating_plus(part.amount_nano_usd);
        slice.suspended_at = Some(at);
        if why == Why::OutcomeUnknown {
            slice.suspended = slice.suspended.saturating_plus(part.amount_nano_usd);
        }
    }

    fn resume(&mut self, gateway: &WriterId, epoch: Epoch, part: &Part) {
        let slice = self.slice_mut(gateway, epoch);
        slice.gone = slice.gone.saturating_minus(part.amount_nano_usd);
        slice.out = slice.out.saturating_plus(part.amount_nano_usd);
    }

    fn wind_up(&mut self, gateway: &WriterId, epoch: Epoch, wound: &WoundUp, at: Timestamp) {
        self.spend(gateway, epoch, wound.spent_nano_usd);
        let slice = self.slice_mut(gateway, epoch);
        slice.out = NanoUsd::ZERO;
        slice.gone = NanoUsd::ZERO;
        if wound.suspended_nano_usd > NanoUsd::ZERO {
            slice.unknown = slice.unknown.saturating_plus(wound.suspended_nano_usd);
            slice.suspended_at = Some(at);
        }
    }

    fn close(&mut self, gateway: &WriterId, epoch: Epoch, why: Why, closing: &Closing) {
        self.spend(gateway, epoch, closing.spent_nano_usd);
        let slice = self.slice_mut(gateway, epoch);
        let suspense = slice.suspense_mut(why);
        let ended = closing.spent_nano_usd.saturating_plus(closing.returned_nano_usd);
        *suspense = suspense.saturating_minus(ended).at_least_zero();
    }

    fn reclaim(&mut self, gateway: &WriterId, epoch: Epoch, part: &Part) {
        let slice = self.slice_mut(gateway, epoch);
        slice.gone = slice.gone.saturating_minus(part.amount_nano_usd);
        self.exposed = self.exposed.saturating_plus(part.amount_nano_usd);
    }
}

#[cfg(test)]
mod tests;
