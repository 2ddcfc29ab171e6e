//! LiteLLM's `/fallback` routes: they change one list of a model's routing, and nothing else.

use anyhow::Result;
use serde_json::{Value, json};

use crate::scene::{MODEL, Scene, chat, command, uuid};

#[tokio::test]
async fn fallbacks_are_set_shown_used_and_cleared() -> Result<()> {
    let scene = Scene::start().await?;
    let id = uuid();
    let deployment = json!({ "id": "first-1", "vendor": "openai-compatible", "upstream_model": "first-up",
        "base_url": scene.upstream.url() });
    let model = json!({ "model": id, "name": "first", "deployments": [deployment] });
    command(&scene.gateway, "RegisterModel", model).await?.expect(200)?;
    let routing =
        json!({ "strategy": "least_busy", "retries": 0, "fallbacks": [], "context_window_fallbacks": [MODEL] });
    command(&scene.gateway, "SetRouting", json!({ "model": id, "routing": routing })).await?.expect(200)?;
    let operator = scene.gateway.operator()?;
    operator.get("/fallback/first").await?.expect(404)?;
    let body = json!({ "model": "first", "fallback_models": [MODEL] });
    let set = operator.post("/fallback", &body).await?.expect(200)?;
    assert!(set.header("x-tallygate-position").is_some());
    operator.post("/fallback", &body).await?.expect(200)?;
    let told = operator.get("/fallback/first?fallback_type=general").await?.expect(200)?.json()?;
    assert_eq!(told, json!({ "model": "first", "fallback_models": [MODEL], "fallback_type": "general" }));
    let told = operator.get("/fallback/first?fallback_type=context_window").await?.expect(200)?;
    assert_eq!(told.at("/fallback_models")?, json!([MODEL]), "it was set by a command, and stays");
    scene.upstream.next(tallygate_tests::upstream::Reply::refuse(500));
    let answer = scene.caller().await?.post("/v1/chat/completions", &chat("first")).await?.expect(200)?;
    assert_eq!(answer.header("x-litellm-model-group"), Some(MODEL));
    operator.delete("/fallback/first").await?.expect(200)?;
    operator.get("/fallback/first").await?.expect(404)?;
    operator.get("/fallback/first?fallback_type=context_window").await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn what_is_no_fallback_is_refused_and_changes_nothing() -> Result<()> {
    let scene = Scene::start().await?;
    let (operator, caller) = (scene.gateway.operator()?, scene.caller().await?);
    let before = scene.logged().await?;
    let of = |model: &str, list: Value| json!({ "model": model, "fallback_models": list });
    for (body, status) in [
        (of("nowhere", json!([MODEL])), 404),
        (of(MODEL, json!(["nowhere"])), 400),
        (of(MODEL, json!([MODEL])), 400),
        (of(MODEL, json!([])), 422),
        (of(MODEL, json!("x")), 422),
        (json!({ "model": MODEL }), 422),
        (json!({ "model": MODEL, "fallback_models": [MODEL], "fallback_type": "x" }), 422),
    ] {
        operator.post("/fallback", &body).await?.expect(status)?;
    }
    let body = of(MODEL, json!([MODEL]));
    caller.post("/fallback", &body).await?.expect(401)?;
    scene.facts_since(&before).await?;
    operator.get(&format!("/fallback/{MODEL}")).await?.expect(404)?;
    Ok(())
}
