//! A bootstrap that is run again: it changes what is not so yet, and nothing else.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::Installation;

#[tokio::test]
async fn a_second_run_changes_neither_file_nor_log() -> Result<()> {
    let installation = Installation::start().await?;
    assert!(installation.bootstrap().await?.status.success());
    let (text, position) = (installation.text()?, installation.position().await?);
    let ended = installation.bootstrap().await?;
    assert!(ended.output.contains("is as it should be"), "{}", ended.output);
    assert_eq!((installation.text()?, installation.position().await?), (text, position));
    Ok(())
}

#[tokio::test]
async fn the_models_follow_the_defaults_and_stay_what_somebody_made_of_them_until_those_change() -> Result<()> {
    let installation = Installation::start().await?;
    assert!(installation.bootstrap().await?.status.success());
    let key = installation.key().await?;
    let operator = installation.gateway.operator()?;
    operator.post("/key/update", &json!({ "key": key, "models": [], "max_budget": 5 })).await?.expect(200)?;
    assert!(installation.bootstrap().await?.status.success());
    assert_eq!(installation.info(&key).await?["models"], json!([]), "the defaults are the same");
    installation.write(&format!("{}LITELLM_DEFAULT_MODELS=openai/gpt-5, anthropic/*\n", installation.text()?))?;
    let ended = installation.bootstrap().await?;
    assert!(ended.output.contains("may call openai/gpt-5, anthropic/* now"), "{}", ended.output);
    let info = installation.info(&key).await?;
    assert_eq!((&info["models"], &info["max_budget"]), (&json!(["anthropic/*", "openai/gpt-5"]), &json!(5.0)));
    assert_eq!(installation.key().await?, key);
    Ok(())
}

#[tokio::test]
async fn a_gateway_whose_state_was_wiped_learns_the_key_of_the_file_again() -> Result<()> {
    let mut installation = Installation::start().await?;
    assert!(installation.bootstrap().await?.status.success());
    let (key, text) = (installation.key().await?, installation.text()?);
    let other = Installation::start().await?;
    let text = text.replace(installation.gateway.url(), other.gateway.url());
    installation.gateway = other.gateway;
    std::fs::write(installation.path(), &text)?;
    let ended = installation.bootstrap().await?;
    assert!(ended.status.success() && ended.output.contains("knows the key"), "{}", ended.output);
    assert_eq!(installation.text()?, text, "agents keep their key");
    assert_eq!(installation.info(&key).await?["models"], json!(["openai/gpt-4o-mini"]));
    Ok(())
}

#[tokio::test]
async fn a_file_that_was_made_anew_gets_another_secret_of_the_same_key() -> Result<()> {
    let installation = Installation::start().await?;
    let template = installation.text()?;
    assert!(installation.bootstrap().await?.status.success());
    let first = installation.key().await?;
    std::fs::write(installation.path(), &template)?;
    let ended = installation.bootstrap().await?;
    assert!(ended.status.success(), "{}", ended.output);
    let second = installation.key().await?;
    assert_ne!(first, second);
    assert_eq!(installation.info(&second).await?["key_alias"], "task-agent default");
    let listed = installation.gateway.operator()?.get("/key/list").await?.expect(200)?;
    assert_eq!(listed.at("/total_count")?.as_u64().context("no count")?, 1);
    let old = installation.gateway.caller(&first)?.get("/v1/models").await?;
    assert_eq!(old.status, 401, "{}", old.text());
    Ok(())
}
