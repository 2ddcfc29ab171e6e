//! What anybody may read tells of nobody, and strangers cannot make it grow.

use anyhow::{Context as _, Result};
use serde_json::json;
use tallygate_tests::client::Client;

use super::routes::OPEN;
use crate::scene::{KeyTerms, MODEL, Scene, UPSTREAM_MODEL, chat};

#[tokio::test]
async fn health_and_metrics_name_no_model_key_tenant_or_version() -> Result<()> {
    let scene = Scene::start().await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000_000), ..KeyTerms::default() }).await?;
    let caller = scene.gateway.caller(&key.secret)?;
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    caller.post("/v1/chat/completions", &chat("a-model-that-is-not")).await?.expect(400)?;
    scene.activity("request.settled", 1).await?;
    let anybody = Client::new(scene.gateway.url(), None)?;
    let upstream = scene.upstream.url();
    let state = scene.gateway.operator()?.get("/api/state").await?.expect(200)?;
    let version = state.at("/version")?.as_str().context("the operator is told the version")?.to_owned();
    let words = [
        MODEL,
        UPSTREAM_MODEL,
        "deployment-1",
        "a-model-that-is-not",
        &key.id,
        &key.secret,
        "default",
        &upstream,
        "openai-compatible",
        &format!("\"{version}\""),
    ];
    for path in OPEN {
        let text = anybody.get(path).await?.expect(200)?.text();
        for word in words {
            assert!(!text.contains(word), "{path} tells `{word}`: {text}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn names_that_clients_make_up_add_no_metrics() -> Result<()> {
    let scene = Scene::start().await?;
    let caller = scene.caller().await?;
    let anybody = Client::new(scene.gateway.url(), None)?;
    let send = async |number: usize| -> Result<()> {
        let name = format!("made-up-{number}");
        let mut body = chat(&name);
        body["user"] = json!(name);
        caller.post("/v1/chat/completions", &body).await?.expect(400)?;
        caller.post(&format!("/{name}"), &json!({})).await?.expect(404)?;
        anybody.post(&format!("/openai/deployments/{name}/chat/completions"), &body).await?.expect(401)?;
        anybody.get(&format!("/v1/{name}?{name}={name}")).await?.expect(404)?;
        Ok(())
    };
    send(0).await?;
    let lines = async || anyhow::Ok(anybody.get("/metrics").await?.expect(200)?.text().lines().count());
    let before = lines().await.context("metrics")?;
    for number in 1..=1_000 {
        send(number).await?;
    }
    let after = lines().await?;
    assert!(before > 10 && after <= before + 5, "{before} lines became {after}");
    Ok(())
}

#[tokio::test]
async fn readiness_has_the_fields_that_clients_of_litellm_look_for() -> Result<()> {
    let scene = Scene::start().await?;
    let anybody = Client::new(scene.gateway.url(), None)?;
    let body = anybody.get("/health/readiness").await?.expect(200)?.json()?;
    let fields =
        ["cache", "db", "litellm_version", "status", "success_callbacks", "tallygate", "use_aiohttp_transport"];
    assert_eq!(body.as_object().context("no object")?.keys().collect::<Vec<_>>(), fields);
    assert_eq!((&body["status"], &body["db"]), (&json!("healthy"), &json!("connected")));
    let own = body["tallygate"].as_object().context("no object")?;
    assert_eq!(own.keys().collect::<Vec<_>>(), ["activity_waiting", "configuration", "position", "reason"]);
    Ok(())
}
