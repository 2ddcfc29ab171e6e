//! Sums over requests.

use serde::{Deserialize, Serialize};
use tallygate_core::activity::{DaySpent, Outcome, RequestRefused, RequestSettled};
use tallygate_core::money::NanoUsd;
use tallygate_core::usage::Usage;

/// Sums over requests. Every number is held at the end of its range: a view must not stop folding because a sum grew
/// past nine billion dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests whose client got all of the answer.
    pub succeeded: u64,
    /// Requests whose upstream failed.
    pub failed: u64,
    /// Requests whose client went away before the end.
    pub disconnected: u64,
    /// Requests that were refused before they reached an upstream.
    pub refused: u64,
    /// Settled requests that have no price, and so no cost.
    pub unpriced: u64,
    /// Tokens, in five classes.
    #[serde(with = "super::tokens")]
    pub usage: Usage,
    /// What it cost, in nano-dollars.
    pub cost_nano_usd: NanoUsd,
}

impl Totals {
    /// The sums over one settled request.
    #[must_use]
    pub fn of_settled(settled: &RequestSettled) -> Self {
        let count = |outcome| u64::from(settled.outcome == outcome);
        Self {
            succeeded: count(Outcome::Succeeded),
            failed: count(Outcome::Failed),
            disconnected: count(Outcome::Disconnected),
            refused: 0,
            unpriced: u64::from(settled.cost_nano_usd.is_none()),
            usage: settled.usage.in_five_classes(),
            cost_nano_usd: settled.cost_nano_usd.unwrap_or_default(),
        }
    }

    /// The sums over refused requests.
    #[must_use]
    pub fn of_refused(refused: &RequestRefused) -> Self {
        Self { refused: refused.count, ..Self::default() }
    }

    /// The sums that a row of spend elsewhere says.
    #[must_use]
    pub fn of_elsewhere(row: &DaySpent) -> Self {
        Self {
            succeeded: row.succeeded,
            failed: row.failed,
            usage: row.usage.in_five_classes(),
            cost_nano_usd: row.cost_nano_usd,
            ..Self::default()
        }
    }

    /// Requests that reached an upstream.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.succeeded.saturating_add(self.failed).saturating_add(self.disconnected)
    }

    /// Adds other sums.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.counts().into_iter().zip(Self::clone(other).counts()) {
            *sum = sum.saturating_add(*more);
        }
        self.cost_nano_usd = self.cost_nano_usd.saturating_plus(other.cost_nano_usd);
    }

    /// Raises each number to another one where that is more, and tells by how much each grew.
    pub(crate) fn raise(&mut self, to: &Self) -> Self {
        let mut growth = *to;
        for (sum, grown) in self.counts().into_iter().zip(growth.counts()) {
            *grown = grown.saturating_sub(*sum);
            *sum += *grown;
        }
        growth.cost_nano_usd = to.cost_nano_usd.saturating_minus(self.cost_nano_usd).at_least_zero();
        self.cost_nano_usd = self.cost_nano_usd.max(to.cost_nano_usd);
        growth
    }

    /// Every number but the amount.
    const fn counts(&mut self) -> [&mut u64; 10] {
        [
            &mut self.succeeded,
            &mut self.failed,
            &mut self.disconnected,
            &mut self.refused,
            &mut self.unpriced,
            &mut self.usage.input_tokens,
            &mut self.usage.cached_input_tokens,
            &mut self.usage.cache_write_tokens,
            &mut self.usage.output_tokens,
            &mut self.usage.reasoning_tokens,
        ]
    }
}
