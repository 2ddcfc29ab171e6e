//! Where requests and secrets go is the operator's word alone.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::gateway::Setup;
use tallygate_tests::upstream::Upstream;

use crate::scene::{MODEL, Scene, chat};

#[tokio::test]
async fn a_callers_body_names_no_upstream_and_no_key() -> Result<()> {
    let scene = Scene::start().await?;
    let canary = Upstream::start().await?;
    let caller = scene.caller().await?;
    let before = scene.logged().await?;
    for name in
        ["api_base", "base_url", "api_key", "api_version", "custom_llm_provider", "organization", "extra_headers"]
    {
        let mut body = chat(MODEL);
        body[name] = json!(canary.url());
        let answer = caller.post("/v1/chat/completions", &body).await?;
        assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (400, json!("parameter_forbidden")), "{name}");
    }
    assert!(canary.requests().is_empty() && scene.upstream.requests().is_empty());
    assert_eq!(scene.refusals_since(&before).await?, vec![("parameter_forbidden".to_owned(), 400); 7]);
    Ok(())
}

#[tokio::test]
async fn a_model_reads_no_variable_that_is_not_a_providers_key() -> Result<()> {
    let setup = Setup::new()
        .env("LITELLM_MASTER_KEY", "sk-canary-of-the-master-key")
        .env("TALLYGATE_SECRET", "canary-of-the-secret-canary")
        .env("LITELLM_SALT_KEY", "canary-of-the-salt-canary")
        .env("DATABASE_URL", "postgres://canary");
    let scene = Scene::with(setup).await?;
    let operator = scene.gateway.operator()?;
    let before = scene.logged().await?;
    let names = [
        "LITELLM_MASTER_KEY",
        "TALLYGATE_MASTER_KEY",
        "TALLYGATE_SECRET",
        "LITELLM_SALT_KEY",
        "DATABASE_URL",
        "PATH",
        "",
    ];
    for name in names {
        let body = json!({ "model_name": "thief", "litellm_params": {
            "model": "m", "custom_llm_provider": "openai", "api_base": scene.upstream.url(),
            "api_key": format!("os.environ/{name}"),
        }});
        let answer = operator.post("/model/new", &body).await?;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        assert_eq!(answer.at("/error/param")?, "litellm_params.api_key", "{name}: {}", answer.text());
        assert!(!answer.text().contains("canary"), "{name}: {}", answer.text());
    }
    assert!(scene.facts_since(&before).await?.is_empty());
    assert!(scene.upstream.requests().is_empty());
    Ok(())
}
