//! `/key/generate`: what a key is made with, and what is refused.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_core::key::KeyHash;

use super::{assert_envelope, assert_refused, gateway, generate, position, text};
use crate::scene::command;

#[tokio::test]
async fn a_generated_key_has_every_field_and_is_known_by_its_hash() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let answer = operator.post("/key/generate", &json!({})).await?.expect(200)?;
    assert_eq!(answer.header("x-tallygate-position"), Some(&*position(&operator).await?.to_string()));
    let key = answer.json()?;
    let secret = text(&key, "key");
    assert!(secret.starts_with("sk-") && secret.len() == 25, "{secret}");
    assert_eq!(key["token"], KeyHash::of_secret(&secret).to_string());
    assert_eq!((&key["token_id"], &key["key_name"]), (&key["token"], &json!(format!("sk-...{}", &secret[21..]))));
    for name in [
        "key_alias",
        "user_id",
        "team_id",
        "max_budget",
        "budget_duration",
        "expires",
        "rpm_limit",
        "tpm_limit",
        "max_parallel_requests",
        "budget_id",
        "organization_id",
        "litellm_budget_table",
        "soft_budget",
        "duration",
        "tags",
    ] {
        assert_eq!(key.get(name), Some(&Value::Null), "{name}");
    }
    assert_eq!((&key["models"], &key["metadata"], &key["aliases"]), (&json!([]), &json!({}), &json!({})));
    assert_eq!((&key["spend"], &key["blocked"], &key["key_type"]), (&json!(0.0), &json!(false), &json!("default")));
    assert_eq!((&key["created_by"], &key["status"]), (&json!("default_user_id"), &json!("active")));
    gateway.caller(&secret)?.get("/v1/models").await?.expect(200)?;
    assert!(!gateway.output().contains(&secret));
    Ok(())
}

#[tokio::test]
async fn a_key_is_made_with_its_limits_its_budget_and_its_end() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let key = generate(
        &operator,
        json!({
            "key_alias": "all", "user_id": "ann", "models": ["a", "vendor/*"], "duration": "1h", "max_budget": 12.5,
            "budget_duration": "30d", "rpm_limit": 10, "tpm_limit": 1000, "max_parallel_requests": 2,
            "metadata": {"team": "x"}, "tags": ["t1"], "aliases": {"small": "a"}, "key_type": "llm_api", "blocked": true,
            "soft_budget": null, "guardrails": [], "model_max_budget": {}, "permissions": {}, "send_invite_email": false,
            "some_field_of_tomorrow": 1,
        }),
    )
    .await?;
    assert_eq!((&key["max_budget"], &key["budget_duration"]), (&json!(12.5), &json!("30d")));
    assert!(text(&key, "budget_reset_at").ends_with("-01T00:00:00.000Z"), "{key}");
    assert_eq!((&key["rpm_limit"], &key["tpm_limit"]), (&json!(10), &json!(1000)));
    assert_eq!((&key["max_parallel_requests"], &key["duration"]), (&json!(2), &json!("1h")));
    assert_eq!((&key["metadata"], &key["tags"]), (&json!({"team": "x", "tags": ["t1"]}), &json!(["t1"])));
    assert_eq!((&key["aliases"], &key["models"]), (&json!({"small": "a"}), &json!(["a", "vendor/*"])));
    assert_eq!((&key["allowed_routes"], &key["blocked"]), (&json!(["llm_api_routes"]), &json!(true)));
    assert_eq!((&key["user_id"], &key["key_alias"]), (&json!("ann"), &json!("all")));
    assert!(key["expires"].is_string());
    Ok(())
}

#[tokio::test]
async fn a_team_is_a_realm() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    command(&gateway, "RegisterRealm", json!({ "realm": "engineering", "models": "all" })).await?.expect(200)?;
    assert_eq!(generate(&operator, json!({ "team_id": "engineering" })).await?["team_id"], "engineering");
    assert_refused(&operator, "/key/generate", &[(r#"{"team_id":"nobody"}"#, 400, "team_id")]).await
}

#[tokio::test]
async fn a_chosen_secret_works_and_must_have_the_form_of_one() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    assert_eq!(generate(&operator, json!({ "key": "sk-chosen-by-me" })).await?["key"], "sk-chosen-by-me");
    gateway.caller("sk-chosen-by-me")?.get("/v1/models").await?.expect(200)?;
    let master = json!({ "key": tallygate_tests::gateway::MASTER_KEY }).to_string();
    let cases: [(&str, u16, &str); 5] = [
        (r#"{"key":"sk-chosen-by-me"}"#, 400, "key"),
        (r#"{"key":"chosen"}"#, 400, "key"),
        (r#"{"key":"sk-a b"}"#, 400, "key"),
        (r#"{"key":7}"#, 422, "key"),
        (&master, 400, "key"),
    ];
    assert_refused(&operator, "/key/generate", &cases).await
}

#[tokio::test]
async fn an_alias_is_given_once_in_litellms_words() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    generate(&operator, json!({ "key_alias": "demo" })).await?;
    let answer = operator.post("/key/generate", &json!({ "key_alias": "demo" })).await?;
    assert_envelope(&answer)?;
    assert_eq!((answer.status, answer.at("/error/type")?), (400, json!("bad_request_error")));
    let message = "Key with alias 'demo' already exists. Unique key aliases across all keys are required.";
    assert_eq!((answer.at("/error/message")?, answer.at("/error/param")?), (json!(message), json!("key_alias")));
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_its_field_and_the_log_stays() -> Result<()> {
    let gateway = gateway().await?;
    let cases: [(&str, u16, &str); 30] = [
        ("{", 400, "request_body"),
        ("[]", 422, "body"),
        ("", 422, "body"),
        (r#"{"max_budget":NaN}"#, 400, "request_body"),
        (r#"{"max_budget":1e309}"#, 400, "max_budget"),
        (r#"{"max_budget":-1}"#, 400, "max_budget"),
        (r#"{"max_budget":"50"}"#, 400, "max_budget"),
        (r#"{"max_budget":0.0000000001}"#, 400, "max_budget"),
        (r#"{"max_budget":1,"max_budget":2}"#, 400, "request_body"),
        (r#"{"max_budget":1,"budget_duration":"1y"}"#, 400, "budget_duration"),
        (r#"{"max_budget":1,"budget_duration":"0d"}"#, 400, "budget_duration"),
        (r#"{"duration":"soon"}"#, 400, "duration"),
        (r#"{"duration":"-1h"}"#, 400, "duration"),
        (r#"{"duration":30}"#, 422, "duration"),
        (r#"{"models":"m"}"#, 422, "models"),
        (r#"{"models":[7]}"#, 422, "models"),
        (r#"{"models":["a\nb"]}"#, 400, "models"),
        (r#"{"rpm_limit":-1}"#, 422, "rpm_limit"),
        (r#"{"tpm_limit":1.5}"#, 422, "tpm_limit"),
        (r#"{"metadata":[]}"#, 422, "metadata"),
        (r#"{"metadata":{"model_rpm_limit":{"m":1}}}"#, 400, "metadata.model_rpm_limit"),
        (r#"{"key_type":"root"}"#, 400, "key_type"),
        (r#"{"allowed_routes":["/x"]}"#, 400, "allowed_routes"),
        (r#"{"soft_budget":1}"#, 400, "soft_budget"),
        (r#"{"budget_id":"b"}"#, 400, "budget_id"),
        (r#"{"model_max_budget":{"m":{"budget_limit":1}}}"#, 400, "model_max_budget"),
        (r#"{"budget_limits":[{"budget_duration":"1d","max_budget":1}]}"#, 400, "budget_limits"),
        (r#"{"spend":5}"#, 400, "spend"),
        (r#"{"aliases":{"a":"b","b":"c"}}"#, 400, "aliases"),
        (r#"{"organization_id":"o"}"#, 400, "organization_id"),
    ];
    assert_refused(&gateway.operator()?, "/key/generate", &cases).await
}

#[tokio::test]
async fn only_the_operator_manages_keys() -> Result<()> {
    let gateway = gateway().await?;
    let operator = gateway.operator()?;
    let secret = text(&generate(&operator, json!({})).await?, "key");
    let before = position(&operator).await?;
    for path in [
        "/key/generate",
        "/key/update",
        "/key/delete",
        "/key/block",
        "/key/unblock",
        "/key/regenerate",
        "/model/new",
        "/model/update",
        "/model/delete",
    ] {
        for (key, kind) in [(secret.as_str(), "auth_error"), ("sk-nobody-has-this", "token_not_found_in_db")] {
            let answer = gateway.caller(key)?.post(path, &json!({ "key": secret })).await?;
            assert_eq!((answer.status, answer.at("/error/type")?), (401, json!(kind)), "{path}");
            assert_envelope(&answer)?;
            assert!(!answer.text().contains(&secret), "{path}");
        }
    }
    assert_eq!(position(&operator).await?, before);
    Ok(())
}
