//! `/model/update` and `/model/delete`.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::upstream::Upstream;

use super::{assert_envelope, assert_refused, gateway, position, text};
use crate::scene::{chat, lines};

async fn registered(operator: &tallygate_tests::client::Client, upstream: &Upstream, key: &str) -> Result<String> {
    let body = json!({ "model_name": "m", "litellm_params": {
        "model": "openai/one", "api_base": upstream.url(), "api_key": key, "input_cost_per_token": 1e-9,
    }, "model_info": { "a": 1 } });
    Ok(text(&operator.post("/model/new", &body).await?.expect(200)?.json()?, "model_id"))
}

#[tokio::test]
async fn what_is_sent_is_merged_into_what_is_there() -> Result<()> {
    let (gateway, upstream) = (gateway().await?, Upstream::start().await?);
    let operator = gateway.operator()?;
    let id = registered(&operator, &upstream, "sk-canary-1").await?;
    let body = json!({ "litellm_params": {"model": "openai/two", "output_cost_per_token": 2e-9, "api_key": null},
        "model_info": {"id": id, "b": 2} });
    let row = operator.post("/model/update", &body).await?.expect(200)?.json()?;
    assert_eq!((&row["model_info"]["a"], &row["model_info"]["b"]), (&json!(1), &json!(2)));
    assert_eq!(
        (&row["model_info"]["input_cost_per_token"], &row["model_info"]["output_cost_per_token"]),
        (&json!(1e-9), &json!(2e-9))
    );
    operator.post("/v1/chat/completions", &chat("m")).await?.expect(200)?;
    let patch = json!({ "litellm_params": {"api_key": "sk-canary-2"} });
    let row = operator.patch(&format!("/model/{id}/update"), &patch).await?.expect(200)?.json()?;
    assert_eq!((&row["litellm_params"]["model"], &row["model_id"]), (&json!("openai/two"), &json!(id)));
    operator.post("/v1/chat/completions", &chat("m")).await?.expect(200)?;
    let sent = upstream.requests();
    assert_eq!(
        (sent[0].model().as_deref(), sent[0].header("authorization")),
        (Some("two"), Some("Bearer sk-canary-1"))
    );
    assert_eq!(sent[1].header("authorization"), Some("Bearer sk-canary-2"));
    let removed = lines(gateway.data(), "control")?.iter().filter(|line| line["type"] == "credential.removed").count();
    assert_eq!(removed, 1, "the old key is forgotten");
    let before = position(&operator).await?;
    operator.patch(&format!("/model/{id}/update"), &patch).await?.expect(200)?;
    assert_eq!(position(&operator).await?, before, "what is so already is no event");
    Ok(())
}

#[tokio::test]
async fn a_sealed_key_goes_to_no_other_host_than_it_was_given_for() -> Result<()> {
    let (gateway, upstream, other) = (gateway().await?, Upstream::start().await?, Upstream::start().await?);
    let operator = gateway.operator()?;
    let id = registered(&operator, &upstream, "sk-canary-1").await?;
    let moved = json!({ "litellm_params": {"api_base": other.url()} });
    let answer = operator.patch(&format!("/model/{id}/update"), &moved).await?;
    assert_eq!((answer.status, answer.at("/error/param")?), (400, json!("litellm_params.api_key")));
    let with_key = json!({ "litellm_params": {"api_base": other.url(), "api_key": "sk-canary-2"} });
    operator.patch(&format!("/model/{id}/update"), &with_key).await?.expect(200)?;
    operator.post("/v1/chat/completions", &chat("m")).await?.expect(200)?;
    assert_eq!(other.requests()[0].header("authorization"), Some("Bearer sk-canary-2"));
    assert!(upstream.requests().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_deleted_deployment_is_called_no_more_and_its_name_is_free() -> Result<()> {
    let (gateway, upstream) = (gateway().await?, Upstream::start().await?);
    let operator = gateway.operator()?;
    let id = registered(&operator, &upstream, "sk-canary-1").await?;
    let answer = operator.post("/model/delete", &json!({ "id": id })).await?.expect(200)?;
    assert_eq!(answer.json()?, json!({ "message": format!("Model: {id} deleted successfully") }));
    assert!(answer.header("x-tallygate-position").is_some());
    assert_eq!(operator.post("/v1/chat/completions", &chat("m")).await?.status, 400);
    assert_eq!(operator.get("/model/info").await?.at("/data")?, json!([]));
    let again = operator.post("/model/delete", &json!({ "id": id })).await?;
    assert_envelope(&again)?;
    assert_eq!(
        (again.status, again.at("/error/message")?),
        (400, json!(format!("Model with id={id} not found in db")))
    );
    registered(&operator, &upstream, "sk-canary-1").await?;
    operator.post("/v1/chat/completions", &chat("m")).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused_and_the_log_stays() -> Result<()> {
    let (gateway, upstream) = (gateway().await?, Upstream::start().await?);
    let operator = gateway.operator()?;
    let id = registered(&operator, &upstream, "sk-canary-1").await?;
    let body = |mut body: Value| {
        body["model_info"]["id"] = json!(id);
        body.to_string()
    };
    let renamed = body(json!({ "model_name": "other" }));
    let moved = body(json!({ "model_info": {"team_id": "other"} }));
    let negative = body(json!({ "litellm_params": {"input_cost_per_token": -1} }));
    let vendor = body(json!({ "litellm_params": {"custom_llm_provider": "nobody"} }));
    let cases: [(&str, u16, &str); 7] = [
        (&renamed, 400, "model_name"),
        (&moved, 400, "model_info.team_id"),
        (&negative, 400, "litellm_params.input_cost_per_token"),
        (&vendor, 400, "litellm_params.custom_llm_provider"),
        ("{}", 422, "model_info"),
        (r#"{"model_info":{}}"#, 422, "model_info.id"),
        (r#"{"model_info":{"id":"nobody"}}"#, 400, "model_info.id"),
    ];
    assert_refused(&operator, "/model/update", &cases).await?;
    assert_refused(
        &operator,
        "/model/delete",
        &[("{}", 422, "id"), (r#"{"id":7}"#, 422, "id"), (r#"{"id":"x"}"#, 400, "id")],
    )
    .await
}
