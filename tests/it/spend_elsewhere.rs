//! `POST /api/spend/elsewhere`: what was spent elsewhere is in every sum, once, whoever tells it and how often.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_core::key::KeyHash;
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::Gateway;
use tallygate_tests::nats_server::NatsServer;

use crate::cluster::on;
use crate::scene::{KeyTerms, Scene, chat};

const PATH: &str = "/api/spend/elsewhere";
const MODEL: &str = crate::scene::MODEL;

/// A dollar and a half of one key on a day of November.
fn row(key: &str) -> Value {
    json!({
        "day": "2026-11-20", "key": key, "model": MODEL, "vendor": "openai", "succeeded": 3, "failed": 1,
        "input_tokens": 70, "cached_input_tokens": 20, "cache_write_tokens": 10, "output_tokens": 40,
        "cost_nano_usd": 1_500_000_000_i64,
    })
}

fn with(mut row: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        row[name] = value.clone();
    }
    row
}

async fn tell(operator: &Client, rows: &[Value]) -> Result<Answer> {
    operator.post(PATH, &json!({ "source": "litellm", "rows": rows })).await
}

async fn spend_of(operator: &Client, secret: &str) -> Result<Value> {
    operator.get(&format!("/key/info?key={secret}")).await?.expect(200)?.at("/info/spend")
}

#[tokio::test]
async fn what_is_told_is_in_every_sum_beside_what_was_spent_here() -> Result<()> {
    let scene = Scene::start().await?;
    let (key, operator) = (scene.key(KeyTerms::default()).await?, scene.gateway.operator()?);
    let rows = [
        row(&key.id),
        with(row(&key.id), &json!({ "day": "2026-11-21", "cost_nano_usd": 500_000_000 })),
        with(row(&key.id), &json!({ "tag": "prod", "cost_nano_usd": 250_000_000 })),
        with(row(&key.id), &json!({ "end_user": "customer 7", "cost_nano_usd": 125_000_000 })),
    ];
    let told = tell(&operator, &rows).await?.expect(200)?.json()?;
    assert_eq!(told, json!({ "ok": true, "rows": 4, "news": 4 }));
    assert_eq!(operator.get("/global/spend").await?.at("/spend")?, json!(2.0));
    assert_eq!(spend_of(&operator, &key.secret).await?, json!(2.0));
    let path = "/user/daily/activity?start_date=2026-11-20&end_date=2026-11-20";
    let day = operator.get(path).await?.expect(200)?.at("/results/0/metrics")?;
    assert_eq!(
        (&day["spend"], &day["prompt_tokens"], &day["cache_read_input_tokens"], &day["completion_tokens"]),
        (&json!(1.5), &json!(100), &json!(20), &json!(40)),
        "{day}"
    );
    assert_eq!((&day["successful_requests"], &day["failed_requests"]), (&json!(3), &json!(1)), "{day}");
    let tags = operator.get("/spend/tags").await?.expect(200)?.json()?;
    assert_eq!(tags, json!([{ "individual_request_tag": "prod", "log_count": 4, "total_spend": 0.25 }]));
    let customers = operator.post("/global/spend/end_users", &json!({})).await?.expect(200)?.json()?;
    assert_eq!(customers, json!([{ "end_user": "customer 7", "total_count": 4, "total_spend": 0.125 }]));
    let logs = operator.get("/spend/logs").await?.expect(200)?.json()?;
    assert_eq!(logs, json!([]), "no request is made up");
    scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let both = spend_of(&operator, &key.secret).await?.as_f64().unwrap_or_default();
    assert!(both > 2.0 && both < 2.1, "{both}");
    Ok(())
}

#[tokio::test]
async fn what_is_told_again_counts_once_and_only_what_is_more_is_news() -> Result<()> {
    let scene = Scene::start().await?;
    let (key, operator) = (scene.key(KeyTerms::default()).await?, scene.gateway.operator()?);
    let hash = KeyHash::of_secret(&key.secret).to_string();
    let news = async |rows: &[Value]| tell(&operator, rows).await?.expect(200)?.at("/news");
    assert_eq!(news(&[row(&key.id)]).await?, json!(1));
    assert_eq!(news(&[row(&hash)]).await?, json!(0), "by its hash it is the same key");
    assert_eq!(news(&[with(row(&key.id), &json!({ "cost_nano_usd": 1 }))]).await?, json!(0));
    assert_eq!(spend_of(&operator, &key.secret).await?, json!(1.5));
    let more = [
        with(row(&key.id), &json!({ "cost_nano_usd": 4_000_000_000_i64 })),
        with(row(&key.id), &json!({ "model": "gone" })),
    ];
    assert_eq!(news(&more).await?, json!(2));
    assert_eq!(spend_of(&operator, &key.secret).await?, json!(5.5));
    assert_eq!(news(&[]).await?, json!(0));
    let other = json!({ "source": "another", "rows": [row(&key.id)] });
    assert_eq!(operator.post(PATH, &other).await?.expect(200)?.at("/news")?, json!(1));
    assert_eq!(spend_of(&operator, &key.secret).await?, json!(7.0), "what sources say is added up");
    operator.post("/key/delete", &json!({ "keys": [key.secret] })).await?.expect(200)?;
    let late = with(row(&key.id), &json!({ "cost_nano_usd": 5_000_000_000_i64 }));
    assert_eq!(news(&[late]).await?, json!(1), "a key that was revoked has spent what it has spent");
    Ok(())
}

#[tokio::test]
async fn a_budget_is_not_charged_for_it() -> Result<()> {
    let scene = Scene::start().await?;
    let terms = KeyTerms { budget_nano_usd: Some(1_000_000_000), ..KeyTerms::default() };
    let (key, operator) = (scene.key(terms).await?, scene.gateway.operator()?);
    tell(&operator, &[row(&key.id)]).await?.expect(200)?;
    assert_eq!(spend_of(&operator, &key.secret).await?, json!(0.0), "it is what counts in the open window");
    scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let keys = operator.get("/global/spend/keys").await?.expect(200)?.at("/0/total_spend")?;
    assert!(keys.as_f64().is_some_and(|usd| usd > 1.5), "{keys}");
    Ok(())
}

#[tokio::test]
async fn everything_is_checked_before_anything_is_recorded() -> Result<()> {
    let scene = Scene::start().await?;
    let (key, operator) = (scene.key(KeyTerms::default()).await?, scene.gateway.operator()?);
    let (good, nobody) = (row(&key.id), "01990000-0000-7000-8000-00000000dead");
    let hash = KeyHash::of_secret(&key.secret).to_string();
    for (bad, status, code, param) in [
        (row(nobody), 404, "key_not_found", "rows[1].key"),
        (row(&"0".repeat(64)), 404, "key_not_found", "rows[1].key"),
        (row(&key.secret), 400, "parameter_invalid", "rows[1]"),
        (row(&key.id), 400, "parameter_invalid", "rows[1]"),
        (row(&hash), 400, "parameter_invalid", "rows[1]"),
        (with(good.clone(), &json!({ "day": "2999-01-01" })), 400, "parameter_invalid", "rows[1]"),
        (with(good.clone(), &json!({ "cost_nano_usd": -1 })), 400, "parameter_invalid", "rows[1]"),
        (with(good.clone(), &json!({ "price": 1 })), 400, "parameter_invalid", "rows[1]"),
    ] {
        let answer = tell(&operator, &[good.clone(), bad.clone()]).await?;
        let said = (answer.status, answer.at("/error/tallygate/code")?, answer.at("/error/param")?);
        assert_eq!(said, (status, json!(code), json!(param)), "{bad}: {}", answer.text());
        assert!(answer.text().contains("row 1: ") && !answer.text().contains(&key.secret), "{}", answer.text());
    }
    let unknown = tell(&operator, &[row(nobody)]).await?;
    assert_eq!(unknown.at("/error/tallygate/details")?, json!({ "row": 0, "key": nobody }));
    let many: Vec<Value> = (0..=1_000).map(|n| with(good.clone(), &json!({ "model": format!("m{n}") }))).collect();
    assert_eq!(tell(&operator, &many).await?.at("/error/param")?, json!("rows"));
    assert_eq!(operator.post(PATH, &json!({ "rows": [] })).await?.status, 400);
    assert_eq!(operator.get("/global/spend").await?.at("/spend")?, json!(0.0), "nothing was recorded");
    assert_eq!(tell(&operator, &many[..1_000]).await?.expect(200)?.at("/news")?, json!(1_000));
    assert_eq!(operator.get("/global/spend").await?.at("/spend")?, json!(1_500.0));
    Ok(())
}

#[tokio::test]
async fn it_is_the_operators_to_tell() -> Result<()> {
    let scene = Scene::start().await?;
    let key = scene.key(KeyTerms::default()).await?;
    let answer = tell(&scene.gateway.caller(&key.secret)?, &[row(&key.id)]).await?;
    assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (401, json!("admin_only")));
    let stranger = Client::new(scene.gateway.url(), None)?;
    assert_eq!(tell(&stranger, &[row(&key.id)]).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn two_gateways_that_tell_the_same_count_it_once_and_come_to_the_same_rows() -> Result<()> {
    let nats = NatsServer::start().await?;
    let scene = Scene::with(on(&nats)).await?;
    let other: Gateway = on(&nats).start().await?;
    let key = scene.key(KeyTerms::default()).await?;
    let (one, two) = (scene.gateway.operator()?, other.operator()?);
    let position = one.get("/api/state").await?.at("/control/position")?.to_string();
    let two = two.with_header("x-tallygate-min-position", &position);
    let rows: Vec<Value> = (0..300)
        .map(|n| with(row(&key.id), &json!({ "model": format!("m{n}"), "cost_nano_usd": 10_000_000 })))
        .collect();
    let (first, second) = tokio::join!(tell(&one, &rows), tell(&two, &rows));
    first?.expect(200)?;
    second?.expect(200)?;
    let digest = async |gateway: &Client| gateway.get("/api/state").await?.at("/activity");
    // The two follow one log: whatever is read of it, both come to the end of what was told.
    let spent = async |gateway: &Client| gateway.get("/global/spend").await?.at("/spend");
    while spent(&one).await? != json!(3.0)
        || spent(&two).await? != json!(3.0)
        || digest(&one).await? != digest(&two).await?
    {}
    assert_eq!(tell(&one, &rows).await?.expect(200)?.at("/news")?, json!(0));
    assert_eq!(tell(&two, &rows).await?.expect(200)?.at("/news")?, json!(0));
    Ok(())
}

#[tokio::test]
async fn while_the_log_is_away_it_is_refused_and_told_again_it_counts_once() -> Result<()> {
    let mut nats = NatsServer::start().await?;
    let scene = Scene::with(on(&nats)).await?;
    let (key, operator) = (scene.key(KeyTerms::default()).await?, scene.gateway.operator()?);
    nats.kill().await?;
    for _ in 0..2 {
        let away = tell(&operator, &[row(&key.id)]).await?;
        assert_eq!((away.status, away.at("/error/tallygate/code")?), (503, json!("log_unavailable")));
        assert_eq!(away.header("retry-after"), Some("1"));
    }
    nats.restart().await?;
    let mut told = tell(&operator, &[row(&key.id)]).await?;
    while told.status == 503 {
        told = tell(&operator, &[row(&key.id)]).await?;
    }
    assert_eq!(told.expect(200)?.at("/news")?, json!(0), "it was recorded when the log came back");
    assert_eq!(spend_of(&operator, &key.secret).await?, json!(1.5));
    Ok(())
}
