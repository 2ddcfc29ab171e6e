//! What requests cost, as scripts read it right after them.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::upstream::Usage;

use super::{generate, text};
use crate::scene::{MODEL, Scene, chat};

/// What one request of the scene costs in dollars: 1,000 pico-dollars a prompt token, 2,000 an answer token.
fn cost(requests: u64) -> Value {
    let usage = Usage::default();
    let nano = (usage.prompt_tokens * 1_000 + usage.completion_tokens * 2_000).div_ceil(1_000);
    json!((nano * requests) as f64 / 1e9)
}

#[tokio::test]
async fn what_was_spent_is_told_at_once_and_everywhere_the_same() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let budgeted = generate(&operator, json!({ "max_budget": 1, "budget_duration": "30d", "user_id": "ann" })).await?;
    let free = generate(&operator, json!({ "user_id": "bob" })).await?;
    let mut ids = Vec::new();
    for (key, calls) in [(&budgeted, 2), (&free, 1)] {
        let caller = scene.gateway.caller(&text(key, "key"))?;
        for _ in 0..calls {
            ids.push(caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?.at("/id")?);
        }
        let info = operator.get(&format!("/key/info?key={}", text(key, "token"))).await?.expect(200)?;
        assert_eq!(info.at("/info/spend")?, cost(calls));
    }
    assert_eq!(
        operator.get("/global/spend").await?.expect(200)?.json()?,
        json!({ "spend": cost(3), "max_budget": 0.0 })
    );
    let rows = operator.get("/spend/logs").await?.expect(200)?.json()?;
    assert_eq!(rows.as_array().map(Vec::len), Some(3));
    let row = &rows[0];
    assert_eq!((&row["api_key"], &row["spend"], &row["user"]), (&free["token"], &cost(1), &json!("bob")));
    assert_eq!((&row["model_group"], &row["status"]), (&json!(MODEL), &json!("success")));
    assert_eq!(row["prompt_tokens"], Usage::default().prompt_tokens);
    assert_eq!((&row["call_type"], &row["cache_hit"]), (&json!("acompletion"), &json!("False")));
    let count = |query: String| {
        let operator = operator.clone();
        async move {
            Ok::<_, anyhow::Error>(operator.get(&query).await?.expect(200)?.json()?.as_array().map_or(0, Vec::len))
        }
    };
    for named in ["key", "token"] {
        assert_eq!(count(format!("/spend/logs?api_key={}", text(&budgeted, named))).await?, 2);
    }
    for (page, rows) in [(1, 2), (2, 1), (3, 0)] {
        assert_eq!(count(format!("/spend/logs?page_size=2&page={page}")).await?, rows, "page {page}");
    }
    assert_eq!(count("/spend/logs?user_id=bob&page_size=1&page=2".to_owned()).await?, 0);
    assert_eq!(operator.get("/spend/logs?page=0").await?.status, 422);
    assert_eq!(count("/spend/logs?user_id=bob".to_owned()).await?, 1);
    assert_eq!(count("/spend/logs?user_id=nobody".to_owned()).await?, 0);
    assert_eq!(count("/spend/logs?api_key=sk-nobody".to_owned()).await?, 0);
    // The simulated upstream gives every answer the same id, as some upstreams do: none of the requests is lost by it.
    assert_eq!(count(format!("/spend/logs?request_id={}", text(row, "request_id"))).await?, 3);
    assert_eq!(count(format!("/spend/logs?request_id={}", text(row, "litellm_call_id"))).await?, 1);
    assert_eq!(row["request_id"], ids[2], "the id that the client saw");
    Ok(())
}

#[tokio::test]
async fn with_dates_the_sums_of_each_day_are_told() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let key = generate(&operator, json!({ "user_id": "ann" })).await?;
    scene.gateway.caller(&text(&key, "key"))?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let started = text(&operator.get("/spend/logs").await?.expect(200)?.at("/0")?, "startTime");
    let day = &started[..10];
    let summed = operator.get(&format!("/spend/logs?start_date={day}&end_date={day}")).await?.expect(200)?.json()?;
    assert_eq!(
        summed,
        json!([{
            "startTime": day, "spend": cost(1), text(&key, "token"): cost(1), "users": {"ann": cost(1)}, "models": {MODEL: cost(1)},
        }])
    );
    let rows =
        operator.get(&format!("/spend/logs?start_date={day}&end_date={day}&summarize=false")).await?.expect(200)?;
    assert_eq!(rows.json()?.as_array().map(Vec::len), Some(1));
    let before = operator.get("/spend/logs?start_date=2020-01-01&end_date=2020-01-02").await?.expect(200)?;
    assert_eq!(before.json()?, json!([]));
    for query in ["start_date=2020-01-01", "start_date=x&end_date=y", "start_date=2020-01-02&end_date=2020-01-01"] {
        assert_eq!(operator.get(&format!("/spend/logs?{query}")).await?.status, 400, "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_is_told_of_its_own_requests_alone() -> Result<()> {
    let scene = Scene::start().await?;
    let operator = scene.gateway.operator()?;
    let own = generate(&operator, json!({ "models": [MODEL] })).await?;
    let other = generate(&operator, json!({})).await?;
    for key in [&own, &other] {
        scene.gateway.caller(&text(key, "key"))?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    }
    let caller = scene.gateway.caller(&text(&own, "key"))?;
    assert_eq!(caller.post("/v1/chat/completions", &chat("nobody")).await?.status, 403);
    let rows = caller.get("/spend/logs").await?.expect(200)?.json()?;
    assert_eq!(rows.as_array().map(Vec::len), Some(2));
    assert!(rows.as_array().into_iter().flatten().all(|row| row["api_key"] == own["token"]), "{rows}");
    assert_eq!(
        (&rows[0]["status"], &rows[0]["metadata"]["error_information"]["error_code"]),
        (&json!("failure"), &json!("403"))
    );
    let others = caller.get(&format!("/spend/logs?api_key={}", text(&other, "token"))).await?.expect(200)?;
    assert_eq!(others.json()?, json!([]));
    assert_eq!(caller.get("/global/spend").await?.status, 401);
    Ok(())
}
