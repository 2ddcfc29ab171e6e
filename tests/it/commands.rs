//! Commands through the HTTP door: idempotent for ever, whole or not at all, refused by name.

use anyhow::Result;
use serde_json::json;

use crate::scene::{MODEL, Scene, chat, command, uuid};

#[tokio::test]
async fn the_same_command_gives_the_same_receipt_even_after_a_restart() -> Result<()> {
    let scene = Scene::start().await?;
    let body = json!({ "id": "once", "type": "RegisterRealm", "data": { "realm": "r", "models": "all" } });
    let first = scene.gateway.operator()?.post("/api/commands", &body).await?.expect(200)?;
    assert_eq!(
        first.header("x-tallygate-position"),
        first.at("/position")?.as_u64().map(|position| position.to_string()).as_deref()
    );
    let before = scene.log("control")?.len();
    let again = scene.gateway.operator()?.post("/api/commands", &body).await?.expect(200)?;
    assert_eq!(again.json()?, first.json()?);
    let other = json!({ "id": "once", "type": "RegisterRealm", "data": { "realm": "other" } });
    let refused = scene.gateway.operator()?.post("/api/commands", &other).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (409, json!("command_id_reused")));
    assert_eq!(scene.log("control")?.len(), before);
    let gateway = scene.gateway.kill_and_restart().await?;
    let after = gateway.operator()?.post("/api/commands", &body).await?.expect(200)?;
    assert_eq!(after.json()?, first.json()?);
    Ok(())
}

#[tokio::test]
async fn what_is_no_command_is_refused_and_the_log_stays() -> Result<()> {
    let scene = Scene::start().await?;
    let before = scene.logged().await?;
    let operator = scene.gateway.operator()?;
    let cases: [(&str, u16, &str); 10] = [
        ("{", 400, "command_malformed"),
        (r#"{"id":"a","type":"Nothing","data":{}}"#, 400, "command_malformed"),
        (r#"{"id":"a","type":"BlockKey","data":{}}"#, 400, "command_malformed"),
        (r#"{"id":"","type":"SuspendRealm","data":{"realm":"default"}}"#, 400, "command_malformed"),
        (r#"{"id":"a","type":"SuspendRealm","data":{"realm":"default","extra":1}}"#, 400, "command_malformed"),
        (r#"{"id":"a","type":"SuspendRealm","data":{"realm":"nope"}}"#, 404, "realm_not_registered"),
        (r#"{"id":"a","type":"RegisterRealm","data":{"realm":"default"}}"#, 409, "realm_already_registered"),
        (
            r#"{"id":"a","type":"SetBudget","data":{"scope":"gateway","limits":[{"period":"total","limit_nano_usd":-1}]}}"#,
            400,
            "budget_negative",
        ),
        (
            r#"{"id":"a","type":"SetBudget","data":{"scope":"gateway","limits":[{"period":"total","limit_nano_usd":1e309}]}}"#,
            400,
            "command_malformed",
        ),
        (
            r#"{"id":"a","type":"RetireModel","data":{"model":"0199aaaa-0000-7000-8000-000000000000"}}"#,
            404,
            "model_not_registered",
        ),
    ];
    for (body, status, code) in cases {
        let answer = operator.post_bytes("/api/commands", "application/json", body).await?;
        assert_eq!(
            (answer.status, answer.at("/error/tallygate/code")?),
            (status, json!(code)),
            "{body}: {}",
            answer.text()
        );
    }
    let expected: Vec<_> = cases.iter().map(|(_, _, code)| ((*code).to_owned(), 0)).collect();
    assert_eq!(scene.refusals_since(&before).await?, expected);
    Ok(())
}

#[tokio::test]
async fn what_is_there_already_is_refused_by_its_name_and_the_log_stays() -> Result<()> {
    let scene = Scene::start().await?;
    let (model, key) = (uuid(), uuid());
    let deployment = |id: &str| json!({ "id": id, "vendor": "openai", "upstream_model": "m" });
    let register =
        |model: &str, name: &str, id: &str| json!({ "model": model, "name": name, "deployments": [deployment(id)] });
    let hash = |secret: &str| json!(tallygate_core::key::KeyHash::of_secret(secret));
    let issue = |key: &str, secret: &str, alias: &str| json!({ "key": key, "hash": hash(secret), "shown": "sk-...", "realm": "default", "models": "all", "alias": alias });
    command(&scene.gateway, "RegisterModel", register(&model, "m", "d")).await?.expect(200)?;
    command(&scene.gateway, "IssueKey", issue(&key, "sk-one", "one")).await?.expect(200)?;
    let before = scene.logged().await?;
    let cases = [
        ("RegisterModel", register(&model, "other", "other"), 409, "model_already_registered"),
        ("RegisterModel", register(&uuid(), "m", "other"), 409, "model_already_registered"),
        ("RegisterModel", register(&uuid(), "other", "d"), 409, "deployment_already_exists"),
        ("AddDeployment", json!({ "model": model, "deployment": deployment("d") }), 409, "deployment_already_exists"),
        ("IssueKey", issue(&key, "sk-two", "two"), 409, "key_already_issued"),
        ("IssueKey", issue(&uuid(), "sk-one", "two"), 409, "key_secret_taken"),
        ("IssueKey", issue(&uuid(), "sk-two", "one"), 409, "key_alias_taken"),
        ("RegisterRealm", json!({ "realm": "default" }), 409, "realm_already_registered"),
        ("GrantModel", json!({ "realm": "default", "model": "m" }), 409, "model_already_granted"),
    ];
    for (kind, data, status, code) in &cases {
        let answer = command(&scene.gateway, kind, data.clone()).await?;
        let found = (answer.status, answer.at("/error/tallygate/code")?);
        assert_eq!(found, (*status, json!(code)), "{kind} {data}: {}", answer.text());
    }
    let expected: Vec<_> = cases.iter().map(|(_, _, _, code)| ((*code).to_owned(), 0)).collect();
    assert_eq!(scene.refusals_since(&before).await?, expected);
    Ok(())
}

#[tokio::test]
async fn only_the_operator_commands() -> Result<()> {
    let scene = Scene::start().await?;
    let body = json!({ "id": uuid(), "type": "SuspendRealm", "data": { "realm": "default" } });
    let answer = scene.caller().await?.post("/api/commands", &body).await?;
    assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (401, json!("admin_only")));
    Ok(())
}

#[tokio::test]
async fn several_commands_are_answered_one_by_one_and_together_all_or_none() -> Result<()> {
    let scene = Scene::start().await?;
    let realm = |id: &str, name: &str| json!({ "id": id, "type": "RegisterRealm", "data": { "realm": name } });
    let list = json!([realm("s1", "a"), realm("s2", "a"), realm("s3", "b")]);
    let answer = scene.gateway.operator()?.post("/api/commands", &list).await?;
    assert_eq!(answer.status, 207);
    assert_eq!(answer.at("/1/error/tallygate/code")?, "realm_already_registered");
    assert!(answer.at("/2/position")?.is_u64());
    let position = scene.position().await?;
    let parts = json!([
        { "type": "RegisterRealm", "data": { "realm": "c" } },
        { "type": "RegisterRealm", "data": { "realm": "a" } },
    ]);
    let refused = command(&scene.gateway, "Together", parts).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (409, json!("realm_already_registered")));
    assert_eq!(scene.position().await?, position, "realm c must not be there");
    Ok(())
}

#[tokio::test]
async fn a_request_may_demand_a_position() -> Result<()> {
    let scene = Scene::start().await?;
    let position = scene.position().await?;
    let caller = scene.caller().await?.with_header("x-tallygate-min-position", &position.to_string());
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let ahead = scene.caller().await?.with_header("x-tallygate-min-position", "1000000");
    let answer = ahead.post("/v1/chat/completions", &chat(MODEL)).await?;
    assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (503, json!("position_not_reached")));
    let nonsense = scene.caller().await?.with_header("x-tallygate-min-position", "soon");
    assert_eq!(nonsense.post("/v1/chat/completions", &chat(MODEL)).await?.status, 400);
    Ok(())
}
