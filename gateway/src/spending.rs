//! The gateway's ledger: one for all requests, behind one short lock. No I/O happens under it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tallygate_core::budget::Budget;
use tallygate_core::ledger::{AccountId, Exhausted, Hold, Ledger, Terms, terms_at};
use tallygate_core::money::NanoUsd;
use tallygate_core::time::{TimeError, Timestamp};
use tallygate_projections::ActivityView;

/// Holds and settles. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Spending {
    ledger: Arc<Mutex<Ledger>>,
    activity: ActivityView,
}

/// A hold that ends by itself: dropped without a settlement it is released.
#[derive(Debug)]
pub(crate) struct Held {
    ledger: Arc<Mutex<Ledger>>,
    hold: Option<Hold>,
}

impl std::fmt::Debug for Spending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Spending")
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Spending {
    /// A ledger that starts from what was settled before.
    pub(crate) fn new(activity: ActivityView) -> Self {
        Self { ledger: Arc::default(), activity }
    }

    /// The terms of a chain of budgets at a moment.
    ///
    /// # Errors
    /// [`TimeError`] when a window cannot be computed: the request is refused then.
    pub(crate) fn terms<'a>(
        budgets: impl Iterator<Item = &'a Budget>,
        now: Timestamp,
    ) -> Result<Vec<Terms>, TimeError> {
        budgets.flat_map(|budget| terms_at(budget, now)).collect()
    }

    /// What is left on the tightest budget; none without budgets.
    pub(crate) fn available(&self, terms: &[Terms]) -> Option<NanoUsd> {
        self.ready(terms).available(terms)
    }

    /// Holds an amount on every budget, or on none.
    pub(crate) fn hold(&self, terms: &[Terms], amount: NanoUsd) -> Result<Held, Box<Exhausted>> {
        let hold = self.ready(terms).place(terms, amount)?;
        Ok(Held { ledger: Arc::clone(&self.ledger), hold: Some(hold) })
    }

    /// What counts against an account now.
    pub(crate) fn counted(&self, terms: &Terms) -> NanoUsd {
        self.ready(std::slice::from_ref(terms)).balance(&terms.account).counted()
    }

    /// Forgets windows that are over and that nothing runs against. Called now and then.
    pub(crate) fn forget_past(&self, now: Timestamp) {
        // A whole window longer than it is open: a month counted from its own, clamped, day may seem to end too early.
        let end_after = |account: &AccountId, at| account.period.window_at(account.window, at).ok()?.end;
        let is_past = |account: &AccountId| {
            end_after(account, account.window).and_then(|end| end_after(account, end)).is_some_and(|end| end <= now)
        };
        lock(&self.ledger).forget(|account| !is_past(account));
    }

    /// The ledger, with what was settled before posted to accounts that are new to it.
    ///
    /// An account is new until its first use here, and every settlement of this process is a use: so what the views
    /// hold of it then is all from before.
    fn ready(&self, terms: &[Terms]) -> MutexGuard<'_, Ledger> {
        let mut ledger = lock(&self.ledger);
        for terms in terms {
            if !ledger.knows(&terms.account) {
                // What was spent is not known when it cannot be read: the budget is taken for exhausted.
                let posted = self.activity.charged(&terms.account).unwrap_or(NanoUsd::MAX);
                ledger.post(&terms.account, posted);
            }
        }
        ledger
    }
}

impl Held {
    /// The accounts that are held on.
    pub(crate) fn accounts(&self) -> &[AccountId] {
        self.hold.as_ref().map_or(&[], Hold::accounts)
    }

    /// How much is held on each account.
    pub(crate) fn amount(&self) -> NanoUsd {
        self.hold.as_ref().map_or(NanoUsd::ZERO, Hold::amount)
    }

    /// Ends the hold with what the request cost.
    pub(crate) fn settle(mut self, cost: NanoUsd) {
        if let Some(hold) = self.hold.take() {
            lock(&self.ledger).settle(hold, cost);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            lock(&self.ledger).release(hold);
        }
    }
}
