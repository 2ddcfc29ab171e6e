//! Secrets that are replaced, budgets that begin anew, and many keys at once.

use anyhow::Result;
use serde_json::json;

use super::{assert_refused, gateway, generate, text};
use crate::scene::{MODEL, Scene, chat};

#[tokio::test]
async fn both_secrets_work_in_the_grace_period_and_the_old_one_ends_with_a_second_rotation() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let old = text(&generate(&operator, json!({ "key_alias": "ci" })).await?, "key");
    let rotated =
        operator.post("/key/regenerate", &json!({ "key": old, "grace_period": "24h" })).await?.expect(200)?.json()?;
    let new = text(&rotated, "key");
    assert_ne!(old, new);
    for _ in 0..2 {
        for secret in [&old, &new] {
            gateway.caller(secret)?.get("/v1/models").await?.expect(200)?;
        }
    }
    // A block holds for both at once.
    operator.post("/key/block", &json!({ "key": new })).await?.expect(200)?;
    for secret in [&old, &new] {
        let refused = gateway.caller(secret)?.get("/v1/models").await?;
        assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (401, json!("key_blocked")));
    }
    operator.post("/key/unblock", &json!({ "key": new })).await?.expect(200)?;
    operator.post(&format!("/key/{new}/regenerate"), &json!({})).await?.expect(200)?;
    for secret in [&old, &new] {
        assert_eq!(
            gateway.caller(secret)?.get("/v1/models").await?.status,
            401,
            "without a grace period it ends at once"
        );
    }
    let key = text(&generate(&operator, json!({})).await?, "key");
    let cases = [("{\"key\":\"KEY\",\"grace_period\":\"soon\"}", 400, "grace_period")];
    for (body, status, param) in cases {
        assert_refused(&operator, "/key/regenerate", &[(&body.replace("KEY", &key), status, param)]).await?;
    }
    let month = operator.post("/key/regenerate", &json!({ "key": key, "grace_period": "60d" })).await?;
    assert_eq!((month.status, month.at("/error/param")?), (400, json!("old_until")));
    Ok(())
}

#[tokio::test]
async fn a_budget_that_is_reset_counts_from_then_on_and_the_history_stays() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let key = generate(&operator, json!({ "max_budget": 1 })).await?;
    let caller = scene.gateway.caller(&text(&key, "key"))?;
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let path = format!("/key/{}/reset_spend", text(&key, "token"));
    let reset = operator.post(&path, &json!({ "reset_to": 0 })).await?.expect(200)?.json()?;
    assert_eq!((&reset["spend"], &reset["max_budget"], &reset["key_hash"]), (&json!(0.0), &json!(1.0), &key["token"]));
    assert!(reset["previous_spend"].as_f64().is_some_and(|spend| spend > 0.0), "{reset}");
    let info = operator.get(&format!("/key/info?key={}", text(&key, "token"))).await?.expect(200)?;
    assert_eq!(info.at("/info/spend")?, json!(0.0));
    let logged = operator.get("/spend/logs").await?.expect(200)?.json()?;
    assert_eq!(logged.as_array().map(Vec::len), Some(1), "what was spent stays on record");
    let global = operator.get("/global/spend").await?.expect(200)?.at("/spend")?;
    assert_eq!(global, reset["previous_spend"]);
    // The budget holds in its new window as it did in the old one.
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let info = operator.get(&format!("/key/info?key={}", text(&key, "token"))).await?.expect(200)?;
    assert_eq!(info.at("/info/spend")?, reset["previous_spend"], "one request again");
    operator.post("/key/update", &json!({ "key": key["key"], "max_budget": 0 })).await?.expect(200)?;
    assert_eq!(caller.post("/v1/chat/completions", &chat(MODEL)).await?.status, 422);
    let some = operator.post(&path, &json!({ "reset_to": 0.5 })).await?;
    assert_eq!((some.status, some.at("/error/param")?), (400, json!("reset_to")));
    let free = generate(&operator, json!({})).await?;
    let none = operator.post(&format!("/key/{}/reset_spend", text(&free, "token")), &json!({})).await?;
    assert_eq!((none.status, none.at("/error/tallygate/code")?), (400, json!("budget_not_set")));
    Ok(())
}

#[tokio::test]
async fn many_keys_are_changed_each_by_itself() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let one = generate(&operator, json!({})).await?;
    let other = generate(&operator, json!({})).await?;
    let body = json!({ "keys": [
        { "key": one["key"], "max_budget": 5 },
        { "key": "sk-nobody", "max_budget": 5 },
        { "key": other["key"], "tags": ["t"] },
        { "key": other["key"], "budget_id": "x" },
    ]});
    let answer = operator.post("/key/bulk_update", &body).await?.expect(200)?.json()?;
    assert_eq!(answer["total_requested"], 4);
    assert_eq!(answer["successful_updates"].as_array().map(Vec::len), Some(2), "{answer}");
    assert_eq!(answer["successful_updates"][0]["key_info"]["max_budget"], 5.0);
    assert_eq!(answer["failed_updates"][0]["failed_reason"], "Key not found.");
    assert_eq!(answer["failed_updates"][1]["key"], other["key"]);
    let too_many = vec![json!({ "key": "sk-a" }); 501];
    assert_eq!(operator.post("/key/bulk_update", &json!({ "keys": too_many })).await?.status, 400);
    Ok(())
}

#[tokio::test]
async fn rankings_and_overviews_are_the_same_sums() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    operator.post("/team/new", &json!({ "team_id": "red" })).await?.expect(200)?;
    let key = generate(&operator, json!({ "team_id": "red" })).await?;
    let caller = scene.gateway.caller(&text(&key, "key"))?;
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let spend = operator.get("/global/spend").await?.expect(200)?.at("/spend")?;
    for (path, at) in [
        ("/spend/keys", "/0/spend"),
        ("/global/spend/keys", "/0/total_spend"),
        ("/global/spend/models", "/0/total_spend"),
        ("/global/spend/teams", "/total_spend_per_team/0/total_spend"),
        ("/global/spend/provider", "/0/spend"),
        ("/global/spend/logs", "/0/spend"),
    ] {
        assert_eq!(operator.get(path).await?.expect(200)?.at(at)?, spend, "{path}");
        assert_eq!(caller.get(path).await?.status, 401, "{path}");
    }
    let activity = operator.get("/global/activity").await?.expect(200)?.json()?;
    assert_eq!((&activity["sum_api_requests"], &activity["daily_data"][0]["api_requests"]), (&json!(1), &json!(1)));
    let by_model = operator.get("/global/activity/model").await?.expect(200)?.json()?;
    assert_eq!(
        (&by_model[0]["model"], &by_model[0]["sum_total_tokens"]),
        (&json!(MODEL), &activity["sum_total_tokens"])
    );
    assert_eq!(operator.get("/spend/users").await?.expect(200)?.json()?, json!([]));
    Ok(())
}
