//! Whoever reads the provider's bill closes what is in suspense with it, as an operator does.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tallygate_tests::gateway::Gateway;

use super::books::{self, Books};
use super::money::Money;

/// How long it may take until all of it may be closed: it rests a second.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

/// Closes all that is in suspense: of each account so much was spent as the provider bills above what was charged. Tells
/// how much was in suspense of the keys' budgets, and how much of that was spent, in nano-dollars; and how much of what was in
/// suspense of the gateways' own budget.
pub(crate) async fn close(gateways: &[Gateway], money: &Money, books: &Books) -> Result<(u64, u64, u64)> {
    let (begun, operator) = (Instant::now(), gateways.first().context("no gateway")?.operator()?);
    let (mut of_keys, mut of_gateways) = ((0, 0), 0);
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
            return Ok((of_keys.0, of_keys.1, of_gateways));
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
            for name in ["gateway", "epoch", "why", "account"] {
                closing[name] = row[name].clone();
            }
            if operator.post("/api/suspense/close", &closing).await?.status != 200 {
                // It has not rested long enough, or was closed and not read back yet.
                continue;
            }
            account.1 -= spent;
            if scope.starts_with("key:") {
                of_keys = (of_keys.0 + amount, of_keys.1 + spent);
            } else if scope == "gateway" {
                of_gateways += spent;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
