//! What becomes of requests that run when the gateway is asked to stop.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::gateway::Setup;
use tallygate_tests::upstream::{Gate, Reply};

use crate::scene::{MODEL, Scene, chat, lines};

fn streamed() -> Value {
    let mut body = chat(MODEL);
    body["stream"] = json!(true);
    body
}

#[tokio::test]
async fn a_request_that_runs_when_the_gateway_is_stopped_is_answered_to_its_end() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let scene = Scene::with(Setup::new().data(folder.path())).await?;
    let gate = Gate::closed();
    scene.upstream.next(Reply::answer().chunks(5).behind(&gate));
    gate.pass(1);
    let mut events = scene.caller().await?.stream("/v1/chat/completions", &streamed()).await?;
    events.next().await?;
    let url = scene.gateway.url().to_owned();
    let stopping = tokio::spawn(scene.gateway.shut_down());
    // It takes no more connections from the moment it was asked.
    while tallygate_tests::client::Client::new(&url, None)?.get("/health/liveliness").await.is_ok() {
        tokio::task::yield_now().await;
    }
    gate.open();
    let rest = events.rest().await?;
    assert!(rest.last().is_some_and(|event| event["choices"][0]["finish_reason"] == "stop"), "{rest:?}");
    assert!(stopping.await??.status.success());
    let settled = lines(folder.path(), "activity")?;
    assert_eq!((settled.len(), &settled[0]["data"]["outcome"]), (1, &json!("succeeded")));
    Ok(())
}

#[tokio::test]
async fn a_request_that_does_not_end_in_time_is_cut_and_settled() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let scene = Scene::with(Setup::new().data(folder.path()).arg("--drain-seconds=1")).await?;
    let gate = Gate::closed();
    scene.upstream.next(Reply::answer().chunks(5).behind(&gate));
    gate.pass(1);
    let mut events = scene.caller().await?.stream("/v1/chat/completions", &streamed()).await?;
    events.next().await?;
    let ended = scene.gateway.shut_down().await?;
    assert!(ended.status.success() && ended.output.contains("requests still ran"), "{}", ended.output);
    let settled = lines(folder.path(), "activity")?;
    assert_eq!((settled.len(), &settled[0]["data"]["outcome"]), (1, &json!("disconnected")));
    Ok(())
}
