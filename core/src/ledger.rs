//! The ledger: what budgets have left, and the holds that keep it so.
//!
//! Spending is held before the call and settled after it. For every account, `posted + held + suspense` never exceeds
//! the limit by a hold, and a hold ends exactly once: settled, released, or in suspense. This is arithmetic alone; the
//! gateway decides who may touch it at a time.

use std::collections::HashMap;

use crate::activity::Charge;
use crate::budget::Budget;
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::time::{TimeError, Timestamp};

/// One window of one limit of a budget.
pub type AccountId = Charge;

/// What a budget allows at a moment: the account of the window that is open, its limit and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The account.
    pub account: AccountId,
    /// The most that may be spent in it.
    pub limit: NanoUsd,
    /// When the window ends; none for a total.
    pub resets_at: Option<Timestamp>,
}

/// What an account holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Settled.
    pub posted: NanoUsd,
    /// Held by requests that run.
    pub held: NanoUsd,
    /// Held by requests whose end is not known.
    pub suspense: NanoUsd,
    /// How many requests run against it.
    pub open: u64,
}

/// Spending that is held on every budget of a chain. It must be given to [`Ledger::settle`], [`Ledger::release`] or
/// [`Ledger::suspend`]: whoever owns it owes the ledger its end.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a hold that is dropped stays held: settle, release or suspend it"]
pub struct Hold {
    amount: NanoUsd,
    accounts: Vec<AccountId>,
}

/// A budget cannot pay for the request: which one, and its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhausted {
    /// The budget's terms.
    pub terms: Terms,
    /// Its balance.
    pub balance: Balance,
    /// What was asked.
    pub asked: NanoUsd,
}

/// The balances of all accounts that are in use.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: HashMap<AccountId, Balance>,
}

/// The terms of a budget at a moment, one for each limit.
///
/// # Errors
/// [`TimeError`] when a window lies outside the years that can be computed with.
pub fn terms_at(budget: &Budget, now: Timestamp) -> impl Iterator<Item = Result<Terms, TimeError>> {
    budget.limits.iter().map(move |limit| {
        let window = limit.period.window_at(limit.anchor, now)?;
        let account = AccountId { scope: budget.scope.clone(), period: limit.period, window: window.start };
        Ok(Terms { account, limit: limit.limit_nano_usd, resets_at: window.end })
    })
}

impl Balance {
    /// All that counts against the limit. Saturates: a sum that large is over any limit.
    #[must_use]
    pub const fn counted(&self) -> NanoUsd {
        self.posted.saturating_plus(self.held).saturating_plus(self.suspense)
    }
}

impl Hold {
    /// How much is held on each account.
    #[must_use]
    pub const fn amount(&self) -> NanoUsd {
        self.amount
    }

    /// The accounts it is held on.
    #[must_use]
    pub fn accounts(&self) -> &[AccountId] {
        &self.accounts
    }
}

impl Ledger {
    /// The balance of an account; zero for one that was never used.
    #[must_use]
    pub fn balance(&self, account: &AccountId) -> Balance {
        self.accounts.get(account).copied().unwrap_or_default()
    }

    /// What is left on the tightest of some budgets; none without budgets.
    #[must_use]
    pub fn available(&self, terms: &[Terms]) -> Option<NanoUsd> {
        terms
            .iter()
            .map(|terms| terms.limit.minus(self.balance(&terms.account).counted()).unwrap_or(NanoUsd::ZERO))
            .min()
            .map(|left| left.max(NanoUsd::ZERO))
    }

    /// Holds an amount on every budget of a chain, or on none.
    ///
    /// A budget that is used up refuses even a free request, as LiteLLM's do: `spend >= max_budget`.
    ///
    /// # Errors
    /// [`Exhausted`]: the first budget that cannot pay. Nothing is held then.
    pub fn place(&mut self, terms: &[Terms], amount: NanoUsd) -> Result<Hold, Box<Exhausted>> {
        for terms in terms {
            let balance = self.balance(&terms.account);
            let pays = balance.counted() < terms.limit
                && balance.counted().plus(amount).is_ok_and(|counted| counted <= terms.limit);
            if !pays {
                return Err(Box::new(Exhausted { terms: terms.clone(), balance, asked: amount }));
            }
        }
        for terms in terms {
            let balance = self.accounts.entry(terms.account.clone()).or_default();
            balance.held = balance.held.saturating_plus(amount);
            balance.open += 1;
        }
        Ok(Hold { amount, accounts: terms.iter().map(|terms| terms.account.clone()).collect() })
    }

    /// Ends a hold with what the request cost. The cost counts in full, even above the hold: the money is spent.
    pub fn settle(&mut self, hold: Hold, cost: NanoUsd) {
        self.close(hold, |balance, _| balance.posted = balance.posted.saturating_plus(cost));
    }

    /// Ends a hold for which nothing was spent.
    pub fn release(&mut self, hold: Hold) {
        self.close(hold, |_, _| {});
    }

    /// Ends a hold whose request nobody knows the end of: the amount stays counted.
    pub fn suspend(&mut self, hold: Hold) {
        self.close(hold, |balance, amount| balance.suspense = balance.suspense.saturating_plus(amount));
    }

    fn close(&mut self, hold: Hold, end: impl Fn(&mut Balance, NanoUsd)) {
        for account in hold.accounts {
            let balance = self.accounts.entry(account).or_default();
            balance.held = balance.held.minus(hold.amount).unwrap_or(NanoUsd::ZERO);
            balance.open = balance.open.saturating_sub(1);
            end(balance, hold.amount);
        }
    }

    /// Counts spending that was settled before: when a gateway starts, or another gateway's settlement is read.
    pub fn post(&mut self, account: &AccountId, amount: NanoUsd) {
        let balance = self.accounts.entry(account.clone()).or_default();
        balance.posted = balance.posted.saturating_plus(amount);
    }

    /// Whether an account was used or posted to.
    #[must_use]
    pub fn knows(&self, account: &AccountId) -> bool {
        self.accounts.contains_key(account)
    }

    /// Forgets the accounts that `keep` does not want and that nothing runs against: windows that are over.
    pub fn forget(&mut self, keep: impl Fn(&AccountId) -> bool) {
        self.accounts.retain(|account, balance| balance.open > 0 || keep(account));
    }

    /// Every account of a scope, in no order.
    pub fn of_scope<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = (&'a AccountId, &'a Balance)> {
        self.accounts.iter().filter(move |(account, _)| account.scope == *scope)
    }
}

#[cfg(test)]
mod tests {
    use super::{AccountId, Ledger, Terms};
    use crate::money::NanoUsd;
    use crate::scope::Scope;
    use crate::time::{Period, Timestamp};
    use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

    fn terms(period: Period, limit: i64) -> Terms {
        let account = AccountId { scope: Scope::Gateway, period, window: Timestamp::from_millis(0) };
        Terms { account, limit: NanoUsd::new(limit), resets_at: None }
    }

    #[test]
    fn a_hold_is_placed_on_all_budgets_or_on_none() {
        let (wide, tight) = (terms(Period::Total, 100), terms(Period::Seconds(60), 10));
        let mut ledger = Ledger::default();
        let refused = ledger.place(&[wide.clone(), tight.clone()], NanoUsd::new(11)).unwrap_err();
        assert_eq!(refused.terms, tight);
        assert_eq!(ledger.balance(&wide.account).held, NanoUsd::ZERO);
        let hold = ledger.place(&[wide.clone(), tight.clone()], NanoUsd::new(10)).unwrap();
        assert_eq!(ledger.available(&[wide.clone(), tight.clone()]), Some(NanoUsd::ZERO));
        ledger.settle(hold, NanoUsd::new(4));
        assert_eq!(ledger.available(&[wide, tight]), Some(NanoUsd::new(6)));
    }

    #[test]
    fn a_used_up_budget_refuses_a_free_request() {
        let mut ledger = Ledger::default();
        assert!(ledger.place(&[terms(Period::Total, 0)], NanoUsd::ZERO).is_err());
        ledger.post(&terms(Period::Total, 5).account, NanoUsd::new(5));
        assert!(ledger.place(&[terms(Period::Total, 5)], NanoUsd::ZERO).is_err());
        let hold = ledger.place(&[], NanoUsd::new(1)).unwrap();
        ledger.release(hold);
    }

    #[test]
    fn an_amount_that_overflows_is_refused() {
        let mut ledger = Ledger::default();
        ledger.post(&terms(Period::Total, i64::MAX).account, NanoUsd::new(1));
        assert!(ledger.place(&[terms(Period::Total, i64::MAX)], NanoUsd::MAX).is_err());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Place(bool, i64),
        Settle(usize, i64),
        Release(usize),
        Suspend(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (prop::bool::ANY, 0_i64..50).prop_map(|(both, amount)| Step::Place(both, amount)),
            (0_usize..8, 0_i64..50).prop_map(|(which, cost)| Step::Settle(which, cost)),
            (0_usize..8).prop_map(Step::Release),
            (0_usize..8).prop_map(Step::Suspend),
            Just(Step::Place(true, 1)),
        ]
    }

    proptest! {
        /// However large the amounts are, nothing wraps: against sums that cannot overflow, an account holds the same, or
        /// the most that an amount can be.
        #[test]
        fn amounts_never_overflow_silently(
            limit in 0..=i64::MAX, steps in prop::collection::vec((0..4_u8, 0..=i64::MAX), 0..40),
        ) {
            let terms = terms(Period::Total, limit);
            let mut ledger = Ledger::default();
            let mut open: Vec<super::Hold> = Vec::new();
            let (mut posted, mut held, mut suspense) = (0_i128, 0_i128, 0_i128);
            for (what, amount) in steps {
                let counted = posted + held + suspense;
                let step = (what, open.pop());
                match step {
                    (1, Some(hold)) => {
                        held -= i128::from(hold.amount().nano());
                        posted += i128::from(amount);
                        ledger.settle(hold, NanoUsd::new(amount));
                    }
                    (2, Some(hold)) => {
                        held -= i128::from(hold.amount().nano());
                        suspense += i128::from(hold.amount().nano());
                        ledger.suspend(hold);
                    }
                    (3, _) if amount % 5 == 0 => {
                        posted += i128::from(amount);
                        ledger.post(&terms.account, NanoUsd::new(amount));
                        open.extend(step.1);
                    }
                    (_, kept) => {
                        open.extend(kept);
                        let fits = counted < i128::from(limit) && counted + i128::from(amount) <= i128::from(limit);
                        let placed = ledger.place(std::slice::from_ref(&terms), NanoUsd::new(amount));
                        prop_assert_eq!(placed.is_ok(), fits);
                        if let Ok(hold) = placed {
                            held += i128::from(amount);
                            open.push(hold);
                        }
                    }
                }
                let most = |sum: i128| i64::try_from(sum).unwrap_or(i64::MAX);
                let balance = ledger.balance(&terms.account);
                prop_assert_eq!(balance.posted.nano(), most(posted));
                prop_assert_eq!((balance.held.nano(), balance.suspense.nano()), (most(held), most(suspense)));
                prop_assert_eq!(balance.counted().nano(), most(posted + held + suspense));
                prop_assert_eq!(balance.open, open.len() as u64);
            }
        }

        /// held = what open holds hold; posted and suspense only what settlements and suspensions brought; and no hold
        /// ever takes a budget over its limit.
        #[test]
        fn nothing_is_lost_and_no_budget_is_exceeded_by_a_hold(steps in prop::collection::vec(step(), 0..200)) {
            let (wide, tight) = (terms(Period::Total, 200), terms(Period::Seconds(60), 100));
            let mut ledger = Ledger::default();
            let mut open = Vec::new();
            let (mut posted, mut suspense) = (0, 0);
            for step in steps {
                match step {
                    Step::Place(both, amount) => {
                        let chain = if both { vec![wide.clone(), tight.clone()] } else { vec![wide.clone()] };
                        if let Ok(hold) = ledger.place(&chain, NanoUsd::new(amount)) {
                            for terms in &chain {
                                prop_assert!(ledger.balance(&terms.account).counted() <= terms.limit);
                            }
                            open.push(hold);
                        }
                    }
                    Step::Settle(which, cost) if which < open.len() => {
                        let hold = open.swap_remove(which);
                        // A true bound: the cost is within the hold.
                        let cost = cost.min(hold.amount().nano());
                        posted += cost;
                        ledger.settle(hold, NanoUsd::new(cost));
                    }
                    Step::Release(which) if which < open.len() => ledger.release(open.swap_remove(which)),
                    Step::Suspend(which) if which < open.len() => {
                        let hold = open.swap_remove(which);
                        suspense += hold.amount().nano();
                        ledger.suspend(hold);
                    }
                    _ => {}
                }
            }
            let balance = ledger.balance(&wide.account);
            prop_assert_eq!(balance.held.nano(), open.iter().map(|hold| hold.amount().nano()).sum::<i64>());
            prop_assert_eq!(balance.posted.nano(), posted);
            prop_assert_eq!(balance.suspense.nano(), suspense);
            prop_assert_eq!(balance.open, open.len() as u64);
            prop_assert!(balance.counted() <= wide.limit);
        }
    }
}
