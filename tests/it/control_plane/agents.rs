//! Agents: registered, in realms, removed.

use anyhow::{Context as _, Result};
use serde_json::json;
use tallygate_tests::agent::Agent;

use super::{Plane, refusal, text};

const ONE: &str = "openai-compatible/one";
const TWO: &str = "openai-compatible/two";

/// A gateway with a model that a realm may call.
async fn plane() -> Result<(Plane, String)> {
    let plane = Plane::start().await?;
    let (one, realm) = (plane.model("one").await?, plane.realm("Engineering").await?);
    plane.grant(&one, &realm).await?;
    Ok((plane, realm))
}

#[tokio::test]
async fn a_token_is_shown_once_and_kept_nowhere() -> Result<()> {
    let (plane, realm) = plane().await?;
    let agent = plane.agent("planner", &realm).await?;
    let told = plane.connect(&agent).await?.told().await?;
    let operator = plane.operator()?;
    for path in ["/api/agents".to_owned(), format!("/api/agents/{}", agent.did), "/api/agents/planner".to_owned()] {
        let shown = operator.get(&path).await?.expect(200)?.text();
        assert!(shown.contains(&agent.did) && !shown.contains(&agent.token), "{shown}");
        assert!(!shown.contains(told.text("apiKey")), "{shown}");
    }
    let log: String = plane.log()?.iter().map(ToString::to_string).collect();
    assert!(!log.contains(&agent.token) && !log.contains(told.text("apiKey")));
    let rotated = operator.post(&format!("/api/agents/{}/token", agent.did), &json!({})).await?.expect(201)?;
    assert!(plane.connect(&agent).await.is_err(), "the old token is nobody's");
    Agent::connect(plane.gateway.url(), &text(&rotated, "/token")?).await?.told().await?;
    Ok(())
}

#[tokio::test]
async fn an_agent_that_leaves_loses_its_own_key_and_no_other_agent_does() -> Result<()> {
    let (plane, realm) = plane().await?;
    let (stays, leaves) = (plane.agent("stays", &realm).await?, plane.agent("leaves", &realm).await?);
    let (mut staying, mut leaving) = (plane.connect(&stays).await?, plane.connect(&leaves).await?);
    let (kept, lost) = (staying.told().await?, leaving.told().await?);
    assert_ne!(kept.text("apiKey"), lost.text("apiKey"), "each has a key of its own");
    for told in [&kept, &lost] {
        plane.call(told.text("apiKey"), told.model()).await?.expect(200)?;
    }
    let left = plane.leave(&leaves, &realm).await?;
    assert_eq!(left.at("/pushed")?, json!(true));
    let told = leaving.told().await?;
    assert_eq!((&told.config, &told.message["payload"]["reason"]), (&json!(null), &json!("no_realm")));
    assert_eq!(refusal(&plane.call(lost.text("apiKey"), ONE).await?)?, (401, json!("key_unknown")));
    plane.call(kept.text("apiKey"), ONE).await?.expect(200)?;
    // Its token is still its own, and leads to nothing.
    drop(leaving);
    assert_eq!(plane.connect(&leaves).await?.told().await?.config, json!(null));
    let again = plane.operator()?.delete(&format!("/api/agents/{}/realms/{realm}", leaves.did)).await?;
    assert_eq!(refusal(&again)?, (400, json!("agent_not_in_realm")));
    Ok(())
}

#[tokio::test]
async fn a_key_of_one_realm_calls_nothing_of_another() -> Result<()> {
    let (plane, realm) = plane().await?;
    let (two, other) = (plane.model("two").await?, plane.realm("Other").await?);
    plane.grant(&two, &other).await?;
    let agent = plane.agent("planner", &realm).await?;
    plane.join(&agent, &other).await?;
    let told = plane.connect(&agent).await?.told().await?;
    assert_eq!((told.model(), told.text("realmId")), (ONE, realm.as_str()), "its primary realm comes first");
    plane.call(told.text("apiKey"), TWO).await?.expect(403)?;
    Ok(())
}

#[tokio::test]
async fn an_agent_spends_from_one_budget_whichever_realm_it_asks_in() -> Result<()> {
    let (plane, realm) = plane().await?;
    let (two, other) = (plane.model("two").await?, plane.realm("Other").await?);
    plane.grant(&two, &other).await?;
    let (agent, stranger) = (plane.agent("planner", &realm).await?, plane.agent("other", &realm).await?);
    let first = plane.connect(&agent).await?.told().await?;
    plane.join(&agent, &other).await?;
    let operator = plane.operator()?;
    plane.configure(&agent, &json!({ "realmId": other, "realmModelId": two })).await?.expect(200)?;
    let second = plane.connect(&agent).await?.told().await?;
    assert_ne!(first.text("apiKey"), second.text("apiKey"), "a key in each realm");
    let scope = format!("agent:{}", agent.did);
    let budget = async |nano: i64| {
        let limits = json!([{ "period": "total", "limit_nano_usd": nano }]);
        let set = json!({ "id": format!("at most {nano}"), "type": "SetBudget", "data": { "scope": scope, "limits": limits } });
        operator.post("/api/commands", &set).await?.expect(200)
    };
    let calls = [(first.text("apiKey"), ONE), (second.text("apiKey"), TWO)];
    // A call costs some millionths of a dollar; this is far less.
    budget(1).await?;
    for (key, model) in calls {
        let refused = plane.call(key, model).await?;
        assert_eq!(refusal(&refused)?, (422, json!("budget_exhausted")));
        assert_eq!(refused.at("/error/tallygate/details/scope")?, json!(scope));
    }
    budget(1_000_000_000).await?;
    for (key, model) in calls {
        plane.call(key, model).await?.expect(200)?;
    }
    let shown = operator.get(&format!("/api/agents/{}", agent.did)).await?.expect(200)?;
    assert_eq!(shown.at("/agent/budget/limits/0/limit_nano_usd")?, json!(1_000_000_000));
    budget(2).await?;
    let told = plane.connect(&stranger).await?.told().await?;
    plane.call(told.text("apiKey"), ONE).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn an_agent_that_is_removed_is_cut_off_and_its_keys_with_it() -> Result<()> {
    let (plane, realm) = plane().await?;
    let agent = plane.agent("planner", &realm).await?;
    let mut connected = plane.connect(&agent).await?;
    let told = connected.told().await?;
    plane.operator()?.delete(&format!("/api/agents/{}", agent.did)).await?.expect(200)?;
    assert_eq!(connected.ended().await?, ("token_ended".to_owned(), 4_001));
    assert_eq!(plane.call(told.text("apiKey"), ONE).await?.status, 401);
    let refused = plane.connect(&agent).await.err().context("it was let in")?.to_string();
    assert!(refused.contains("401") && refused.contains("agent_unknown"), "{refused}");
    let gone = plane.operator()?.get(&format!("/api/agents/{}", agent.did)).await?;
    assert_eq!(refusal(&gone)?, (404, json!("agent_not_registered")));
    plane.agent("planner", &realm).await.map(drop)
}

#[tokio::test]
async fn names_of_agents_are_taken_whole_or_refused_and_the_log_is_as_it_was() -> Result<()> {
    let (plane, realm) = plane().await?;
    let operator = plane.operator()?;
    for did in ["did:vaultys:0a.b*>", "two words", "плanner", "planner"] {
        let body = json!({ "name": did, "did": did });
        let made = operator.post("/api/agents", &body).await?.expect(201)?;
        assert_eq!(made.at("/agent/did")?, json!(did));
    }
    let before = plane.log()?.len();
    for (body, status) in [
        (json!({ "name": "planner" }), 409),
        (json!({ "name": "other", "did": "planner" }), 409),
        (json!({ "name": "x".repeat(10_000) }), 400),
        (json!({ "name": "a\u{202e}b" }), 400),
        (json!({ "name": "" }), 400),
        (json!({}), 400),
        (json!({ "name": "n", "realmId": "gone" }), 404),
        (json!({ "name": "n", "token": "agt-chosen" }), 400),
    ] {
        let answer = operator.post("/api/agents", &body).await?;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    let twice = operator.post("/api/agents/planner/realms", &json!({ "realmId": realm })).await?.expect(200)?;
    drop(twice);
    let twice = operator.post("/api/agents/planner/realms", &json!({ "realmId": realm })).await?;
    assert_eq!(refusal(&twice)?, (409, json!("agent_already_in_realm")));
    assert_eq!(plane.log()?.len(), before + 2, "one joined, with its key");
    Ok(())
}
