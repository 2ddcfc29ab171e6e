//! How many tokens a prompt is: by the provider's own endpoint where there is one, else counted by the gateway.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::provider::{KEY, Provider, Reply};

use crate::scene::{KeyTerms, issue};

const MESSAGES: &str = "/v1/messages/count_tokens";
const CONTENTS: &str = "/v1beta/models/m:countTokens";

/// A gateway with the model `m` at a simulated provider, and a client with a key.
async fn ground(model: &str, path: &str, limits: Value) -> Result<(Gateway, Provider, Client)> {
    let (gateway, provider) = (Setup::new().start().await?, Provider::start().await?);
    let params = json!({ "model": model, "api_base": format!("{}{path}", provider.url()), "api_key": KEY });
    let body = json!({ "model_name": "m", "litellm_params": params });
    gateway.operator()?.post("/model/new", &body).await?.expect(200)?;
    let key = issue(&gateway, KeyTerms { limits, ..KeyTerms::default() }).await?.secret;
    let client = gateway.caller(&key)?;
    Ok((gateway, provider, client))
}

fn messages() -> Value {
    json!({ "model": "m", "system": "Be brief.", "messages": [{ "role": "user", "content": "Say three words." }] })
}

fn contents() -> Value {
    json!({ "contents": [{ "role": "user", "parts": [{ "text": "Say three words." }] }] })
}

fn counted_by(answer: &Answer) -> &str {
    answer.header("x-tallygate-counted-by").unwrap_or_default()
}

#[tokio::test]
async fn a_provider_that_counts_is_asked_in_its_own_dialect() -> Result<()> {
    for (model, path, body, asked, field) in [
        ("anthropic/simulated", MESSAGES, messages(), "/v1/messages/count_tokens", "/input_tokens"),
        ("gemini/gemini-3-pro", CONTENTS, contents(), "/v1beta/models/gemini-3-pro:countTokens", "/totalTokens"),
    ] {
        let (gateway, provider, client) = ground(model, "", Value::Null).await?;
        let answer = client.post(path, &body).await?.expect(200)?;
        assert!(answer.at(field)?.as_u64().is_some_and(|tokens| tokens > 0), "{}", answer.text());
        let id = gateway.operator()?.get("/model/info").await?.at("/data/0/model_info/id")?;
        assert_eq!(json!(counted_by(&answer)), id);
        let seen = provider.requests();
        assert_eq!((seen.len(), seen[0].path.as_str()), (1, asked), "{model}");
        assert_eq!(provider.complaints(), Vec::<String>::new(), "{model}");
        if path == MESSAGES {
            assert_eq!(seen[0].json()?["model"], "simulated", "its own name of the model");
        }
        let activity = crate::scene::lines(gateway.data(), "activity")?;
        assert!(activity.iter().all(|line| line["type"] != "request.settled"), "counting costs nothing");
    }
    Ok(())
}

#[tokio::test]
async fn where_no_provider_counts_in_the_clients_dialect_the_gateway_does() -> Result<()> {
    for (model, path) in [("openai/simulated", "/v1"), ("gemini/gemini-3-pro", "")] {
        let (_gateway, provider, client) = ground(model, path, Value::Null).await?;
        let answer = client.post(MESSAGES, &messages()).await?.expect(200)?;
        assert!(answer.at("/input_tokens")?.as_u64().is_some_and(|tokens| tokens > 0));
        assert_eq!((counted_by(&answer), provider.requests().len()), ("gateway", 0), "{model}");
    }
    Ok(())
}

#[tokio::test]
async fn a_provider_that_does_not_answer_leaves_the_counting_to_the_gateway() -> Result<()> {
    let (_gateway, provider, client) = ground("anthropic/simulated", "", Value::Null).await?;
    for reply in [Reply::refuse(503), Reply::refuse(404), Reply::reset(), Reply::garbage()] {
        provider.next(reply);
        let answer = client.post(MESSAGES, &messages()).await?.expect(200)?;
        assert_eq!(counted_by(&answer), "gateway");
    }
    let answer = client.post(MESSAGES, &messages()).await?.expect(200)?;
    assert_ne!(counted_by(&answer), "gateway", "that says nothing of how calls are answered");
    Ok(())
}

#[tokio::test]
async fn what_the_provider_says_is_wrong_is_told() -> Result<()> {
    let (_gateway, provider, client) = ground("anthropic/simulated", "", Value::Null).await?;
    let answer = client.post(MESSAGES, &json!({ "model": "m", "messages": [] })).await?;
    assert_eq!((answer.status, provider.requests().len()), (400, 1), "{}", answer.text());
    assert_eq!(answer.at("/type")?, "error");
    Ok(())
}

#[tokio::test]
async fn a_key_that_has_used_up_its_rate_is_counted_for_by_the_gateway() -> Result<()> {
    let limits = json!({ "requests_per_minute": 1, "tokens_per_minute": null, "parallel_requests": null });
    let (_gateway, provider, client) = ground("anthropic/simulated", "", limits).await?;
    for by_gateway in [false, true, true] {
        let answer = client.post(MESSAGES, &messages()).await?.expect(200)?;
        assert_eq!(counted_by(&answer) == "gateway", by_gateway);
    }
    assert_eq!(provider.requests().len(), 1);
    Ok(())
}
