//! What is spent under tags: where a request has them from, and who is told of it.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::upstream::Usage;

use super::{generate, text};
use crate::scene::{MODEL, Scene, chat};

/// What one request of the scene costs in dollars.
fn cost(requests: u64) -> Value {
    let usage = Usage::default();
    let nano = (usage.prompt_tokens * 1_000 + usage.completion_tokens * 2_000).div_ceil(1_000);
    json!((nano * requests) as f64 / 1e9)
}

async fn read(client: &Client, path: &str) -> Result<Value> {
    client.get(path).await?.expect(200)?.json()
}

/// The day on which the scene's requests were made.
async fn day(operator: &Client) -> Result<String> {
    Ok(text(&read(operator, "/spend/logs").await?[0], "startTime")[..10].to_owned())
}

#[tokio::test]
async fn a_request_is_told_apart_by_the_tags_of_its_body_its_headers_its_key_and_its_team() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    operator.post("/team/new", &json!({ "team_id": "red", "tags": ["of-team"] })).await?.expect(200)?;
    let key = generate(&operator, json!({ "team_id": "red", "tags": ["of-key"] })).await?;
    let caller = scene.gateway.caller(&text(&key, "key"))?.with_header("x-litellm-tags", "of-header, twice");
    let mut body = chat(MODEL);
    body["tags"] = json!(["of-body", "twice"]);
    body["metadata"] = json!({ "tags": ["of-metadata"] });
    caller.post("/v1/chat/completions", &body).await?.expect(200)?;
    let all = json!(["of-team", "of-key", "of-header", "twice", "of-body", "of-metadata"]);
    assert_eq!(scene.activity("request.settled", 1).await?[0]["tags"], all);
    assert_eq!(read(&operator, "/spend/logs").await?[0]["request_tags"], all);
    let sent = scene.upstream.requests().remove(0).json()?;
    assert_eq!((&sent["tags"], &sent["metadata"]), (&Value::Null, &Value::Null), "the upstream is told of none");
    let plain = scene.caller().await?;
    plain.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let rows = read(&operator, "/spend/logs").await?;
    assert_eq!(rows[0]["request_tags"], json!([]));
    let anthropic = json!({ "model": MODEL, "max_tokens": 9, "messages": [{ "role": "user", "content": "hi" }] });
    caller.post("/v1/messages", &anthropic).await?.expect(200)?;
    let rows = read(&operator, "/spend/logs").await?;
    assert_eq!(rows[0]["request_tags"], json!(["of-team", "of-key", "of-header", "twice"]), "in every dialect");
    Ok(())
}

#[tokio::test]
async fn a_request_has_thirty_two_tags_at_most_and_what_is_no_tag_is_left_out() -> Result<()> {
    let scene = Scene::start().await?;
    let caller = scene.caller().await?;
    let mut body = chat(MODEL);
    let mut many: Vec<Value> = (0..40).map(|number| json!(format!("t{number}"))).collect();
    many.insert(0, json!("x".repeat(257)));
    many.insert(0, json!(7));
    body["metadata"] = json!({ "tags": many });
    caller.post("/v1/chat/completions", &body).await?.expect(200)?;
    let settled = scene.activity("request.settled", 1).await?.remove(0);
    let tags = settled["tags"].as_array().cloned().unwrap_or_default();
    assert_eq!((tags.len(), &tags[0], &tags[31]), (32, &json!("t0"), &json!("t31")));
    Ok(())
}

#[tokio::test]
async fn what_was_spent_under_each_tag_is_told_by_day_and_in_all() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let key = generate(&operator, json!({ "tags": ["a"], "user_id": "ann" })).await?;
    let other = generate(&operator, json!({ "user_id": "bob" })).await?;
    for (key, tags, calls) in [(&key, "b", 2), (&other, "b,c", 1)] {
        let caller = scene.gateway.caller(&text(key, "key"))?.with_header("x-litellm-tags", tags);
        for _ in 0..calls {
            caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
        }
    }
    let of = |tag: &str, calls: u64| json!({ "individual_request_tag": tag, "log_count": calls, "total_spend": cost(calls) });
    let tags = read(&operator, "/spend/tags").await?;
    assert_eq!(tags, json!([of("b", 3), of("a", 2), of("c", 1)]), "dearest first");
    let day = day(&operator).await?;
    let days = format!("start_date={day}&end_date={day}");
    assert_eq!(read(&operator, &format!("/spend/tags?{days}")).await?, tags);
    assert_eq!(read(&operator, "/spend/tags?start_date=2020-01-01&end_date=2020-01-02").await?, json!([]));
    let shown = |tag: &str, calls: u64| json!({ "name": tag, "spend": cost(calls), "log_count": calls });
    let some = read(&operator, &format!("/global/spend/tags?{days}&tags=a,c")).await?;
    assert_eq!(some, json!({ "spend_per_tag": [shown("a", 2), shown("c", 1)] }));
    let all = read(&operator, &format!("/global/spend/tags?{days}&tags=all-tags")).await?;
    assert_eq!(all["spend_per_tag"].as_array().map(Vec::len), Some(3));
    assert_eq!(operator.get("/global/spend/tags").await?.status, 400);
    assert_eq!(read(&operator, "/global/spend/all_tag_names").await?, json!({ "tag_names": ["a", "b", "c"] }));
    let activity = read(&operator, &format!("/tag/daily/activity?{days}&tags=b")).await?;
    let of_day = &activity["results"][0];
    assert_eq!((&of_day["metrics"]["spend"], &of_day["metrics"]["api_requests"]), (&cost(3), &json!(3)));
    assert_eq!(of_day["breakdown"]["entities"]["b"]["metrics"]["api_requests"], 3);
    assert_eq!(
        of_day["breakdown"]["models"][MODEL]["api_key_breakdown"][&text(&key, "token")]["metrics"]["spend"],
        cost(2)
    );
    let own = scene.gateway.caller(&text(&other, "key"))?;
    let seen = read(&own, &format!("/tag/daily/activity?{days}")).await?;
    assert_eq!(seen["results"][0]["breakdown"]["entities"]["b"]["metrics"]["api_requests"], 1, "of what is its own");
    assert_eq!(seen["results"][0]["breakdown"]["entities"]["a"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn the_report_tells_teams_customers_and_keys_apart() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    operator.post("/team/new", &json!({ "team_id": "red", "team_alias": "Red" })).await?.expect(200)?;
    let key = generate(&operator, json!({ "team_id": "red", "user_id": "ann" })).await?;
    let other = generate(&operator, json!({})).await?;
    for (key, customer) in [(&key, "seven"), (&key, "eight"), (&other, "seven")] {
        let mut body = chat(MODEL);
        body["user"] = json!(customer);
        scene.gateway.caller(&text(key, "key"))?.post("/v1/chat/completions", &body).await?.expect(200)?;
    }
    let day = day(&operator).await?;
    let usage = Usage::default();
    let report = |query: &str| {
        let (operator, path) =
            (operator.clone(), format!("/global/spend/report?start_date={day}&end_date={day}{query}"));
        async move { read(&operator, &path).await }
    };
    let teams = report("").await?;
    assert_eq!(teams[0]["group_by_day"], format!("{day}T00:00:00+00:00"));
    let tokens = usage.prompt_tokens + usage.completion_tokens;
    let model = |key: &Value, calls: u64| json!({ "model": MODEL, "api_key": key["token"], "spend": cost(calls), "total_tokens": tokens * calls });
    assert_eq!(
        teams[0]["teams"],
        json!([
            { "team_name": "Unassigned Team", "team_id": null, "total_spend": cost(1), "metadata": [model(&other, 1)] },
            { "team_name": "Red", "team_id": "red", "total_spend": cost(2), "metadata": [model(&key, 2)] },
        ])
    );
    let customers = report("&group_by=customer").await?;
    assert_eq!(customers[0]["customers"][1]["customer"], "seven");
    assert_eq!(customers[0]["customers"][1]["total_spend"], cost(2));
    let both = report("&team_id=red&customer_id=seven").await?;
    assert_eq!(
        (&both[0]["teams_customers"][0]["customer"], &both[0]["teams_customers"][0]["total_spend"]),
        (&json!("seven"), &cost(1))
    );
    let keys = report("&group_by=api_key").await?;
    assert_eq!((&keys[0]["api_key"], &keys[0]["total_cost"]), (&key["token"], &cost(2)));
    assert_eq!(keys[0]["model_details"][0]["total_input_tokens"], usage.prompt_tokens * 2);
    assert_eq!(report("&internal_user_id=ann").await?.as_array().map(Vec::len), Some(1));
    assert_eq!(report(&format!("&api_key={}", text(&other, "key"))).await?[0]["total_cost"], cost(1));
    assert_eq!(report("&api_key=sk-nobody").await?, json!([]));
    assert_eq!(operator.get("/global/spend/report").await?.status, 400);
    assert_eq!(
        operator.get(&format!("/global/spend/report?start_date={day}&end_date={day}&group_by=x")).await?.status,
        422
    );
    let by_key =
        operator.post("/global/spend/end_users", &json!({ "api_key": key["token"] })).await?.expect(200)?.json()?;
    assert_eq!(by_key.as_array().map(Vec::len), Some(2));
    assert!(by_key.as_array().into_iter().flatten().all(|row| row["total_count"] == 1), "{by_key}");
    let activity =
        read(&operator, &format!("/customer/daily/activity?start_date={day}&end_date={day}&end_user_ids=seven"))
            .await?;
    assert_eq!(activity["results"][0]["breakdown"]["entities"]["seven"]["metrics"]["spend"], cost(2));
    assert_eq!(activity["results"][0]["breakdown"]["entities"]["eight"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn resetting_all_spend_begins_budgets_anew_and_leaves_history() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    operator.post("/team/new", &json!({ "team_id": "red", "max_budget": 1 })).await?.expect(200)?;
    let key = generate(&operator, json!({ "team_id": "red", "max_budget": 1, "budget_duration": "30d" })).await?;
    generate(&operator, json!({})).await?;
    let caller = scene.gateway.caller(&text(&key, "key"))?;
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let spent = |path: String| {
        let operator = operator.clone();
        async move { operator.get(&path).await?.expect(200)?.json() }
    };
    let (of_key, of_team) = (format!("/key/info?key={}", text(&key, "token")), "/team/info?team_id=red".to_owned());
    assert_eq!(spent(of_key.clone()).await?["info"]["spend"], cost(1));
    assert_eq!(spent(of_team.clone()).await?["team_info"]["spend"], cost(1));
    let done = operator.post("/global/spend/reset", &json!({})).await?.expect(200)?.json()?;
    assert_eq!(done["status"], "success");
    assert_eq!(spent(of_key).await?["info"]["spend"], json!(0.0));
    assert_eq!(spent(of_team).await?["team_info"]["spend"], json!(0.0));
    assert_eq!(spent("/global/spend".to_owned()).await?["spend"], cost(1), "what was spent stays on record");
    let resets = scene.log("control")?.into_iter().filter(|line| line["type"] == "budget.reset").count();
    assert_eq!(resets, 2, "an event a budget");
    assert_eq!(caller.post("/global/spend/reset", &json!({})).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn what_a_call_would_cost_is_calculated_by_the_price_in_force() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let answer =
        json!({ "model": MODEL, "usage": { "prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21 } });
    let told = operator.post("/spend/calculate", &json!({ "completion_response": answer })).await?.expect(200)?;
    assert_eq!(told.json()?, json!({ "cost": 33e-9 }), "9 at 1,000 and 12 at 2,000 pico-dollars");
    let messages = json!([{ "role": "user", "content": "Hey, how is it going?" }]);
    let asked = json!({ "model": MODEL, "messages": messages });
    let counted = operator.post("/utils/token_counter", &asked).await?.expect(200)?.at("/total_tokens")?;
    let told = operator.post("/spend/calculate", &asked).await?.expect(200)?.at("/cost")?;
    assert_eq!(told.as_f64(), counted.as_f64().map(|tokens| tokens / 1e9), "a nano-dollar a token");
    let of_catalog = json!({ "model": "openai/gpt-4o-mini", "messages": messages });
    let told = operator.post("/spend/calculate", &of_catalog).await?.expect(200)?.at("/cost")?;
    assert!(told.as_f64().is_some_and(|cost| cost > 0.0), "{told}");
    let unpriced = operator.post("/spend/calculate", &json!({ "model": "nobody", "messages": messages })).await?;
    assert_eq!((unpriced.status, unpriced.at("/error/tallygate/code")?), (400, json!("unpriced")));
    super::assert_refused(
        &operator,
        "/spend/calculate",
        &[
            ("{}", 400, "model"),
            (r#"{"model":"m"}"#, 400, "messages"),
            (r#"{"completion_response":{"model":"m"}}"#, 400, "completion_response.usage"),
            (r#"{"completion_response":[]}"#, 422, "completion_response"),
        ],
    )
    .await?;
    let barred = generate(&operator, json!({ "models": ["other"] })).await?;
    let refused = scene.gateway.caller(&text(&barred, "key"))?.post("/spend/calculate", &asked).await?;
    assert_eq!(refused.status, 403, "a key is told of what it may call");
    Ok(())
}
