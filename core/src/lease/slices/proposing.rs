//! What to append to a chain next: one event at a time, decided on the book as far as it was applied.
//!
//! The caller seals the proposal under the id that it gave, appends it, and applies what is read back at that place. An
//! append whose end is not known is asked again with the same line, until the log says what stands there; only an append
//! that is certainly not stored is given up ([`SliceLedger::give_up`]).

use super::super::allot::{Outlook, allot};
use super::super::decide;
use super::super::event::{Closed, Closer, Closing, Grant, Part, Resumed, Roll, Rolled, Suspended, Why};
use super::super::recovery::{Memory, wind_up};
use super::super::{AccountId, Epoch, Event, Root, SLICES_MAX, suspense};
use super::{Moment, Pending, Proposal, SliceLedger, Slot, Standing};
use crate::id::EventId;
use crate::money::NanoUsd;
use crate::time::Timestamp;

/// How many slots are looked at for refills at most in one proposal; the rest has its turn after it.
const TOUCHED_MAX: usize = SLICES_MAX;

impl SliceLedger {
    /// What to append to a chain now, if anything. There is one proposal at a time: until it is decided, or given up, the
    /// answer is none.
    ///
    /// `memory` is what the gateway's journal says of its earlier boots in this chain. It is needed until the gateway has
    /// wound them up, which comes right after joining; later it is not looked at.
    pub fn propose(&mut self, root: &Root, memory: &Memory, id: EventId, now: Moment) -> Option<Proposal> {
        let index = self.chain_index(root);
        let chain = self.chains.get_mut(index)?;
        if chain.pending.is_some() {
            return None;
        }
        chain.is_urgent = false;
        let standing = chain.standing;
        let event = match standing {
            Standing::Outside => Some(decide::join(&chain.book, &self.gateway)),
            Standing::Recovering(epoch) => match wind_up(&chain.book, &self.gateway, memory) {
                Some(recovered) => suspense::recover(&chain.book, recovered).ok(),
                None => {
                    chain.standing = Standing::Member(epoch);
                    chain.is_urgent = true;
                    return self.propose(root, memory, id, now);
                }
            },
            Standing::Member(epoch) => self.as_member(index, epoch, now),
            Standing::Fenced(epoch) => self.as_fenced(index, epoch),
            Standing::Unreadable(_) => None,
        }?;
        let chain = self.chains.get_mut(index)?;
        let after = chain.book.position();
        let accounts = match &event {
            Event::Rolled(data) => data.slices.iter().map(|roll| roll.account.clone()).collect(),
            _ => Vec::new(),
        };
        chain.pending = Some(Pending { id, after, accounts });
        self.set_aside(&event);
        Some(Proposal { id, after, event })
    }

    /// A proposal was certainly not stored and never will be: what it would have returned is free again.
    pub fn give_up(&mut self, root: &Root) {
        let index = self.chain_index(root);
        let Some(pending) = self.chains.get_mut(index).and_then(|chain| chain.pending.take()) else { return };
        for account in &pending.accounts {
            if let Some(slot) = self.slot_of(account).and_then(|index| self.slot_mut(index)) {
                slot.returning = NanoUsd::ZERO;
            }
        }
        if let Some(chain) = self.chains.get_mut(index) {
            chain.is_urgent = true;
        }
    }

    /// What is proposed to be returned is not held from here on, whatever becomes of the proposal.
    fn set_aside(&mut self, event: &Event) {
        let Event::Rolled(data) = event else { return };
        for roll in &data.slices {
            if let Some(slot) = self.slot_of(&roll.account).and_then(|index| self.slot_mut(index)) {
                slot.returning = roll.returned_nano_usd;
            }
        }
    }

    fn as_member(&mut self, chain: usize, epoch: Epoch, now: Moment) -> Option<Event> {
        self.let_go(chain, now.ms);
        self.resume(chain, epoch)
            .or_else(|| self.suspend_unknown(chain, epoch))
            .or_else(|| self.open(chain, epoch, now))
            .or_else(|| self.roll(chain, epoch, now))
    }

    /// The slots of a chain.
    fn of_chain(&self, chain: usize) -> impl Iterator<Item = &Slot> {
        self.slots.iter().flatten().filter(move |slot| slot.chain as usize == chain)
    }

    fn resume(&self, chain: usize, epoch: Epoch) -> Option<Event> {
        let book = &self.chains.get(chain)?.book;
        let resume = |slices| suspense::resume(book, Resumed { gateway: self.gateway.clone(), epoch, slices }).ok();
        let parts = parts(self.of_chain(chain), |slot| slot.gone);
        resume(passing(parts, |part| resume(vec![part]).is_some()))
    }

    fn suspend_unknown(&self, chain: usize, epoch: Epoch) -> Option<Event> {
        let book = &self.chains.get(chain)?.book;
        let suspend = |slices| {
            let (gateway, why) = (self.gateway.clone(), Why::OutcomeUnknown);
            suspense::suspend(book, Suspended { gateway, epoch, why, slices }).ok()
        };
        let parts = parts(self.of_chain(chain), |slot| slot.suspending);
        suspend(passing(parts, |part| suspend(vec![part]).is_some()))
    }

    /// Opens the windows that requests asked for. One that cannot be opened is not asked for again by itself.
    fn open(&mut self, chain: usize, epoch: Epoch, now: Moment) -> Option<Event> {
        let gateway = self.gateway.clone();
        let least = self.policy.least;
        let chain = self.chains.get_mut(chain)?;
        let mut openings = Vec::new();
        for mut opening in std::mem::take(&mut chain.unopened) {
            let window = opening.limit.period.window_at(opening.limit.anchor, now.at).ok();
            let limit = window.map_or(NanoUsd::ZERO, |window| opening.limit_at(window.start, now.at));
            let eighth = NanoUsd::new(limit.nano() / 8);
            opening.wanted = opening.wanted.max(least.min(eighth));
            if decide::open(&chain.book, &gateway, epoch, std::slice::from_ref(&opening), now.at).is_ok() {
                openings.push(opening);
            }
        }
        if openings.is_empty() {
            return None;
        }
        let event = decide::open(&chain.book, &gateway, epoch, &openings, now.at).ok();
        // Until it is in the log it may have to be asked again.
        chain.unopened = openings;
        event
    }

    fn roll(&mut self, chain: usize, epoch: Epoch, now: Moment) -> Option<Event> {
        let (policy, is_retiring) = (self.policy, self.is_retiring);
        let mut slices = Vec::new();
        let mut is_due = false;
        let indexes: Vec<u32> = self.indexes(chain);
        for index in indexes {
            let outlook = self.outlook(index, now);
            let (Some(outlook), Some(slot)) = (outlook, self.slot_mut(index)) else { continue };
            let allotment = allot(&policy, &outlook);
            slot.low_water = NanoUsd::new(allotment.target.nano() / 2);
            slot.wanted = NanoUsd::ZERO;
            let grant = (slot.is_current && allotment.grant > NanoUsd::ZERO).then_some(Grant {
                amount_nano_usd: allotment.grant,
                limit_nano_usd: slot.limit,
                control: slot.control,
            });
            let waited_ms = now.ms.saturating_sub(slot.unreported_since_ms);
            let is_late = slot.unreported > NanoUsd::ZERO && (is_retiring || waited_ms >= policy.report_ms);
            is_due |= grant.is_some() || allotment.returned > NanoUsd::ZERO || is_late;
            let roll = Roll {
                account: slot.account.clone(),
                spent_nano_usd: slot.unreported,
                returned_nano_usd: allotment.returned,
                granted: grant,
            };
            let says = roll.spent_nano_usd > NanoUsd::ZERO || roll.returned_nano_usd > NanoUsd::ZERO;
            if (says || roll.granted.is_some()) && slices.len() < TOUCHED_MAX {
                slices.push(roll);
            }
        }
        if !is_due {
            return None;
        }
        let book = &self.chains.get(chain)?.book;
        let mut rolled = Rolled { gateway: self.gateway.clone(), epoch, slices };
        if let Ok(event) = decide::roll(book, rolled.clone()) {
            return Some(event);
        }
        let roll = |slices| decide::roll(book, Rolled { gateway: self.gateway.clone(), epoch, slices }).ok();
        rolled.slices = passing(rolled.slices, |one| roll(vec![one]).is_some());
        decide::roll(book, rolled).ok()
    }

    fn indexes(&self, chain: usize) -> Vec<u32> {
        let of_chain = (0_u32..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.as_ref().is_some_and(|slot| slot.chain as usize == chain));
        of_chain.map(|(index, _)| index).collect()
    }

    fn outlook(&mut self, index: u32, now: Moment) -> Option<Outlook> {
        let (policy, now_ms) = (self.policy, now.ms);
        let slot = self.slot_mut(index)?;
        slot.end_raise(now.at);
        slot.rate.tick(now_ms);
        if now_ms.saturating_sub(slot.need_at_ms) > policy.need_ms {
            slot.need = NanoUsd::ZERO;
        }
        let slot = self.slot(index)?;
        let row = self.chains.get(slot.chain as usize)?.book.account(&slot.account)?;
        let others = row.slices().iter().filter(|slice| slice.out > NanoUsd::ZERO && slice.gateway != self.gateway);
        Some(Outlook {
            limit: slot.limit,
            counted: row.counted(),
            out: row.out(),
            free: slot.free(),
            hole: NanoUsd::ZERO.saturating_minus(slot.out).at_least_zero(),
            rate: slot.rate.per_second(),
            need: slot.need,
            wanted: slot.wanted,
            sharers: u32::try_from(others.count()).unwrap_or(u32::MAX).saturating_add(1),
            is_idle: self.is_retiring || !slot.is_current || now_ms.saturating_sub(slot.used_at_ms) >= policy.idle_ms,
        })
    }

    /// Forgets slots that nothing hangs on and nobody has used for long.
    fn let_go(&mut self, chain: usize, now_ms: u64) {
        for index in self.indexes(chain) {
            let Some(slot) = self.slot(index) else { continue };
            let is_old = now_ms.saturating_sub(slot.used_at_ms) > 12 * self.policy.idle_ms;
            let book = self.chains.get(chain).map(|chain| &chain.book);
            let is_gone = !slot.is_current && book.is_some_and(|book| book.account(&slot.account).is_none());
            if slot.open == 0 && (is_gone || (slot.is_empty() && (is_old || !slot.is_current))) {
                self.forget(index);
            }
        }
    }

    /// A fenced boot says what its last requests cost, and gives back what it will never spend: the next boot put all of
    /// it into suspense.
    fn as_fenced(&self, chain: usize, epoch: Epoch) -> Option<Event> {
        let book = &self.chains.get(chain)?.book;
        let closing = |slot: &Slot| {
            let slice = book.account(&slot.account)?.slice(&self.gateway, epoch)?;
            if slot.open > 0 || slice.out > NanoUsd::ZERO {
                return None;
            }
            // What is no longer in suspense was closed by somebody who knew what was spent.
            let spent = slot.unreported.min(slice.unknown);
            // What it put into suspense itself, it knows no more about than anyone.
            let own = slice.suspended.saturating_plus(slot.suspending);
            let left = slice.unknown.saturating_minus(spent).saturating_minus(own).at_least_zero();
            let ends = spent > NanoUsd::ZERO || left > NanoUsd::ZERO;
            let account: AccountId = slot.account.clone();
            ends.then_some(Closing { account, spent_nano_usd: spent, returned_nano_usd: left })
        };
        let close = |slices| {
            let (gateway, why, by) = (self.gateway.clone(), Why::OutcomeUnknown, Closer::Gateway);
            suspense::close(book, Closed { gateway, epoch, why, by, slices }, suspense::Rest::NONE).ok()
        };
        let slices: Vec<Closing> = self.of_chain(chain).filter_map(closing).take(SLICES_MAX).collect();
        close(passing(slices, |one| close(vec![one]).is_some()))
    }
}

/// The entries that would be written each by itself: what cannot be done for one account, such as one that is wound up by
/// now, does not keep the others from theirs.
fn passing<T: Clone>(entries: Vec<T>, passes: impl Fn(T) -> bool) -> Vec<T> {
    entries.into_iter().filter(|entry| passes(entry.clone())).collect()
}

fn parts<'a>(slots: impl Iterator<Item = &'a Slot>, amount: impl Fn(&Slot) -> NanoUsd) -> Vec<Part> {
    let some = slots.filter(|slot| amount(slot) > NanoUsd::ZERO);
    some.map(|slot| Part { account: slot.account.clone(), amount_nano_usd: amount(slot) }).take(SLICES_MAX).collect()
}

impl Slot {
    /// Whether the window is over by the calendar and still the open one: the next should be asked for. Until it is open by
    /// the log, requests go on in this one.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.is_current && self.ends_at.is_some_and(|end| end <= now)
    }
}
