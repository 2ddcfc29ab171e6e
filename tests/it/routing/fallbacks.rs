//! Models that a request goes to when the one that was asked for has failed.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::upstream::Reply;

use super::{CHAT, Ground, at, refused, route};
use crate::scene::chat;

#[tokio::test]
async fn a_model_falls_back_to_another_one_that_the_key_may_call() -> Result<()> {
    let ground = Ground::start(3).await?;
    let model = ground.model("first", &[at(0)]).await?;
    ground.model("secret", &[at(1)]).await?;
    ground.model("second", &[at(2)]).await?;
    ground.routing(&model, json!({ "retries": 0, "fallbacks": ["nowhere", "secret", "second"] })).await?;
    let caller = ground.caller_of(json!({ "only": ["first", "second"] })).await?;
    ground.upstreams[0].next(refused(500));
    let answer = caller.post(CHAT, &chat("first")).await?.expect(200)?;
    assert_eq!(route(&answer), ["first/first-d0:server_error(500)", "second/second-d0:ok"]);
    assert_eq!(answer.header("x-litellm-attempted-fallbacks"), Some("1"));
    assert_eq!(answer.header("x-litellm-model-group"), Some("second"));
    assert_eq!(ground.counts(), [1, 0, 1], "a fallback leads to no model that the key may not call by name");
    let settled = ground.settled(1).await?.remove(0);
    assert_eq!((&settled["requested_model"], &settled["model"]), (&json!("first"), &json!("second")));
    Ok(())
}

#[tokio::test]
async fn a_request_names_fallbacks_of_its_own_or_none() -> Result<()> {
    let ground = Ground::start(3).await?;
    let model = ground.model("first", &[at(0)]).await?;
    ground.model("second", &[at(1)]).await?;
    ground.model("third", &[at(2)]).await?;
    ground.routing(&model, json!({ "retries": 0, "fallbacks": ["second"] })).await?;
    let caller = ground.caller().await?;
    ground.upstreams[0].next(refused(500));
    let mut body = chat("first");
    body["fallbacks"] = json!(["third"]);
    let answer = caller.post(CHAT, &body).await?.expect(200)?;
    assert_eq!(route(&answer)[1], "third/third-d0:ok");
    assert!(
        ground.upstreams[2].requests()[0].json()?.get("fallbacks").is_none(),
        "that is not the upstream's business"
    );
    ground.upstreams[0].next(refused(500));
    let mut body = chat("first");
    body["disable_fallbacks"] = json!(true);
    caller.post(CHAT, &body).await?.expect(500)?;
    assert_eq!(ground.counts(), [2, 0, 1]);
    Ok(())
}

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_to_the_model_for_long_prompts_at_once() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("short", &[at(0)]).await?;
    ground.model("long", &[at(1)]).await?;
    ground.routing(&model, json!({ "context_window_fallbacks": ["long"] })).await?;
    let too_long = r#"{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
    ground.upstreams[0].next(Reply::refuse_with(400, too_long));
    let answer = ground.caller().await?.post(CHAT, &chat("short")).await?.expect(200)?;
    assert_eq!(route(&answer), ["short/short-d0:context_too_long(400)", "long/long-d0:ok"]);
    Ok(())
}

#[tokio::test]
async fn what_a_providers_filter_refuses_goes_to_the_model_that_is_named_for_it() -> Result<()> {
    let ground = Ground::start(3).await?;
    let model = ground.model("strict", &[at(0)]).await?;
    ground.model("mild", &[at(1)]).await?;
    ground.model("other", &[at(2)]).await?;
    ground.routing(&model, json!({ "fallbacks": ["other"], "content_policy_fallbacks": ["mild"] })).await?;
    let filtered = r#"{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400}}"#;
    ground.upstreams[0].next(Reply::refuse_with(400, filtered));
    let caller = ground.caller().await?;
    let answer = caller.post(CHAT, &chat("strict")).await?.expect(200)?;
    assert_eq!(route(&answer), ["strict/strict-d0:content_filtered(400)", "mild/mild-d0:ok"]);
    assert_eq!(ground.counts(), [1, 1, 0], "those for the reason go before the general ones");
    ground.routing(&model, json!({})).await?;
    ground.upstreams[0].next(Reply::refuse_with(400, filtered));
    caller.post(CHAT, &chat("strict")).await?.expect(400)?;
    assert_eq!(ground.counts(), [2, 1, 0], "without any the client is told, and nobody is asked again");
    Ok(())
}
