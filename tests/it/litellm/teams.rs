//! `/team/*` and `/organization/*`: teams are realms, and can never do more than the organization that they nest in.

use anyhow::Result;
use serde_json::{Value, json};

use super::{assert_envelope, assert_refused, gateway, generate, text};
use crate::scene::{MODEL, Scene, chat};

async fn team(operator: &tallygate_tests::client::Client, body: Value) -> Result<Value> {
    operator.post("/team/new", &body).await?.expect(200)?.json()
}

#[tokio::test]
async fn a_team_has_every_field_and_what_it_was_made_with() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let made = team(&operator, json!({ "team_alias": "Blue" })).await?;
    assert_eq!(text(&made, "team_id").len(), 36, "an id is made: {made}");
    for name in ["organization_id", "max_budget", "budget_duration", "budget_reset_at", "rpm_limit", "tpm_limit"] {
        assert_eq!(made.get(name), Some(&Value::Null), "{name}");
    }
    assert_eq!((&made["models"], &made["spend"], &made["blocked"]), (&json!([]), &json!(0.0), &json!(false)));
    assert_eq!((&made["members_with_roles"], &made["metadata"]), (&json!([]), &json!({})));
    let full = team(&operator, json!({
        "team_id": "red", "team_alias": "Red", "models": ["a", "vendor/*"], "max_budget": 12.5, "budget_duration": "30d",
        "rpm_limit": 10, "tpm_limit": 1000, "max_parallel_requests": 2, "metadata": {"x": 1}, "tags": ["t"],
        "members_with_roles": [{"role": "admin", "user_id": "ann"}, {"role": "user", "user_email": "bob@acme.example"}],
        "guardrails": [], "model_aliases": null,
    })).await?;
    assert_eq!((&full["team_id"], &full["models"]), (&json!("red"), &json!(["a", "vendor/*"])));
    assert_eq!((&full["max_budget"], &full["budget_duration"]), (&json!(12.5), &json!("30d")));
    assert_eq!((&full["rpm_limit"], &full["max_parallel_requests"]), (&json!(10), &json!(2)));
    assert_eq!(full["metadata"], json!({"x": 1, "tags": ["t"]}));
    assert_eq!((&full["admins"], full["members"].as_array().map(Vec::len)), (&json!(["ann"]), Some(1)));
    let info = operator.get("/team/info?team_id=red").await?.expect(200)?.json()?;
    assert_eq!((&info["team_id"], &info["team_info"]["team_alias"]), (&json!("red"), &json!("Red")));
    assert_eq!((&info["keys"], info["team_memberships"].as_array().map(Vec::len)), (&json!([]), Some(2)));
    let listed = operator.get("/team/list").await?.expect(200)?.json()?;
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    let page = operator.get("/v2/team/list?page_size=1").await?.expect(200)?.json()?;
    assert_eq!(
        (&page["total"], &page["total_pages"], &page["teams"][0]["team_id"]),
        (&json!(2), &json!(2), &json!("red"))
    );
    Ok(())
}

#[tokio::test]
async fn what_no_team_can_be_is_refused_by_name_and_changes_nothing() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    team(&operator, json!({ "team_id": "red" })).await?;
    assert_refused(
        &operator,
        "/team/new",
        &[
            (r#"{"team_id":"red"}"#, 400, "team_id"),
            (r#"{"team_id":"default"}"#, 400, "team_id"),
            (r#"{"team_id":"a\nb"}"#, 400, "team_id"),
            (r#"{"models":"x"}"#, 422, "models"),
            (r#"{"models":[""]}"#, 400, "models"),
            (r#"{"max_budget":-1}"#, 400, "max_budget"),
            (r#"{"team_member_budget":1}"#, 400, "team_member_budget"),
            (r#"{"organization_id":"nobody"}"#, 404, "organization_id"),
            (r#"{"metadata":{"litellm_organization":true}}"#, 400, "metadata.litellm_organization"),
            (r#"{"members_with_roles":[{"role":"king","user_id":"a"}]}"#, 400, "members_with_roles"),
        ],
    )
    .await?;
    assert_refused(
        &operator,
        "/team/update",
        &[
            (r#"{"team_id":"nobody","rpm_limit":1}"#, 404, "team_id"),
            (r#"{"rpm_limit":1}"#, 422, "team_id"),
            (r#"{"team_id":"red","organization_id":"default"}"#, 400, "organization_id"),
        ],
    )
    .await?;
    let missing = operator.get("/team/info?team_id=nobody").await?;
    assert_eq!((missing.status, missing.at("/error/type")?), (404, json!("auth_error")));
    assert_envelope(&missing)
}

#[tokio::test]
async fn a_key_of_a_team_calls_what_the_team_may_until_it_is_blocked_and_is_gone_with_it() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    team(&operator, json!({ "team_id": "red", "models": ["other"] })).await?;
    let key = generate(&operator, json!({ "team_id": "red" })).await?;
    let caller = scene.gateway.caller(&text(&key, "key"))?;
    let call = || caller.post("/v1/chat/completions", &CHAT);
    static CHAT: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| chat(MODEL));
    assert_eq!(call().await?.status, 403, "the team may not call it");
    let added = operator.post("/team/model/add", &json!({ "team_id": "red", "models": [MODEL] })).await?.expect(200)?;
    assert_eq!(added.at("/models")?, json!(["other", MODEL]));
    call().await?.expect(200)?;
    operator.post("/team/block", &json!({ "team_id": "red" })).await?.expect(200)?;
    operator.post("/team/block", &json!({ "team_id": "red" })).await?.expect(200)?;
    let blocked = call().await?;
    assert_eq!((blocked.status, blocked.at("/error/tallygate/code")?), (401, json!("realm_suspended")));
    operator.post("/team/unblock", &json!({ "team_id": "red" })).await?.expect(200)?;
    call().await?.expect(200)?;
    operator.post("/team/model/delete", &json!({ "team_id": "red", "models": [MODEL] })).await?.expect(200)?;
    assert_eq!(call().await?.status, 403);
    let deleted = operator.post("/team/delete", &json!({ "team_ids": ["red"] })).await?.expect(200)?;
    assert_eq!(deleted.json()?, json!({ "deleted_teams": ["red"] }));
    assert_eq!(call().await?.status, 401, "its keys are revoked");
    let again = operator.post("/team/delete", &json!({ "team_ids": ["red"] })).await?;
    assert_eq!((again.status, again.at("/detail/error")?), (404, json!("Team not found, passed team_id=red")));
    assert_eq!(operator.get("/team/list").await?.expect(200)?.json()?, json!([]));
    Ok(())
}

#[tokio::test]
async fn the_budget_of_a_team_is_its_keys_together_and_its_spend_is_told() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    operator
        .post("/organization/new", &json!({ "organization_alias": "Acme", "organization_id": "acme" }))
        .await?
        .expect(200)?;
    team(&operator, json!({ "team_id": "red", "organization_id": "acme", "max_budget": 1 })).await?;
    for _ in 0..2 {
        let key = generate(&operator, json!({ "team_id": "red" })).await?;
        scene.gateway.caller(&text(&key, "key"))?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    }
    let spend = |path: &'static str, at: &'static str| {
        let operator = operator.clone();
        async move { operator.get(path).await?.expect(200)?.at(at) }
    };
    let of_team = spend("/team/info?team_id=red", "/team_info/spend").await?;
    assert!(of_team.as_f64().is_some_and(|spend| spend > 0.0), "{of_team}");
    assert_eq!(
        spend("/organization/info?organization_id=acme", "/spend").await?,
        of_team,
        "what nests in it is its own"
    );
    operator.post("/team/update", &json!({ "team_id": "red", "max_budget": 0 })).await?.expect(200)?;
    let key = generate(&operator, json!({ "team_id": "red" })).await?;
    let refused = scene.gateway.caller(&text(&key, "key"))?.post("/v1/chat/completions", &chat(MODEL)).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/details/scope")?), (422, json!("realm:red")));
    let message = refused.at("/error/message")?;
    assert!(message.as_str().is_some_and(|text| text.starts_with("Budget has been exceeded! Team=red")), "{message}");
    Ok(())
}

#[tokio::test]
async fn a_team_never_calls_more_than_its_organization() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let made = operator
        .post("/organization/new", &json!({ "organization_alias": "Acme", "organization_id": "acme", "models": ["x/*"], "max_budget": 5, "metadata": {"k": 1} }))
        .await?
        .expect(200)?
        .json()?;
    assert_eq!((&made["organization_id"], &made["organization_alias"]), (&json!("acme"), &json!("Acme")));
    assert_eq!((&made["litellm_budget_table"]["max_budget"], &made["metadata"]), (&json!(5.0), &json!({"k": 1})));
    team(&operator, json!({ "team_id": "red", "organization_id": "acme", "models": [] })).await?;
    let key = generate(&operator, json!({ "team_id": "red" })).await?;
    let caller = scene.gateway.caller(&text(&key, "key"))?;
    let refused = caller.post("/v1/chat/completions", &chat(MODEL)).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/details/scope")?), (403, json!("realm:acme")));
    operator.patch("/organization/update", &json!({ "organization_id": "acme", "models": [] })).await?.expect(200)?;
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let listed = operator.get("/organization/list").await?.expect(200)?.json()?;
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["teams"][0]["team_id"]), (Some(1), &json!("red")));
    let teams = operator.get("/team/list?organization_id=acme").await?.expect(200)?.json()?;
    assert_eq!((teams.as_array().map(Vec::len), &teams[0]["organization_id"]), (Some(1), &json!("acme")));
    assert_eq!(
        operator.get("/team/list").await?.expect(200)?.json()?.as_array().map(Vec::len),
        Some(1),
        "it is no team"
    );
    Ok(())
}

#[tokio::test]
async fn members_come_and_go_and_who_is_not_known_is_registered() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    team(&operator, json!({ "team_id": "red" })).await?;
    let member =
        json!({ "team_id": "red", "member": { "role": "user", "user_id": "ann", "user_email": "ann@acme.example" } });
    let added = operator.post("/team/member_add", &member).await?.expect(200)?.json()?;
    assert_eq!(
        (&added["members"], &added["updated_users"][0]["user_email"]),
        (&json!(["ann"]), &json!("ann@acme.example"))
    );
    let by_email = json!({ "team_id": "red", "user_email": "ANN@acme.example", "role": "admin" });
    operator.post("/team/member_update", &by_email).await?.expect(200)?;
    let info = operator.get("/team/info?team_id=red").await?.expect(200)?;
    assert_eq!(info.at("/team_info/admins")?, json!(["ann"]));
    let user = operator.get("/user/info?user_id=ann").await?.expect(200)?;
    assert_eq!((user.at("/user_info/teams")?, user.at("/teams/0/team_id")?), (json!(["red"]), json!("red")));
    let gone = json!({ "team_id": "red", "user_id": "ann" });
    operator.post("/team/member_delete", &gone).await?.expect(200)?;
    assert_eq!(operator.post("/team/member_delete", &gone).await?.status, 404);
    assert_refused(
        &operator,
        "/team/member_add",
        &[
            (r#"{"team_id":"red"}"#, 422, "member"),
            (r#"{"team_id":"red","member":{"role":"user"}}"#, 400, "member"),
            (
                r#"{"team_id":"red","member":{"role":"user","user_id":"x"},"max_budget_in_team":1}"#,
                400,
                "max_budget_in_team",
            ),
        ],
    )
    .await
}

#[tokio::test]
async fn a_team_whose_member_was_removed_is_deleted_all_the_same_and_is_no_realm_any_more() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    operator.post("/user/new", &json!({ "user_id": "ann", "auto_create_key": false })).await?.expect(200)?;
    operator.post("/team/new", &json!({ "team_id": "red" })).await?.expect(200)?;
    let member = json!({ "team_id": "red", "member": { "role": "user", "user_id": "ann" } });
    operator.post("/team/member_add", &member).await?.expect(200)?;
    operator.post("/user/delete", &json!({ "user_ids": ["ann"] })).await?.expect(200)?;
    operator.post("/team/delete", &json!({ "team_ids": ["red"] })).await?.expect(200)?;
    let realms = operator.get("/api/realms").await?.expect(200)?.text().to_owned();
    assert!(realms.contains("\"default\"") && !realms.contains("\"red\""), "{realms}");
    operator.get("/api/realms/red").await?.expect(404)?;
    Ok(())
}

#[tokio::test]
async fn many_members_are_added_each_by_themselves_and_all_users_at_once() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    operator.post("/team/new", &json!({ "team_id": "red" })).await?.expect(200)?;
    let members = json!([
        { "user_id": "ann", "role": "admin" },
        { "user_email": "bob@b.example", "role": "user" },
        { "user_id": "eve", "user_email": "bob@b.example", "role": "user" },
    ]);
    let body = json!({ "team_id": "red", "members": members });
    let answer = operator.post("/team/bulk_member_add", &body).await?.expect(200)?.json()?;
    assert_eq!((&answer["total_requested"], &answer["successful_additions"]), (&json!(3), &json!(2)), "{answer}");
    let results = &answer["results"];
    assert_eq!((&results[0]["success"], &results[0]["updated_user"]["user_id"]), (&json!(true), &json!("ann")));
    assert_eq!(results[1]["updated_team_membership"]["team_id"], "red");
    assert_eq!(
        (&results[2]["success"], &results[2]["updated_user"]),
        (&json!(false), &Value::Null),
        "an address is one person's"
    );
    assert_eq!(answer["updated_team"]["members_with_roles"].as_array().map(Vec::len), Some(2));
    operator.post("/team/new", &json!({ "team_id": "blue" })).await?.expect(200)?;
    let all = json!({ "team_id": "blue", "all_users": true });
    let answer = operator.post("/team/bulk_member_add", &all).await?.expect(200)?.json()?;
    assert_eq!((&answer["successful_additions"], &answer["failed_additions"]), (&json!(2), &json!(0)), "{answer}");
    let refused = [
        (r#"{"team_id":"red","members":[]}"#, 400, "members"),
        (
            r#"{"team_id":"red","members":[{"user_id":"x","role":"user"}],"max_budget_in_team":1}"#,
            400,
            "max_budget_in_team",
        ),
        (r#"{"members":[]}"#, 422, "team_id"),
    ];
    assert_refused(&operator, "/team/bulk_member_add", &refused).await
}

#[tokio::test]
async fn what_members_of_a_team_may_do_is_told_to_who_manages_it_and_is_the_same_in_every_team() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    operator.post("/team/new", &json!({ "team_id": "red" })).await?.expect(200)?;
    let told = operator.get("/team/permissions_list?team_id=red").await?.expect(200)?.json()?;
    let own = told["team_member_permissions"].clone();
    assert!(own.as_array().is_some_and(|all| all.contains(&json!("/key/generate"))), "{told}");
    let same = json!({ "team_id": "red", "team_member_permissions": own });
    assert_eq!(operator.post("/team/permissions_update", &same).await?.expect(200)?.at("/team_id")?, json!("red"));
    let fewer = json!({ "team_id": "red", "team_member_permissions": ["/key/info"] });
    let refused = operator.post("/team/permissions_update", &fewer).await?;
    assert_eq!((refused.status, refused.at("/error/param")?), (400, json!("team_member_permissions")));
    let ann = operator.post("/user/new", &json!({ "user_id": "ann" })).await?.expect(200)?.json()?;
    let ann = gateway.caller(&text(&ann, "key"))?;
    assert_eq!(ann.get("/team/permissions_list?team_id=red").await?.status, 403);
    assert_eq!(ann.get("/team/available").await?.expect(200)?.json()?, json!([]));
    Ok(())
}
