//! Keys: those that both have, by their hash, and those of agents, whose secrets are known here.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::agent::Agent;

use super::{Mirrored, reason};
use crate::scene::chat;

const SECRET: &str = "sk-of-both-0123456789";

#[tokio::test]
async fn a_key_that_the_proxy_has_is_changed_by_its_hash() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.key_of_both(SECRET, &json!({ "key_alias": "ci" })).await?;
    assert_eq!(scene.in_step().await?["not_mirrored_count"], 0);
    let update = json!({
        "key": SECRET, "max_budget": 12.5, "budget_duration": "30d", "models": ["one"], "rpm_limit": 7, "duration": "1h",
        "aliases": { "fast": "one" }, "metadata": { "who": "ci" }, "key_alias": "ci-2",
    });
    scene.change("/key/update", update.clone()).await?;
    let there = scene.key_there(SECRET).await?;
    for name in ["max_budget", "budget_duration", "models", "rpm_limit", "aliases", "metadata", "key_alias"] {
        assert_eq!(there[name], update[name], "{name}");
    }
    assert!(there["expires"].is_string(), "{there}");
    scene.change("/key/block", json!({ "key": SECRET })).await?;
    assert_eq!(scene.key_there(SECRET).await?["blocked"], true);
    scene.change("/key/unblock", json!({ "key": SECRET })).await?;
    scene.change("/key/update", json!({ "key": SECRET, "max_budget": null, "models": [], "duration": "-1" })).await?;
    let there = scene.key_there(SECRET).await?;
    assert_eq!((&there["blocked"], &there["max_budget"], &there["models"]), (&json!(false), &Value::Null, &json!([])));
    assert_eq!(there["expires"], Value::Null);
    scene.change("/key/delete", json!({ "keys": [SECRET] })).await?;
    assert_eq!(scene.read_there(&format!("/key/info?key={SECRET}")).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn a_key_of_an_agent_is_made_there_with_its_secret_and_goes_with_it() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.change("/model/new", scene.model("one", "deployment-1")).await?;
    let operator = scene.operator()?;
    scene.change("/team/new", json!({ "team_id": "acme", "team_alias": "Acme" })).await?;
    let made = operator.post("/api/agents", &json!({ "name": "planner", "realmId": "acme" })).await?.expect(201)?;
    let (did, token) = (made.at("/agent/did")?, made.at("/token")?);
    let mut agent = Agent::connect(scene.here.url(), token.as_str().context("no token")?).await?;
    let secret = agent.told().await?.text("apiKey").to_owned();
    scene.in_step().await?;
    let there = scene.there.caller(&secret)?;
    there.post("/v1/chat/completions", &chat("one")).await?.expect(200)?;
    assert_eq!(scene.key_there(&secret).await?["team_id"], "acme");
    scene.change("/key/block", json!({ "key": secret })).await?;
    assert_eq!(there.post("/v1/chat/completions", &chat("one")).await?.status, 401);
    scene.change("/key/unblock", json!({ "key": secret })).await?;
    there.post("/v1/chat/completions", &chat("one")).await?.expect(200)?;
    let did = did.as_str().context("no did")?;
    operator.delete(&format!("/api/agents/{did}/realms/acme")).await?.expect(200)?;
    scene.in_step().await?;
    assert_eq!(there.post("/v1/chat/completions", &chat("one")).await?.status, 401);
    assert!(!scene.here.output().contains(&secret));
    Ok(())
}

#[tokio::test]
async fn a_key_whose_secret_nobody_here_knows_is_named_until_the_proxy_has_it() -> Result<()> {
    let scene = Mirrored::start().await?;
    let made = scene.change("/key/generate", json!({ "key": SECRET, "key_alias": "lost" })).await?;
    let told = scene.in_step().await?;
    assert_eq!(told["not_mirrored_count"], 1);
    let why = told["not_mirrored"][0]["reason"].as_str().context("no reason")?;
    assert!(why.contains("known to its holder alone"), "{why}");
    assert_eq!(scene.read_there(&format!("/key/info?key={SECRET}")).await?.status, 404);
    // Its holder makes it there, and the next change of it is carried over.
    scene.there.operator()?.post("/key/generate", &json!({ "key": SECRET })).await?.expect(200)?;
    scene.change("/key/update", json!({ "key": made.at("/token")?, "rpm_limit": 3 })).await?;
    assert_eq!(scene.key_there(SECRET).await?["rpm_limit"], 3);
    assert_eq!(scene.in_step().await?["not_mirrored_count"], 0);
    Ok(())
}

#[tokio::test]
async fn a_secret_that_was_rotated_away_works_there_no_more() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.key_of_both(SECRET, &json!({ "key_alias": "turned" })).await?;
    scene.change(&format!("/key/{SECRET}/regenerate"), json!({ "new_key": "sk-second-0123456789" })).await?;
    scene.in_step().await?;
    assert_eq!(scene.read_there(&format!("/key/info?key={SECRET}")).await?.status, 404);
    let told = scene.in_step().await?;
    assert_eq!(told["not_mirrored_count"], 1, "the new secret is known to its holder alone: {told}");
    assert!(reason(&told, told["not_mirrored"][0]["what"].as_str().context("nothing")?).is_some());
    Ok(())
}
