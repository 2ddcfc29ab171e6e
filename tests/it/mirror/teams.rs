//! Realms, as teams; users.

use anyhow::Result;
use serde_json::{Value, json};

use super::Mirrored;

#[tokio::test]
async fn a_team_is_made_changed_blocked_and_deleted_there_as_it_is_here() -> Result<()> {
    let scene = Mirrored::start().await?;
    let team = json!({ "team_id": "acme", "team_alias": "Acme", "models": ["one"], "max_budget": 10, "budget_duration": "7d", "rpm_limit": 100 });
    scene.change("/team/new", team).await?;
    let info = async || scene.read_there("/team/info?team_id=acme").await?.expect(200)?.at("/team_info");
    let there = info().await?;
    assert_eq!(
        (&there["team_alias"], &there["models"], &there["rpm_limit"]),
        (&json!("Acme"), &json!(["one"]), &json!(100))
    );
    assert_eq!((&there["max_budget"], &there["budget_duration"]), (&json!(10.0), &json!("7d")));
    scene
        .change(
            "/team/update",
            json!({ "team_id": "acme", "models": ["two"], "rpm_limit": null, "metadata": { "a": 1 } }),
        )
        .await?;
    let there = info().await?;
    assert_eq!(
        (&there["models"], &there["rpm_limit"], &there["metadata"]),
        (&json!(["two"]), &Value::Null, &json!({ "a": 1 }))
    );
    scene.change("/team/block", json!({ "team_id": "acme" })).await?;
    assert_eq!(info().await?["blocked"], true);
    scene.change("/team/unblock", json!({ "team_id": "acme" })).await?;
    assert_eq!(info().await?["blocked"], false);
    scene.change("/team/delete", json!({ "team_ids": ["acme"] })).await?;
    assert_eq!(scene.read_there("/team/info?team_id=acme").await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn what_a_realm_allows_is_worked_into_the_teams_that_nest_in_it() -> Result<()> {
    let scene = Mirrored::start().await?;
    scene
        .change(
            "/organization/new",
            json!({ "organization_id": "org", "organization_alias": "Org", "models": ["one", "two"] }),
        )
        .await?;
    scene
        .change("/team/new", json!({ "team_id": "inner", "organization_id": "org", "models": ["two", "three"] }))
        .await?;
    let info = async || scene.read_there("/team/info?team_id=inner").await?.expect(200)?.at("/team_info");
    assert_eq!(info().await?["models"], json!(["two"]));
    crate::scene::command(&scene.here, "SuspendRealm", json!({ "realm": "org" })).await?.expect(200)?;
    scene.in_step().await?;
    assert_eq!(info().await?["blocked"], true, "the one above it is suspended");
    crate::scene::command(&scene.here, "ResumeRealm", json!({ "realm": "org" })).await?.expect(200)?;
    scene.in_step().await?;
    assert_eq!(info().await?["blocked"], false);
    Ok(())
}

#[tokio::test]
async fn a_user_is_made_changed_and_deleted_and_their_keys_are_blocked_with_them() -> Result<()> {
    let scene = Mirrored::start().await?;
    let secret = "sk-of-ann-0123456789";
    scene.change("/user/new", json!({ "user_id": "ann", "user_alias": "Ann", "auto_create_key": false })).await?;
    scene.key_of_both(secret, &json!({ "user_id": "ann" })).await?;
    scene.change("/user/update", json!({ "user_id": "ann", "max_budget": 5, "models": ["one"] })).await?;
    let there = scene.read_there("/user/info?user_id=ann").await?.expect(200)?.at("/user_info")?;
    assert_eq!((&there["user_alias"], &there["max_budget"]), (&json!("Ann"), &json!(5.0)));
    assert_eq!(scene.key_there(secret).await?["models"], json!(["one"]), "a user's models bound their keys");
    crate::scene::command(&scene.here, "BlockUser", json!({ "user": "ann" })).await?.expect(200)?;
    scene.in_step().await?;
    assert_eq!(scene.key_there(secret).await?["blocked"], true);
    scene.change("/user/delete", json!({ "user_ids": ["ann"] })).await?;
    assert_eq!(scene.read_there("/user/info?user_id=ann").await?.status, 404);
    assert_eq!(scene.read_there(&format!("/key/info?key={secret}")).await?.status, 404);
    Ok(())
}
