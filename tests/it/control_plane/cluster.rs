//! Agents of several gateways that share a log.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::agent::Agent;
use tallygate_tests::gateway::Gateway;
use tallygate_tests::nats_server::NatsServer;
use tokio::time::timeout;

use super::{Known, Plane};
use crate::cluster::on;
use crate::scene::command;

/// A test that waits longer has found a bug. It is less than a silent gateway is believed for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A realm with two models, and an agent in it, on a server with room for other gateways.
struct Scene {
    nats: NatsServer,
    plane: Plane,
    two: String,
    agent: Known,
}

async fn scene() -> Result<Scene> {
    let nats = NatsServer::start().await?;
    let plane = Plane::with(on(&nats)).await?;
    let (one, two, realm) = (plane.model("one").await?, plane.model("two").await?, plane.realm("Engineering").await?);
    plane.grant(&one, &realm).await?;
    plane.grant(&two, &realm).await?;
    let agent = plane.agent("planner", &realm).await?;
    Ok(Scene { nats, plane, two, agent })
}

/// Connects an agent to another gateway, which may not have the registration yet.
async fn connect(gateway: &Gateway, agent: &Known) -> Result<Agent> {
    let connected = async {
        loop {
            if let Ok(agent) = Agent::connect(gateway.url(), &agent.token).await {
                return agent;
            }
        }
    };
    timeout(PATIENCE, connected).await.context("it does not connect")
}

/// Where an agent is connected and what it was told, by the word of a gateway, once that is as wanted.
async fn presence(gateway: &Gateway, agent: &Known, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let path = format!("/api/agents/{}", agent.did);
    let seen = async {
        loop {
            let answer = gateway.operator()?.get(&path).await?;
            // It may not have the registration yet.
            if answer.status == 404 {
                continue;
            }
            let shown = answer.expect(200)?.at("/agent")?;
            let fields = ["connected", "gateway", "connectedSince", "told"];
            let presence: Value = fields.map(|field| (field.to_owned(), shown[field].clone())).into_iter().collect();
            if wanted(&presence) {
                return Ok(presence);
            }
        }
    };
    timeout(PATIENCE, seen).await.context("it is never seen so")?
}

fn is_connected(presence: &Value) -> bool {
    presence["told"].is_object()
}

fn is_away(presence: &Value) -> bool {
    *presence == json!({ "connected": false, "gateway": null, "connectedSince": null, "told": null })
}

#[tokio::test]
async fn a_change_on_one_gateway_is_told_to_the_agents_of_all() -> Result<()> {
    let nats = NatsServer::start().await?;
    let plane = Plane::with(on(&nats)).await?;
    let other: Gateway = on(&nats).start().await?;
    let (one, two, realm) = (plane.model("one").await?, plane.model("two").await?, plane.realm("Engineering").await?);
    plane.grant(&one, &realm).await?;
    plane.grant(&two, &realm).await?;
    let (near, far) = (plane.agent("near", &realm).await?, plane.agent("far", &realm).await?);
    let (mut here, mut there) = (plane.connect(&near).await?, connect(&other, &far).await?);
    let (first, second) = (here.told().await?, there.told_until(|told| told.config.is_object()).await?);
    assert_eq!((first.text("baseUrl"), second.text("baseUrl")), (plane.gateway.url(), other.url()));
    let select = json!({ "scope": format!("realm:{realm}"), "model": "openai-compatible/two" });
    command(&plane.gateway, "SelectModel", select).await?.expect(200)?;
    for agent in [&mut here, &mut there] {
        assert_eq!(agent.told().await?.model(), "openai-compatible/two");
    }
    // The key that was issued on one gateway works on the other, and ends on both.
    let caller = other.caller(second.text("apiKey"))?;
    caller.post("/v1/chat/completions", &crate::scene::chat("openai-compatible/two")).await?.expect(200)?;
    let left = plane.leave(&far, &realm).await?;
    assert_eq!(left.at("/pushed")?, json!(true), "the other gateway says so");
    assert_eq!(there.told().await?.config, json!(null));
    let refused = caller.post("/v1/chat/completions", &crate::scene::chat("openai-compatible/two")).await?;
    assert_eq!(refused.status, 401, "{}", refused.text());
    Ok(())
}

#[tokio::test]
async fn what_an_agent_is_told_and_acknowledges_at_one_gateway_is_seen_from_every_other() -> Result<()> {
    let Scene { nats, plane, two, agent } = scene().await?;
    let other: Gateway = on(&nats).start().await?;
    let mut there = connect(&other, &agent).await?;
    there.told_until(|told| told.config.is_object()).await?;
    presence(&plane.gateway, &agent, is_connected).await?;
    // It is told of a change at another gateway, and a change that says what is so already is not waited for in vain.
    for _ in 0..2 {
        let configured = plane.configure(&agent, &json!({ "modelId": two })).await?.expect(200)?;
        assert_eq!([configured.at("/pushed")?, configured.at("/acknowledged")?], [json!(true), json!(false)]);
    }
    let told = there.told().await?;
    assert_eq!(told.model(), "openai-compatible/two");
    there.acknowledge(&told).await?;
    let from_afar = presence(&plane.gateway, &agent, |seen| seen["told"]["acknowledged"] == true).await?;
    assert_eq!(from_afar["told"]["messageId"], told.message_id);
    assert_eq!(from_afar, presence(&other, &agent, is_connected).await?, "both gateways say the same");
    let path = format!("/api/agents/{}/llm-config", agent.did);
    let in_force = plane.operator()?.get(&path).await?.expect(200)?;
    assert_eq!([in_force.at("/pushed")?, in_force.at("/acknowledged")?], [json!(true), json!(true)]);
    drop(there);
    presence(&plane.gateway, &agent, is_away).await?;
    let configured = plane.configure(&agent, &json!({ "modelId": two })).await?.expect(200)?;
    assert_eq!(configured.at("/pushed")?, json!(false));
    Ok(())
}

#[tokio::test]
async fn an_agent_that_connects_to_another_gateway_ends_its_older_connection() -> Result<()> {
    let Scene { nats, plane, agent, .. } = scene().await?;
    let mut first = plane.connect(&agent).await?;
    let here = presence(&plane.gateway, &agent, is_connected).await?;
    let other: Gateway = on(&nats).start().await?;
    assert_eq!(presence(&other, &agent, is_connected).await?, here, "who starts is told what is so");
    let mut second = connect(&other, &agent).await?;
    assert_eq!(first.ended().await?, ("replaced".to_owned(), 4000));
    let there = presence(&other, &agent, |seen| is_connected(seen) && seen["gateway"] != here["gateway"]).await?;
    assert_eq!(presence(&plane.gateway, &agent, |seen| *seen == there).await?, there);
    let mut third = plane.connect(&agent).await?;
    assert_eq!(second.ended().await?, ("replaced".to_owned(), 4000));
    third.told().await?;
    presence(&other, &agent, |seen| is_connected(seen) && seen["gateway"] == here["gateway"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_stops_or_was_killed_and_is_back_has_no_agents() -> Result<()> {
    let Scene { nats, plane, agent, .. } = scene().await?;
    let other: Gateway = on(&nats).start().await?;
    let killed = connect(&other, &agent).await?;
    presence(&plane.gateway, &agent, is_connected).await?;
    let other = other.kill_and_restart().await?;
    presence(&plane.gateway, &agent, is_away).await?;
    drop(killed);
    let stopped = connect(&other, &agent).await?;
    presence(&plane.gateway, &agent, is_connected).await?;
    other.shut_down().await?;
    presence(&plane.gateway, &agent, is_away).await?;
    drop(stopped);
    Ok(())
}

#[tokio::test]
async fn what_no_gateway_says_of_agents_is_counted_and_changes_nothing() -> Result<()> {
    let Scene { nats, plane, two, agent } = scene().await?;
    let mut connected = plane.connect(&agent).await?;
    connected.told().await?;
    let before = presence(&plane.gateway, &agent, is_connected).await?;
    let since = &before["connectedSince"];
    let row = json!({ "agent": agent.did, "connection": 1_000_000, "is_new": true, "since": since, "told": null, "acknowledged_at": null });
    let news = json!({ "checked": null, "here": [row], "left": [] });
    let report = json!({ "gateway": "g", "run": 1, "number": 1, "stops": false, "news": news });
    nats.publish("tallygate.agents", format!("{report}{}", "0".repeat(64)).as_bytes())?;
    let counted = async {
        loop {
            let metrics = plane.operator()?.get("/metrics").await?.expect(200)?;
            if metrics.text().lines().any(|line| line == "tallygate_agent_reports_refused_total 1") {
                return anyhow::Ok(());
            }
        }
    };
    timeout(PATIENCE, counted).await??;
    assert_eq!(presence(&plane.gateway, &agent, is_connected).await?, before);
    plane.configure(&agent, &json!({ "modelId": two })).await?.expect(200)?;
    assert_eq!(connected.told().await?.model(), "openai-compatible/two");
    Ok(())
}
