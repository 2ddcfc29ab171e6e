//! Requests that fail when their client has left: by default nothing new is begun for nobody.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::gateway::Setup;
use tallygate_tests::upstream::Gate;

use super::{CHAT, Ground, first, refused};
use crate::scene::chat;

/// A client asks and leaves; then the first deployment fails. The ground, with a second deployment that would answer.
async fn left_before_the_failure(setup: Setup, streams: bool) -> Result<Ground> {
    let ground = Ground::with(setup.env("TALLYGATE_RETRIES", "2"), 2).await?;
    let model = ground.model("m", &[first(0, 1), first(1, 2)]).await?;
    ground.routing(&model, json!({ "strategy": "ordered" })).await?;
    let (caller, gate) = (ground.caller().await?, Gate::closed());
    ground.upstreams[0].next(refused(503).behind(&gate));
    let asked = tokio::spawn(async move {
        let mut body = chat("m");
        body["stream"] = json!(streams);
        caller.post(CHAT, &body).await.map(drop)
    });
    ground.upstreams[0].wait_for_requests(1).await?;
    asked.abort();
    let _ = asked.await;
    ground.until("tallygate_requests_clientless", "1").await?;
    gate.open();
    Ok(ground)
}

#[tokio::test]
async fn a_request_that_failed_is_not_tried_again_for_a_client_that_has_left() -> Result<()> {
    for streams in [false, true] {
        let ground = left_before_the_failure(Setup::new(), streams).await?;
        let settled = ground.settled(1).await?.remove(0);
        assert_eq!((&settled["outcome"], &settled["deployment"]), (&json!("failed"), &json!("m-d0")), "{settled}");
        ground.until("tallygate_requests_clientless", "0").await?;
        assert_eq!(ground.counts(), [1, 0], "nothing was begun for nobody");
        assert_eq!(ground.held().await?, "0");
    }
    Ok(())
}

#[tokio::test]
async fn where_the_policy_says_so_it_is_tried_again_as_any_other() -> Result<()> {
    let ground = left_before_the_failure(Setup::new().arg("--retry-abandoned=always"), false).await?;
    ground.upstreams[1].wait_for_requests(1).await?;
    let settled = ground.settled(1).await?.remove(0);
    assert_eq!((&settled["outcome"], &settled["deployment"]), (&json!("succeeded"), &json!("m-d1")), "{settled}");
    let ended: Vec<&Value> =
        settled["route"].as_array().into_iter().flatten().map(|attempt| &attempt["ended"]).collect();
    assert_eq!(ended, ["overloaded", "ok"]);
    Ok(())
}
