//! When the proxy is away, fails, refuses, or does not know our key; and when the gateway itself is killed.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::gateway::{Gateway, MASTER_KEY};
use tallygate_tests::nats_server::NatsServer;
use tallygate_tests::relay::Relay;
use tokio::net::TcpListener;

use super::{Mirrored, reason, setup, told, until};
use crate::cluster::on;

fn team(id: &str) -> Value {
    json!({ "team_id": id })
}

#[tokio::test]
async fn a_restart_goes_on_from_the_checkpoint_and_repeats_nothing() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.change("/team/new", team("one")).await?;
    scene.change("/team/update", json!({ "team_id": "one", "rpm_limit": 5 })).await?;
    let before = scene.relay.calls().len();
    assert!(before > 0);
    let Mirrored { here, there, relay, upstream } = scene;
    let scene = Mirrored { here: here.kill_and_restart().await?, there, relay, upstream };
    scene.in_step().await?;
    assert_eq!(scene.relay.calls().len(), before, "nothing is asked again");
    scene.change("/team/new", team("two")).await?;
    let calls: Vec<String> = scene.relay.calls()[before..].iter().map(|call| call.path.clone()).collect();
    assert_eq!(calls, ["/team/info?team_id=two", "/team/new"]);
    Ok(())
}

#[tokio::test]
async fn what_was_done_and_not_noted_is_looked_at_again_and_not_done_again() -> Result<()> {
    let data = tempfile::tempdir()?;
    let there = Gateway::start().await?;
    let relay = Relay::start(there.url()).await?;
    let here = setup(&relay.url()).data(data.path()).start().await?;
    let key = json!({ "key": "sk-of-both-0123456789", "team_id": "one", "rpm_limit": 5, "max_budget": 2, "budget_duration": "7d" });
    here.operator()?
        .post("/team/new", &json!({ "team_id": "one", "models": ["a"], "max_budget": 3 }))
        .await?
        .expect(200)?;
    until(&here, |told| told["state"] == "in_step").await?;
    there.operator()?.post("/key/generate", &key).await?.expect(200)?;
    here.operator()?.post("/key/generate", &key).await?.expect(200)?;
    until(&here, |told| told["state"] == "in_step").await?;
    here.kill().await?;
    std::fs::remove_file(data.path().join("mirror.json"))?;
    let before = relay.calls().len();
    let here = setup(&relay.url()).data(data.path()).start().await?;
    until(&here, |told| told["state"] == "in_step").await?;
    let again: Vec<_> = relay.calls()[before..].iter().map(|call| (call.method.clone(), call.path.clone())).collect();
    assert!(again.len() >= 2 && again.iter().all(|(method, _)| method == "GET"), "{again:?}");
    Ok(())
}

#[tokio::test]
async fn what_another_gateway_of_the_log_decides_is_carried_over_too_and_once() -> Result<()> {
    let (nats, there) = (NatsServer::start().await?, Gateway::start().await?);
    let relay = Relay::start(there.url()).await?;
    let mirroring = on(&nats)
        .env("TALLYGATE_MIRROR_LITELLM_URL", relay.url())
        .env("TALLYGATE_MIRROR_LITELLM_KEY", MASTER_KEY)
        .start()
        .await?;
    let other = on(&nats).start().await?;
    let made = other.operator()?.post("/team/new", &team("one")).await?.expect(200)?;
    let position = made.header("x-tallygate-position").and_then(|position| position.parse().ok());
    let position: u64 = position.context("no position")?;
    let is_reached = move |told: &Value| told["position"].as_u64() >= Some(position);
    until(&mirroring, is_reached).await?;
    there.operator()?.get("/team/info?team_id=one").await?.expect(200)?;
    let before = relay.calls().len();
    let mirroring = mirroring.kill_and_restart().await?;
    until(&mirroring, is_reached).await?;
    assert_eq!(relay.calls().len(), before, "nothing is asked again");
    Ok(())
}

#[tokio::test]
async fn another_proxy_gets_everything() -> Result<()> {
    let (first, data) = (Gateway::start().await?, tempfile::tempdir()?);
    let here = setup(first.url()).data(data.path()).start().await?;
    here.operator()?.post("/team/new", &team("one")).await?.expect(200)?;
    until(&here, |told| told["state"] == "in_step").await?;
    here.shut_down().await?;
    let second = Gateway::start().await?;
    let here = setup(second.url()).data(data.path()).start().await?;
    until(&here, |told| told["state"] == "in_step").await?;
    second.operator()?.get("/team/info?team_id=one").await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn what_happens_while_the_proxy_is_down_is_carried_over_when_it_is_back() -> Result<()> {
    let there = Gateway::start().await?;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port();
    let here = setup(&format!("http://127.0.0.1:{port}")).start().await?;
    let operator = here.operator()?;
    operator.post("/team/new", &team("one")).await?.expect(200)?;
    operator.post("/team/new", &team("gone")).await?.expect(200)?;
    operator.post("/team/update", &json!({ "team_id": "one", "models": ["a"] })).await?.expect(200)?;
    operator.post("/team/delete", &json!({ "team_ids": ["gone"] })).await?.expect(200)?;
    let told = until(&here, |told| told["state"] == "failing" && told["waiting"].as_u64() >= Some(2)).await?;
    assert!(told["behind_events"].as_u64() > Some(0) && told["behind_seconds"].as_f64() > Some(0.0), "{told}");
    assert!(told["last_error"]["message"].as_str().unwrap_or_default().contains("does not answer"), "{told}");
    let metrics = operator.get("/metrics").await?.expect(200)?.text();
    assert!(
        metrics.contains("tallygate_mirror_failures_total") && !metrics.contains("tallygate_mirror_behind_events 0\n")
    );
    operator.get("/health/readiness").await?.expect(200)?;
    let _relay = Relay::at(port, there.url()).await?;
    until(&here, |told| told["state"] == "in_step" && told["last_error"].is_null()).await?;
    let one = there.operator()?.get("/team/info?team_id=one").await?.expect(200)?;
    assert_eq!(one.at("/team_info/models")?, json!(["a"]));
    assert_eq!(there.operator()?.get("/team/info?team_id=gone").await?.status, 404);
    assert!(operator.get("/metrics").await?.text().contains("tallygate_mirror_behind_events 0\n"));
    Ok(())
}

#[tokio::test]
async fn an_object_that_the_proxy_refuses_is_named_and_the_next_ones_go_on() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.relay.answers("/team/new", "\"bad\"", 400, r#"{"error":{"message":"not this one"}}"#);
    scene.change("/team/new", team("bad")).await?;
    scene.change("/team/new", team("good")).await?;
    let told = scene.in_step().await?;
    assert_eq!(reason(&told, "team bad").as_deref(), Some("the proxy refuses it (status 400): not this one"));
    scene.read_there("/team/info?team_id=good").await?.expect(200)?;
    assert!(scene.operator()?.get("/metrics").await?.text().contains("tallygate_mirror_not_mirrored 1\n"));
    scene.relay.passes();
    scene.change("/team/update", json!({ "team_id": "bad", "rpm_limit": 1 })).await?;
    assert_eq!(scene.in_step().await?["not_mirrored_count"], 0);
    Ok(())
}

#[tokio::test]
async fn an_object_at_which_the_proxy_fails_is_tried_again_and_holds_up_no_other() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.relay.answers("/team/new", "\"a-slow\"", 500, r#"{"error":{"message":"database"}}"#);
    let operator = scene.operator()?;
    operator.post("/team/new", &team("a-slow")).await?.expect(200)?;
    operator.post("/team/new", &team("b-quick")).await?.expect(200)?;
    let is_made = || {
        scene
            .relay
            .calls()
            .iter()
            .any(|call| call.path == "/team/new" && String::from_utf8_lossy(&call.body).contains("b-quick"))
    };
    let told = until(&scene.here, |told| told["state"] == "failing" && told["waiting"] == 1 && is_made()).await?;
    assert!(told["last_error"]["message"].as_str().unwrap_or_default().contains("team a-slow"), "{told}");
    scene.read_there("/team/info?team_id=b-quick").await?.expect(200)?;
    scene.relay.passes();
    scene.in_step().await?;
    scene.read_there("/team/info?team_id=a-slow").await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn too_many_requests_are_waited_out() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.relay.answers("/", "", 429, r#"{"error":{"message":"slow down"}}"#);
    scene.operator()?.post("/team/new", &team("one")).await?.expect(200)?;
    until(&scene.here, |told| told["state"] == "failing").await?;
    scene.relay.passes();
    scene.in_step().await?;
    scene.read_there("/team/info?team_id=one").await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_does_not_know_the_key_is_asked_again_and_the_error_says_what_to_check() -> Result<()> {
    let there = Gateway::start().await?;
    let here = setup(there.url()).env("TALLYGATE_MIRROR_LITELLM_KEY", "sk-not-its-master-key").start().await?;
    here.operator()?.post("/team/new", &team("one")).await?.expect(200)?;
    let found = until(&here, |told| told["state"] == "failing").await?;
    let message = found["last_error"]["message"].as_str().context("no message")?;
    assert!(message.contains("check --mirror-litellm-key"), "{message}");
    assert!(told(&here).await?["behind_events"].as_u64() > Some(0));
    assert!(!here.output().contains("sk-not-its-master-key"));
    Ok(())
}
