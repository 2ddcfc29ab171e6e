//! What an agent is told to use, in each of its ways.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Known, Plane, refusal};
use tallygate_tests::gateway::Setup;

const ONE: &str = "openai-compatible/one";
const TWO: &str = "openai-compatible/two";

/// A gateway with two models that a realm may call, and an agent in it.
struct Scene {
    plane: Plane,
    one: String,
    two: String,
    realm: String,
    agent: Known,
}

async fn scene(setup: Setup) -> Result<Scene> {
    let plane = Plane::with(setup).await?;
    let (one, two, realm) = (plane.model("one").await?, plane.model("two").await?, plane.realm("Engineering").await?);
    plane.grant(&one, &realm).await?;
    plane.grant(&two, &realm).await?;
    let agent = plane.agent("planner", &realm).await?;
    Ok(Scene { plane, one, two, realm, agent })
}

#[tokio::test]
async fn a_configuration_is_stored_pushed_and_acknowledged_and_its_key_is_in_no_answer() -> Result<()> {
    let Scene { plane, two, realm, agent, .. } = scene(Setup::new()).await?;
    let routing = json!({ "realmId": realm, "realmModelId": two });
    let away = plane.configure(&agent, &routing).await?.expect(200)?;
    let state = |answer: &tallygate_tests::client::Answer| -> Result<[Value; 4]> {
        Ok([answer.at("/ok")?, answer.at("/mode")?, answer.at("/pushed")?, answer.at("/config/model")?])
    };
    assert_eq!(state(&away)?, [json!(true), json!("realm"), json!(false), json!(TWO)], "it is not connected");
    let mut connected = plane.connect(&agent).await?;
    let told = connected.told().await?;
    assert_eq!((told.text("provider"), told.model()), ("openai-compatible", TWO));
    assert_eq!(told.text("baseUrl"), plane.gateway.url());
    plane.call(told.text("apiKey"), told.model()).await?.expect(200)?;
    let again = plane.configure(&agent, &routing).await?.expect(200)?;
    assert_eq!(state(&again)?, [json!(true), json!("realm"), json!(true), json!(TWO)]);
    connected.acknowledge(&told).await?;
    let path = format!("/api/agents/{}/llm-config", agent.did);
    let mut shown = plane.operator()?.get(&path).await?.expect(200)?;
    while shown.at("/acknowledged")? != json!(true) {
        shown = plane.operator()?.get(&path).await?.expect(200)?;
    }
    assert!(!shown.text().contains(told.text("apiKey")) && !away.text().contains(told.text("apiKey")));
    assert_eq!((shown.at("/realmId")?, shown.at("/realmModelId")?), (json!(realm), json!(two)));
    let cleared = plane.operator()?.delete(&path).await?.expect(200)?;
    assert_eq!(cleared.at("/mode")?, json!("automatic"));
    assert_eq!(connected.told().await?.model(), ONE, "it follows its realm again");
    Ok(())
}

#[tokio::test]
async fn a_model_of_the_registry_alone_is_used_as_the_realm_that_may_call_it() -> Result<()> {
    let Scene { plane, two, realm, agent, .. } = scene(Setup::new()).await?;
    plane.configure(&agent, &json!({ "modelId": two })).await?.expect(200)?;
    let mut connected = plane.connect(&agent).await?;
    let told = connected.told().await?;
    assert_eq!((told.model(), told.text("realmId")), (TWO, realm.as_str()));
    plane.withdraw(&two, &realm).await?;
    let told = connected.told().await?;
    assert_eq!((&told.config, &told.message["payload"]["reason"]), (&json!(null), &json!("not_granted")));
    plane.grant(&two, &realm).await?;
    assert_eq!(connected.told().await?.model(), TWO, "granted again, it is used again");
    Ok(())
}

#[tokio::test]
async fn a_server_by_hand_is_told_with_its_key_to_the_agent_alone() -> Result<()> {
    let Scene { plane, agent, .. } = scene(Setup::new()).await?;
    let body = json!({
        "provider": "anthropic", "model": "claude", "baseUrl": "https://api.example/v1", "apiKey": "sk-ant-canary",
    });
    let set = plane.configure(&agent, &body).await?.expect(200)?;
    assert!(!set.text().contains("canary"), "{}", set.text());
    assert!(!plane.log()?.iter().any(|line| line.to_string().contains("canary")), "it is sealed");
    let told = plane.connect(&agent).await?.told().await?;
    let config = ["provider", "model", "baseUrl", "apiKey"].map(|name| told.text(name));
    assert_eq!(config, ["anthropic", "claude", "https://api.example/v1", "sk-ant-canary"]);
    Ok(())
}

#[tokio::test]
async fn what_an_agent_may_not_use_is_refused_and_the_log_is_as_it_was() -> Result<()> {
    let Scene { plane, one, two, realm, agent } = scene(Setup::new()).await?;
    plane.withdraw(&two, &realm).await?;
    let other = plane.realm("Other").await?;
    let before = plane.log()?.len();
    for (body, expected) in [
        (json!({ "realmId": realm, "realmModelId": two }), (400, json!("agent_model_not_granted"))),
        (json!({ "modelId": two }), (400, json!("agent_model_not_granted"))),
        (json!({ "realmId": other, "realmModelId": one }), (400, json!("agent_not_in_realm"))),
        (json!({ "realmId": "gone", "realmModelId": one }), (404, json!("realm_not_registered"))),
        (json!({ "realmId": realm, "realmModelId": "gone" }), (404, json!("model_not_registered"))),
        (json!({}), (400, json!("parameter_invalid"))),
        (json!({ "realmId": realm, "provider": "p", "model": "m" }), (400, json!("parameter_invalid"))),
        (json!({ "provider": "p" }), (400, json!("parameter_invalid"))),
        (json!({ "provider": "p", "model": "m", "baseUrl": "file:///etc" }), (400, json!("agent_field_invalid"))),
        (json!({ "provider": "p", "model": "x".repeat(10_000) }), (400, json!("agent_field_invalid"))),
        (json!({ "realmId": realm, "unheardOf": 1 }), (400, json!("body_invalid"))),
    ] {
        assert_eq!(refusal(&plane.configure(&agent, &body).await?)?, expected, "{body}");
    }
    let nobody = Known { did: "did:nobody".to_owned(), token: String::new() };
    let answer = plane.configure(&nobody, &json!({ "realmId": realm })).await?;
    assert_eq!(refusal(&answer)?, (404, json!("agent_not_registered")));
    assert_eq!(plane.log()?.len(), before);
    Ok(())
}

#[tokio::test]
async fn after_a_restart_an_agent_is_told_the_same_key_again() -> Result<()> {
    let Scene { plane, agent, .. } = scene(Setup::new()).await?;
    let before = plane.connect(&agent).await?.told().await?;
    let Plane { gateway, upstream } = plane;
    let plane = Plane { gateway: gateway.kill_and_restart().await?, upstream };
    let after = plane.connect(&agent).await?.told().await?;
    assert_eq!(after.text("apiKey"), before.text("apiKey"));
    plane.call(after.text("apiKey"), after.model()).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn agents_are_told_the_address_that_is_configured() -> Result<()> {
    let setup = Setup::new().env("LITELLM_BASE_URL", "http://litellm:4000/");
    let Scene { plane, one, two, realm, agent } = scene(setup).await?;
    assert_eq!(plane.connect(&agent).await?.told().await?.text("baseUrl"), "http://litellm:4000");
    let shown = plane.operator()?.get(&format!("/api/agents/{}/realm-llm", agent.did)).await?.expect(200)?;
    let model = |id: &str, name: &str, full: &str| json!({ "id": id, "name": name, "provider": "openai-compatible", "modelId": format!("upstream-{name}"), "litellmModelName": full });
    let expected = json!({
        "litellmConfigured": true,
        "litellmBaseUrl": "http://litellm:4000",
        "realms": [{
            "realmId": realm,
            "realmName": "Engineering",
            "isPrimary": true,
            "hasVirtualKey": true,
            "models": [model(&one, "one", ONE), model(&two, "two", TWO)],
        }],
    });
    assert_eq!(shown.json()?, expected);
    Ok(())
}
