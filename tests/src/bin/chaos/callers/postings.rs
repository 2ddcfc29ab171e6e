//! What the lease log says was spent of each budget, beside what was charged to it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tallygate_tests::gateway::Gateway;

use super::books::Books;
use super::money::Money;
use super::suspense::Closed;

/// How long a gateway may take to report what it spent: longer than a slice may be idle.
const REPORTED_WITHIN: Duration = Duration::from_secs(30);

/// What was charged to each budget, in nano-dollars, by its scope: what requests were settled at, and what was spent of suspense.
#[derive(Debug, Default)]
pub(crate) struct Postings(BTreeMap<String, u64>);

impl Postings {
    /// Adds what a crowd spent.
    pub(crate) fn add(&mut self, money: &Money, books: &Books, closed: &Closed) {
        let of_keys = money.keys.iter().map(|key| &key.scope).zip(books.charged_to.iter().copied());
        let above = money.above.iter().map(|scope| (scope, books.charged()));
        for (scope, charged) in of_keys.chain(above) {
            *self.0.entry(scope.clone()).or_default() += charged + closed.spent_of(scope);
        }
    }

    /// What was charged to a scope's budget so far.
    pub(crate) fn of(&self, scope: &str) -> u64 {
        self.0.get(scope).copied().unwrap_or_default()
    }

    /// Of how many budgets it is known.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Of how many budgets the lease log says something else, once it was told everything, or after a while.
    pub(crate) async fn wrong(&self, gateways: &[Gateway]) -> Result<usize> {
        let (begun, operator) = (Instant::now(), gateways.first().context("no gateway")?.operator()?);
        let mut open: Vec<(&String, u64)> = self.0.iter().map(|(scope, charged)| (scope, *charged)).collect();
        loop {
            let mut wrong = Vec::new();
            for (scope, charged) in open {
                let budgets =
                    operator.get(&format!("/api/budgets?scope={scope}")).await?.expect(200)?.at("/budgets")?;
                // A key that nobody could ask anything with has no window.
                let posted = budgets[0]["posted_nano_usd"].as_u64().unwrap_or_default();
                if posted != charged {
                    wrong.push((scope, charged, posted));
                }
            }
            if wrong.is_empty() || begun.elapsed() > REPORTED_WITHIN {
                for (scope, charged, posted) in &wrong {
                    println!("callers: {scope} was charged {charged}, and the lease log says {posted}");
                }
                return Ok(wrong.len());
            }
            open = wrong.into_iter().map(|(scope, charged, _)| (scope, charged)).collect();
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}
