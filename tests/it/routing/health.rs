//! Deployments that fail, and are found well again.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tallygate_tests::upstream::{Reply, Upstream};
use tokio::task::JoinSet;

use super::{CHAT, Deployment, Ground, at, first, refused, route};
use crate::scene::{chat, command, uuid};

#[tokio::test]
async fn a_deployment_that_fails_is_left_alone_and_found_well_again_by_one_probe() -> Result<()> {
    let ground = Ground::start(10).await?;
    let all: Vec<Deployment> = (0..10).map(at).collect();
    let model = ground.model("m", &all).await?;
    ground.routing(&model, json!({ "cooldown": { "allowed_failures": 3, "first_ms": 500 } })).await?;
    ground.upstreams[0].on_model("up-m", refused(503));
    let caller = ground.caller().await?;
    for _ in 0..200 {
        caller.post(CHAT, &chat("m")).await?.expect(200)?;
    }
    let failed = ground.counts()[0];
    assert!((3..=40).contains(&failed), "{failed} of 200 requests went to a deployment that fails");
    ground.upstreams[0].on_model("up-m", Reply::answer());
    let begun = Instant::now();
    while ground.counts()[0] < failed + 5 {
        anyhow::ensure!(begun.elapsed().as_secs() < 30, "what is well again gets no traffic");
        caller.post(CHAT, &chat("m")).await?.expect(200)?;
    }
    Ok(())
}

#[tokio::test]
async fn one_that_limits_its_rate_is_left_alone_for_as_long_as_it_says() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("m", &[first(0, 1), first(1, 2)]).await?;
    ground.routing(&model, json!({ "strategy": "ordered" })).await?;
    ground.upstreams[0].next(refused(429).retry_after("30"));
    let caller = ground.caller().await?;
    for _ in 0..10 {
        caller.post(CHAT, &chat("m")).await?.expect(200)?;
    }
    assert_eq!(ground.counts(), [1, 10]);
    Ok(())
}

#[tokio::test]
async fn a_refused_connection_costs_next_to_nothing() -> Result<()> {
    let ground = Ground::start(1).await?;
    let (nobody, id) = (Upstream::refusing_url().await?, uuid());
    let row = |name: &str, url: &str, order: u32| {
        json!({ "id": name, "vendor": "openai-compatible", "upstream_model": "up", "base_url": url,
                "max_output_tokens": 100, "params": { "order": order },
                "price": { "input_pico_usd": 1, "output_pico_usd": 1 } })
    };
    let rows = [row("away", &nobody, 1), row("here", &ground.upstreams[0].url(), 2)];
    command(&ground.gateway, "RegisterModel", json!({ "model": id, "name": "m", "deployments": rows }))
        .await?
        .expect(200)?;
    ground.routing(&id, json!({ "strategy": "ordered", "cooldown": { "first_ms": 0 } })).await?;
    let caller = ground.caller().await?;
    // More often than what would cool it, if it were not for the model's routing.
    for _ in 0..8 {
        let answer = caller.post(CHAT, &chat("m")).await?.expect(200)?;
        assert_eq!(route(&answer), ["m/away:refused", "m/here:ok"]);
    }
    ground.routing(&id, json!({ "strategy": "ordered" })).await?;
    let mut last = Vec::new();
    for _ in 0..8 {
        last = route(&caller.post(CHAT, &chat("m")).await?.expect(200)?);
    }
    assert_eq!(last, ["m/here:ok"], "it cools");
    Ok(())
}

#[tokio::test]
async fn of_ten_deployments_one_fails_and_traffic_leaves_it_within_a_second() -> Result<()> {
    let ground = Ground::start(10).await?;
    let all: Vec<Deployment> = (0..10).map(at).collect();
    ground.model("m", &all).await?;
    ground.upstreams.iter().for_each(Upstream::forget_requests);
    ground.upstreams[0].on_model("up-m", refused(500));
    let (caller, begun) = (ground.caller().await?, Instant::now());
    let mut workers = JoinSet::new();
    for _ in 0..4 {
        let caller = caller.clone();
        workers.spawn(async move {
            let (mut answered, mut failed) = (0_usize, 0_usize);
            while begun.elapsed() < Duration::from_secs(4) {
                let status = caller.post(CHAT, &chat("m")).await?.status;
                *(if status == 200 { &mut answered } else { &mut failed }) += 1;
            }
            anyhow::Ok((answered, failed))
        });
    }
    tokio::time::sleep(Duration::from_secs(1).saturating_sub(begun.elapsed())).await;
    let after_a_second = ground.counts()[0];
    let (mut answered, mut failed) = (0, 0);
    while let Some(worker) = workers.join_next().await {
        let (ok, not) = worker??;
        (answered, failed) = (answered + ok, failed + not);
    }
    assert!(answered > 100 && failed * 1_000 <= answered + failed, "{failed} of {} failed", answered + failed);
    // It cools for five seconds the first time.
    assert!(after_a_second >= 3 && ground.counts()[0] == after_a_second, "{after_a_second} and {:?}", ground.counts());
    Ok(())
}
