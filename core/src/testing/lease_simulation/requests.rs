//! Requests of a process: the hold, the journal, the send, and the end.

use uuid::Uuid;

use super::Sabotage;
use super::process::{Around, Process};
use super::provider::OnSlice;
use super::world::Rules;
use crate::budget::Budget;
use crate::id::RequestId;
use crate::lease::decide::Opening;
use crate::lease::slices::{Hold, Refused};
use crate::money::NanoUsd;

/// A request that was sent.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) request: RequestId,
    pub(super) hold: Hold,
    pub(super) cost: i64,
    pub(super) ends_at: u64,
    pub(super) ending: Ending,
}

/// How a request will end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Settled,
    Released,
    Unknown,
}

impl Process {
    /// Tries one request: the hold, the journal, the send.
    pub(super) fn request(&mut self, around: &mut Around<'_>, amount: i64, cost: i64) -> Result<(), Refused> {
        let chain = around.random.index(around.rules.chains);
        let lasts = around.random.within(10, around.rules.longest_ms);
        let ending = match around.random.within(0, 100) {
            0..75 => Ending::Settled,
            75..93 => Ending::Released,
            _ => Ending::Unknown,
        };
        self.request_on(around, chain, amount, cost, (lasts, ending))
    }

    pub(super) fn request_on(
        &mut self,
        around: &mut Around<'_>,
        chain: usize,
        amount: i64,
        cost: i64,
        (lasts_ms, ending): (u64, Ending),
    ) -> Result<(), Refused> {
        let hold = self.place(around, chain, amount)?;
        self.ids += 1;
        let request = RequestId::new(Uuid::from_u128(u128::from(self.number) << 64 | u128::from(self.ids)));
        self.encoder.held(&self.ledger, &hold, request);
        self.write(around);
        // Between holding and sending the process may be stopped for long.
        if around.rules.has_faults && around.random.chance(5) {
            self.paused_until = around.now_ms + around.random.within(100, 90_000);
        }
        let now_ms = around.now_ms.max(self.paused_until);
        let stopped = self.paused_until > around.now_ms;
        if self.ledger.check(&hold, now_ms).is_err() || (stopped && around.random.chance(500)) {
            self.encoder.released(&hold);
            self.write(around);
            self.ledger.release(hold);
            return Ok(());
        }
        let cost = if ending == Ending::Released { 0 } else { cost };
        let gateway = self.ledger.gateway().clone();
        let slices: Vec<OnSlice> =
            self.ledger.parts(&hold).map(|part| (gateway.clone(), part.epoch, part.account.clone())).collect();
        let held = hold.amount().nano();
        let bound = if around.sabotage == Some(Sabotage::CheckThenAdd) { cost } else { held };
        around.provider.send(&slices, cost, bound);
        self.running.push(Running { request, hold, cost, ends_at: now_ms + lasts_ms, ending });
        Ok(())
    }

    fn place(&mut self, around: &mut Around<'_>, chain: usize, amount: i64) -> Result<Hold, Refused> {
        let budgets: Vec<&Budget> = around.rules.budgets(self.control, chain).collect();
        let moment = self.moment(around.now_ms);
        let chain = || budgets.iter().copied();
        let placed = self.ledger.place(chain(), NanoUsd::new(amount), moment);
        if let Err(Refused::Unopened { .. }) = &placed {
            for budget in &budgets {
                self.ask(around.rules, budget, amount);
            }
        }
        let hold = placed?;
        if around.sabotage == Some(Sabotage::CheckThenAdd) {
            self.ledger.release(hold);
            return self.ledger.place(chain(), NanoUsd::ZERO, moment);
        }
        Ok(hold)
    }

    fn ask(&mut self, rules: &Rules, budget: &Budget, amount: i64) {
        let root = rules.root(&budget.scope);
        for limit in &budget.limits {
            let opening = Opening::new(budget, limit, NanoUsd::ZERO, NanoUsd::new(amount));
            self.ledger.ask(&root, opening);
        }
    }

    /// Ends the requests whose time has come.
    pub(super) fn finish(&mut self, around: &mut Around<'_>) {
        let now_ms = around.now_ms;
        let (done, running) = std::mem::take(&mut self.running).into_iter().partition(|one| one.ends_at <= now_ms);
        self.running = running;
        let done: Vec<Running> = done;
        for one in done {
            self.end(around, one);
        }
    }

    fn end(&mut self, around: &mut Around<'_>, one: Running) {
        if one.ending == Ending::Released {
            self.encoder.released(&one.hold);
            self.write(around);
            self.ledger.release(one.hold);
            return;
        }
        self.promised = self.promised.plus(1);
        let record = one.request.as_uuid().as_bytes().to_vec();
        if one.ending == Ending::Settled {
            let cost = NanoUsd::new(one.cost);
            self.encoder.settled(&one.hold, cost, self.promised, &record);
            self.write(around);
            self.ledger.settle(one.hold, cost, around.now_ms);
        } else {
            let seen = one.seen();
            self.encoder.suspended(&one.hold, seen, self.promised, &record);
            self.write(around);
            self.ledger.suspend(one.hold, seen, around.now_ms);
        }
        self.queue.push_back((self.promised, record));
        self.ended.push((one.request, true));
    }
}

impl Running {
    /// What a gateway sees of the cost of a request that was cut off: now all of it, now a part, now nothing.
    fn seen(&self) -> NanoUsd {
        let quarters = i64::try_from(self.ends_at % 5).unwrap_or(0).min(4);
        NanoUsd::new(self.cost / 4 * quarters).min(self.hold.amount())
    }
}
