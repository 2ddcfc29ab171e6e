//! The budgets of one seed: on each key, on their realm, on its parent, and on the gateways; one of them is the tight one.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_core::key::KeyHash;
use tallygate_tests::gateway::Gateway;

use crate::dice::Dice;
use crate::ground::{COST_NANO_USD, uuid};

/// Keys of a seed.
const KEYS: usize = 10;
/// What the tight budget pays for, in requests. Tight keys share it.
const BUDGET: u64 = 2_000;
/// The same in nano-dollars: what can be spent in all.
pub(crate) const LIMIT_NANO_USD: u64 = BUDGET * COST_NANO_USD;
/// How much more the others pay for.
const SLACK: u64 = 3;
/// The scope of the gateways' own budget.
pub(crate) const GATEWAY: &str = "gateway";

/// See the module.
#[derive(Debug)]
pub(crate) struct Money {
    pub(crate) keys: Vec<Key>,
    /// The scopes of the budgets above the keys' own.
    pub(crate) above: [String; 3],
    /// Which level is the tight one, 0 being the keys.
    pub(crate) tight: usize,
}

/// A key of the seed.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) secret: String,
    /// The scope of its budget.
    pub(crate) scope: String,
}

impl Money {
    /// Sets budgets, and waits until every gateway knows the last key. `charged` is what counts against the gateways' own
    /// budget already.
    pub(crate) async fn set(gateways: &[Gateway], dice: &mut Dice, (seed, charged): (u64, u64)) -> Result<Self> {
        let tight = dice.index(4);
        let pays = |level: usize| LIMIT_NANO_USD * if level == tight { 1 } else { SLACK };
        let first = gateways.first().context("no gateway")?;
        let name = format!("callers-{seed}-{}", uuid());
        let parent = format!("{name}-parent");
        let above = [format!("realm:{name}"), format!("realm:{parent}"), GATEWAY.to_owned()];
        register(first, json!({ "realm": parent, "models": "all" })).await?;
        register(first, json!({ "realm": name, "models": "all", "parent": parent })).await?;
        for (level, scope) in (1..).zip(&above) {
            let counted = if scope == GATEWAY { charged } else { 0 };
            set(first, scope, counted + pays(level)).await?;
        }
        let mut keys = Vec::new();
        for number in 0..KEYS {
            let (key, secret) = (uuid(), format!("sk-{name}-{number}"));
            let terms = json!({ "key": key, "hash": KeyHash::of_secret(&secret), "shown": "sk-...", "realm": name,
                "models": "all", "limits": { "requests_per_minute": null, "tokens_per_minute": null,
                "parallel_requests": null } });
            command(first, "IssueKey", terms).await?;
            let scope = format!("key:{key}");
            set(first, &scope, pays(0) / u64::try_from(KEYS)?).await?;
            keys.push(Key { secret, scope });
        }
        for gateway in gateways {
            // A control may lose what it acknowledged: then the callers are refused, and it is seen there.
            let caller = gateway.caller(&keys.last().context("no keys")?.secret)?;
            for _ in 0..1_000 {
                if caller.get("/v1/models").await?.status == 200 {
                    break;
                }
            }
        }
        Ok(Self { keys, above, tight })
    }

    /// By how much amounts of the keys are over the tight budget.
    pub(crate) fn over(&self, amounts: &[u64]) -> u64 {
        if self.tight > 0 {
            return amounts.iter().sum::<u64>().saturating_sub(LIMIT_NANO_USD);
        }
        let limit = LIMIT_NANO_USD / u64::try_from(KEYS).unwrap_or(1);
        amounts.iter().map(|amount| amount.saturating_sub(limit)).sum()
    }
}

async fn set(gateway: &Gateway, scope: &str, limit: u64) -> Result<()> {
    let limits = json!([{ "period": "total", "limit_nano_usd": limit }]);
    command(gateway, "SetBudget", json!({ "scope": scope, "limits": limits })).await
}

async fn register(gateway: &Gateway, data: Value) -> Result<()> {
    command(gateway, "RegisterRealm", data).await
}

async fn command(gateway: &Gateway, kind: &str, data: Value) -> Result<()> {
    let body = json!({ "id": uuid(), "type": kind, "data": data });
    gateway.operator()?.post("/api/commands", &body).await?.expect(200)?;
    Ok(())
}
