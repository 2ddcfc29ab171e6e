//! `/user/*`: people, their keys and their budgets.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::client::Client;

use super::{assert_refused, gateway, generate, text};
use crate::scene::{MODEL, Scene, chat, command};

async fn user(operator: &Client, body: Value) -> Result<Value> {
    operator.post("/user/new", &body).await?.expect(200)?.json()
}

#[tokio::test]
async fn a_new_user_has_a_key_a_role_and_what_they_were_made_with() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    operator.post("/team/new", &json!({ "team_id": "red" })).await?.expect(200)?;
    let ann = user(&operator, json!({
        "user_id": "ann", "user_email": "ann@acme.example", "user_alias": "Ann", "user_role": "internal_user",
        "models": ["a"], "max_budget": 5, "budget_duration": "30d", "rpm_limit": 3, "metadata": {"x": 1}, "teams": ["red"],
    })).await?;
    assert!(text(&ann, "key").starts_with("sk-"), "{ann}");
    assert_eq!(
        (&ann["user_id"], &ann["user_role"], &ann["teams"]),
        (&json!("ann"), &json!("internal_user"), &json!(["red"]))
    );
    assert_eq!((&ann["max_budget"], &ann["rpm_limit"], &ann["models"]), (&json!(5.0), &json!(3), &json!(["a"])));
    gateway.caller(&text(&ann, "key"))?.get("/v1/models").await?.expect(200)?;
    let made = user(&operator, json!({ "auto_create_key": false })).await?;
    assert_eq!((&made["key"], text(&made, "user_id").len()), (&Value::Null, 36));
    let info = operator.get("/user/info?user_id=ann").await?.expect(200)?.json()?;
    assert_eq!((&info["user_info"]["user_alias"], &info["keys"][0]["token"]), (&json!("Ann"), &ann["token"]));
    let list = operator.get("/user/list?role=internal_user").await?.expect(200)?.json()?;
    assert_eq!((&list["total"], &list["users"][1]["key_count"]), (&json!(2), &json!(1)), "{list}");
    let found = operator.get("/user/list?user_email=ANN").await?.expect(200)?.json()?;
    assert_eq!((&found["total"], &found["users"][0]["user_id"]), (&json!(1), &json!("ann")));
    for body in [json!({ "user_id": "ann" }), json!({ "user_email": "Ann@acme.example" })] {
        let taken = operator.post("/user/new", &body).await?;
        assert_eq!((taken.status, taken.at("/error/type")?), (409, json!("internal_server_error")), "{body}");
    }
    assert_refused(
        &operator,
        "/user/new",
        &[
            (r#"{"user_role":"king"}"#, 400, "user_role"),
            (r#"{"teams":["nobody"]}"#, 404, ""),
            (r#"{"max_budget":-1}"#, 400, "max_budget"),
            (r#"{"soft_budget":1}"#, 400, "soft_budget"),
        ][..1],
    )
    .await
}

#[tokio::test]
async fn the_budget_of_a_user_is_all_their_keys_together_in_whatever_team() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    operator.post("/team/new", &json!({ "team_id": "red" })).await?.expect(200)?;
    let ann = user(&operator, json!({ "user_id": "ann", "max_budget": 1 })).await?;
    let other = generate(&operator, json!({ "user_id": "ann", "team_id": "red" })).await?;
    for key in [&ann, &other] {
        scene.gateway.caller(&text(key, "key"))?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    }
    let info = operator.get("/user/info?user_id=ann").await?.expect(200)?.json()?;
    let spend = info["user_info"]["spend"].as_f64().unwrap_or_default();
    let of_keys: f64 = info["keys"].as_array().into_iter().flatten().filter_map(|key| key["spend"].as_f64()).sum();
    assert!(spend > 0.0 && (spend - of_keys).abs() < 1e-12, "{info}");
    let budgets = operator.get("/api/budgets?scope=user:ann").await?.expect(200)?.json()?;
    assert_eq!(budgets["budgets"][0]["account"]["scope"], "user:ann");
    operator.post("/user/update", &json!({ "user_id": "ann", "max_budget": 0 })).await?.expect(200)?;
    for key in [&ann, &other] {
        let refused = scene.gateway.caller(&text(key, "key"))?.post("/v1/chat/completions", &chat(MODEL)).await?;
        assert_eq!((refused.status, refused.at("/error/tallygate/details/scope")?), (422, json!("user:ann")));
    }
    let stranger = generate(&operator, json!({ "user_id": "bob" })).await?;
    scene.gateway.caller(&text(&stranger, "key"))?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn parallel_keys_of_one_user_never_overshoot_their_budget() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    operator.post("/team/new", &json!({ "team_id": "red" })).await?.expect(200)?;
    let ann = user(&operator, json!({ "user_id": "ann" })).await?;
    let other = generate(&operator, json!({ "user_id": "ann", "team_id": "red" })).await?;
    // A call costs 25 and holds some ten times as much: half of them can be paid.
    let limit = 2_500_i64;
    let budget = json!({ "scope": "user:ann", "limits": [{ "period": "total", "limit_nano_usd": limit }] });
    command(&scene.gateway, "SetBudget", budget).await?.expect(200)?;
    let mut running = tokio::task::JoinSet::new();
    for number in 0..200 {
        let key = if number % 2 == 0 { &ann } else { &other };
        let caller = scene.gateway.caller(&text(key, "key"))?;
        let mut body = chat(MODEL);
        body["max_tokens"] = json!(40);
        running.spawn(async move { caller.post("/v1/chat/completions", &body).await });
    }
    let mut served = 0;
    while let Some(answer) = running.join_next().await {
        match answer??.status {
            200 => served += 1,
            422 => {}
            other => anyhow::bail!("status {other}"),
        }
    }
    let settled = scene.activity("request.settled", served).await?;
    let spent: i64 = settled.iter().filter_map(|fact| fact["cost_nano_usd"].as_i64()).sum();
    assert!(served > 0 && served < 200 && spent <= limit, "{served} served, {spent} of {limit}");
    Ok(())
}

#[tokio::test]
async fn limits_and_models_of_a_user_hold_for_their_keys() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let ann = user(&operator, json!({ "user_id": "ann", "models": ["other"] })).await?;
    let caller = scene.gateway.caller(&text(&ann, "key"))?;
    let refused = caller.post("/v1/chat/completions", &chat(MODEL)).await?;
    assert_eq!((refused.status, refused.at("/error/type")?), (403, json!("user_model_access_denied")));
    assert_eq!(caller.get("/v1/models").await?.expect(200)?.at("/data")?, json!([]));
    let change = json!({ "user_id": "ann", "models": [], "rpm_limit": 1 });
    operator.post("/user/update", &change).await?.expect(200)?;
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let limited = caller.post("/v1/chat/completions", &chat(MODEL)).await?;
    assert_eq!((limited.status, limited.at("/error/tallygate/details/scope")?), (429, json!("user:ann")));
    Ok(())
}

#[tokio::test]
async fn the_keys_of_a_blocked_user_are_refused_and_those_of_a_deleted_one_are_gone() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let ann = user(&operator, json!({ "user_id": "ann" })).await?;
    let caller = scene.gateway.caller(&text(&ann, "key"))?;
    command(&scene.gateway, "BlockUser", json!({ "user": "ann" })).await?.expect(200)?;
    let refused = caller.post("/v1/chat/completions", &chat(MODEL)).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (401, json!("user_blocked")));
    command(&scene.gateway, "UnblockUser", json!({ "user": "ann" })).await?.expect(200)?;
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let deleted = operator.post("/user/delete", &json!({ "user_ids": ["ann"] })).await?.expect(200)?;
    assert_eq!(deleted.json()?, json!(1));
    assert_eq!(
        caller.post("/v1/chat/completions", &chat(MODEL)).await?.at("/error/tallygate/code")?,
        json!("key_unknown")
    );
    assert_eq!(operator.get("/user/info?user_id=ann").await?.status, 404);
    assert_eq!(operator.post("/user/delete", &json!({ "user_ids": ["ann"] })).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn daily_activity_is_the_sum_of_a_users_requests() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let ann = user(&operator, json!({ "user_id": "ann" })).await?;
    let caller = scene.gateway.caller(&text(&ann, "key"))?;
    for _ in 0..2 {
        caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    }
    scene.caller().await?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let days = "start_date=2020-01-01&end_date=2099-01-01";
    let own = caller.get(&format!("/user/daily/activity?{days}")).await?.expect(200)?.json()?;
    let day = &own["results"][0];
    assert_eq!((&day["metrics"]["api_requests"], &own["metadata"]["total_api_requests"]), (&json!(2), &json!(2)));
    assert_eq!(day["breakdown"]["models"][MODEL]["metrics"], day["metrics"]);
    assert_eq!(day["breakdown"]["api_keys"][text(&ann, "token")]["metrics"], day["metrics"]);
    assert_eq!(day["breakdown"]["entities"]["ann"]["metrics"]["successful_requests"], 2);
    let all = operator.get(&format!("/user/daily/activity?{days}")).await?.expect(200)?.json()?;
    assert_eq!(all["metadata"]["total_api_requests"], 3);
    assert_eq!(operator.get("/user/daily/activity").await?.status, 400);
    assert_eq!(caller.get(&format!("/user/daily/activity?{days}&user_id=bob")).await?.status, 403);
    Ok(())
}

#[tokio::test]
async fn many_users_are_changed_each_by_itself() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    user(&operator, json!({ "user_id": "ann", "auto_create_key": false })).await?;
    let body = json!({ "users": [
        { "user_id": "ann", "max_budget": 5, "user_alias": "Ann" }, { "user_id": "bob", "max_budget": 5 },
        { "user_id": "ann", "max_budget": -1 },
    ]});
    let answer = operator.post("/user/bulk_update", &body).await?.expect(200)?.json()?;
    assert_eq!((&answer["total_requested"], &answer["successful_updates"]), (&json!(3), &json!(1)), "{answer}");
    let results = &answer["results"];
    assert_eq!((&results[0]["success"], &results[0]["updated_user"]["max_budget"]), (&json!(true), &json!(5.0)));
    assert_eq!((&results[1]["success"], &results[1]["user_id"]), (&json!(false), &json!("bob")));
    assert_eq!((&results[2]["success"], &results[2]["updated_user"]), (&json!(false), &Value::Null));
    let refused =
        [(r#"{"users":[]}"#, 400, "users"), (r#"{}"#, 422, "users"), (r#"{"all_users":true}"#, 422, "user_updates")];
    assert_refused(&operator, "/user/bulk_update", &refused).await
}

#[tokio::test]
async fn all_users_change_by_one_word_each_by_themselves() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    for user in ["ann", "bob"] {
        operator.post("/user/new", &json!({ "user_id": user, "auto_create_key": false })).await?.expect(200)?;
    }
    let change = json!({ "all_users": true, "user_updates": { "max_budget": 5, "rpm_limit": 7 } });
    let answer = operator.post("/user/bulk_update", &change).await?.expect(200)?.json()?;
    assert_eq!((&answer["total_requested"], &answer["successful_updates"]), (&json!(2), &json!(2)), "{answer}");
    for user in ["ann", "bob"] {
        let info = operator.get(&format!("/user/info?user_id={user}")).await?.expect(200)?.json()?;
        assert_eq!((&info["user_info"]["max_budget"], &info["user_info"]["rpm_limit"]), (&json!(5.0), &json!(7)));
    }
    let refused = [
        (r#"{"all_users":true,"users":[{"user_id":"ann"}],"user_updates":{}}"#, 400, "users"),
        (r#"{"all_users":true,"user_updates":{"user_email":"a@b.example"}}"#, 400, "user_updates.user_email"),
        (r#"{"users":[{"user_id":"ann"}],"user_updates":{"rpm_limit":1}}"#, 400, "user_updates"),
    ];
    assert_refused(&operator, "/user/bulk_update", &refused).await
}

#[tokio::test]
async fn an_organization_has_members_with_roles_until_they_leave() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let organization = json!({ "organization_id": "org", "organization_alias": "Org" });
    operator.post("/organization/new", &organization).await?.expect(200)?;
    let member = |role: &str| json!({ "organization_id": "org", "member": { "user_id": "ann", "role": role } });
    let added = operator.post("/organization/member_add", &member("internal_user")).await?.expect(200)?.json()?;
    assert_eq!(added["updated_organization_memberships"][0]["user_role"], "internal_user", "{added}");
    assert_eq!(added["updated_users"][0]["user_id"], "ann", "whom nobody knew is registered");
    let change = json!({ "organization_id": "org", "user_id": "ann", "role": "org_admin" });
    let changed = operator.patch("/organization/member_update", &change).await?.expect(200)?;
    assert_eq!(changed.at("/user_role")?, json!("org_admin"));
    let key = generate(&operator, json!({ "user_id": "ann", "team_id": "org" })).await?;
    let ann = gateway.caller(&text(&key, "key"))?;
    ann.post("/team/new", &json!({ "team_id": "red", "organization_id": "org" })).await?.expect(200)?;
    let wrong = json!({ "organization_id": "org", "user_id": "ann", "role": "king" });
    assert_eq!(operator.patch("/organization/member_update", &wrong).await?.status, 400);
    let leave = json!({ "organization_id": "org", "user_id": "ann" });
    let left = operator.delete_with("/organization/member_delete", &leave).await?.expect(200)?;
    assert_eq!(left.at("/user_role")?, json!("org_admin"), "what they were");
    assert_eq!(operator.delete_with("/organization/member_delete", &leave).await?.status, 404);
    assert_eq!(ann.post("/team/new", &json!({ "team_id": "blue", "organization_id": "org" })).await?.status, 403);
    Ok(())
}
