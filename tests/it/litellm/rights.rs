//! What the keys of users may change: by their role, and never more than they have.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::gateway::Gateway;

use super::{gateway, text};
use crate::scene::command;

/// A client with the key of a new user.
async fn user(gateway: &Gateway, body: Value) -> Result<Client> {
    let made = gateway.operator()?.post("/user/new", &body).await?.expect(200)?.json()?;
    gateway.caller(&text(&made, "key"))
}

#[tokio::test]
async fn an_operators_key_manages_as_the_master_key_does() -> Result<()> {
    let gateway = gateway().await?;
    let ops = user(&gateway, json!({ "user_id": "ops", "user_role": "proxy_admin" })).await?;
    ops.post("/team/new", &json!({ "team_id": "red" })).await?.expect(200)?;
    let key = ops.post("/key/generate", &json!({ "team_id": "red", "user_id": null })).await?.expect(200)?.json()?;
    assert_eq!(key["team_id"], "red");
    ops.post("/model/new", &json!({ "model_name": "m", "litellm_params": { "model": "openai/gpt-5" } }))
        .await?
        .expect(200)?;
    ops.get("/global/spend").await?.expect(200)?;
    assert_eq!(ops.get("/key/list?size=100").await?.expect(200)?.at("/total_count")?, json!(2));
    // Taken away, the right is gone for the next command.
    gateway
        .operator()?
        .post("/user/update", &json!({ "user_id": "ops", "user_role": "internal_user" }))
        .await?
        .expect(200)?;
    assert_eq!(ops.post("/team/new", &json!({ "team_id": "blue" })).await?.status, 403);
    assert_eq!(ops.get("/global/spend").await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn a_member_manages_their_own_keys_and_nothing_else() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let ann = user(&gateway, json!({ "user_id": "ann", "user_role": "internal_user" })).await?;
    let made = ann.post("/key/generate", &json!({ "models": ["a"] })).await?.expect(200)?.json()?;
    assert_eq!((&made["user_id"], &made["team_id"]), (&json!("ann"), &Value::Null));
    assert_eq!(made["created_by"].as_str().map(str::len), Some(36), "the key that made it is on record");
    let own = text(&made, "key");
    ann.post("/key/update", &json!({ "key": own, "models": ["a", "b"] })).await?.expect(200)?;
    ann.post("/key/regenerate", &json!({ "key": own })).await?.expect(200)?;
    assert_eq!(ann.get("/key/list").await?.expect(200)?.at("/total_count")?, json!(2));
    let foreign = operator.post("/key/generate", &json!({ "user_id": "bob" })).await?.expect(200)?.json()?;
    for (path, body) in [
        ("/key/update", json!({ "key": foreign["key"], "models": [] })),
        ("/key/regenerate", json!({ "key": foreign["key"] })),
        ("/key/block", json!({ "key": foreign["key"] })),
        ("/key/delete", json!({ "keys": [foreign["key"]] })),
        ("/key/generate", json!({ "user_id": "bob" })),
        ("/team/new", json!({})),
        ("/user/new", json!({})),
        ("/user/update", json!({ "user_id": "ann", "user_role": "proxy_admin" })),
    ] {
        let refused = ann.post(path, &body).await?;
        assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (403, json!("not_permitted")), "{path}");
    }
    assert_eq!(ann.post("/model/new", &json!({})).await?.status, 401);
    assert_eq!(ann.post("/api/commands", &json!({})).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn a_teams_admin_manages_the_team_and_cannot_widen_it() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    operator.post("/team/new", &json!({ "team_id": "red", "models": ["a"] })).await?.expect(200)?;
    operator.post("/team/new", &json!({ "team_id": "blue" })).await?.expect(200)?;
    let root = user(&gateway, json!({ "user_id": "root" })).await?;
    let member = json!({ "team_id": "red", "member": { "role": "admin", "user_id": "root" } });
    operator.post("/team/member_add", &member).await?.expect(200)?;
    root.post("/key/generate", &json!({ "team_id": "red", "key_alias": "ci" })).await?.expect(200)?;
    let added = json!({ "team_id": "red", "member": { "role": "user", "user_id": "new" } });
    root.post("/team/member_add", &added).await?.expect(200)?;
    let info = root.get("/team/info?team_id=red").await?.expect(200)?;
    assert_eq!(info.at("/keys/0/key_alias")?, json!("ci"));
    assert_eq!(root.get("/team/info?team_id=blue").await?.status, 404, "as if it were not there");
    assert_eq!(root.get("/user/info?user_id=new").await?.expect(200)?.at("/user_info/organization_id")?, json!("red"));
    for (path, body) in [
        ("/team/update", json!({ "team_id": "red", "models": [] })),
        ("/team/update", json!({ "team_id": "red", "max_budget": 100 })),
        ("/team/delete", json!({ "team_ids": ["red"] })),
        ("/key/generate", json!({ "team_id": "blue" })),
        ("/team/member_add", json!({ "team_id": "blue", "member": { "role": "admin", "user_id": "root" } })),
    ] {
        let refused = root.post(path, &body).await?;
        assert_eq!(
            (refused.status, refused.at("/error/tallygate/code")?),
            (403, json!("not_permitted")),
            "{path} {body}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_key_makes_no_key_that_does_more() -> Result<()> {
    let gateway = gateway().await?;
    user(&gateway, json!({ "user_id": "ann" })).await?;
    let narrow = json!({ "user_id": "ann", "models": ["a"], "max_budget": 1 });
    let narrow = gateway.operator()?.post("/key/generate", &narrow).await?.expect(200)?.json()?;
    let narrow = gateway.caller(&text(&narrow, "key"))?;
    for body in [json!({}), json!({ "models": ["a"] })] {
        let refused = narrow.post("/key/generate", &body).await?;
        assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (403, json!("rights_exceeded")), "{body}");
    }
    // Its own new secret does no more than the old one.
    narrow.post("/key/regenerate", &json!({ "key": narrow_secret(&narrow).await? })).await?.expect(200)?;
    Ok(())
}

/// The hash of the key that asks.
async fn narrow_secret(client: &Client) -> Result<Value> {
    client.get("/key/info").await?.expect(200)?.at("/key")
}

#[tokio::test]
async fn a_key_of_a_name_that_no_user_has_manages_nothing() -> Result<()> {
    let gateway = gateway().await?;
    let key = gateway.operator()?.post("/key/generate", &json!({ "user_id": "nobody" })).await?.expect(200)?.json()?;
    let refused = gateway.caller(&text(&key, "key"))?.post("/key/generate", &json!({})).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (401, json!("admin_only")));
    // Nobody gets rights by a user who is registered under the name later, but by what they are registered as.
    command(&gateway, "RegisterUser", json!({ "user": "nobody", "role": "viewer" })).await?.expect(200)?;
    let refused = gateway.caller(&text(&key, "key"))?.post("/key/generate", &json!({})).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (403, json!("not_permitted")));
    Ok(())
}

#[tokio::test]
async fn an_observer_reads_what_the_operator_reads_and_changes_nothing() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let made = json!({ "user_id": "eve", "user_role": "proxy_admin_viewer" });
    let eve = user(&gateway, made).await?;
    let info = operator.get("/user/info?user_id=eve").await?.expect(200)?;
    assert_eq!(info.at("/user_info/user_role")?, json!("proxy_admin_viewer"));
    operator.post("/team/new", &json!({ "team_id": "red", "max_budget": 1 })).await?.expect(200)?;
    operator.post("/customer/new", &json!({ "user_id": "7" })).await?.expect(200)?;
    operator.post("/tag/new", &json!({ "name": "prod" })).await?.expect(200)?;
    operator.post("/budget/new", &json!({ "budget_id": "free", "max_budget": 1 })).await?.expect(200)?;
    let foreign = operator.post("/key/generate", &json!({ "team_id": "red" })).await?.expect(200)?.json()?;
    let token = text(&foreign, "token");
    for path in [
        "/global/spend",
        "/global/spend/keys",
        "/spend/tags",
        "/spend/logs",
        "/team/list",
        "/team/info?team_id=red",
        "/user/list",
        "/customer/list",
        "/tag/list",
        "/budget/list",
        "/model/info",
        "/key/list?size=100",
        "/api/state",
        "/api/realms",
        "/api/models",
        "/api/agents",
        "/api/budgets",
        "/api/prices",
        "/health",
    ] {
        let (theirs, ours) = (eve.get(path).await?, operator.get(path).await?);
        assert_eq!((theirs.status, ours.status), (200, 200), "{path}: {}", theirs.text());
        assert_eq!(theirs.json()?, ours.json()?, "{path}");
    }
    eve.get(&format!("/key/info?key={token}")).await?.expect(200)?;
    eve.post("/global/spend/end_users", &json!({})).await?.expect(200)?;
    eve.post("/budget/info", &json!({ "budgets": ["free"] })).await?.expect(200)?;
    eve.post("/tag/info", &json!({ "names": ["prod"] })).await?.expect(200)?;
    let before = super::position(&operator).await?;
    for (path, body) in [
        ("/key/generate", json!({})),
        ("/key/update", json!({ "key": token, "models": [] })),
        ("/key/block", json!({ "key": token })),
        ("/key/delete", json!({ "keys": [token] })),
        ("/team/new", json!({ "team_id": "blue" })),
        ("/team/update", json!({ "team_id": "red", "max_budget": 9 })),
        ("/team/member_add", json!({ "team_id": "red", "member": { "user_id": "eve", "role": "admin" } })),
        ("/user/new", json!({ "user_id": "bob" })),
        ("/user/update", json!({ "user_id": "eve", "user_role": "proxy_admin" })),
        ("/customer/update", json!({ "user_id": "7", "max_budget": 1 })),
        ("/tag/update", json!({ "name": "prod", "max_budget": 1 })),
        ("/tag/new", json!({ "name": "x" })),
        ("/budget/update", json!({ "budget_id": "free", "max_budget": 2 })),
        ("/model/new", json!({ "model_name": "m", "litellm_params": { "model": "openai/gpt-5" } })),
        ("/global/spend/reset", json!({})),
        ("/api/realms", json!({ "name": "x" })),
    ] {
        let refused = eve.post(path, &body).await?;
        assert!([401, 403, 404].contains(&refused.status), "{path}: {} {}", refused.status, refused.text());
    }
    assert_eq!(super::position(&operator).await?, before, "nothing changed");
    Ok(())
}
