//! The end of a seed: the weather clears, everything comes to rest, and the rest of the money is spent.

use std::fmt::Write as _;

use super::requests::Ending;
use super::world::{Outcome, World};
use crate::budget::Budget;
use crate::lease::slices::Refused;
use crate::lease::wide;
use crate::money::NanoUsd;

/// After how many tries the end of a budget must be reached.
const TURNS_MAX: usize = 2_000;
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
        self.leave_one_process_each();
        self.come_to_rest()?;
        self.check_quiet()?;
        let usable_milli_percent = self.spend_the_rest()?;
        self.come_to_rest()?;
        self.check_quiet()?;
        let events = self.log.chains.values().map(|chain| chain.events.len() as u64).sum();
        Ok(Outcome { sent: self.provider.sent, events, usable_milli_percent })
    }

    /// Somebody finds the processes that share a name, stops them, and starts one.
    fn leave_one_process_each(&mut self) {
        for site in &mut self.sites {
            if site.processes.len() > 1 || site.processes.iter().any(super::process::Process::is_fenced) {
                site.processes.clear();
                site.is_down = true;
            }
        }
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
        let processes: Vec<_> = self.sites.iter().flat_map(|site| &site.processes).collect();
        let idle = processes.iter().filter(|process| process.is_idle()).count();
        Err(format!("it does not come to rest: {idle} of {} are idle{}", processes.len(), self.remains()))
    }

    /// What is in slices and in suspense, and what their gateways think of it.
    fn remains(&self) -> String {
        let mut text = String::new();
        for (account, row) in self.log.chains.values().flat_map(|chain| chain.book.accounts()) {
            for slice in
                row.slices().iter().filter(|slice| [slice.out, slice.unknown, slice.gone] != [NanoUsd::ZERO; 3])
            {
                let _ =
                    write!(text, "\n{account:?}: limit {} posted {} {slice:?}", row.limit.nano(), row.posted.nano());
                let processes = self.sites.iter().flat_map(|site| &site.processes);
                for process in processes.filter(|process| *process.ledger.gateway() == slice.gateway) {
                    for slot in process.ledger.slots().filter(|slot| slot.account == *account) {
                        let _ = write!(text, "\n  {} {slot:?}", process.number);
                    }
                }
            }
        }
        text
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
            self.check_limits(&message.stored)?;
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
    /// every gateway says that a budget is over. Tells how much of that budget was spent by then, in thousandths of a
    /// percent: a gateway says so only when it would not help if all others returned their slices.
    fn spend_the_rest(&mut self) -> Result<u64, String> {
        let version = self.rules.versions.len() - 1;
        let budgets: Vec<_> = self.rules.budgets(version, 0).cloned().collect();
        let smallest = budgets.iter().map(|budget| budget.limits[0].limit_nano_usd.nano()).min().unwrap_or_default();
        let least = (smallest / 200).max(1);
        let mut used = u64::MAX;
        for site in 0..self.sites.len() {
            used = used.min(self.spend_until_over(site, &budgets, least)?);
        }
        Ok(used)
    }

    /// Spends mostly from one site, and sometimes from the others, which keep a slice by that.
    fn spend_until_over(&mut self, site: usize, budgets: &[Budget], least: i64) -> Result<u64, String> {
        let mut divisor = 8;
        for turn in 0..TURNS_MAX {
            let at = if turn % 4 == 3 { self.random.index(self.sites.len()) } else { site };
            let request = self.with(at, 0, |process, around| {
                // Larger requests while there is much left: what matters is the end.
                let left =
                    process.ledger.available(budgets.iter(), process.moment(around.now_ms).at).map_or(0, NanoUsd::nano);
                let amount = (left / divisor).max(least);
                process.request_on(around, 0, amount, amount, (10, Ending::Settled))
            });
            self.now_ms += if request.is_ok() { 20 } else { 500 };
            self.calm()?;
            self.check()?;
            if let Err(Refused::Exhausted(exhausted)) = request {
                if exhausted.asked.nano() > least {
                    divisor *= 2;
                    continue;
                }
                if at != site {
                    continue;
                }
                let used = wide(exhausted.posted) * 100_000 / wide(exhausted.limit).max(1);
                let used = u64::try_from(used).unwrap_or(0).min(100_000);
                return if used < 99_000 { Err(format!("it is not usable: {exhausted:?}")) } else { Ok(used) };
            }
        }
        let last =
            self.with(site, 0, |process, around| process.request_on(around, 0, least, least, (10, Ending::Settled)));
        Err(format!("site {site} can neither spend the rest nor says that it is over: {last:?}{}", self.remains()))
    }
}
