//! Whoever reads the provider's bill closes what is in suspense with it, as an operator does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tallygate_tests::gateway::Gateway;

use super::books::{self, Books};
use super::money::Money;

/// How long it may take until all of it may be closed: it rests a second.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

/// What was closed, in nano-dollars.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    /// How much was in suspense of the keys' budgets.
    pub(crate) of_keys: u64,
    /// How much was spent of what was in suspense, by the scope of the budget.
    pub(crate) spent: BTreeMap<String, u64>,
}

impl Closed {
    /// How much was spent of what was in suspense of a scope's budget.
    pub(crate) fn spent_of(&self, scope: &str) -> u64 {
        self.spent.get(scope).copied().unwrap_or_default()
    }

    /// How much was spent of what was in suspense of all keys' budgets.
    pub(crate) fn spent_of_keys(&self, money: &Money) -> u64 {
        money.keys.iter().map(|key| self.spent_of(&key.scope)).sum()
    }
}

/// Closes all that is in suspense: of each account so much was spent as the provider bills above what was charged.
pub(crate) async fn close(gateways: &[Gateway], money: &Money, books: &Books) -> Result<Closed> {
    let (begun, operator) = (Instant::now(), gateways.first().context("no gateway")?.operator()?);
    let mut closed = Closed::default();
    let mut left: Vec<(String, u64)> =
        money.keys.iter().map(|key| key.scope.clone()).zip(books.above.clone()).collect();
    loop {
        let rows = operator.get("/api/suspense").await?.expect(200)?.at("/suspense")?;
        let rows = rows.as_array().context("no suspense")?;
        // A gateway may have some that is not in the log yet, or not have read that it was closed.
        let mut known = 0;
        for gateway in gateways {
            known += books::gauge(gateway, "tallygate_suspense_nano_usd").await?;
        }
        if rows.is_empty() && known == 0 {
            return Ok(closed);
        }
        ensure!(begun.elapsed() < CLOSED_WITHIN, "this stays in suspense: {}", json!(rows));
        for row in rows {
            let scope = row.pointer("/account/scope").and_then(Value::as_str).context("no scope")?.to_owned();
            let amount = row["amount_nano_usd"].as_u64().context("no amount")?;
            if !left.iter().any(|(of, _)| *of == scope) {
                // Everything that a key's budget pays, those above it pay too.
                left.push((scope.clone(), books.above.iter().sum()));
            }
            let account = left.iter_mut().find(|(of, _)| *of == scope).context("no account")?;
            let spent = account.1.min(amount);
            let mut closing = json!({ "spent_nano_usd": spent });
            for name in ["gateway", "epoch", "why", "account", "amount_nano_usd"] {
                closing[name] = row[name].clone();
            }
            if operator.post("/api/suspense/close", &closing).await?.status != 200 {
                // It has not rested long enough, or was closed and not read back yet.
                continue;
            }
            account.1 -= spent;
            closed.of_keys += if scope.starts_with("key:") { amount } else { 0 };
            *closed.spent.entry(scope).or_default() += spent;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
