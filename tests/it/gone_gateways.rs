//! Money of gateways that are gone, and gateways that hear nothing: what the policies of budgets do about them by
//! themselves, once the ages that flags set have passed.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::nats_server::NatsServer;
use tallygate_tests::upstream::{Gate, Reply};

use crate::cluster::on;
use crate::scene::{IssuedKey, KeyTerms, MODEL, Scene, chat, command, issue};

/// How long anything may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(40);
const LIMIT: i64 = 400_000_000;

/// Asks until an answer is as wanted, and gives it.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let found = async {
        loop {
            if let Some(found) = ask().await? {
                return Ok(found);
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.with_context(|| format!("it does not happen: {what}"))?
}

async fn ask(caller: &Client) -> Result<u16> {
    Ok(caller.post("/v1/chat/completions", &chat(MODEL)).await?.status)
}

/// The first window of a key's budget, as a gateway sees it.
async fn window(gateway: &Gateway, key: &IssuedKey) -> Result<Value> {
    let path = format!("/api/budgets?scope=key:{}", key.id);
    Ok(gateway.operator()?.get(&path).await?.expect(200)?.json()?["budgets"][0].take())
}

async fn set_budget(gateway: &Gateway, key: &IssuedKey, period: Value, soft_seconds: Value) -> Result<()> {
    let limits = json!([{ "period": period, "limit_nano_usd": LIMIT }]);
    let budget = json!({ "scope": format!("key:{}", key.id), "limits": limits, "reclaim_after_seconds": soft_seconds });
    command(gateway, "SetBudget", budget).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_hears_nothing_of_the_lease_log_for_the_age_limit_refuses_budgets_though_it_has_slices()
-> Result<()> {
    let mut nats = NatsServer::start().await?;
    let scene = Scene::with(on(&nats).arg("--budget-max-staleness-seconds=4")).await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(LIMIT), ..KeyTerms::default() }).await?;
    let free = scene.key(KeyTerms::default()).await?;
    let (caller, free) = (scene.gateway.caller(&key.secret)?, scene.gateway.caller(&free.secret)?);
    until("a first slice", async || Ok((ask(&caller).await? == 200).then_some(()))).await?;
    nats.kill().await?;
    assert_eq!(ask(&caller).await?, 200, "it spends what it has");
    let refused = until("a refusal", async || {
        let answer = caller.post("/v1/chat/completions", &chat(MODEL)).await?;
        Ok((answer.status != 200).then_some(answer))
    })
    .await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (503, json!("budget_unavailable")));
    assert_eq!(refused.at("/error/tallygate/details/reason")?, json!("lease_log_away"));
    let metrics = scene.gateway.operator()?.get("/metrics").await?.text();
    assert!(metrics.contains("tallygate_lease_slices 1"), "its slice is not used up: {metrics}");
    assert_eq!(ask(&free).await?, 200, "without a budget nothing is needed");
    nats.restart().await?;
    until("budgets come back", async || Ok((ask(&caller).await? == 200).then_some(()))).await
}

#[tokio::test]
async fn a_soft_budget_takes_back_the_slice_of_a_killed_gateway_and_says_by_how_much_it_is_exposed() -> Result<()> {
    let nats = NatsServer::start().await?;
    let setup = || on(&nats).arg("--budget-max-staleness-seconds=1").arg("--gone-after-seconds=2");
    let scene = Scene::with(setup()).await?;
    let gone = setup().start().await?;
    let key = issue(&gone, KeyTerms::default()).await?;
    set_budget(&gone, &key, json!("total"), json!(1)).await?;
    // The one that is to go has the first slice of the window, and a request that holds some of it.
    let caller = gone.caller(&key.secret)?;
    until("a first slice", async || Ok((ask(&caller).await? == 200).then_some(()))).await?;
    let never = Gate::closed();
    scene.upstream.next(Reply::answer().behind(&never));
    let asked = scene.upstream.requests().len();
    let running = tokio::spawn(async move { ask(&caller).await });
    scene.upstream.wait_for_requests(asked + 1).await?;
    gone.kill().await?;
    assert!(running.await?.is_err(), "its gateway is gone");

    let caller = scene.gateway.caller(&key.secret)?;
    until("the other takes part", async || Ok((ask(&caller).await? == 200).then_some(()))).await?;
    let window = until("it is reclaimed", async || {
        let window = window(&scene.gateway, &key).await?;
        Ok((window["exposed_nano_usd"].as_i64() > Some(0)).then_some(window))
    })
    .await?;
    assert_eq!(window["suspense_nano_usd"], json!(0), "{window}");
    let exposed = window["exposed_nano_usd"].as_i64().context("no amount")?;
    assert!(exposed <= LIMIT / 8, "no more than the slice that it had: {window}");
    Ok(())
}

#[tokio::test]
async fn a_strict_budget_keeps_the_slice_of_a_killed_gateway_in_suspense() -> Result<()> {
    let nats = NatsServer::start().await?;
    let setup = || on(&nats).arg("--budget-max-staleness-seconds=1").arg("--gone-after-seconds=2");
    let scene = Scene::with(setup()).await?;
    let gone = setup().start().await?;
    let key = issue(&gone, KeyTerms { budget_nano_usd: Some(LIMIT), ..KeyTerms::default() }).await?;
    let caller = gone.caller(&key.secret)?;
    until("a first slice", async || Ok((ask(&caller).await? == 200).then_some(()))).await?;
    gone.kill().await?;
    let caller = scene.gateway.caller(&key.secret)?;
    until("the other takes part", async || Ok((ask(&caller).await? == 200).then_some(()))).await?;
    let suspense = until("it is suspended", async || {
        let found = scene.gateway.operator()?.get("/api/suspense").await?.expect(200)?.at("/suspense/0").ok();
        Ok(found.filter(|amount| !amount.is_null()))
    })
    .await?;
    assert_eq!(suspense["why"], json!("gateway_gone"), "{suspense}");
    let window = window(&scene.gateway, &key).await?;
    assert_eq!(window["exposed_nano_usd"], json!(0), "{window}");
    Ok(())
}

#[tokio::test]
async fn what_is_in_suspense_when_its_window_is_over_is_closed_as_spent_by_policy() -> Result<()> {
    let mut scene = Scene::with(Setup::new().arg("--suspense-rest-seconds=1")).await?;
    let key = scene.key(KeyTerms::default()).await?;
    set_budget(&scene.gateway, &key, json!({ "seconds": 4 }), json!(null)).await?;
    let never = Gate::closed();
    scene.upstream.next(Reply::answer().behind(&never));
    let caller = scene.gateway.caller(&key.secret)?;
    let running = tokio::spawn(async move { ask(&caller).await });
    scene.upstream.wait_for_requests(1).await?;
    scene.gateway = scene.gateway.kill_and_restart().await?;
    assert!(running.await?.is_err(), "its gateway is gone");
    let of = |lines: Vec<Value>, kind: &str| lines.into_iter().find(|line| line["type"] == kind);
    let recovered = until("it is in suspense", async || Ok(of(scene.log("lease")?, "slice.recovered"))).await?;
    let held = recovered["data"]["slices"][0]["suspended_nano_usd"].clone();
    assert!(held.as_i64() > Some(0), "{recovered}");
    // Requests open the next window; then the policy has its turn.
    let caller = scene.gateway.caller(&key.secret)?;
    let closed = until("it is closed", async || {
        ask(&caller).await?;
        Ok(of(scene.log("lease")?, "suspense.closed"))
    })
    .await?;
    assert_eq!((&closed["data"]["by"], &closed["actor"]["kind"]), (&json!("window_end"), &json!("gateway")));
    let slice = &closed["data"]["slices"][0];
    assert_eq!((&slice["spent_nano_usd"], &slice["returned_nano_usd"]), (&held, &json!(0)), "{closed}");
    assert_eq!(slice["account"], recovered["data"]["slices"][0]["account"], "{closed}");
    Ok(())
}
