//! The end of a seed: the weather clears, everything comes to rest, and the rest of the money is spent.

use super::process::Ending;
use super::world::{Outcome, World};
use crate::lease::slices::Refused;
use crate::lease::wide;
use crate::money::NanoUsd;

/// How long it may take until all is quiet, in steps of a second.
const QUIET_STEPS: u64 = 400;

impl World {
    /// Lets everything come to rest, spends what is left of the budgets, and lets it come to rest again.
    pub(super) fn settle_down(&mut self) -> Result<Outcome, String> {
        self.rules.has_faults = false;
        for site in &mut self.sites {
            site.down_until = 0;
            for process in &mut site.processes {
                (process.paused_until, process.cut_until, process.skew_ms) = (0, 0, 0);
            }
        }
        self.come_to_rest()?;
        self.check_quiet()?;
        let usable_milli_percent = self.spend_the_rest()?;
        self.come_to_rest()?;
        self.check_quiet()?;
        let events = self.log.chains.values().map(|chain| chain.events.len() as u64).sum();
        Ok(Outcome { sent: self.provider.sent, events, usable_milli_percent })
    }

    fn come_to_rest(&mut self) -> Result<(), String> {
        for _ in 0..QUIET_STEPS {
            self.now_ms += 1_000;
            self.calm()?;
            self.wind_up(true)?;
            self.check()?;
            if self.is_quiet() {
                return Ok(());
            }
        }
        Err("it does not come to rest".to_owned())
    }

    /// A step without faults and without new requests.
    fn calm(&mut self) -> Result<(), String> {
        for index in 0..self.sites.len() {
            self.restart(index);
        }
        for _ in 0..2 {
            self.deliver_all()?;
            for site in 0..self.sites.len() {
                for process in 0..self.sites[site].processes.len() {
                    let newest = self.rules.versions.len() - 1;
                    let ended = self.with(site, process, |process, around| {
                        process.control = newest;
                        process.follow(around, usize::MAX);
                        process.finish(around);
                        process.write_leases(around);
                        process.ship(around);
                        std::mem::take(&mut process.ended)
                    });
                    self.certain.extend(ended.into_iter().map(|(request, _)| request));
                }
            }
        }
        Ok(())
    }

    fn deliver_all(&mut self) -> Result<(), String> {
        let (now_ms, messages) = (self.now_ms, std::mem::take(&mut self.log.network));
        for message in messages {
            self.log.append(&message.root, message.after, message.stored, now_ms)?;
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        let processes = || self.sites.iter().flat_map(|site| &site.processes);
        let rows = self.log.chains.values().flat_map(|chain| chain.book.accounts());
        self.sites.iter().all(|site| !site.is_down)
            && self.log.network.is_empty()
            && processes().all(super::process::Process::is_idle)
            && rows.into_iter().all(|(_, row)| row.counted() == row.posted)
    }

    /// Spends on the first key, in requests of a two-hundredth of its tightest budget at most, now here and now there, until
    /// every gateway says that it is over. Tells how much of that budget was spent.
    fn spend_the_rest(&mut self) -> Result<u64, String> {
        let version = self.rules.versions.len() - 1;
        let budgets: Vec<_> = self.rules.budgets(version, 0).cloned().collect();
        let smallest = budgets.iter().map(|budget| budget.limits[0].limit_nano_usd.nano()).min().unwrap_or_default();
        let amount = (smallest / 200).max(1);
        let (mut refused, mut turn) = (0, 0_usize);
        while refused < 3 * self.sites.len() && turn < 40_000 {
            let site = turn % self.sites.len();
            let process = self.sites[site].processes.len() - 1;
            turn += 1;
            let request = self.with(site, process, |process, around| {
                // Larger requests while there is much left: what matters is the end.
                let chain = budgets.iter();
                let left = process.ledger.available(chain).map_or(0, NanoUsd::nano);
                let amount = if left > 8 * amount { left / 8 } else { amount };
                process.request_on(around, 0, amount, amount, (10, Ending::Settled))
            });
            match request {
                Ok(()) => refused = 0,
                Err(Refused::Exhausted(_)) => refused += 1,
                Err(_) => {}
            }
            self.now_ms += if request.is_ok() { 20 } else { 500 };
            self.calm()?;
            self.check()?;
        }
        let spent = budgets.iter().map(|budget| self.used(budget)).max().unwrap_or(0);
        if spent < 99_000 {
            return Err(format!("only {spent} of 100,000 parts of the tightest budget are usable ({turn} turns)"));
        }
        Ok(spent)
    }

    /// How much of a budget's open window is spent, in thousandths of a percent of its limit.
    fn used(&self, budget: &crate::budget::Budget) -> u64 {
        let root = self.rules.root(&budget.scope);
        let limit = &budget.limits[0];
        let row = self.log.book(&root).and_then(|book| {
            let account = book.current(&budget.scope, limit.period)?;
            book.account(&account)
        });
        let counted = row.map_or(0, |row| wide(row.counted()));
        let used = counted * 100_000 / wide(limit.limit_nano_usd).max(1);
        u64::try_from(used).unwrap_or(0)
    }
}
