//! What every part begins with: a model whose requests cost a known amount, keys, and what the logs hold in the end.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::binaries::binary;
use tallygate_tests::client::Client;
use tallygate_tests::gateway::Gateway;
use tallygate_tests::process::Process;
use tallygate_tests::upstream::{Reply, Upstream, Usage};

pub(crate) const MODEL: &str = "chaos";
/// What one request costs: ten tokens at 100,000 nano-dollars.
pub(crate) const COST_NANO_USD: u64 = 1_000_000;

/// The most rows of an answer.
const ROWS_OF_PAGE: usize = 1_000;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A uuid that no other call of this process gives.
pub(crate) fn uuid() -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("0199{:04x}-0000-7000-8000-{number:012x}", std::process::id() & 0xffff)
}

/// An upstream that reports ten tokens for each request.
pub(crate) async fn upstream() -> Result<Upstream> {
    let upstream = Upstream::start().await?;
    upstream.forget_requests();
    let usage = Usage { prompt_tokens: 10, cached_tokens: 0, completion_tokens: 10, reasoning_tokens: 0 };
    upstream.on_model(MODEL, Reply::answer().usage(usage));
    Ok(upstream)
}

/// Registers the model. A prompt costs nothing, so that a request costs just what it holds.
pub(crate) async fn register(gateway: &Gateway, upstream: &Upstream) -> Result<()> {
    let data = json!({ "model": uuid(), "name": MODEL, "deployments": [{
        "id": "deployment-1", "vendor": "openai-compatible", "upstream_model": MODEL,
        "base_url": upstream.url(), "max_output_tokens": 10,
        "price": { "input_pico_usd": 0, "output_pico_usd": 100_000_000,
                   "cached_input_pico_usd": null, "cache_write_pico_usd": null },
    }]});
    let body = json!({ "id": uuid(), "type": "RegisterModel", "data": data });
    gateway.operator()?.post("/api/commands", &body).await?.expect(200)?;
    Ok(())
}

/// A fresh key, with a budget for so many requests if one is given.
pub(crate) async fn key(gateway: &Gateway, requests: Option<u64>) -> Result<String> {
    let mut terms = json!({});
    if let Some(requests) = requests {
        // A thousandth of a dollar each, written as LiteLLM's API takes money.
        terms = serde_json::from_str(&format!(r#"{{"max_budget": {}.{:03}}}"#, requests / 1_000, requests % 1_000))?;
    }
    let answer = gateway.operator()?.post("/key/generate", &terms).await?.expect(200)?;
    Ok(answer.at("/key")?.as_str().context("no key")?.to_owned())
}

/// A request that holds just what it costs.
pub(crate) fn chat() -> Value {
    json!({ "model": MODEL, "max_tokens": 10, "messages": [{ "role": "user", "content": "Say three words." }] })
}

/// Sends one request, and tells its id if it was answered.
pub(crate) async fn ask(caller: &Client) -> Result<Result<String, u16>> {
    let answer = caller.post("/v1/chat/completions", &chat()).await?;
    if answer.status != 200 {
        return Ok(Err(answer.status));
    }
    Ok(Ok(answer.header("x-litellm-call-id").context("no call id")?.to_owned()))
}

/// What a gateway holds on a key's budget, in nano-dollars: it says so to a request that costs more than the budget.
pub(crate) async fn held(caller: &Client) -> Result<usize> {
    let mut dear = chat();
    dear["max_tokens"] = json!(100_000_000);
    let answer = caller.post("/v1/chat/completions", &dear).await?;
    let held = answer.at("/error/tallygate/details/held_nano_usd")?.as_u64();
    let held = held.with_context(|| format!("nothing is said of holds: {}", answer.text()))?;
    Ok(usize::try_from(held)?)
}

/// For how many requests a key was charged, by what a gateway has of each request, once that grows no more.
pub(crate) async fn charged(gateway: &Gateway, key: &str) -> Result<usize> {
    let mut before = None;
    loop {
        let rows = rows(gateway, key).await?;
        if before == Some(rows.len()) {
            let charged = rows.iter().map(cost_of).sum::<Result<u64>>()?;
            return Ok(usize::try_from(charged / COST_NANO_USD)?);
        }
        before = Some(rows.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// All rows of a key, refusals too: on a busy machine there are more of those than of requests.
pub(crate) async fn rows(gateway: &Gateway, key: &str) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for page in 1.. {
        let path = format!("/spend/logs?api_key={key}&page_size={ROWS_OF_PAGE}&page={page}");
        let answer = gateway.operator()?.get(&path).await?.expect(200)?.json()?;
        let of_page = answer.as_array().context("no rows")?;
        rows.extend_from_slice(of_page);
        if of_page.len() < ROWS_OF_PAGE {
            break;
        }
    }
    Ok(rows)
}

/// What a row says that its request cost, in nano-dollars.
pub(crate) fn cost_of(row: &Value) -> Result<u64> {
    // Costs are whole thousandths of a cent here, which a double has exactly enough.
    let nano = format!("{:.0}", row["spend"].as_f64().context("no spend")? * 1e9);
    Ok(nano.parse()?)
}

/// For how many requests money is in suspense.
pub(crate) async fn suspended(gateway: &Gateway) -> Result<usize> {
    let answer = gateway.operator()?.get("/api/suspense").await?.expect(200)?;
    let amounts = answer.at("/suspense")?;
    let sum: u64 = amounts.as_array().into_iter().flatten().filter_map(|row| row["amount_nano_usd"].as_u64()).sum();
    Ok(usize::try_from(sum / COST_NANO_USD)?)
}

/// Goes through the whole lines of a log in a data folder.
fn each_line(data: &Path, log: &str, mut see: impl FnMut(&Value)) -> Result<()> {
    let mut files: Vec<_> = std::fs::read_dir(data.join("log").join(log))?
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(file)?;
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            see(&serde_json::from_str(line)?);
        }
    }
    Ok(())
}

/// How often each request was settled.
pub(crate) fn settlements(data: &Path) -> Result<HashMap<String, usize>> {
    let mut counts = HashMap::new();
    each_line(data, "activity", |line| {
        if line["type"] == "request.settled" {
            *counts.entry(line["data"]["request"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
    })?;
    Ok(counts)
}

/// How many of these realms the control log does not hold.
pub(crate) fn lost(data: &Path, acknowledged: &[String]) -> Result<usize> {
    let mut there = HashSet::new();
    each_line(data, "control", |line| there.extend(line["data"]["realm"].as_str().map(str::to_owned)))?;
    Ok(acknowledged.iter().filter(|realm| !there.contains(realm.as_str())).count())
}

/// Whether the auditor finds nothing wrong.
pub(crate) async fn verifies(data: &Path) -> Result<bool> {
    let arguments = ["verify", "--data", data.to_str().context("a path that is text")?];
    let ended =
        Process::start(&binary("tallygate-replay")?, arguments, Vec::<(String, String)>::new())?.ended().await?;
    Ok(ended.status.success())
}
