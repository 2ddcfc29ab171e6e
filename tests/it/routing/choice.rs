//! Which deployment is tried first, and how that is told.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::upstream::{Gate, Reply};

use super::{CHAT, Deployment, Ground, at, first, refused, route};
use crate::scene::{KeyTerms, chat, issue};

#[tokio::test]
async fn each_strategy_sends_requests_where_it_says() -> Result<()> {
    let ground = Ground::start(2).await?;
    let dear = Deployment { price_pico: 9_000, ..at(0) };
    let cheap = ground.model("cheap", &[dear, at(1)]).await?;
    ground.routing(&cheap, json!({ "strategy": "lowest_cost" })).await?;
    let weighted = [Deployment { weight: 0, ..at(0) }, at(1)];
    ground.model("weighted", &weighted).await?;
    let limited = [Deployment { params: json!({ "rpm": 2 }), ..at(0) }, at(1)];
    let usage = ground.model("usage", &limited).await?;
    ground.routing(&usage, json!({ "strategy": "usage" })).await?;
    let caller = ground.caller().await?;
    for (model, at_first) in [("cheap", 0), ("weighted", 0), ("usage", 2)] {
        let before = ground.counts();
        for _ in 0..20 {
            caller.post(CHAT, &chat(model)).await?.expect(200)?;
        }
        let after = ground.counts();
        let moved = [after[0] - before[0], after[1] - before[1]];
        assert!(moved[0] <= at_first && moved[0] + moved[1] == 20, "{model}: {moved:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_least_busy_one_gets_what_the_busy_one_does_not() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("m", &[at(0), at(1)]).await?;
    ground.routing(&model, json!({ "strategy": "least_busy" })).await?;
    let caller = ground.caller().await?;
    let gate = Gate::closed();
    for upstream in &ground.upstreams {
        upstream.next(Reply::answer().behind(&gate));
    }
    let waiting = tokio::spawn({
        let caller = caller.clone();
        async move { caller.post(CHAT, &chat("m")).await }
    });
    let busy = loop {
        let counts = ground.counts();
        if let Some(busy) = counts.iter().position(|count| *count == 1) {
            break busy;
        }
        tokio::task::yield_now().await;
    };
    ground.upstreams[1 - busy].nothing_next();
    for _ in 0..10 {
        caller.post(CHAT, &chat("m")).await?.expect(200)?;
    }
    assert_eq!(ground.counts()[busy], 1);
    gate.open();
    waiting.await??.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn tags_lead_to_the_deployments_that_have_them() -> Result<()> {
    let ground = Ground::start(2).await?;
    let tagged = |upstream, tag: &str| Deployment { params: json!({ "tags": [tag] }), ..at(upstream) };
    ground.model("m", &[tagged(0, "paid"), tagged(1, "default")]).await?;
    let caller = ground.caller().await?;
    let mut asked: BTreeMap<&str, Value> = BTreeMap::new();
    asked.insert("tags", json!(["paid"]));
    asked.insert("metadata", json!({ "tags": ["paid"] }));
    for (field, value) in asked {
        let mut body = chat("m");
        body[field] = value;
        let answer = caller.post(CHAT, &body).await?.expect(200)?;
        assert_eq!(route(&answer), ["m/m-d0:ok"], "{field}");
    }
    for _ in 0..10 {
        caller.post(CHAT, &chat("m")).await?.expect(200)?;
    }
    assert_eq!(ground.counts(), [2, 10]);
    Ok(())
}

#[tokio::test]
async fn where_a_request_would_go_is_told_without_sending_it() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("first", &[first(0, 1), first(1, 2)]).await?;
    ground.model("second", &[at(1)]).await?;
    ground.routing(&model, json!({ "strategy": "ordered", "fallbacks": ["second", "secret"] })).await?;
    let terms = KeyTerms { models: Some(json!({ "only": ["first", "second"] })), ..KeyTerms::default() };
    let key = issue(&ground.gateway, terms).await?;
    let (caller, asked) = (ground.gateway.caller(&key.secret)?, json!({ "request": chat("first") }));
    let told = caller.post("/api/route/explain", &asked).await?.expect(200)?.json()?;
    assert_eq!(told["strategy"], "ordered");
    let allowed = json!([{ "model": "second", "allowed": true }, { "model": "secret", "allowed": false }]);
    assert_eq!(told["fallbacks"]["general"], allowed);
    let order: Vec<&Value> =
        told["candidates"].as_array().context("none")?.iter().map(|row| &row["deployment"]).collect();
    assert_eq!(order, [&json!("first-d0"), &json!("first-d1")]);
    // The first one fails until it cools: then it is the last resort.
    ground.upstreams[0].on_model("up-first", refused(503));
    for _ in 0..3 {
        caller.post(CHAT, &chat("first")).await?.expect(200)?;
    }
    let asked = json!({ "request": chat("first"), "key": key.secret });
    let told = ground.gateway.operator()?.post("/api/route/explain", &asked).await?.expect(200)?.json()?;
    assert_eq!(told["candidates"][1]["deployment"], "first-d0");
    assert_eq!(told["candidates"][1]["readiness"], "cooling");
    caller.post("/api/route/explain", &asked).await?.expect(401)?;
    caller.post("/api/route/explain", &json!({ "request": chat("secret") })).await?.expect(403)?;
    assert_eq!(ground.counts(), [3, 3]);
    Ok(())
}

#[tokio::test]
async fn a_settlement_says_what_there_was_to_choose_from() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("two", &[first(0, 1), first(1, 2)]).await?;
    ground.routing(&model, json!({ "strategy": "ordered" })).await?;
    ground.model("one", &[at(1)]).await?;
    ground.upstreams[0].next(refused(503));
    let caller = ground.caller().await?;
    caller.post(CHAT, &chat("two")).await?.expect(200)?;
    caller.post(CHAT, &chat("one")).await?.expect(200)?;
    let settled = ground.settled(2).await?;
    let expected = json!({ "strategy": "ordered", "ranked": [
        { "deployment": "two-d0", "score": 1 }, { "deployment": "two-d1", "score": 2 },
    ]});
    assert_eq!(settled[0]["candidates"], expected, "{}", settled[0]);
    assert!(settled[1].get("candidates").is_none() && settled[1].get("route").is_none(), "{}", settled[1]);
    let rows = caller.get("/spend/logs").await?.expect(200)?.json()?;
    let told = &rows[1]["metadata"]["tallygate"];
    assert_eq!(told["candidates"], expected, "{rows}");
    assert_eq!(told["route"][0]["ended"], "overloaded");
    assert_eq!(rows[0]["metadata"]["tallygate"]["candidates"], json!(null));
    Ok(())
}
