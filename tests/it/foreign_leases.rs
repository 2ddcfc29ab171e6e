//! Somebody who may publish like a gateway writes into the lease log: budgets are not stopped by it, and not fooled.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use tallygate_core::id::RealmId;
use tallygate_core::lease::Root;
use tallygate_core::stream::{Log, StreamId};
use tallygate_tests::binaries::binary;
use tallygate_tests::gateway::Gateway;
use tallygate_tests::nats_server::NatsServer;
use tallygate_tests::process::Process;

use crate::cluster::{SECRET, on};
use crate::foreign_lines::{forged, sealed, skipped};
use crate::quarantine::mac_key;
use crate::scene::{KeyTerms, MODEL, Scene, chat, issue};

/// Where the chain of the realm `default` lies.
const SUBJECT: &str = "tallygate.lease.default.lease-realm%3Adefault";
const LIMIT: i64 = 60_000;
/// How long anything may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(30);

fn stream() -> StreamId {
    Root::Realm(RealmId::default_realm()).stream()
}

/// The first lines of a log, byte for byte.
pub async fn first_lines(nats: &NatsServer, log: &str, count: usize) -> Result<Vec<String>> {
    let (url, count) = (nats.url(), count.to_string());
    let arguments = ["tail", "--nats", &url, "--log", log, "--after", "0", "--lines", &count];
    let ended =
        Process::start(&binary("tallygate-replay")?, arguments, [("TALLYGATE_SECRET", SECRET)])?.ended().await?;
    Ok(ended.output.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect())
}

async fn until_skipped(gateway: &Gateway, reason: &str, count: u64) -> Result<()> {
    while skipped(gateway, "lease", reason).await? < count {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Calls until a call is served: the key is known, and a slice is there.
async fn until_served(gateway: &Gateway, key: &str) -> Result<()> {
    let caller = gateway.caller(key)?;
    let served = async {
        while caller.post("/v1/chat/completions", &chat(MODEL)).await?.status != 200 {}
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, served).await.context("no call is served")?
}

/// Calls until the budget is used up, and tells how often it was served and what the refusal says was spent.
async fn spend(gateway: &Gateway, key: &str) -> Result<(usize, i64)> {
    let (caller, mut served) = (gateway.caller(key)?, 0);
    loop {
        let answer = caller.post("/v1/chat/completions", &chat(MODEL)).await?;
        match answer.status {
            200 => served += 1,
            422 => {
                let spent = answer.at("/error/tallygate/details/spent_nano_usd")?;
                return Ok((served, spent.as_i64().context("no amount")?));
            }
            // Others have the last money for a moment.
            503 => {}
            status => anyhow::bail!("status {status}: {}", answer.text()),
        }
    }
}

#[tokio::test]
async fn what_is_forged_or_published_again_in_the_lease_log_is_counted_and_named_and_stops_no_budget() -> Result<()> {
    let nats = NatsServer::start().await?;
    let mut scene = Scene::with(on(&nats)).await?;
    let other = on(&nats).start().await?;
    let key = issue(&other, KeyTerms { budget_nano_usd: Some(LIMIT), ..KeyTerms::default() }).await?;
    for gateway in [&other, &scene.gateway] {
        until_served(gateway, &key.secret).await?;
    }
    let lines = first_lines(&nats, "lease", 3).await?;
    let of_control = first_lines(&nats, "control", 1).await?;

    // No line at all; lines under another key, far ahead and where the next one must come; and true lines once more, one
    // of them from another log.
    let joined = json!({ "gateway": "nobody", "epoch": 1 });
    let ahead = forged(Log::Lease, stream(), "gateway.joined", 1_000_000, &joined)?;
    let next = forged(Log::Lease, stream(), "gateway.joined", 4, &joined)?;
    for body in [b"no line".as_slice(), ahead.bytes(), next.bytes()] {
        nats.publish(SUBJECT, body)?;
    }
    for line in lines.iter().rev().chain(&of_control) {
        nats.publish(SUBJECT, line.as_bytes())?;
    }
    for gateway in [&scene.gateway, &other] {
        until_skipped(gateway, "forged", 3).await?;
        until_skipped(gateway, "repeated", 4).await?;
        let said = gateway.output();
        for name in ["a forged line is skipped", "a line that was published again is skipped", "root=realm:default"] {
            assert!(said.contains(name), "{name}: {said}");
        }
    }
    // The chain grows behind them, by both gateways, and a budget is spent to its end and no further.
    for gateway in [&scene.gateway, &other] {
        let key = issue(gateway, KeyTerms { budget_nano_usd: Some(LIMIT), ..KeyTerms::default() }).await?;
        until_served(gateway, &key.secret).await?;
    }
    let key = issue(&other, KeyTerms { budget_nano_usd: Some(LIMIT), ..KeyTerms::default() }).await?;
    let (served, spent) = spend(&other, &key.secret).await?;
    assert!(served > 10 && spent <= LIMIT, "{served}, {spent}");

    // So it is for a gateway that starts with them in the log, one of them its last line.
    nats.publish(SUBJECT, lines[1].as_bytes())?;
    scene.gateway = scene.gateway.kill_and_restart().await?;
    assert_eq!(spend(&scene.gateway, &key.secret).await?, (0, spent));
    let key = issue(&scene.gateway, KeyTerms { budget_nano_usd: Some(LIMIT), ..KeyTerms::default() }).await?;
    until_served(&scene.gateway, &key.secret).await
}

#[tokio::test]
async fn a_true_line_beside_the_chain_is_damage_and_stops_the_budgets() -> Result<()> {
    let nats = NatsServer::start().await?;
    let scene = Scene::with(on(&nats)).await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(LIMIT), ..KeyTerms::default() }).await?;
    scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let joined = json!({ "gateway": "a-rival", "epoch": 1 });
    let rival = sealed((Log::Lease, stream(), "gateway.joined"), 1, &joined, &mac_key(SECRET)?)?;
    nats.publish(SUBJECT, rival.bytes())?;
    while !scene.gateway.output().contains("the lease log is followed no more") {
        tokio::task::yield_now().await;
    }
    assert!(scene.gateway.output().contains("has another line at position 1"), "{}", scene.gateway.output());
    Ok(())
}
