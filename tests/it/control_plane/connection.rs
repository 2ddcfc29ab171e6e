//! A connection of an agent: what it is told, when, and what is known of what it uses.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::agent::Agent;

use super::{Known, Plane};
use crate::scene::{command, lines};

const ONE: &str = "openai-compatible/one";
const TWO: &str = "openai-compatible/two";
const THREE: &str = "openai-compatible/three";

/// A gateway with a model that a realm may call, another that it may not, and an agent in the realm.
struct Scene {
    plane: Plane,
    two: String,
    realm: String,
    agent: Known,
}

async fn scene() -> Result<Scene> {
    let plane = Plane::start().await?;
    let (one, two, realm) = (plane.model("one").await?, plane.model("two").await?, plane.realm("Engineering").await?);
    plane.grant(&one, &realm).await?;
    let agent = plane.agent("planner", &realm).await?;
    Ok(Scene { plane, two, realm, agent })
}

#[tokio::test]
async fn a_message_has_the_guides_envelope() -> Result<()> {
    let Scene { plane, agent, .. } = scene().await?;
    let message = plane.connect(&agent).await?.told().await?.message;
    assert_eq!((&message["type"], &message["agentId"]), (&json!("llm_config"), &json!(agent.did)));
    for text in
        ["/messageId", "/timestamp", "/payload/config/provider", "/payload/config/model", "/payload/config/apiKey"]
    {
        assert!(message.pointer(text).is_some_and(Value::is_string), "{text}: {message}");
    }
    assert_eq!(message["payload"]["config"]["baseUrl"], plane.gateway.url());
    assert!(message["payload"]["position"].is_u64());
    Ok(())
}

#[tokio::test]
async fn an_agent_is_told_on_grant_selection_key_change_join_and_leave_and_at_no_other_time() -> Result<()> {
    let Scene { plane, two, realm, agent } = scene().await?;
    let mut connected = plane.connect(&agent).await?;
    let first = connected.told().await?;
    assert_eq!(first.model(), ONE);
    // A grant of what it does not use is nothing to it; what is selected is.
    plane.grant(&two, &realm).await?;
    let select = json!({ "scope": format!("realm:{realm}"), "model": TWO });
    command(&plane.gateway, "SelectModel", select).await?.expect(200)?;
    let selected = connected.told().await?;
    assert_eq!((selected.model(), selected.text("apiKey")), (TWO, first.text("apiKey")), "the key is the same");
    plane.withdraw(&two, &realm).await?;
    assert_eq!(connected.told().await?.model(), ONE);
    let path = format!("/api/agents/{}/realms/{realm}/key", agent.did);
    let replaced = plane.operator()?.post(&path, &json!({})).await?.expect(200)?;
    assert_eq!(replaced.at("/pushed")?, json!(true));
    let renewed = connected.told().await?;
    assert_ne!(renewed.text("apiKey"), first.text("apiKey"));
    assert_eq!(plane.call(first.text("apiKey"), ONE).await?.status, 401);
    plane.call(renewed.text("apiKey"), ONE).await?.expect(200)?;
    plane.leave(&agent, &realm).await?;
    assert_eq!(connected.told().await?.config, json!(null));
    plane.join(&agent, &realm).await?;
    let joined = connected.told().await?;
    assert_eq!(joined.model(), ONE);
    plane.operator()?.post(&format!("/api/realms/{realm}/suspend"), &json!({})).await?.expect(200)?;
    assert_eq!(connected.told().await?.message["payload"]["reason"], "realm_suspended");
    Ok(())
}

#[tokio::test]
async fn an_agent_is_told_the_parameters_of_the_preset_that_is_selected() -> Result<()> {
    let Scene { plane, realm, agent, .. } = scene().await?;
    let mut connected = plane.connect(&agent).await?;
    assert_eq!(connected.told().await?.config.get("parameters"), None);
    let scope = format!("realm:{realm}");
    let parameters = json!({ "temperature_thousandths": 200, "max_tokens": 40 });
    let save = json!({ "scope": scope, "preset": "cool", "model": ONE, "parameters": parameters });
    command(&plane.gateway, "SavePreset", save).await?.expect(200)?;
    command(&plane.gateway, "SelectPreset", json!({ "scope": scope, "preset": "cool" })).await?.expect(200)?;
    let told = connected.told().await?;
    let expected = json!({ "temperature": 0.2, "top_p": null, "max_tokens": 40, "reasoning_effort": null });
    assert_eq!((told.model(), &told.config["parameters"]), (ONE, &expected));
    assert_eq!(plane.seen(&agent).await?["config"]["parameters"], expected);
    command(&plane.gateway, "SelectModel", json!({ "scope": scope, "model": ONE })).await?.expect(200)?;
    let told = connected.told().await?;
    assert_eq!((told.model(), told.config.get("parameters")), (ONE, None));
    Ok(())
}

#[tokio::test]
async fn what_an_agent_uses_is_known_and_told_again_when_it_connects_again() -> Result<()> {
    let Scene { plane, agent, .. } = scene().await?;
    assert_eq!(plane.seen(&agent).await?["connected"], false);
    let mut connected = plane.connect(&agent).await?;
    let told = connected.told().await?;
    let seen = plane.seen(&agent).await?;
    assert_eq!((&seen["connected"], &seen["told"]["acknowledged"]), (&json!(true), &json!(false)));
    assert_eq!(seen["told"]["messageId"], told.message_id.as_str());
    // What acknowledges another message is passed over, and so is what means nothing.
    connected.say(&json!({ "type": "ack", "messageId": "another" }).to_string()).await?;
    connected.say(&json!({ "type": "hello", "more": [] }).to_string()).await?;
    let position = told.message["payload"]["position"].clone();
    connected.say(&json!({ "type": "ack", "position": position }).to_string()).await?;
    while plane.seen(&agent).await?["told"]["acknowledged"] != json!(true) {}
    drop(connected);
    while plane.seen(&agent).await?["connected"] != json!(false) {}
    let again = plane.connect(&agent).await?.told().await?;
    assert_eq!((again.config, again.message_id == told.message_id), (told.config, false));
    Ok(())
}

#[tokio::test]
async fn what_an_agent_does_is_recorded_in_activity() -> Result<()> {
    let Scene { plane, agent, .. } = scene().await?;
    let mut connected = plane.connect(&agent).await?;
    let told = connected.told().await?;
    connected.acknowledge(&told).await?;
    while plane.seen(&agent).await?["told"]["acknowledged"] != json!(true) {}
    drop(connected);
    let recorded = || -> Result<Vec<Value>> {
        let all = lines(plane.gateway.data(), "activity")?;
        Ok(all.into_iter().filter(|line| line["data"]["agent"] == *agent.did).collect())
    };
    while recorded()?.len() < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let recorded = recorded()?;
    let kinds: Vec<&Value> = recorded.iter().map(|line| &line["type"]).collect();
    assert_eq!(kinds, ["agent.connected", "agent.configuration_acknowledged", "agent.disconnected"]);
    assert_eq!(recorded[1]["data"]["position"], told.message["payload"]["position"]);
    assert_eq!((&recorded[2]["data"]["reason"], &recorded[2]["actor"]["kind"]), (&json!("gone"), &json!("agent")));
    assert!(recorded.iter().all(|line| line["data"]["connection"] == recorded[0]["data"]["connection"]));
    Ok(())
}

#[tokio::test]
async fn a_token_may_come_as_the_first_message() -> Result<()> {
    let Scene { plane, agent, .. } = scene().await?;
    let url = plane.gateway.url();
    let mut stranger = Agent::connect_as_stranger(url).await?;
    stranger.say(&json!({ "type": "auth", "token": agent.token }).to_string()).await?;
    assert_eq!(stranger.told().await?.model(), ONE);
    for (first, ended) in [
        (json!({ "type": "auth", "token": "agt-of-nobody" }).to_string(), ("agent_unknown", 4_001)),
        (json!({ "type": "auth" }).to_string(), ("agent_unknown", 4_001)),
        (json!({ "type": "ack", "messageId": "x" }).to_string(), ("agent_unknown", 4_001)),
        ("{".to_owned(), ("message_malformed", 1_007)),
    ] {
        let mut stranger = Agent::connect_as_stranger(url).await?;
        stranger.say(&first).await?;
        let (word, code) = stranger.ended().await?;
        assert_eq!((word.as_str(), code), ended, "{first}");
    }
    Ok(())
}

#[tokio::test]
async fn of_two_connections_with_one_token_the_newer_stays_and_the_older_is_told_why() -> Result<()> {
    let Scene { plane, two, realm, agent } = scene().await?;
    let mut older = plane.connect(&agent).await?;
    older.told().await?;
    let mut newer = plane.connect(&agent).await?;
    newer.told().await?;
    assert_eq!(older.ended().await?, ("replaced".to_owned(), 4_000));
    plane.grant(&two, &realm).await?;
    plane.configure(&agent, &json!({ "realmId": realm, "realmModelId": two })).await?.expect(200)?;
    assert_eq!(newer.told().await?.model(), TWO);
    assert_eq!(plane.seen(&agent).await?["connected"], true);
    Ok(())
}

#[tokio::test]
async fn many_changes_at_once_leave_an_agent_with_the_last() -> Result<()> {
    let Scene { plane, two, realm, agent } = scene().await?;
    plane.grant(&two, &realm).await?;
    // Selected last and never before: what an agent uses already it is not told again.
    plane.grant(&plane.model("three").await?, &realm).await?;
    let mut connected = plane.connect(&agent).await?;
    connected.told().await?;
    for round in 0..40 {
        let model = if round % 2 == 0 { TWO } else { ONE };
        let select = json!({ "scope": format!("realm:{realm}"), "model": model });
        command(&plane.gateway, "SelectModel", select).await?.expect(200)?;
    }
    let last = json!({ "scope": format!("realm:{realm}"), "slot": "current", "model": THREE });
    let position = command(&plane.gateway, "SelectModel", last).await?.expect(200)?.at("/position")?;
    let told = connected.told_until(|told| told.message["payload"]["position"].as_u64() >= position.as_u64()).await?;
    assert_eq!(told.model(), THREE);
    Ok(())
}
