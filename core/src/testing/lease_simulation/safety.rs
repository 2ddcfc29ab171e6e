//! What must be so after every step, as the provider sees it.

use std::collections::BTreeMap;

use super::world::World;
use crate::lease::wide;
use crate::money::NanoUsd;

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

    /// Every slice of an account beside what the provider billed to it: what a failure needs to be understood.
    fn slices(&self, account: &crate::lease::AccountId) -> String {
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

    fn exposed(&self, account: &crate::lease::AccountId) -> i128 {
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
