//! Agents of several gateways that share a log.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::agent::Agent;
use tallygate_tests::gateway::Gateway;
use tallygate_tests::nats_server::NatsServer;

use super::Plane;
use crate::cluster::on;
use crate::scene::command;

#[tokio::test]
async fn a_change_on_one_gateway_is_told_to_the_agents_of_all() -> Result<()> {
    let nats = NatsServer::start().await?;
    let plane = Plane::with(on(&nats)).await?;
    let other: Gateway = on(&nats).start().await?;
    let (one, two, realm) = (plane.model("one").await?, plane.model("two").await?, plane.realm("Engineering").await?);
    plane.grant(&one, &realm).await?;
    plane.grant(&two, &realm).await?;
    let (near, far) = (plane.agent("near", &realm).await?, plane.agent("far", &realm).await?);
    let mut here = plane.connect(&near).await?;
    // The other gateway may not have the registration yet.
    let mut there = Agent::connect(other.url(), &far.token).await;
    while there.is_err() {
        there = Agent::connect(other.url(), &far.token).await;
    }
    let mut there = there?;
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
    assert_eq!(left.at("/pushed")?, json!(false), "it is not connected here");
    assert_eq!(there.told().await?.config, json!(null));
    let refused = caller.post("/v1/chat/completions", &crate::scene::chat("openai-compatible/two")).await?;
    assert_eq!(refused.status, 401, "{}", refused.text());
    Ok(())
}
