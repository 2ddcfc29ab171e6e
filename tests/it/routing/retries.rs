//! What is tried again, how often, and what it costs.

use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::upstream::{Reply, StreamEnd};

use super::{CHAT, Ground, at, first, refused, route};
use crate::scene::chat;

#[tokio::test]
async fn a_request_that_failed_is_answered_by_another_deployment_and_says_so() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("m", &[first(0, 1), first(1, 2)]).await?;
    ground.routing(&model, json!({ "strategy": "ordered" })).await?;
    let caller = ground.caller().await?;
    for streams in [false, true] {
        ground.upstreams[0].next(refused(503));
        let mut body = chat("m");
        body["stream"] = json!(streams);
        let answer = caller.post(CHAT, &body).await?.expect(200)?;
        assert_eq!(route(&answer), ["m/m-d0:overloaded(503)", "m/m-d1:ok"]);
        assert_eq!(answer.header("x-litellm-attempted-retries"), Some("1"));
        assert_eq!(answer.header("x-litellm-model-id"), Some("m-d1"));
    }
    assert_eq!(ground.counts(), [2, 2]);
    // What was certainly not billed is settled with the attempt that answered, and holds nothing.
    let settled = ground.settled(2).await?;
    assert_eq!(settled.len(), 2);
    for one in &settled {
        assert_eq!((&one["outcome"], &one["deployment"]), (&json!("succeeded"), &json!("m-d1")));
        assert_eq!(one["route"][0]["ended"], "overloaded");
        assert_eq!(one["route"][1]["ended"], "ok");
    }
    assert_eq!(ground.held().await?, "0");
    Ok(())
}

#[tokio::test]
async fn a_lone_deployment_is_tried_again_after_a_while_and_not_without_end() -> Result<()> {
    let ground = Ground::start(1).await?;
    ground.model("m", &[at(0)]).await?;
    let caller = ground.caller().await?;
    ground.upstreams[0].next(refused(500));
    let begun = Instant::now();
    let answer = caller.post(CHAT, &chat("m")).await?.expect(200)?;
    assert!(begun.elapsed().as_millis() >= 250, "it waits before it asks the same one again");
    assert_eq!(answer.header("x-litellm-attempted-retries"), Some("1"));
    for _ in 0..3 {
        ground.upstreams[0].next(refused(500));
    }
    let answer = caller.post(CHAT, &chat("m")).await?.expect(500)?;
    assert_eq!(route(&answer), ["m/m-d0:server_error(500)"; 3]);
    assert_eq!(ground.counts(), [5]);
    let settled = ground.settled(2).await?;
    assert_eq!((settled.len(), &settled[1]["outcome"]), (2, &json!("failed")));
    assert_eq!(settled[1]["route"].as_array().map(Vec::len), Some(3));
    Ok(())
}

#[tokio::test]
async fn what_is_the_clients_fault_is_not_tried_again() -> Result<()> {
    let ground = Ground::start(2).await?;
    ground.model("m", &[at(0), at(1)]).await?;
    let caller = ground.caller().await?;
    for upstream in &ground.upstreams {
        upstream.next(refused(400));
    }
    caller.post(CHAT, &chat("m")).await?.expect(400)?;
    assert_eq!(ground.counts().iter().sum::<usize>(), 1);
    Ok(())
}

#[tokio::test]
async fn a_request_says_itself_how_often_it_is_tried_again() -> Result<()> {
    let ground = Ground::start(1).await?;
    ground.model("m", &[at(0)]).await?;
    let caller = ground.caller().await?;
    ground.upstreams[0].next(refused(500));
    let mut body = chat("m");
    body["num_retries"] = json!(0);
    caller.post(CHAT, &body).await?.expect(500)?;
    assert_eq!(ground.counts(), [1]);
    Ok(())
}

#[tokio::test]
async fn a_stream_that_has_begun_is_not_tried_again() -> Result<()> {
    let ground = Ground::start(2).await?;
    ground.model("m", &[at(0), at(1)]).await?;
    let caller = ground.caller().await?;
    for upstream in &ground.upstreams {
        upstream.next(Reply::answer().chunks(3).then(StreamEnd::CutOff));
    }
    let mut body = chat("m");
    body["stream"] = json!(true);
    let answer = caller.post(CHAT, &body).await?.expect(200)?;
    assert!(answer.text().contains("\"error\""), "{}", answer.text());
    assert_eq!(ground.counts().iter().sum::<usize>(), 1);
    Ok(())
}

#[tokio::test]
async fn an_attempt_that_may_be_billed_is_settled_for_itself() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("m", &[first(0, 1), first(1, 2)]).await?;
    ground.routing(&model, json!({ "strategy": "ordered" })).await?;
    let caller = ground.caller().await?;
    ground.upstreams[0].next(Reply::reset());
    let answer = caller.post(CHAT, &chat("m")).await?.expect(200)?;
    assert_eq!(route(&answer), ["m/m-d0:reset", "m/m-d1:ok"]);
    let settled = ground.settled(2).await?;
    let told: Vec<(&Value, &Value)> = settled.iter().map(|one| (&one["deployment"], &one["outcome"])).collect();
    assert_eq!(told, [(&json!("m-d0"), &json!("failed")), (&json!("m-d1"), &json!("succeeded"))]);
    assert_eq!(settled[0]["request"], settled[1]["request"]);
    assert_eq!(ground.held().await?, "0");
    let metrics = ground.gateway.operator()?.get("/metrics").await?.expect(200)?;
    let suspense = metrics
        .text()
        .lines()
        .any(|line| line.strip_prefix("tallygate_suspense_nano_usd ").is_some_and(|amount| amount != "0"));
    assert!(suspense, "what the reset call may have cost is in suspense, since nobody knows");
    Ok(())
}
