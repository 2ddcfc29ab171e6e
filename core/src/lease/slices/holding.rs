//! Placing holds, and ending them.

use super::super::decide::Opening;
use super::super::{Root, SLICES_MAX, narrow, wide};
use super::hold::{Exhausted, Hold, HoldPart, Refused, Settled, Unavailable};
use super::{Moment, SliceLedger, Slot, Standing};
use crate::budget::{Budget, BudgetLimit};
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::time::{Period, Timestamp};

/// Most chains of budgets have no more accounts than this; longer ones cost one more allocation.
const CHAIN_USUAL: usize = 8;

impl SliceLedger {
    /// Holds an amount on every budget of a chain, or on none.
    ///
    /// It checks, before any request is sent, that this boot is the newest, that the windows are open by the log, and that
    /// the log was heard of within the age limit. A budget that is used up refuses even a free request.
    ///
    /// A window that is over by the calendar is asked to be followed by the next one; until that is open in the log, this
    /// one goes on.
    ///
    /// # Errors
    /// [`Refused`]. When a slice is too small the ledger notes what was asked, so that the next proposal brings it.
    pub fn place<'a>(
        &mut self,
        budgets: impl Iterator<Item = &'a Budget>,
        amount: NanoUsd,
        now: Moment,
    ) -> Result<Hold, Refused> {
        let (amount, now_ms) = (amount.at_least_zero(), now.ms);
        let slots = self.find(budgets, amount, now)?;
        if let Some(refused) = self.first_refusal(&slots, amount, now_ms) {
            if matches!(refused, Refused::Short { .. }) {
                self.want(&slots, amount, now_ms);
            }
            return Err(refused);
        }
        for index in &slots {
            let Some(slot) = self.slot_mut(*index) else { continue };
            slot.take(amount, now_ms);
            let (chain, is_low) = (slot.chain, slot.free() < slot.low_water);
            if is_low {
                self.hurry(chain);
            }
        }
        self.holds += 1;
        Ok(Hold { number: self.holds, amount, slots })
    }

    /// The most that could be held on every budget of a chain, with a refill where the slice is too small; none without
    /// budgets. A window that is not open yet counts with its whole limit.
    pub fn available<'a>(&self, budgets: impl Iterator<Item = &'a Budget>, now: Timestamp) -> Option<NanoUsd> {
        let of_limit = |budget: &Budget, limit: &BudgetLimit| {
            let current = self.current(&budget.scope, limit.period).filter(|index| !self.is_before(*index, limit, now));
            let Some(slot) = current.and_then(|index| self.slot(index)) else {
                let window = limit.period.window_at(limit.anchor, now).map_or(limit.anchor, |window| window.start);
                return budget.limit_at(limit, window, now);
            };
            let amount = budget.limit_at(limit, slot.account.window, now);
            let counted = wide(slot.counted()) + wide(slot.others_out);
            narrow((wide(amount) - counted).max(0))
        };
        budgets.flat_map(|budget| budget.limits.iter().map(move |limit| of_limit(budget, limit))).min()
    }

    /// What certainly counts in the open window of a limit, and when that window began; none where no window was opened
    /// yet. What is in the hands of other gateways is not in it.
    #[must_use]
    pub fn counted(&self, scope: &Scope, period: Period) -> Option<(Timestamp, NanoUsd)> {
        if let Some(slot) = self.current(scope, period).and_then(|index| self.slot(index)) {
            return Some((slot.account.window, slot.counted()));
        }
        let (book, account) =
            self.chains.iter().find_map(|chain| Some((&chain.book, chain.book.current(scope, period)?)))?;
        let row = book.account(&account)?;
        Some((account.window, row.posted.saturating_plus(row.suspense())))
    }

    /// Asks that a window be opened: the one that a limit has now. Its first slice will be what is wanted.
    pub fn ask(&mut self, root: &Root, opening: Opening) {
        let chain = self.chain_index(root);
        let Some(chain) = self.chains.get_mut(chain) else { return };
        let is_same = |known: &Opening| known.scope == opening.scope && known.limit.period == opening.limit.period;
        let known = chain.unopened.iter().position(is_same);
        if let Some(known) = known.and_then(|known| chain.unopened.get_mut(known)) {
            *known = Opening { wanted: known.wanted.max(opening.wanted), ..opening };
        } else if chain.unopened.len() < SLICES_MAX {
            chain.unopened.push(opening);
        }
        chain.is_urgent = true;
    }

    /// The rule before each send, once more for a hold that was placed: between placing it and sending, a process may have
    /// been stopped for long. A hold that may not be sent is to be released.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn check(&self, hold: &Hold, now_ms: u64) -> Result<(), Unavailable> {
        let unavailable = |index: &u32| self.slot(*index).and_then(|slot| self.unavailable(slot, now_ms));
        hold.slots.iter().find_map(unavailable).map_or(Ok(()), Err)
    }

    /// Ends a hold with what the request cost. The cost counts in full, even above the hold: the money is spent.
    pub fn settle(&mut self, hold: Hold, cost: NanoUsd, now_ms: u64) -> Settled {
        self.end(hold, cost, now_ms, Slot::settle)
    }

    /// Ends a hold whose request nobody knows the end of: what it is thought to have cost counts as spent, and the rest of
    /// what it held goes into suspense.
    pub fn suspend(&mut self, hold: Hold, cost: NanoUsd, now_ms: u64) -> Settled {
        self.end(hold, cost, now_ms, Slot::suspend)
    }

    /// Ends a hold for which nothing was sent, or nothing is charged.
    pub fn release(&mut self, hold: Hold) {
        let Hold { amount, slots, .. } = hold;
        for index in slots {
            if let Some(slot) = self.slot_mut(index) {
                slot.release(amount);
            }
        }
    }

    /// The accounts of a hold, in the order of its chain of budgets.
    pub fn parts<'a>(&'a self, hold: &'a Hold) -> impl Iterator<Item = HoldPart<'a>> {
        hold.slots.iter().filter_map(|index| self.part(self.slot(*index)?))
    }

    /// A slot as a journal names it; none before its chain was joined.
    #[must_use]
    pub fn part<'a>(&'a self, slot: &'a Slot) -> Option<HoldPart<'a>> {
        let chain = self.chains.get(slot.chain as usize)?;
        let epoch = chain.standing.epoch()?;
        Some(HoldPart { serial: slot.serial, root: &chain.root, epoch, account: &slot.account, charged: &slot.charged })
    }

    fn end(
        &mut self,
        hold: Hold,
        cost: NanoUsd,
        now_ms: u64,
        end: impl Fn(&mut Slot, NanoUsd, NanoUsd, u64),
    ) -> Settled {
        let cost = cost.at_least_zero();
        let mut urgent = None;
        let Hold { amount, slots, .. } = hold;
        for index in slots {
            let Some(slot) = self.slot_mut(index) else { continue };
            end(slot, amount, cost, now_ms);
            if slot.free() < slot.low_water {
                urgent = Some(slot.chain);
            }
        }
        urgent.into_iter().for_each(|chain| self.hurry(chain));
        Settled { over: (cost > amount).then(|| cost.saturating_minus(amount)) }
    }

    /// The slots of a chain of budgets, with the limits that the request's snapshot knows.
    fn find<'a>(
        &mut self,
        budgets: impl Iterator<Item = &'a Budget>,
        amount: NanoUsd,
        now: Moment,
    ) -> Result<Vec<u32>, Refused> {
        let mut slots = Vec::with_capacity(CHAIN_USUAL);
        for budget in budgets {
            for limit in &budget.limits {
                let known = self.current(&budget.scope, limit.period);
                let index = known.or_else(|| self.track_open(&budget.scope, limit.period, now.ms));
                let Some(index) = index.filter(|index| !self.is_before(*index, limit, now.at)) else {
                    return Err(Refused::Unopened { scope: budget.scope.clone(), period: limit.period });
                };
                if let Some(slot) = self.slot_mut(index) {
                    slot.heed_limit(budget, limit, now.at);
                    if slot.is_over(now.at) {
                        let chain = slot.chain;
                        self.ask_for_next(chain, budget, limit, amount);
                    }
                }
                slots.push(index);
            }
        }
        Ok(slots)
    }

    /// Whether a window began before the moment that the limit's windows are counted from: it is none of them any more, and
    /// what was spent in it does not count.
    fn is_before(&self, index: u32, limit: &BudgetLimit, now: Timestamp) -> bool {
        let window = self.slot(index).map(|slot| slot.account.window);
        limit.anchor <= now && window.is_some_and(|window| window < limit.anchor)
    }

    /// Asks for the window after one that is over. Nothing was charged to it before.
    fn ask_for_next(&mut self, chain: u32, budget: &Budget, limit: &BudgetLimit, wanted: NanoUsd) {
        let Some(root) = self.chains.get(chain as usize).map(|chain| chain.root.clone()) else { return };
        self.ask(&root, Opening::new(budget, limit, NanoUsd::ZERO, wanted));
    }

    /// The slot of the open window of a limit.
    fn current(&self, scope: &Scope, period: Period) -> Option<u32> {
        let slots = self.index.get(scope)?;
        let is_current = |index: u32| self.slot(index).is_some_and(|slot| slot.is_current);
        slots.iter().find(|(other, index)| *other == period && is_current(*index)).map(|(_, index)| *index)
    }

    /// A slot for a window that a book has open and that was not used here yet.
    fn track_open(&mut self, scope: &Scope, period: Period, now_ms: u64) -> Option<u32> {
        let (chain, account) = self
            .chains
            .iter()
            .enumerate()
            .find_map(|(index, chain)| chain.book.current(scope, period).map(|account| (index, account)))?;
        Some(self.track(chain, account, now_ms))
    }

    fn first_refusal(&self, slots: &[u32], amount: NanoUsd, now_ms: u64) -> Option<Refused> {
        let slots = || slots.iter().filter_map(|index| self.slot(*index));
        if let Some(unavailable) = slots().find_map(|slot| self.unavailable(slot, now_ms)) {
            return Some(Refused::Unavailable(unavailable));
        }
        if let Some(slot) = slots().find(|slot| slot.cannot_ever_pay(amount)) {
            return Some(Refused::Exhausted(Box::new(slot.exhausted(amount))));
        }
        let short = slots().find(|slot| amount > NanoUsd::ZERO && slot.free() < amount)?;
        let root = self.chains.get(short.chain as usize)?.root.clone();
        Some(Refused::Short { root, lacking: amount.saturating_minus(short.free()) })
    }

    /// The rule before each send: this boot is the newest, and the log was heard of.
    fn unavailable(&self, slot: &Slot, now_ms: u64) -> Option<Unavailable> {
        match self.chains.get(slot.chain as usize)?.standing {
            Standing::Outside | Standing::Recovering(_) => Some(Unavailable::NotJoined),
            Standing::Fenced(_) => Some(Unavailable::Fenced),
            Standing::Unreadable(_) => Some(Unavailable::Unreadable),
            Standing::Member(_) => {
                let age = now_ms.saturating_sub(self.heard_ms);
                (age > self.policy.age_ms).then_some(Unavailable::Stale)
            }
        }
    }

    /// Notes what a refused hold needed, in every slice that has too little.
    ///
    /// Where one of them cannot be refilled now, since others have the money, nothing is noted anywhere: two gateways that
    /// each took what the other waits for would keep it from one another for ever. What is here goes back when it is idle.
    fn want(&mut self, slots: &[u32], amount: NanoUsd, now_ms: u64) {
        let lacks_for_good = |slot: &Slot| {
            let lacking = wide(amount) - wide(slot.free());
            lacking > 0 && lacking > slot.ungranted()
        };
        if slots.iter().filter_map(|index| self.slot(*index)).any(lacks_for_good) {
            return;
        }
        for index in slots {
            let Some(slot) = self.slot_mut(*index) else { continue };
            if slot.free() >= amount {
                continue;
            }
            // A larger need that cannot be met any more does not stand in the way of this one.
            let is_met = wide(slot.need) - wide(slot.free()) <= slot.ungranted();
            slot.need = if is_met { slot.need.max(amount) } else { amount };
            slot.need_at_ms = now_ms;
            slot.wanted = slot.wanted.saturating_plus(amount);
            let chain = slot.chain;
            self.hurry(chain);
        }
    }

    fn hurry(&mut self, chain: u32) {
        if let Some(chain) = self.chains.get_mut(chain as usize) {
            chain.is_urgent = true;
        }
    }
}

impl Slot {
    /// What may be granted to it: what is in nobody's hands, and what makes it whole where it is overdrawn.
    fn ungranted(&self) -> i128 {
        let slices = wide(self.others_out) + wide(self.out.at_least_zero());
        let hole = (-wide(self.out)).max(0);
        (wide(self.limit) - wide(self.posted) - wide(self.suspense) - slices).max(0) + hole
    }

    fn cannot_ever_pay(&self, amount: NanoUsd) -> bool {
        let (counted, limit) = (wide(self.counted()), wide(self.limit));
        counted >= limit || counted + wide(amount) > limit
    }

    fn exhausted(&self, asked: NanoUsd) -> Exhausted {
        Exhausted {
            account: self.account.clone(),
            limit: self.limit.saturating_plus(self.elsewhere),
            resets_at: self.ends_at,
            posted: self.posted.saturating_plus(self.unreported).saturating_plus(self.elsewhere),
            held: self.held.saturating_plus(self.others_out),
            suspense: self.suspense.saturating_plus(self.suspending),
            asked,
        }
    }
}
