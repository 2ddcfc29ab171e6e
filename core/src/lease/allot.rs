//! How large a slice should be: the allocator.
//!
//! A slice is as much as a gateway spends in two seconds, so that refills are rare; and it shrinks as the budget ends, so
//! that the last money is not stranded in the hands of somebody who does not need it. A request that waits for more than
//! that gets what it needs, if it is there.

use super::{narrow, wide};
use crate::money::NanoUsd;

/// When and how much a gateway refills, returns and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long a full slice lasts at the rate of the moment, in milliseconds.
    pub slice_ms: u64,
    /// The smallest slice while the budget is far from its end.
    pub least: NanoUsd,
    /// What is not worth a line of the log, unless a request waits for it.
    pub crumb: NanoUsd,
    /// After how long without a hold a slice goes back, in milliseconds.
    pub idle_ms: u64,
    /// After how long spending is reported, even if nothing else is to be said, in milliseconds.
    pub report_ms: u64,
    /// How long a refused request may come again for what it needs, in milliseconds.
    pub need_ms: u64,
    /// How old the last word from the log may be when money is held, in milliseconds.
    pub age_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            slice_ms: 2_000,
            least: NanoUsd::new(50_000_000),
            crumb: NanoUsd::new(1_000_000),
            idle_ms: 5_000,
            report_ms: 5_000,
            need_ms: 1_000,
            age_ms: 30_000,
        }
    }
}

/// An account as one gateway sees it when it decides about its slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// The limit now.
    pub limit: NanoUsd,
    /// All that counts against it: posted, out and in suspense.
    pub counted: NanoUsd,
    /// Of that, what is in slices.
    pub out: NanoUsd,
    /// What is left in the gateway's own slice. Below zero when requests cost more than they held.
    pub free: NanoUsd,
    /// By how much the slice is overdrawn. It is posted already, so a grant that makes it whole takes nothing from anyone.
    pub hole: NanoUsd,
    /// What the gateway spends in a second.
    pub rate: NanoUsd,
    /// The largest hold that waits for money; zero when none does.
    pub need: NanoUsd,
    /// All holds that were refused since the last refill.
    pub wanted: NanoUsd,
    /// How many gateways have a slice of it, this one counted.
    pub sharers: u32,
    /// Whether nothing was held for a while.
    pub is_idle: bool,
}

/// What to do with a slice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allotment {
    /// Take so much more.
    pub grant: NanoUsd,
    /// Give so much back.
    pub returned: NanoUsd,
    /// What the slice should hold: it is refilled when half of that is left.
    pub target: NanoUsd,
}

/// Decides what to do with a slice. It never grants more than there is and what makes the slice whole, nor returns more than is free.
#[must_use]
pub fn allot(policy: &Policy, outlook: &Outlook) -> Allotment {
    let (limit, counted, free) = (wide(outlook.limit), wide(outlook.counted), wide(outlook.free));
    let (need, sharers) = (wide(outlook.need).max(0), i128::from(outlook.sharers.max(1)));
    let remaining = (limit - counted).max(0);
    let give_back = |amount: i128| Allotment { returned: narrow(amount.max(0)), ..Allotment::default() };
    // The limit was lowered below what was given away, or nobody needs it.
    if limit < counted || (outlook.is_idle && need == 0) {
        return give_back(free);
    }
    let parts = if sharers == 1 { 8 } else { 2 * sharers };
    let in_two_seconds = wide(outlook.rate).max(0) * i128::from(policy.slice_ms) / 1_000;
    let wish = in_two_seconds.max(wide(policy.least)).max(wide(outlook.wanted));
    let target = wish.min(remaining / parts);
    // Near the end, what the others need is worth more than a slice that lasts.
    if sharers > 1 {
        let unspent = remaining + wide(outlook.out);
        let fair = (unspent / parts).max(need);
        if free > 2 * fair && remaining < wish {
            return Allotment { target: narrow(target), ..give_back(free - fair) };
        }
    }
    let lacking = if need > free { need - free } else { 0 };
    let grantable = remaining + wide(outlook.hole).max(0);
    let must = if lacking <= grantable { lacking } else { 0 };
    let top_up = if 2 * free < target { target - free } else { 0 };
    let top_up = if top_up < wide(policy.crumb) { 0 } else { top_up };
    let grant = must.max(top_up).min(grantable);
    Allotment { grant: narrow(grant), returned: NanoUsd::ZERO, target: narrow(target) }
}

/// What is spent in a second, smoothed: quick to rise, slow to fall.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    per_second: i128,
    spent: i128,
    since_ms: u64,
}

impl Rate {
    /// The shortest time that is measured, in milliseconds.
    const TICK_MS: u64 = 250;

    /// A rate of nothing, measured from a moment on.
    #[must_use]
    pub const fn from(now_ms: u64) -> Self {
        Self { per_second: 0, spent: 0, since_ms: now_ms }
    }

    /// Counts an amount.
    pub fn add(&mut self, amount: NanoUsd) {
        self.spent += wide(amount);
    }

    /// Measures up to a moment, if enough time has passed.
    pub fn tick(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.since_ms);
        if passed < Self::TICK_MS {
            return;
        }
        let sample = self.spent * 1_000 / i128::from(passed);
        let weight = if sample > self.per_second { 1 } else { 3 };
        self.per_second = (self.per_second * weight + sample) / (weight + 1);
        self.spent = 0;
        self.since_ms = now_ms;
    }

    /// The rate in a second.
    #[must_use]
    pub fn per_second(&self) -> NanoUsd {
        narrow(self.per_second)
    }
}

/// How many seconds an amount lasts at a rate; none when nothing is spent. What a gateway can do without the log.
#[must_use]
pub fn autonomy_seconds(free: NanoUsd, rate: NanoUsd) -> Option<u64> {
    if rate <= NanoUsd::ZERO {
        return None;
    }
    u64::try_from(wide(free.at_least_zero()) / wide(rate)).ok()
}

#[cfg(test)]
mod tests;
