//! The calls of the guides, as they stand there.

use anyhow::Result;
use serde_json::{Value, json};

use super::{gateway, text};

fn models() -> [Value; 3] {
    let model = |name: &str, model: &str, provider: &str, key: &str, about: &str| {
        json!({
            "model_name": name,
            "litellm_params": {"model": model, "custom_llm_provider": provider, "api_key": format!("os.environ/{key}")},
            "model_info": {"provider": provider, "description": about},
        })
    };
    [
        model("openai/gpt-5", "gpt-5", "openai", "LITELLM_OPENAI_API_KEY", "OpenAI GPT-5"),
        model("openai/gpt-5-mini", "gpt-5-mini", "openai", "LITELLM_OPENAI_API_KEY", "OpenAI GPT-5 mini"),
        model("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5", "anthropic", "LITELLM_ANTHROPIC_API_KEY", "Claude"),
    ]
}

#[tokio::test]
async fn models_are_registered_and_a_keys_restriction_is_relaxed_however_often() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let key = operator.post("/key/generate", &json!({ "models": ["openai/gpt-5"] })).await?.expect(200)?.json()?;
    for _ in 0..2 {
        for model in models() {
            operator.post("/model/new", &model).await?.expect(200)?;
        }
    }
    let relaxed = operator.post("/key/update", &json!({ "key": key["key"], "models": [] })).await?.expect(200)?;
    assert_eq!((relaxed.at("/models")?, relaxed.at("/key")?), (json!([]), key["key"].clone()));
    let listed = gateway.caller(&text(&key, "key"))?.get("/v1/models").await?.expect(200)?.at("/data")?;
    let names: Vec<String> = listed.as_array().into_iter().flatten().map(|model| text(model, "id")).collect();
    assert_eq!(names, ["anthropic/claude-sonnet-4-5", "openai/gpt-5", "openai/gpt-5-mini"]);
    let info = operator.get("/model/info").await?.expect(200)?;
    assert_eq!(info.at("/data")?.as_array().map(Vec::len), Some(3));
    assert_eq!(info.at("/data/1/model_info/description")?, "OpenAI GPT-5");
    assert!(!info.text().contains("canary"));
    Ok(())
}

#[tokio::test]
async fn a_key_for_a_teammate_is_issued_and_adjusted() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let body = json!({ "key_alias": "demo-user", "user_id": "demo", "models": ["openai/gpt-4o-mini"], "duration": "30d",
        "max_budget": 50, "metadata": {"team": "sandbox"} });
    let key = operator.post("/key/generate", &body).await?.expect(200)?.json()?;
    assert_eq!((&key["max_budget"], &key["metadata"]), (&json!(50.0), &json!({"team": "sandbox"})));
    assert_eq!(operator.post("/key/generate", &body).await?.status, 400);
    let body = json!({ "key": key["key"], "models": ["openai/*", "anthropic/*"], "max_budget": 100 });
    let updated = operator.post("/key/update", &body).await?.expect(200)?.json()?;
    assert_eq!((&updated["max_budget"], &updated["models"]), (&json!(100.0), &json!(["anthropic/*", "openai/*"])));
    assert_eq!((&updated["expires"], &updated["key_alias"]), (&key["expires"], &json!("demo-user")));
    Ok(())
}
