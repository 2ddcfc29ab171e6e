//! What the books say in the end, request by request, beside the provider's bill.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tallygate_tests::gateway::Gateway;

use super::TOKENS;
use super::money::Money;
use crate::ground::{self, COST_NANO_USD};

/// How long what was settled on one gateway may take to be in the books of another. Long, since the rows of one reading take
/// seconds on a busy machine.
const BOOKED_WITHIN: Duration = Duration::from_secs(60);
/// How long what runs may take to end, once no caller is there.
const QUIET_WITHIN: Duration = Duration::from_secs(15);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// What each key was charged, in nano-dollars.
    pub(crate) charged_to: Vec<u64>,
    /// What the provider bills for each key's requests, whatever gateways know of it.
    pub(crate) billed: Vec<u64>,
    /// Requests whose usage was told, and which were charged something else.
    pub(crate) mischarged: usize,
    /// Requests whose usage was not told.
    pub(crate) untold: usize,
    /// By how much the provider bills each key's requests above what they were charged.
    pub(crate) above: Vec<u64>,
    /// Whether all that was billed is in the books, and they are at rest. If not, nobody can judge suspense by them.
    pub(crate) is_whole: bool,
    /// How many rows each key has, refusals too.
    rows: Vec<usize>,
    /// How often each request was settled.
    settled: HashMap<String, usize>,
}

impl Books {
    /// Reads what the first gateway has, once it has all that was billed and is at rest, or as it is after a while. Pages that
    /// are read while rows are added have some of them twice.
    pub(crate) async fn read(gateways: &[Gateway], money: &Money, bill: &BTreeMap<String, u64>) -> Result<Self> {
        let (begun, first) = (Instant::now(), gateways.first().context("no gateway")?);
        let mut before = Vec::new();
        loop {
            let mut books = Self::default();
            for key in &money.keys {
                books.add(first, &key.secret, bill).await?;
            }
            let is_at_rest = books.rows == before;
            books.is_whole = is_at_rest && bill.keys().all(|user| books.settled.contains_key(user));
            if books.is_whole || begun.elapsed() > BOOKED_WITHIN {
                return Ok(books);
            }
            before = books.rows;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn add(&mut self, gateway: &Gateway, key: &str, bill: &BTreeMap<String, u64>) -> Result<()> {
        let (mut charged, mut billed, mut above) = (0, 0, 0);
        let rows = ground::rows(gateway, key).await?;
        self.rows.push(rows.len());
        for row in &rows {
            // A refusal names no end user.
            let Some(user) = row["end_user"].as_str().filter(|user| !user.is_empty()) else { continue };
            let cost = ground::cost_of(row)?;
            charged += cost;
            let count = self.settled.entry(user.to_owned()).or_default();
            *count += 1;
            if *count > 1 {
                continue;
            }
            let of_it = bill.get(user).map_or(0, |tokens| tokens * COST_NANO_USD / TOKENS);
            let is_told = row["metadata"]["tallygate"]["estimated"] == false;
            billed += of_it;
            above += of_it.saturating_sub(cost);
            self.mischarged += usize::from(is_told && of_it != cost);
            self.untold += usize::from(!is_told);
        }
        self.above.push(above);
        self.charged_to.push(charged);
        self.billed.push(billed);
        Ok(())
    }

    pub(crate) fn charged(&self) -> u64 {
        self.charged_to.iter().sum()
    }

    /// How many requests were sent and not settled, or settled more than once.
    pub(crate) fn not_once(&self, bill: &BTreeMap<String, u64>) -> usize {
        let never = bill.keys().filter(|user| !self.settled.contains_key(*user)).count();
        never + self.settled.values().filter(|count| **count > 1).count()
    }
}

/// What all gateways still hold when nothing runs any more, in nano-dollars.
pub(crate) async fn held_after_quiet(gateways: &[Gateway]) -> Result<u64> {
    let begun = Instant::now();
    loop {
        let mut held = 0;
        for gateway in gateways {
            held += gauge(gateway, "tallygate_held_nano_usd").await?;
        }
        if held == 0 || begun.elapsed() > QUIET_WITHIN {
            return Ok(held);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(super) async fn gauge(gateway: &Gateway, name: &str) -> Result<u64> {
    let metrics = gateway.operator()?.get("/metrics").await?.expect(200)?;
    let text = metrics.text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.with_context(|| format!("no metric {name}"))
}
