//! What goes wrong, and what an operator does about it.

use uuid::Uuid;

use super::Sabotage;
use super::log::Stored;
use super::process::calendar;
use super::world::World;
use crate::id::{EventId, WriterId};
use crate::lease::event::{Closed, Closer, Closing, Part, Reclaimed, Roll, Rolled, Suspended, Why};
use crate::lease::suspense::{self, Rest};
use crate::lease::{AccountId, Epoch, Event, Rejection, Root, narrow, wide};
use crate::money::NanoUsd;

/// What the operator sees of a slice.
struct Seen {
    root: Root,
    account: AccountId,
    gateway: WriterId,
    epoch: Epoch,
    newest: Epoch,
    out: NanoUsd,
    unknown: NanoUsd,
    gone: NanoUsd,
    spent: NanoUsd,
}

impl World {
    /// Lets something go wrong, or not.
    pub(super) fn weather(&mut self) -> Result<(), String> {
        for index in 0..self.sites.len() {
            if self.sites[index].is_down {
                continue;
            }
            let last = self.sites[index].processes.len() - 1;
            let now_ms = self.now_ms;
            match self.random.within(0, 1_000) {
                0..8 => self.sites[index].processes[last].paused_until = now_ms + self.random.within(100, 90_000),
                8..18 => self.sites[index].processes[last].cut_until = now_ms + self.random.within(200, 80_000),
                18..26 => self.crash(index, last),
                26..32 => self.take_over(index, last),
                32..35 => {
                    let jump = self.random.amount(-3_600_000, 3_600_000) * self.random.amount(1, 700);
                    self.sites[index].processes[last].skew_ms = jump;
                }
                35..40 => self.rules.change_limit(&mut self.random, now_ms),
                _ => {}
            }
        }
        Ok(())
    }

    /// Ends the newest process of a site. The journal stays whole, is cut in its last write, loses what was not synced, or
    /// is lost with its folder.
    fn crash(&mut self, index: usize, process: usize) {
        let kind = self.random.within(0, 100);
        if (50..70).contains(&kind) {
            self.die_writing(index, process);
        }
        let down_ms = self.random.within(20, 20_000);
        let site = &mut self.sites[index];
        site.processes.remove(process);
        site.is_down = true;
        site.down_until = self.now_ms + down_ms;
        if kind >= 70 {
            let chain = site.chain();
            let shipped = self.log.activity.get(&chain);
            let is_shipped = |bytes: &[u8]| shipped.is_some_and(|records| records.iter().any(|record| record == bytes));
            let mut certain = std::mem::take(&mut self.certain);
            certain.retain(|request| is_shipped(request.as_uuid().as_bytes()) || !self.is_of(index, *request));
            self.certain = certain;
            let site = &mut self.sites[index];
            if kind < 85 {
                site.host += 1;
                if let Some((_, bytes)) = site.runs.last_mut() {
                    let kept = self.random.index(bytes.len() + 1);
                    bytes.truncate(kept);
                }
            } else {
                site.runs.clear();
                site.folder += 1;
            }
        }
    }

    /// Whether a request is in the journal of a site's folder.
    fn is_of(&self, index: usize, request: crate::id::RequestId) -> bool {
        let run = u64::try_from(request.as_uuid().as_u128() >> 64).unwrap_or(0);
        self.sites[index].runs.iter().any(|(number, _)| *number == run)
    }

    /// The process dies in the middle of a write: a hold whose request is never sent, or a settlement nobody hears of.
    fn die_writing(&mut self, index: usize, process: usize) {
        let before = self.sites[index].runs.last().map_or(0, |(_, bytes)| bytes.len());
        let sent = self.provider.sent;
        self.with(index, process, |process, around| {
            if let Some(one) = process.running.pop() {
                let record = one.request.as_uuid().as_bytes().to_vec();
                let cost = NanoUsd::new(one.cost);
                process.encoder.settled(&one.hold, cost, crate::stream::Position::new(u64::MAX), &record);
                around.disk.extend_from_slice(process.encoder.bytes());
            }
        });
        debug_assert_eq!(sent, self.provider.sent);
        let cut = self.random.next();
        if let Some((_, bytes)) = self.sites[index].runs.last_mut() {
            // At least one byte is lacking: the write did not end.
            let written = bytes.len() - before;
            let kept = usize::try_from(cut % written.max(1) as u64).unwrap_or(0);
            bytes.truncate(before + kept);
        }
    }

    /// A gateway that seems dead is started somewhere else, without its journal, while the first still runs.
    fn take_over(&mut self, index: usize, process: usize) {
        let now_ms = self.now_ms;
        let seems_dead = {
            let process = &self.sites[index].processes[process];
            process.is_cut(now_ms) || process.paused_until > now_ms
        };
        if seems_dead && self.sites[index].processes.len() < 3 {
            let site = &mut self.sites[index];
            site.folder += 1;
            // The folder of the first is elsewhere; only its own process writes there.
            self.boot_elsewhere(index);
        }
    }

    fn boot_elsewhere(&mut self, index: usize) {
        let runs = std::mem::take(&mut self.sites[index].runs);
        self.boot(index, false);
        // What the first writes still lies where it was, where the new one does not look.
        let site = &mut self.sites[index];
        site.elsewhere.extend(runs);
    }

    // === the operator ===

    /// Now and then somebody looks at what gateways left behind.
    pub(super) fn operator(&mut self) -> Result<(), String> {
        if self.random.chance(60) { self.wind_up(false) } else { Ok(()) }
    }

    /// Suspends the slices of gateways that are not heard of, and closes suspense that has rested, with what the provider
    /// says. At the end also what gateways put there themselves.
    pub(super) fn wind_up(&mut self, is_end: bool) -> Result<(), String> {
        for seen in self.seen() {
            let silent = self.silent_ms(&seen);
            let rested = self.rested_ms(&seen);
            // Until its slice is wound up, what a boot spent and did not report may have been in its hands.
            let is_old = seen.epoch < seen.newest && seen.out <= NanoUsd::ZERO && seen.gone == NanoUsd::ZERO;
            if seen.out > NanoUsd::ZERO && seen.epoch == seen.newest && silent > self.rules.gone_after_ms {
                self.suspend_or_steal(&seen)?;
            } else if seen.gone > NanoUsd::ZERO && self.rules.grace_ms.is_some_and(|grace_ms| rested >= grace_ms) {
                self.reclaim(&seen, rested)?;
            } else if seen.gone > NanoUsd::ZERO && self.rules.grace_ms.is_none() && rested >= self.rules.rest_ms {
                self.close(&seen, Why::GatewayGone, seen.gone, rested)?;
            } else if seen.unknown > NanoUsd::ZERO
                && (is_old || is_end && self.has_reported(&seen))
                && rested >= self.rules.rest_ms
            {
                self.close(&seen, Why::OutcomeUnknown, seen.unknown, rested)?;
            }
        }
        Ok(())
    }

    fn seen(&self) -> Vec<Seen> {
        let mut seen = Vec::new();
        for (root, chain) in &self.log.chains {
            for (account, row) in chain.book.accounts() {
                for slice in row.slices() {
                    let newest = chain.book.gateway(&slice.gateway).map_or(slice.epoch, |member| member.epoch);
                    seen.push(Seen {
                        root: root.clone(),
                        account: account.clone(),
                        gateway: slice.gateway.clone(),
                        epoch: slice.epoch,
                        newest,
                        out: slice.out,
                        unknown: slice.unknown,
                        gone: slice.gone,
                        spent: slice.spent,
                    });
                }
            }
        }
        seen
    }

    /// Whether the log knows all that a running boot has spent of an account: only then is what the provider billed
    /// beyond it the cost of requests whose end is unknown.
    fn has_reported(&self, seen: &Seen) -> bool {
        let processes = self.sites.iter().flat_map(|site| &site.processes);
        let slots = processes
            .filter(|process| {
                *process.ledger.gateway() == seen.gateway && process.ledger.epoch(&seen.root) == Some(seen.epoch)
            })
            .flat_map(|process| process.ledger.slots());
        slots
            .filter(|slot| slot.account == seen.account)
            .all(|slot| [slot.held, slot.unreported, slot.suspending].iter().all(|amount| *amount == NanoUsd::ZERO))
    }

    fn silent_ms(&self, seen: &Seen) -> u64 {
        let heard = self.log.heard_ms.get(&(seen.root.clone(), seen.gateway.clone()));
        heard.map_or(0, |heard| self.now_ms - heard)
    }

    fn rested_ms(&self, seen: &Seen) -> u64 {
        let since = self.log.suspended_ms.get(&(seen.root.clone(), seen.gateway.clone(), seen.epoch));
        since.map_or(0, |since| self.now_ms - since)
    }

    fn suspend_or_steal(&mut self, seen: &Seen) -> Result<(), String> {
        let (gateway, epoch, account) = (seen.gateway.clone(), seen.epoch, seen.account.clone());
        if self.sabotage == Some(Sabotage::ReclaimWithoutSuspense) {
            let roll = Roll { account, spent_nano_usd: NanoUsd::ZERO, returned_nano_usd: seen.out, granted: None };
            return self.write(&seen.root, Ok(Event::Rolled(Rolled { gateway, epoch, slices: vec![roll] })));
        }
        let slices = vec![Part { account, amount_nano_usd: seen.out }];
        let suspended = Suspended { gateway, epoch, why: Why::GatewayGone, slices };
        let event = self.log.book(&seen.root).map(|book| suspense::suspend(book, suspended));
        event.map_or(Ok(()), |event| self.write(&seen.root, event))
    }

    fn reclaim(&mut self, seen: &Seen, rested_ms: u64) -> Result<(), String> {
        let slices = vec![Part { account: seen.account.clone(), amount_nano_usd: seen.gone }];
        let grace_ms = self.rules.grace_ms.unwrap_or(u64::MAX);
        let reclaimed = Reclaimed { gateway: seen.gateway.clone(), epoch: seen.epoch, grace_ms, slices };
        let event = self.log.book(&seen.root).map(|book| suspense::reclaim(book, reclaimed, rested_ms));
        event.map_or(Ok(()), |event| self.write(&seen.root, event))
    }

    /// Closes suspense with what the provider billed beyond what was reported.
    fn close(&mut self, seen: &Seen, why: Why, amount: NanoUsd, rested_ms: u64) -> Result<(), String> {
        let of = (seen.gateway.clone(), seen.epoch, seen.account.clone());
        let spent = (self.provider.of_slice(&of) - wide(seen.spent)).max(0);
        let returned = (wide(amount) - spent).max(0);
        let (spent_nano_usd, returned_nano_usd) = (narrow(spent), narrow(returned));
        let slices = vec![Closing { account: seen.account.clone(), spent_nano_usd, returned_nano_usd }];
        let (gateway, epoch) = (seen.gateway.clone(), seen.epoch);
        self.closed_gone |= why == Why::GatewayGone;
        let closed = Closed { gateway, epoch, why, by: Closer::Provider, slices };
        let rest = Rest { needed_ms: self.rules.rest_ms, passed_ms: rested_ms };
        let event = self.log.book(&seen.root).map(|book| suspense::close(book, closed, rest));
        event.map_or(Ok(()), |event| self.write(&seen.root, event))
    }

    fn write(&mut self, root: &Root, event: Result<Event, Rejection>) -> Result<(), String> {
        let Ok(event) = event else { return Ok(()) };
        self.operator_ids += 1;
        let id = EventId::new(Uuid::from_u128(1 << 126 | u128::from(self.operator_ids)));
        let after = self.log.book(root).map_or(crate::stream::Position::START, crate::lease::Book::position);
        let stored = Stored { id, at: calendar(self.now_ms, 0), event };
        self.log.append(root, after, stored, self.now_ms).map(drop)
    }
}
