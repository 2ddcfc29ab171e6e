//! Agents that are silent, slow, loud or broken, and requests that are no agents.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use tallygate_tests::agent::Agent;
use tallygate_tests::gateway::Setup;

use super::{Known, Plane, refusal};

async fn scene(setup: Setup) -> Result<(Plane, Known)> {
    let plane = Plane::with(setup).await?;
    let (one, realm) = (plane.model("one").await?, plane.realm("Engineering").await?);
    plane.grant(&one, &realm).await?;
    let agent = plane.agent("planner", &realm).await?;
    Ok((plane, agent))
}

#[tokio::test]
async fn frames_that_are_none_end_a_connection_with_their_reason() -> Result<()> {
    let (plane, agent) = scene(Setup::new()).await?;
    for (text, ended) in [
        ("{".to_owned(), ("message_malformed", 1_007)),
        ("[]".to_owned(), ("message_malformed", 1_007)),
        (r#"{"type":7}"#.to_owned(), ("message_malformed", 1_007)),
        ("null".to_owned(), ("message_malformed", 1_007)),
        (json!({ "type": "x", "fill": "x".repeat(20_000) }).to_string(), ("message_too_long", 1_009)),
    ] {
        let mut connected = plane.connect(&agent).await?;
        connected.told().await?;
        connected.say(&text).await?;
        let (word, code) = connected.ended().await?;
        assert_eq!((word.as_str(), code), ended, "{}", text.chars().take(40).collect::<String>());
    }
    let mut connected = plane.connect(&agent).await?;
    connected.told().await?;
    connected.send_bytes(&[0, 255]).await?;
    assert_eq!(connected.ended().await?, ("message_malformed".to_owned(), 1_007));
    plane.connect(&agent).await?.told().await.map(drop)
}

#[tokio::test]
async fn an_agent_that_floods_is_cut_off_and_others_are_served() -> Result<()> {
    let (plane, agent) = scene(Setup::new()).await?;
    let mut connected = plane.connect(&agent).await?;
    connected.told().await?;
    for _ in 0..200 {
        // Once it is cut off nothing more can be sent.
        if connected.say(r#"{"type":"hello"}"#).await.is_err() {
            break;
        }
    }
    // What was sent into the closed connection may have broken it before its last message was read.
    if let Ok(ended) = connected.ended().await {
        assert_eq!(ended, ("too_many_messages".to_owned(), 1_008));
    }
    while plane.seen(&agent).await?["connected"] != json!(false) {}
    plane.connect(&agent).await?.told().await.map(drop)
}

#[tokio::test]
async fn an_agent_that_answers_no_ping_is_cut_off_and_one_that_does_stays() -> Result<()> {
    let (plane, agent) = scene(Setup::new().env("TALLYGATE_AGENT_IDLE_SECONDS", "2")).await?;
    // Whoever does not read answers no ping.
    let mut silent = plane.connect(&agent).await?;
    silent.told().await?;
    while plane.seen(&agent).await?["connected"] != json!(false) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(silent.ended().await?, ("idle".to_owned(), 4_008));
    let mut alive = plane.connect(&agent).await?;
    alive.told().await?;
    let waited = tokio::time::timeout(Duration::from_secs(5), alive.hear()).await;
    assert!(waited.is_err(), "it answers pings, so nothing happens: {waited:?}");
    assert_eq!(plane.seen(&agent).await?["connected"], true);
    Ok(())
}

#[tokio::test]
async fn what_is_no_agent_is_answered_as_any_request() -> Result<()> {
    let (plane, agent) = scene(Setup::new()).await?;
    let plain = plane.operator()?.get("/api/agents/ws").await?;
    assert_eq!(refusal(&plain)?, (401, json!("agent_unknown")), "the master key is no agent's token");
    let known = plane.gateway.caller(&agent.token)?;
    assert_eq!(refusal(&known.get("/api/agents/ws").await?)?, (426, json!("upgrade_required")));
    let refused = Agent::connect(plane.gateway.url(), "agt-of-nobody").await.err().context("it was let in")?;
    assert!(refused.to_string().contains("agent_unknown"), "{refused}");
    // An agent's token opens nothing else.
    assert_eq!(known.get("/api/agents").await?.status, 401);
    assert_eq!(plane.call(&agent.token, "openai-compatible/one").await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_stops_tells_its_agents_and_waits_for_none() -> Result<()> {
    let (plane, agent) = scene(Setup::new()).await?;
    let mut connected = plane.connect(&agent).await?;
    connected.told().await?;
    let mut stranger = Agent::connect_as_stranger(plane.gateway.url()).await?;
    let (ended, other, stopped) = tokio::join!(connected.ended(), stranger.ended(), plane.gateway.shut_down());
    assert_eq!((ended?, other?), (("stopping".to_owned(), 1_012), ("stopping".to_owned(), 1_012)));
    assert!(stopped?.status.success());
    Ok(())
}
