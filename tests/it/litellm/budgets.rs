//! `/budget/*` and `budget_id`: budgets that many have together.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::client::Client;

use super::{assert_refused, generate, text};
use crate::scene::{MODEL, Scene, chat, command};

async fn named(operator: &Client, body: Value) -> Result<Value> {
    operator.post("/budget/new", &body).await?.expect(200)?.json()
}

async fn status(caller: &Client, end_user: Option<&str>) -> Result<u16> {
    let mut body = chat(MODEL);
    body["user"] = json!(end_user);
    Ok(caller.post("/v1/chat/completions", &body).await?.status)
}

#[tokio::test]
async fn a_change_of_a_named_budget_is_at_once_so_for_all_who_have_it() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let made = named(&operator, json!({ "budget_id": "free", "max_budget": 1, "budget_duration": "30d" })).await?;
    assert_eq!((&made["budget_id"], &made["max_budget"]), (&json!("free"), &json!(1.0)));
    assert_eq!((&made["budget_duration"], &made["created_by"]), (&json!("30d"), &json!("default_user_id")));
    let key = generate(&operator, json!({ "budget_id": "free" })).await?;
    assert_eq!((&key["budget_id"], &key["max_budget"]), (&json!("free"), &json!(1.0)), "{key}");
    assert_eq!(key["litellm_budget_table"]["budget_id"], "free");
    operator.post("/team/new", &json!({ "team_id": "red", "budget_id": "free" })).await?.expect(200)?;
    let of_team = generate(&operator, json!({ "team_id": "red" })).await?;
    let customer = json!({ "user_id": "7", "budget_id": "free" });
    let customer = operator.post("/customer/new", &customer).await?.expect(200)?.json()?;
    assert_eq!(
        (&customer["budget_id"], &customer["litellm_budget_table"]["max_budget"]),
        (&json!("free"), &json!(1.0))
    );
    let user = json!({ "user_id": "ann", "budget_id": "free", "auto_create_key": false });
    operator.post("/user/new", &user).await?.expect(200)?;
    let of_user = generate(&operator, json!({ "user_id": "ann" })).await?;
    let other = generate(&operator, json!({ "max_budget": 1 })).await?;
    let caller = |key: &Value| scene.gateway.caller(&text(key, "key"));
    let (key, of_team, of_user, other) = (caller(&key)?, caller(&of_team)?, caller(&of_user)?, caller(&other)?);
    let all = [(&key, None), (&of_team, None), (&of_user, None), (&other, Some("7"))];
    for (caller, end_user) in all {
        assert_eq!(status(caller, end_user).await?, 200);
    }
    operator.post("/budget/update", &json!({ "budget_id": "free", "max_budget": 0 })).await?.expect(200)?;
    for (caller, end_user) in all {
        assert_eq!(status(caller, end_user).await?, 422);
    }
    assert_eq!(status(&other, None).await?, 200, "who does not have it goes on");
    let raised =
        operator.post("/budget/update", &json!({ "budget_id": "free", "max_budget": 2 })).await?.expect(200)?;
    assert_eq!((raised.at("/max_budget")?, raised.at("/budget_duration")?), (json!(2.0), json!("30d")));
    for (caller, end_user) in all {
        assert_eq!(status(caller, end_user).await?, 200);
    }
    let row = operator.get("/customer/info?end_user_id=7").await?.expect(200)?.json()?;
    assert!(row["spend"].as_f64().is_some_and(|spend| spend > 0.0), "what was spent in the window counts on: {row}");
    Ok(())
}

#[tokio::test]
async fn limits_of_ones_own_take_the_place_of_a_named_budget_and_touch_nobody_else() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    named(&operator, json!({ "budget_id": "none", "max_budget": 0 })).await?;
    let (one, other) = (
        generate(&operator, json!({ "budget_id": "none" })).await?,
        generate(&operator, json!({ "budget_id": "none" })).await?,
    );
    let own = operator.post("/key/update", &json!({ "key": one["key"], "max_budget": 1 })).await?.expect(200)?;
    assert_eq!((own.at("/budget_id")?, own.at("/max_budget")?), (Value::Null, json!(1.0)));
    let callers = [scene.gateway.caller(&text(&one, "key"))?, scene.gateway.caller(&text(&other, "key"))?];
    assert_eq!((status(&callers[0], None).await?, status(&callers[1], None).await?), (200, 422));
    let taken = operator.post("/key/update", &json!({ "key": other["key"], "budget_id": null })).await?.expect(200)?;
    assert_eq!((taken.at("/budget_id")?, taken.at("/max_budget")?), (Value::Null, Value::Null));
    assert_eq!(status(&callers[1], None).await?, 200);
    let back = operator.post("/key/update", &json!({ "key": one["key"], "budget_id": "none" })).await?.expect(200)?;
    assert_eq!((back.at("/budget_id")?, back.at("/max_budget")?), (json!("none"), json!(0.0)));
    assert_eq!(status(&callers[0], None).await?, 422);
    Ok(())
}

#[tokio::test]
async fn the_rate_limits_of_a_named_budget_hold_for_each_holder_that_has_none_of_its_own() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    named(&operator, json!({ "budget_id": "slow", "rpm_limit": 1 })).await?;
    let key = generate(&operator, json!({ "budget_id": "slow" })).await?;
    let quick = generate(&operator, json!({ "budget_id": "slow", "rpm_limit": 100 })).await?;
    operator.post("/customer/new", &json!({ "user_id": "7", "budget_id": "slow" })).await?.expect(200)?;
    let (key, quick) = (scene.gateway.caller(&text(&key, "key"))?, scene.gateway.caller(&text(&quick, "key"))?);
    assert_eq!((status(&key, None).await?, status(&key, None).await?), (200, 429));
    assert_eq!((status(&quick, None).await?, status(&quick, None).await?), (200, 200));
    assert_eq!((status(&quick, Some("7")).await?, status(&quick, Some("7")).await?), (200, 429));
    Ok(())
}

#[tokio::test]
async fn named_budgets_are_listed_and_removed_once_nobody_has_them() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    named(&operator, json!({ "budget_id": "a", "max_budget": 1.5, "tpm_limit": 9 })).await?;
    let made = named(&operator, json!({})).await?;
    assert_eq!(text(&made, "budget_id").len(), 36, "an id is made where none is given");
    let key = generate(&operator, json!({ "budget_id": "a" })).await?;
    let listed = operator.get("/budget/list").await?.expect(200)?.json()?;
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    let found = operator.post("/budget/info", &json!({ "budgets": ["a", "gone"] })).await?.expect(200)?.json()?;
    assert_eq!((found.as_array().map(Vec::len), &found[0]["tpm_limit"]), (Some(1), &json!(9)));
    let settings = operator.get("/budget/settings?budget_id=a").await?.expect(200)?.json()?;
    let of = |name: &str| settings.as_array().into_iter().flatten().find(|row| row["field_name"] == name).cloned();
    assert_eq!(of("max_budget").map(|row| row["field_value"].clone()), Some(json!(1.5)));
    let in_use = operator.post("/budget/delete", &json!({ "id": "a" })).await?;
    assert_eq!((in_use.status, in_use.at("/error/tallygate/code")?), (409, json!("named_budget_in_use")));
    operator.post("/key/delete", &json!({ "keys": [key["key"]] })).await?.expect(200)?;
    operator.post("/budget/delete", &json!({ "id": "a" })).await?.expect(200)?;
    let left = operator.get("/budget/list").await?.expect(200)?.json()?;
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
    named(&operator, json!({ "budget_id": "a" })).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_with_a_named_budget_is_said_by_its_field() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    named(&operator, json!({ "budget_id": "a", "max_budget": 1 })).await?;
    let twice = operator.post("/budget/new", &json!({ "budget_id": "a" })).await?;
    assert_eq!((twice.status, twice.at("/detail/error")?), (400, json!("Budget with id 'a' already exists.")));
    let new = [
        (r#"{"max_budget":-1}"#, 400, "max_budget"),
        (r#"{"budget_id":7}"#, 422, "budget_id"),
        (r#"{"budget_duration":"1y","max_budget":1}"#, 400, "budget_duration"),
        (r#"{"model_max_budget":{"m":1}}"#, 400, "model_max_budget"),
    ];
    assert_refused(&operator, "/budget/new", &new).await?;
    assert_refused(&operator, "/budget/update", &[(r#"{"budget_id":"b"}"#, 404, "budget_id")]).await?;
    assert_refused(&operator, "/budget/delete", &[(r#"{"id":"b"}"#, 404, "id")]).await?;
    assert_refused(&operator, "/budget/info", &[(r#"{"budgets":[]}"#, 400, "budgets")]).await?;
    let both = [(r#"{"budget_id":"a","max_budget":1}"#, 400, "budget_id"), (r#"{"budget_id":"b"}"#, 400, "budget_id")];
    assert_refused(&operator, "/key/generate", &both).await?;
    assert_refused(&operator, "/team/new", &both).await?;
    Ok(())
}

/// Waits until a chat is answered so, and gives the answer: what a moment ends, ends by itself.
async fn until(caller: &Client, status: u16) -> Result<()> {
    let patience = std::time::Duration::from_secs(30);
    let asked = async {
        while caller.post("/v1/chat/completions", &chat(MODEL)).await?.status != status {}
        anyhow::Ok(())
    };
    tokio::time::timeout(patience, asked).await?
}

#[tokio::test]
async fn a_budget_that_is_raised_for_a_while_pays_until_then_and_no_longer() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let key = generate(&operator, json!({ "max_budget": 0 })).await?;
    let caller = scene.gateway.caller(&text(&key, "key"))?;
    assert_eq!(status(&caller, None).await?, 422);
    let raise = |expiry: &str| json!({ "key": key["key"], "temp_budget_increase": 1, "temp_budget_expiry": expiry });
    let raised = operator.post("/key/update", &raise("1d")).await?.expect(200)?;
    assert_eq!((raised.at("/max_budget")?, raised.at("/temp_budget_increase")?), (json!(0.0), json!(1.0)));
    assert_eq!((status(&caller, None).await?, status(&caller, None).await?), (200, 200));
    let other =
        operator.post("/key/update", &json!({ "key": key["key"], "metadata": { "a": 1 } })).await?.expect(200)?;
    assert_eq!(other.at("/temp_budget_increase")?, json!(1.0), "what is not said stays");
    operator.post("/key/update", &raise("3s")).await?.expect(200)?;
    assert_eq!(status(&caller, None).await?, 200);
    until(&caller, 422).await?;
    let after = operator.get(&format!("/key/info?key={}", text(&key, "key"))).await?.expect(200)?;
    assert_eq!(after.at("/info/temp_budget_increase")?, Value::Null);
    operator.post("/key/update", &raise("1d")).await?.expect(200)?;
    assert_eq!(status(&caller, None).await?, 200);
    let gone = json!({ "key": key["key"], "temp_budget_increase": null });
    operator.post("/key/update", &gone).await?.expect(200)?;
    assert_eq!(status(&caller, None).await?, 422);
    let body = format!(r#"{{"key":"{}","temp_budget_increase":1}}"#, text(&key, "key"));
    assert_refused(&operator, "/key/update", &[(&body, 422, "temp_budget_expiry")]).await
}

#[tokio::test]
async fn a_soft_budget_is_told_once_a_window_and_refuses_nothing() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let terms = json!({ "max_budget": 1, "budget_duration": "30d", "soft_budget": 0.000000001 });
    let key = generate(&operator, terms).await?;
    assert_eq!(key["soft_budget"], json!(1e-9));
    let caller = scene.gateway.caller(&text(&key, "key"))?;
    for _ in 0..3 {
        assert_eq!(status(&caller, None).await?, 200);
    }
    let told = scene.activity("budget.soft_limit_reached", 1).await?;
    scene.activity("request.settled", 3).await?;
    assert_eq!(scene.activity("budget.soft_limit_reached", 1).await?.len(), 1, "once");
    assert_eq!(told[0]["told_at_nano_usd"], 1);
    assert!(told[0]["account"]["scope"].as_str().is_some_and(|scope| scope.starts_with("key:")), "{told:?}");
    let metrics = scene.gateway.operator()?.get("/metrics").await?.expect(200)?.text();
    assert!(metrics.contains("tallygate_budget_soft_limits_reached_total 1"), "{metrics}");
    let none = json!({ "key": key["key"], "max_budget": null, "soft_budget": null });
    let none = operator.post("/key/update", &none).await?.expect(200)?;
    assert_eq!((none.at("/max_budget")?, none.at("/soft_budget")?), (Value::Null, Value::Null));
    assert_refused(&operator, "/key/generate", &[(r#"{"soft_budget":1}"#, 400, "soft_budget")]).await
}

#[tokio::test]
async fn a_soft_limit_of_a_named_budget_is_told_of_each_holder_by_its_own_money() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let terms = json!({ "budget_id": "free", "max_budget": 1, "budget_duration": "30d", "soft_budget": 0.000000001 });
    let row = operator.post("/budget/new", &terms).await?.expect(200)?;
    assert_eq!(row.at("/soft_budget")?, json!(1e-9));
    for _ in 0..2 {
        let key = generate(&operator, json!({ "budget_id": "free" })).await?;
        assert_eq!(key["soft_budget"], json!(1e-9), "{key}");
        let caller = scene.gateway.caller(&text(&key, "key"))?;
        assert_eq!((status(&caller, None).await?, status(&caller, None).await?), (200, 200));
    }
    let told = scene.activity("budget.soft_limit_reached", 2).await?;
    let scopes: std::collections::BTreeSet<_> = told.iter().map(|told| told["account"]["scope"].to_string()).collect();
    assert_eq!((told.len(), scopes.len()), (2, 2), "each holder once: {told:?}");
    let raised = json!({ "budget_id": "free", "soft_budget": 0.5 });
    assert_eq!(operator.post("/budget/update", &raised).await?.expect(200)?.at("/soft_budget")?, json!(0.5));
    let own = generate(&operator, json!({ "budget_id": "free", "soft_budget": 0.25 })).await?;
    assert_eq!(own["soft_budget"], json!(0.25), "one of one's own goes before it");
    let list = operator.get("/budget/list").await?.expect(200)?.at("/0/soft_budget")?;
    assert_eq!(list, json!(0.5));
    let none = json!({ "budget_id": "free", "soft_budget": null });
    assert_eq!(operator.post("/budget/update", &none).await?.expect(200)?.at("/soft_budget")?, Value::Null);
    assert_refused(&operator, "/budget/new", &[(r#"{"soft_budget":1}"#, 400, "soft_budget")]).await
}

#[tokio::test]
async fn requests_that_a_budget_cannot_pay_for_go_to_the_model_that_it_names() -> Result<()> {
    let scene = Scene::start().await?;
    scene.register("small", "deployment-2").await?;
    let operator = scene.gateway.operator()?;
    let scope = format!("model@default:{MODEL}");
    let limits = json!([{ "period": "total", "limit_nano_usd": 0 }]);
    command(&scene.gateway, "SetBudget", json!({ "scope": scope, "limits": limits })).await?.expect(200)?;
    let caller = scene.caller().await?;
    assert_eq!(status(&caller, None).await?, 422);
    let downgrade = json!({ "scope": scope, "downgrade_to": "small" });
    command(&scene.gateway, "ReviseBudget", downgrade).await?.expect(200)?;
    assert_eq!(status(&caller, None).await?, 200);
    let settled = scene.activity("request.settled", 1).await?.remove(0);
    assert_eq!((&settled["requested_model"], &settled["model"]), (&json!(MODEL), &json!("small")));
    let narrow = generate(&operator, json!({ "models": [MODEL] })).await?;
    let narrow = scene.gateway.caller(&text(&narrow, "key"))?;
    assert_eq!(status(&narrow, None).await?, 422, "a key that may not call the other model is refused");
    let small = json!({ "scope": "model@default:small", "limits": limits });
    command(&scene.gateway, "SetBudget", small).await?.expect(200)?;
    let back = json!({ "scope": "model@default:small", "downgrade_to": MODEL });
    command(&scene.gateway, "ReviseBudget", back).await?.expect(200)?;
    assert_eq!(status(&caller, None).await?, 422, "two that name each other end in the refusal of what was asked for");
    Ok(())
}
