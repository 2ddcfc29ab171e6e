//! What must be so after every step, as the provider sees it.

use std::collections::BTreeMap;

use super::log::Stored;
use super::world::World;
use crate::lease::{AccountId, Event, wide};
use crate::money::NanoUsd;
use crate::stream::Position;

impl World {
    /// Compares the world with the truth.
    pub(super) fn check(&self) -> Result<(), String> {
        for (account, billed) in self.billed() {
            let over = self.provider.over.get(&account).copied().unwrap_or_default();
            let exposed = self.exposed(&account);
            let limit = self.log.limits.get(&account).copied().unwrap_or_default();
            if billed > limit + over + exposed {
                return Err(format!("overshoot: {billed} was billed to {account:?}, whose limit was {limit}"));
            }
            let counted = self.log.counted(&account);
            if billed > counted + over + exposed {
                return Err(format!(
                    "{billed} was billed to {account:?}, and only {counted} counts{}",
                    self.slices(&account)
                ));
            }
        }
        for process in self.sites.iter().flat_map(|site| &site.processes) {
            let mut held: BTreeMap<u32, i128> = BTreeMap::new();
            for running in &process.running {
                for part in process.ledger.parts(&running.hold) {
                    *held.entry(part.serial).or_default() += wide(running.hold.amount());
                }
            }
            for slot in process.ledger.slots() {
                if !slot.is_balanced() {
                    return Err(format!("held is not settled + released + suspense + open: {slot:?}"));
                }
                let open = held.get(&slot.serial).copied().unwrap_or_default();
                if wide(slot.held) != open {
                    return Err(format!("{} is held by requests that hold {open}: {slot:?}", slot.held));
                }
            }
        }
        Ok(())
    }

    /// That money is granted against a limit that the budget has by the event that the grant names: as it was set, or as it
    /// is raised for a while, less what was spent elsewhere in the window. When a raise ends is for the writer's clock to say, and clocks are wrong here.
    pub(super) fn check_limits(&self, stored: &Stored) -> Result<(), String> {
        let check = |account: &AccountId, limit: NanoUsd, control: Position| {
            let mut budgets = self.rules.versions.iter().flatten();
            let set = budgets.find(|budget| budget.scope == account.scope && budget.set == control);
            let budget =
                set.ok_or_else(|| format!("{account:?} was granted against an unknown limit, of {control}"))?;
            let (base, raise) = (budget.limits[0].limit_nano_usd, budget.terms.raise);
            let raised = raise.map_or(base, |raise| base.saturating_plus(raise.by_nano_usd));
            let elsewhere = budget.carried_in(account.period, account.window);
            let [base, raised] = [base, raised].map(|limit| limit.saturating_minus(elsewhere).at_least_zero());
            if limit == base || limit == raised {
                return Ok(());
            }
            Err(format!("{account:?} was granted against {limit}, and its limits were {base} and {raised}"))
        };
        match &stored.event {
            Event::Opened(opened) => opened
                .windows
                .iter()
                .try_for_each(|window| check(&window.account, window.limit_nano_usd, window.control)),
            Event::Rolled(rolled) => rolled.slices.iter().try_for_each(|roll| {
                roll.granted.map_or(Ok(()), |grant| check(&roll.account, grant.limit_nano_usd, grant.control))
            }),
            _ => Ok(()),
        }
    }

    /// Every slice of an account beside what the provider billed to it: what a failure needs to be understood.
    fn slices(&self, account: &AccountId) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        let row = self.log.chains.values().find_map(|chain| chain.book.account(account));
        for ((gateway, epoch, of), billed) in &self.provider.by_slice {
            if of == account {
                let slice = row.and_then(|row| row.slice(gateway, *epoch));
                let _ = write!(text, "\n{gateway} epoch {epoch} billed {billed}: {slice:?}");
            }
        }
        text
    }

    fn exposed(&self, account: &AccountId) -> i128 {
        if self.rules.grace_ms.is_none() {
            return 0;
        }
        // What was reclaimed is the overshoot that a soft budget allows for; what is forgotten was within it.
        let row = self.log.chains.values().find_map(|chain| chain.book.account(account));
        row.map_or(i128::from(i64::MAX), |row| wide(row.exposed))
    }

    /// What must be so once all is quiet: nothing is held, nothing is out, nothing is in suspense, every settled request is
    /// in the activity log once, and what was posted is what was billed.
    pub(super) fn check_quiet(&self) -> Result<(), String> {
        for process in self.sites.iter().flat_map(|site| &site.processes) {
            if process.ledger.held() != NanoUsd::ZERO {
                return Err(format!("{} stays held", process.ledger.held()));
            }
        }
        for (root, chain) in &self.log.chains {
            for (account, row) in chain.book.accounts() {
                if row.counted() != row.posted {
                    return Err(format!("leaked in {root}: {account:?} {row:?}"));
                }
            }
        }
        self.check_activity()?;
        if self.rules.has_wrong_prices || self.rules.grace_ms.is_some() {
            return Ok(());
        }
        for (account, billed) in self.billed() {
            let posted = self.log.posted.get(&account).copied().unwrap_or_default();
            if posted < billed || (posted > billed && !self.closed_gone) {
                let slices = self.slices(&account);
                return Err(format!("{posted} is posted to {account:?}, and {billed} was billed{slices}"));
            }
        }
        Ok(())
    }

    fn check_activity(&self) -> Result<(), String> {
        let mut seen: BTreeMap<&[u8], u64> = BTreeMap::new();
        for record in self.log.activity.values().flatten() {
            *seen.entry(record).or_default() += 1;
        }
        if let Some((record, times)) = seen.iter().find(|(_, times)| **times > 1) {
            return Err(format!("a request is {times} times in the activity log: {record:?}"));
        }
        let missing = self.certain.iter().find(|request| !seen.contains_key(request.as_uuid().as_bytes().as_slice()));
        missing.map_or(Ok(()), |request| Err(format!("the request {request} is not in the activity log")))
    }
}
