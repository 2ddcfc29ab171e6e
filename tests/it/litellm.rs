//! LiteLLM's management API from outside: what its scripts send, and what they read.

mod keys;
mod key_changes;
mod key_reads;
mod models;
mod model_changes;
mod spend;
mod tags;
mod tag_rules;
mod fallbacks;
mod guides;
mod teams;
mod users;
mod customers;
mod budgets;
mod rights;
mod rotation;

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::{Gateway, Setup};

/// A gateway that was started with the provider keys of the guides.
pub async fn gateway() -> Result<Gateway> {
    Setup::new()
        .env("LITELLM_OPENAI_API_KEY", "sk-canary-openai")
        .env("LITELLM_ANTHROPIC_API_KEY", "sk-canary-anthropic")
        .start()
        .await
}

/// Generates a key, and gives the whole answer.
pub async fn generate(operator: &Client, body: Value) -> Result<Value> {
    operator.post("/key/generate", &body).await?.expect(200)?.json()
}

/// A text of an answer.
pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// Where the control log is.
pub async fn position(operator: &Client) -> Result<Value> {
    operator.get("/health/readiness").await?.at("/tallygate/position")
}

/// Checks that bodies are refused with a status and a parameter, and that the log stays where it is.
pub async fn assert_refused(operator: &Client, path: &str, cases: &[(&str, u16, &str)]) -> Result<()> {
    let before = position(operator).await?;
    for (body, status, param) in cases {
        let answer = operator.post_bytes(path, "application/json", (*body).to_owned()).await?;
        assert_eq!((answer.status, answer.at("/error/param")?), (*status, json!(param)), "{body}: {}", answer.text());
        assert_envelope(&answer)?;
        if *status == 422 {
            assert!(answer.at("/detail/0/loc")?.is_array(), "{body}: {}", answer.text());
        }
    }
    assert_eq!(position(operator).await?, before);
    Ok(())
}

/// An error has LiteLLM's envelope, and its status as a text.
pub fn assert_envelope(answer: &Answer) -> Result<()> {
    let error = answer.at("/error")?;
    assert_eq!(error["code"], answer.status.to_string());
    assert!(error["message"].is_string() && error["type"].is_string(), "{error}");
    assert_eq!(answer.header("x-tallygate-error"), error["tallygate"]["code"].as_str());
    Ok(())
}
