//! The book of one chain of the lease log: who holds how much of which account.
//!
//! It is folded from the chain alone ([`Book::evolve`]) and never refuses; what may be written is decided elsewhere. It
//! knows what was reported, not what a gateway does with its slice.

mod account;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::Opened;
use super::{AccountId, Epoch, Event};
use crate::id::WriterId;
use crate::scope::Scope;
use crate::stream::Position;
use crate::time::{Period, Timestamp};

pub use account::{Account, Slice};

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
pub struct Windows {
    current: Timestamp,
    /// The latest window that was wound up and forgotten.
    forgotten: Option<Timestamp>,
}

impl Book {
    /// A book that was stored in parts, at a position: its gateways, accounts and windows.
    #[must_use]
    pub const fn restored(
        position: Position,
        gateways: BTreeMap<WriterId, Member>,
        accounts: BTreeMap<AccountId, Account>,
        windows: BTreeMap<(Scope, Period), Windows>,
    ) -> Self {
        Self { position, gateways, accounts, windows }
    }

    /// The accounts that an event will change: those that it names, and the windows before those that it opens. Who
    /// stores a book in parts asks before the event is folded; that the position and a gateway change is not said.
    #[must_use]
    pub fn touched(&self, event: &Event) -> Vec<AccountId> {
        let named = event.accounts();
        let before = |account: &AccountId| self.current(&account.scope, account.period);
        match event {
            Event::Opened(_) => named.flat_map(|account| [Some(account.clone()), before(account)]).flatten().collect(),
            _ => named.cloned().collect(),
        }
    }

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

    /// Which windows of a limit are known; none where none was opened.
    #[must_use]
    pub fn windows(&self, scope: &Scope, period: Period) -> Option<&Windows> {
        self.windows.get(&(scope.clone(), period))
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
            let account = Account::opened(window, data);
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
        account.forget_empty_slices(is_newest);
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

#[cfg(test)]
mod tests;
