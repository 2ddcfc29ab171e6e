//! Following a chain: every event is applied once, in order, whoever wrote it.

use super::super::book::{Book, Slice};
use super::super::event::{Closer, Why};
use super::super::{AccountId, Epoch, Event, Root};
use super::{Applied, Entry, Gap, SliceLedger, Slot, Standing};
use crate::id::WriterId;
use crate::money::NanoUsd;
use crate::stream::Position;

impl SliceLedger {
    /// Applies the next event of a chain. One that was applied before changes nothing, so the answer to an append and the
    /// reader of the log may both bring it.
    ///
    /// # Errors
    /// [`Gap`] when an event is missing before it. Nothing is applied then.
    pub fn apply(&mut self, root: &Root, entry: Entry<'_>, now_ms: u64) -> Result<Applied, Gap> {
        let index = self.chain_index(root);
        let Some(chain) = self.chains.get_mut(index) else { return Ok(Applied::Known) };
        let known = chain.book.position();
        if entry.position <= known {
            return Ok(Applied::Known);
        }
        if entry.position != known.plus(1) {
            return Err(Gap { known, found: entry.position });
        }
        // Whatever stands at the place where a proposal was to go decides it: it is this one, or it never will be.
        let pending = chain.pending.take();
        let is_own = pending.as_ref().is_some_and(|pending| pending.id == entry.id);
        // What came up while it was on its way could not be proposed.
        chain.is_urgent |= pending.is_some();
        chain.book.evolve(entry.position, entry.at, entry.event);
        let mut touched = pending.map_or_else(Vec::new, |pending| pending.accounts);
        for account in &touched {
            self.on(account, |slot| slot.returning = NanoUsd::ZERO);
        }
        self.stand(index, &entry, is_own);
        self.watch(index, entry.event, now_ms);
        self.note_own(index, entry.event);
        touched.extend(entry.event.accounts().cloned());
        for account in &touched {
            self.follow(index, account, now_ms);
        }
        Ok(Applied::Folded)
    }

    /// Begins a chain with a book that was stored: what follows it is applied as if all before had been. Whoever wrote to
    /// the chain, and whatever is in suspense, counts as heard of and put there now, as it does where all is read anew.
    ///
    /// A chain that was met already stays as it is.
    pub fn restore(&mut self, root: &Root, book: Book, now_ms: u64) {
        let index = self.chain_index(root);
        let Some(chain) = self.chains.get_mut(index).filter(|chain| chain.book == Book::default()) else { return };
        chain.heard_ms = book.gateways().map(|(gateway, _)| (gateway.clone(), now_ms)).collect();
        let in_suspense = |slice: &&Slice| slice.unknown > NanoUsd::ZERO || slice.gone > NanoUsd::ZERO;
        let slices = book.accounts().flat_map(|(_, row)| row.slices()).filter(in_suspense);
        chain.suspended_ms = slices.map(|slice| ((slice.gateway.clone(), slice.epoch), now_ms)).collect();
        chain.book = book;
    }

    /// A place of a chain is taken by a line that is no gateway's, as only a log can have it that others may write to:
    /// nothing happened there.
    pub fn skip(&mut self, root: &Root, position: Position) {
        let index = self.chain_index(root);
        let Some(chain) = self.chains.get_mut(index) else { return };
        if position == chain.book.position().plus(1) {
            chain.book.skip(position);
            self.give_up(root);
        }
    }

    /// An event of a chain cannot be read by this version. From here on nobody knows who has what: nothing more is held
    /// there, and nothing is written.
    pub fn lose_track(&mut self, root: &Root) {
        let index = self.chain_index(root);
        if let Some(chain) = self.chains.get_mut(index) {
            chain.standing = Standing::Unreadable(chain.standing.epoch());
        }
    }

    /// Joining, being fenced, and having wound up the last run.
    fn stand(&mut self, index: usize, entry: &Entry<'_>, is_own: bool) {
        let gateway = self.gateway.clone();
        let Some(chain) = self.chains.get_mut(index) else { return };
        if let Event::Joined(data) = entry.event
            && data.gateway == gateway
            && !matches!(chain.standing, Standing::Unreadable(_))
        {
            chain.standing = match (is_own, chain.standing.epoch()) {
                (true, _) => Standing::Recovering(data.epoch),
                (false, Some(mine)) => Standing::Fenced(mine),
                (false, None) => Standing::Outside,
            };
            chain.is_urgent = true;
        }
    }

    /// When gateways were last heard of, and money last went into suspense, by this gateway's own clock.
    fn watch(&mut self, index: usize, event: &Event, now_ms: u64) {
        let Some(chain) = self.chains.get_mut(index) else { return };
        let (speaker, suspends) = match event {
            Event::Joined(data) => (Some(&data.gateway), None),
            Event::Opened(data) => (Some(&data.gateway), None),
            Event::Rolled(data) => (Some(&data.gateway), None),
            Event::Resumed(data) => (Some(&data.gateway), None),
            Event::Recovered(data) => (Some(&data.gateway), Some((&data.gateway, data.epoch))),
            Event::Suspended(data) => (None, Some((&data.gateway, data.epoch))),
            Event::Closed(_) | Event::Reclaimed(_) => (None, None),
        };
        if let Some(gateway) = speaker {
            chain.heard_ms.insert(gateway.clone(), now_ms);
        }
        if let Some((gateway, epoch)) = suspends {
            chain.suspended_ms.insert((gateway.clone(), epoch), now_ms);
        }
    }

    /// What the log now says of this boot need not be said again.
    fn note_own(&mut self, index: usize, event: &Event) {
        let Some(epoch) = self.chains.get(index).and_then(|chain| chain.standing.epoch()) else { return };
        let own = self.gateway.clone();
        let is_own = |gateway: &WriterId, of: Epoch| *gateway == own && of == epoch;
        match event {
            Event::Rolled(data) if is_own(&data.gateway, data.epoch) => {
                for roll in &data.slices {
                    self.on(&roll.account, |slot| slot.report(roll.spent_nano_usd));
                }
            }
            Event::Suspended(data) if data.why == Why::OutcomeUnknown && is_own(&data.gateway, data.epoch) => {
                for part in &data.slices {
                    self.on(&part.account, |slot| {
                        slot.suspending = slot.suspending.saturating_minus(part.amount_nano_usd);
                    });
                }
            }
            // A fenced boot reports by closing what the next one put into suspense; and who closes the suspense of a boot
            // that was thought gone says what it spent.
            Event::Closed(data)
                if (data.by == Closer::Gateway || data.why == Why::GatewayGone)
                    && is_own(&data.gateway, data.epoch) =>
            {
                for closing in &data.slices {
                    self.on(&closing.account, |slot| slot.report(closing.spent_nano_usd));
                }
            }
            _ => {}
        }
    }

    /// Copies what the book says of an account, and begins a slot for a window that takes the place of a known one.
    fn follow(&mut self, chain: usize, account: &AccountId, now_ms: u64) {
        if let Some(index) = self.slot_of(account) {
            self.mirror(index);
            return;
        }
        let is_current = self.chains.get(chain).is_some_and(|chain| chain.book.is_current(account));
        let before: Vec<u32> = self
            .index
            .get(&account.scope)
            .into_iter()
            .flatten()
            .filter(|(period, _)| *period == account.period)
            .map(|(_, index)| *index)
            .collect();
        let has_slice = self.chains.get(chain).is_some_and(|chain| {
            let own = |epoch| chain.book.account(account).and_then(|row| row.slice(&self.gateway, epoch));
            chain.standing.epoch().and_then(own).is_some()
        });
        if is_current && (has_slice || !before.is_empty()) {
            self.track(chain, account.clone(), now_ms);
            before.into_iter().for_each(|index| self.mirror(index));
        }
    }

    fn on(&mut self, account: &AccountId, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slot_of(account).and_then(|index| self.slot_mut(index)) {
            change(slot);
        }
    }
}

impl Slot {
    fn report(&mut self, spent: NanoUsd) {
        // Who closes suspense may know of costs that this boot has not settled yet. They are posted twice then, once the
        // request ends: too much is counted rather than too little.
        self.unreported = self.unreported.saturating_minus(spent).at_least_zero();
    }
}
