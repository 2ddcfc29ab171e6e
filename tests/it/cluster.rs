//! Gateways that share a log on a real NATS server.

use anyhow::{Context as _, Result};
use serde_json::json;
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::nats_server::NatsServer;
use tallygate_tests::python;
use tallygate_tests::upstream::Upstream;

use crate::scene::{KeyTerms, MODEL, Scene, chat, command, issue, uuid};

pub const SECRET: &str = "the-secret-of-all-gateways-of-the-tests";

/// A gateway with its log on a server.
pub fn on(nats: &NatsServer) -> Setup {
    Setup::new().env("TALLYGATE_NATS", nats.url()).env("TALLYGATE_SECRET", SECRET)
}

#[tokio::test]
async fn two_gateways_see_each_others_commands_at_once() -> Result<()> {
    let nats = NatsServer::start().await?;
    let scene = Scene::with(on(&nats)).await?;
    let other: Gateway = on(&nats).start().await?;
    let key = issue(&other, KeyTerms::default()).await?;
    let receipt = command(&other, "SelectModel", json!({ "scope": "gateway", "model": MODEL })).await?.expect(200)?;
    let position = receipt.header("x-tallygate-position").context("no position")?.to_owned();
    let caller = scene.gateway.caller(&key.secret)?.with_header("x-tallygate-min-position", &position);
    caller.post("/v1/chat/completions", &chat("current")).await?.expect(200)?;
    let blocked = command(&scene.gateway, "BlockKey", json!({ "key": key.id })).await?.expect(200)?;
    let position = blocked.header("x-tallygate-position").context("no position")?.to_owned();
    let answer = other
        .caller(&key.secret)?
        .with_header("x-tallygate-min-position", &position)
        .post("/v1/chat/completions", &chat(MODEL))
        .await?;
    assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (401, json!("key_blocked")));
    let digest = async |gateway: &Gateway| gateway.operator()?.get("/api/state").await?.at("/control/digest");
    assert_eq!(digest(&scene.gateway).await?, digest(&other).await?);
    Ok(())
}

#[tokio::test]
async fn the_log_outlives_the_server_and_commands_fail_closed_while_it_is_away() -> Result<()> {
    let mut nats = NatsServer::start().await?;
    let scene = Scene::with(on(&nats)).await?;
    let key = scene.key(KeyTerms::default()).await?;
    nats.kill().await?;
    scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let body = json!({ "id": "while-away", "type": "RegisterRealm", "data": { "realm": "r" } });
    let refused = scene.gateway.operator()?.post("/api/commands", &body).await?;
    assert_eq!(refused.status, 503, "{}", refused.text());
    let code = refused.at("/error/tallygate/code")?;
    // The server may have gone before the command was sent to it, or after.
    assert!(["log_unavailable", "command_outcome_unknown"].map(|code| json!(code)).contains(&code), "{code}");
    nats.restart().await?;
    let mut answer = scene.gateway.operator()?.post("/api/commands", &body).await?;
    while answer.status == 503 {
        answer = scene.gateway.operator()?.post("/api/commands", &body).await?;
    }
    let again = scene.gateway.operator()?.post("/api/commands", &body).await?.expect(200)?;
    assert_eq!(answer.expect(200)?.json()?, again.json()?);
    Ok(())
}

#[tokio::test]
async fn a_gateway_with_another_secret_serves_nothing_of_this_log() -> Result<()> {
    let nats = NatsServer::start().await?;
    let scene = Scene::with(on(&nats)).await?;
    let key = scene.key(KeyTerms::default()).await?;
    let stranger = on(&nats).env("TALLYGATE_SECRET", "another-secret-than-all-the-others").run().await?;
    assert!(!stranger.status.success() && stranger.output.contains("another secret"), "{}", stranger.output);
    scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn the_openai_library_streams_through_the_gateway_on_both_logs() -> Result<()> {
    let nats = NatsServer::start().await?;
    for setup in [Setup::new(), on(&nats)] {
        let scene = Scene::with(setup).await?;
        let key = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000_000), ..KeyTerms::default() }).await?;
        let url = format!("{}/v1", scene.gateway.url());
        let environment = [("OPENAI_BASE_URL", url.as_str()), ("OPENAI_API_KEY", key.secret.as_str())];
        let ended = python::run_script("openai_library.py", &[MODEL], &environment).await?;
        assert!(ended.output.contains("stream: word0 word1 word2"), "{}", ended.output);
        assert!(ended.output.contains("embedding: [0.5, -0.25, 1.0]"), "{}", ended.output);
    }
    Ok(())
}

#[tokio::test]
async fn a_command_published_while_no_gateway_ran_is_carried_out_once() -> Result<()> {
    let nats = NatsServer::start().await?;
    let upstream = Upstream::start().await?;
    // The stream is made by the first gateway, which then goes.
    on(&nats).start().await?.shut_down().await?;
    let body = json!({ "id": uuid(), "type": "RegisterRealm", "data": { "realm": "published" } }).to_string();
    nats.publish("tallygate.commands.RegisterRealm", body.as_bytes())?;
    let gateway = on(&nats).start().await?;
    for _ in 0..1_000 {
        let again = gateway.operator()?.post_bytes("/api/commands", "application/json", body.clone()).await?;
        if again.status == 200 {
            assert!(again.at("/position")?.is_u64());
            drop(upstream);
            return Ok(());
        }
    }
    anyhow::bail!("the published command was never carried out")
}
