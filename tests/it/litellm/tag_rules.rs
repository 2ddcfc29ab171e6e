//! `/tag/*`: tags that have rules, and what holds of requests that carry them.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::client::{Answer, Client};

use super::{assert_refused, generate, text};
use crate::scene::{KeyTerms, MODEL, Scene, chat};

async fn ask(caller: &Client, tags: &[&str]) -> Result<Answer> {
    let mut body = chat(MODEL);
    body["metadata"] = json!({ "tags": tags });
    caller.post("/v1/chat/completions", &body).await
}

async fn tag(operator: &Client, body: Value) -> Result<Value> {
    operator.post("/tag/new", &body).await?.expect(200)?.json()
}

async fn info(operator: &Client, name: &str) -> Result<Value> {
    let answer = operator.post("/tag/info", &json!({ "names": [name] })).await?.expect(200)?;
    Ok(answer.json()?[name].take())
}

/// The scope whose budget or rule refused.
fn by(answer: &Answer) -> Result<(u16, Value)> {
    Ok((answer.status, answer.at("/error/tallygate/details/scope")?))
}

#[tokio::test]
async fn the_budget_of_a_tag_is_held_settled_and_refused_whatever_key_asks() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let made = tag(&operator, json!({ "name": "prod", "description": "Production", "max_budget": 1 })).await?;
    assert_eq!(made["message"], "Tag prod created successfully");
    let shown = &made["tag"];
    assert_eq!(
        (&shown["name"], &shown["description"], &shown["models"]),
        (&json!("prod"), &json!("Production"), &json!([]))
    );
    let (one, other) = (scene.caller().await?, scene.caller().await?);
    for caller in [&one, &other] {
        ask(caller, &["prod", "x"]).await?.expect(200)?;
    }
    ask(&one, &["x"]).await?.expect(200)?;
    let settled = scene.activity("request.settled", 3).await?;
    let charged = |fact: &&Value| fact["charged"].as_array().is_some_and(|all| all[0]["scope"] == "tag:prod");
    let spent: i64 = settled.iter().filter(charged).filter_map(|fact| fact["cost_nano_usd"].as_i64()).sum();
    assert_eq!(settled.iter().filter(charged).count(), 2, "the one without it charged no tag");
    let row = info(&operator, "prod").await?;
    let spend = row["spend"].as_f64().unwrap_or_default();
    assert!(spent > 0 && (spend * 1e9 - spent as f64).abs() < 0.5, "{row}, and {spent} were settled");
    assert_eq!(row["litellm_budget_table"]["max_budget"], json!(1.0));
    operator.post("/tag/update", &json!({ "name": "prod", "max_budget": spend })).await?.expect(200)?;
    for caller in [&one, &other] {
        let refused = ask(caller, &["x", "prod"]).await?;
        assert_eq!(by(&refused)?, (422, json!("tag:prod")));
        assert_eq!(refused.at("/error/type")?, "budget_exceeded");
        assert!(refused.at("/error/message")?.as_str().is_some_and(|text| text.contains("Tag=prod")));
    }
    ask(&one, &["x"]).await?.expect(200)?;
    assert_eq!(scene.upstream.requests().len(), 4, "what is refused is never sent");
    operator.post("/tag/delete", &json!({ "name": "prod" })).await?.expect(200)?;
    ask(&one, &["prod"]).await?.expect(200)?;
    tag(&operator, json!({ "name": "prod" })).await?;
    ask(&one, &["prod"]).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn the_tags_of_a_key_cannot_be_left_out_and_a_team_has_tags_of_its_own() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    for team in ["red", "blue"] {
        operator.post("/team/new", &json!({ "team_id": team })).await?.expect(200)?;
    }
    tag(&operator, json!({ "name": "batch", "team_id": "red", "max_budget": 0 })).await?;
    tag(&operator, json!({ "name": "batch", "team_id": "blue", "max_budget": 1 })).await?;
    let mut callers = Vec::new();
    for team in ["red", "blue"] {
        let key = generate(&operator, json!({ "team_id": team, "tags": ["batch"] })).await?;
        callers.push(scene.gateway.caller(&text(&key, "key"))?);
    }
    assert_eq!(by(&ask(&callers[0], &[]).await?)?, (422, json!("tag@red:batch")));
    let crowd: Vec<String> = (0..32).map(|number| format!("t{number}")).collect();
    let crowd: Vec<&str> = crowd.iter().map(String::as_str).collect();
    let crowded = ask(&callers[0], &crowd).await?;
    assert_eq!(by(&crowded)?, (422, json!("tag@red:batch")), "nor crowded out by as many as a request can have");
    ask(&callers[1], &[]).await?.expect(200)?;
    let ambiguous = operator.post("/tag/update", &json!({ "name": "batch", "max_budget": 2 })).await?;
    assert_eq!((ambiguous.status, ambiguous.at("/error/param")?), (400, json!("team_id")));
    let open = operator.get("/api/budgets?scope=tag@blue:batch").await?.expect(200)?.json()?;
    assert_eq!(open["budgets"][0]["account"]["scope"], "tag@blue:batch");
    Ok(())
}

#[tokio::test]
async fn requests_with_a_tag_call_its_models_alone_and_fall_back_to_no_other() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    scene.register("other", "deployment-2").await?;
    tag(&operator, json!({ "name": "cheap", "models": ["deployment-2"], "rpm_limit": 2 })).await?;
    assert_eq!(info(&operator, "cheap").await?["models"], json!(["other"]), "by the id of a deployment");
    let caller = scene.caller().await?;
    let refused = ask(&caller, &["cheap"]).await?;
    assert_eq!(by(&refused)?, (403, json!("tag:cheap")));
    assert_eq!(refused.at("/error/tallygate/code")?, "model_not_allowed");
    let mut body = chat("other");
    body["tags"] = json!(["cheap"]);
    body["fallbacks"] = json!([MODEL]);
    scene.upstream.on_model("upstream-model", tallygate_tests::upstream::Reply::refuse(500));
    let failed = caller.post("/v1/chat/completions", &body).await?;
    assert!(failed.status >= 500, "{}", failed.text());
    assert!(
        !failed.header("x-tallygate-route").unwrap_or_default().contains("deployment-1"),
        "{:?}",
        failed.header("x-tallygate-route")
    );
    caller.post("/v1/chat/completions", &body).await?;
    assert_eq!(by(&caller.post("/v1/chat/completions", &body).await?)?, (429, json!("tag:cheap")));
    Ok(())
}

#[tokio::test]
async fn tags_are_listed_with_those_that_requests_carried_and_told_to_those_who_manage_them() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    tag(&operator, json!({ "name": "prod", "budget_duration": "30d", "max_budget": 5 })).await?;
    let caller = scene.gateway.caller(&scene.key(KeyTerms::default()).await?.secret)?;
    ask(&caller, &["prod", "adhoc"]).await?.expect(200)?;
    let listed = operator.get("/tag/list").await?.expect(200)?.json()?;
    assert_eq!((&listed[0]["name"], &listed[1]["name"]), (&json!("prod"), &json!("adhoc")));
    assert_eq!(
        (&listed[1]["models"], &listed[0]["litellm_budget_table"]["budget_duration"]),
        (&Value::Null, &json!("30d"))
    );
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    let own = caller.get("/tag/list").await?.expect(200)?.json()?;
    let names: Vec<_> = own.as_array().into_iter().flatten().map(|row| text(row, "name")).collect();
    assert_eq!(names, ["adhoc", "prod"], "what it carried, and no rules");
    assert_eq!(own[1]["litellm_budget_table"], Value::Null);
    let missing = operator.post("/tag/info", &json!({ "names": ["prod", "nobody"] })).await?;
    assert_eq!((missing.status, missing.at("/error/message")?), (404, json!("Tags not found: ['nobody']")));
    let twice = operator.post("/tag/new", &json!({ "name": "prod" })).await?;
    assert_eq!((twice.status, twice.at("/error/message")?), (400, json!("Tag prod already exists")));
    assert_eq!(operator.post("/tag/delete", &json!({ "name": "nobody" })).await?.status, 404);
    let cases = [
        ("{}", 422, "name"),
        (r#"{"name":"x","model_max_budget":{"a":1}}"#, 400, "model_max_budget"),
        (r#"{"name":"x","models":7}"#, 422, "models"),
        (r#"{"name":"x","max_budget":-1}"#, 400, "max_budget"),
        (r#"{"name":" x"}"#, 400, "name"),
    ];
    assert_refused(&operator, "/tag/new", &cases).await?;
    Ok(())
}

#[tokio::test]
async fn a_request_that_more_limits_would_pay_for_than_can_is_refused_and_names_its_tags() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let names: Vec<String> = (0..32).map(|number| format!("t{number}")).collect();
    for name in &names {
        let scope = format!("tag:{name}");
        tag(&operator, json!({ "name": name })).await?;
        let limits: Vec<Value> = (1..=3)
            .map(|hours| json!({ "period": { "seconds": hours * 3_600 }, "limit_nano_usd": 1_000_000 }))
            .collect();
        let command = json!({ "scope": scope, "limits": limits });
        crate::scene::command(&scene.gateway, "SetBudget", command).await?.expect(200)?;
    }
    let caller = scene.caller().await?;
    let carried: Vec<&str> = names.iter().map(String::as_str).collect();
    let refused = ask(&caller, &carried).await?;
    assert_eq!((refused.status, refused.at("/error/param")?), (400, json!("tags")), "{}", refused.text());
    ask(&caller, &carried[..26]).await?.expect(200)?;
    Ok(())
}
