//! Rules that LiteLLM has no field for: nothing is allowed more there than here.

use anyhow::Result;
use serde_json::json;

use super::{Mirrored, reason};
use crate::scene::command;

const SECRET: &str = "sk-of-both-0123456789";

#[tokio::test]
async fn a_key_with_a_rule_that_cannot_be_said_is_blocked_there_until_it_can() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.key_of_both(SECRET, &json!({})).await?;
    let keys = scene.operator()?.get(&format!("/key/info?key={SECRET}")).await?.expect(200)?;
    assert_eq!(keys.at("/info/blocked")?, false);
    let logged = crate::scene::lines(scene.here.data(), "control")?;
    let id = logged.iter().find(|line| line["type"] == "key.issued").map(|line| line["data"]["key"].clone());
    let id = id.and_then(|id| id.as_str().map(str::to_owned)).unwrap_or_default();
    let limits =
        json!([{ "period": "total", "limit_nano_usd": 9 }, { "period": { "seconds": 86_400 }, "limit_nano_usd": 5 }]);
    let set = |limits| json!({ "scope": format!("key:{id}"), "limits": limits });
    command(&scene.here, "SetBudget", set(limits)).await?.expect(200)?;
    let told = scene.in_step().await?;
    assert_eq!(scene.key_there(SECRET).await?["blocked"], true);
    let why = reason(&told, &format!("key {id}")).unwrap_or_default();
    assert!(why.contains("limits for 2 periods"), "{told}");
    command(&scene.here, "SetBudget", set(json!([{ "period": "total", "limit_nano_usd": 5_000_000_000_u64 }])))
        .await?
        .expect(200)?;
    let told = scene.in_step().await?;
    let there = scene.key_there(SECRET).await?;
    assert_eq!((&there["blocked"], &there["max_budget"]), (&json!(false), &json!(5.0)));
    assert_eq!(told["not_mirrored_count"], 0);
    Ok(())
}

#[tokio::test]
async fn a_budget_of_the_whole_gateway_blocks_all_there_and_a_team_with_a_rule_is_not_made() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.key_of_both(SECRET, &json!({})).await?;
    scene.change("/team/new", json!({ "team_id": "acme" })).await?;
    scene.change("/team/new", json!({ "team_id": "narrow", "max_parallel_requests": 2 })).await?;
    let told = scene.in_step().await?;
    assert!(reason(&told, "team narrow").unwrap_or_default().contains("parallel requests"), "{told}");
    assert_eq!(scene.read_there("/team/info?team_id=narrow").await?.status, 404);
    let set = |limits| json!({ "scope": "gateway", "limits": limits });
    command(&scene.here, "SetBudget", set(json!([{ "period": "total", "limit_nano_usd": 1 }]))).await?.expect(200)?;
    scene.in_step().await?;
    assert_eq!(scene.key_there(SECRET).await?["blocked"], true);
    assert_eq!(scene.read_there("/team/info?team_id=acme").await?.expect(200)?.at("/team_info/blocked")?, true);
    command(&scene.here, "SetBudget", set(json!([]))).await?.expect(200)?;
    scene.in_step().await?;
    assert_eq!(scene.key_there(SECRET).await?["blocked"], false);
    assert_eq!(scene.read_there("/team/info?team_id=acme").await?.expect(200)?.at("/team_info/blocked")?, false);
    Ok(())
}

#[tokio::test]
async fn a_change_that_the_proxy_refuses_blocks_the_key_there() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.key_of_both(SECRET, &json!({})).await?;
    scene.relay.answers("/key/update", "", 400, r#"{"error":{"message":"no such field"}}"#);
    scene.change("/key/update", json!({ "key": SECRET, "models": ["one"] })).await?;
    let told = scene.in_step().await?;
    let why = told["not_mirrored"][0]["reason"].as_str().unwrap_or_default();
    assert_eq!(why, "the proxy refuses it (status 400): no such field; it is blocked there");
    assert_eq!(scene.key_there(SECRET).await?["blocked"], true);
    scene.relay.passes();
    scene.change("/key/update", json!({ "key": SECRET, "rpm_limit": 1 })).await?;
    let there = scene.key_there(SECRET).await?;
    assert_eq!((&there["blocked"], &there["models"]), (&json!(false), &json!(["one"])));
    Ok(())
}

#[tokio::test]
async fn a_limit_that_the_proxy_passes_over_blocks_the_key_there() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.key_of_both(SECRET, &json!({})).await?;
    scene.relay.answers("/key/update", "", 200, "{}");
    scene.change("/key/update", json!({ "key": SECRET, "rpm_limit": 5 })).await?;
    let told = scene.in_step().await?;
    assert_eq!(told["not_mirrored"][0]["reason"], "the proxy does not take rpm_limit; it is blocked there");
    assert_eq!(scene.key_there(SECRET).await?["blocked"], true);
    Ok(())
}

#[tokio::test]
async fn an_alias_leads_nowhere_there_that_the_key_may_not_call_by_name() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.change("/team/new", json!({ "team_id": "acme", "models": ["one", "two"] })).await?;
    let fields = json!({ "team_id": "acme", "aliases": { "fast": "one", "large": "two", "cheap": "three" } });
    scene.key_of_both(SECRET, &fields).await?;
    assert_eq!(scene.key_there(SECRET).await?["aliases"], json!({ "fast": "one", "large": "two" }));
    scene.change("/team/update", json!({ "team_id": "acme", "models": ["one"] })).await?;
    assert_eq!(scene.key_there(SECRET).await?["aliases"], json!({ "fast": "one" }));
    Ok(())
}

#[tokio::test]
async fn rules_of_end_users_and_tags_are_told_as_not_carried_over() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene.change("/customer/new", json!({ "user_id": "guest", "max_budget": 1 })).await?;
    scene.change("/tag/new", json!({ "name": "batch", "rpm_limit": 1 })).await?;
    let told = scene.in_step().await?;
    let listed = told["not_mirrored"].to_string();
    assert!(listed.contains("end users are not carried over") && listed.contains("rules of tags"), "{listed}");
    scene.change("/customer/delete", json!({ "user_ids": ["guest"] })).await?;
    scene.change("/tag/delete", json!({ "name": "batch" })).await?;
    assert_eq!(scene.in_step().await?["not_mirrored_count"], 0);
    Ok(())
}
