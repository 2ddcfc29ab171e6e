//! Other ways to name a model that a key may not call: in no spelling, place or disguise is it reached.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::upstream::Upstream;

use super::raw::{request, send};
use crate::scene::{KeyTerms, MODEL, Scene, chat, command, issue, uuid};

const CLOSED: &str = "closed/model";

/// Names that some reader takes for [`CLOSED`].
const DISGUISES: [&str; 16] = [
    "closed/model",
    "CLOSED/model",
    "Closed/Model",
    " closed/model",
    "closed/model ",
    "closed/model\t",
    "closed//model",
    "closed/./model",
    "closed%2Fmodel",
    "%63losed/model",
    "ｃｌｏｓｅｄ/model",
    "closed\u{2215}model",
    "closed/mod\u{200b}el",
    "closed/model\u{0}",
    "openai/closed/model",
    "openai-compatible/closed/model",
];

/// A model behind an upstream of its own, so that a request which reaches it is seen.
async fn closed(scene: &Scene) -> Result<Upstream> {
    let upstream = Upstream::start().await?;
    let data = json!({ "model": uuid(), "name": CLOSED, "deployments": [{
        "id": "closed-1", "vendor": "openai-compatible", "upstream_model": "m", "base_url": upstream.url(),
    }]});
    command(&scene.gateway, "RegisterModel", data).await?.expect(200)?;
    Ok(upstream)
}

#[tokio::test]
async fn no_spelling_of_a_model_gets_past_what_its_key_may_call() -> Result<()> {
    let scene = Scene::start().await?;
    let upstream = closed(&scene).await?;
    let key = scene.key(KeyTerms { models: Some(json!({ "only": [MODEL, "open/*"] })), ..KeyTerms::default() }).await?;
    let (caller, before) = (scene.gateway.caller(&key.secret)?, scene.logged().await?);
    let mut recorded = Vec::new();
    for name in DISGUISES {
        let answer = caller.post("/v1/chat/completions", &chat(name)).await?;
        let code = answer.header("x-tallygate-error").unwrap_or_default().to_owned();
        let expected = [(403, "model_not_allowed"), (400, "parameter_invalid"), (400, "body_invalid")];
        assert!(expected.contains(&(answer.status, &code)), "{name:?}: {}", answer.text());
        recorded.push((code, u64::from(answer.status)));
    }
    assert_eq!(scene.refusals_since(&before).await?, recorded);
    assert!(upstream.requests().is_empty() && scene.upstream.requests().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_model_that_is_named_twice_is_refused_unless_both_are_one() -> Result<()> {
    let scene = Scene::start().await?;
    let upstream = closed(&scene).await?;
    let key = scene.key(KeyTerms { models: Some(json!({ "only": [MODEL] })), ..KeyTerms::default() }).await?;
    let bearer = format!("authorization: Bearer {}", key.secret);
    let ask = async |path: &str, header: &str, body: &str| {
        let length = format!("content-length: {}", body.len());
        let line = format!("POST {path} HTTP/1.1");
        send(&scene.gateway, &request(&line, &[&bearer, &length, header], body)).await
    };
    let (open_body, closed_body) = (chat(MODEL).to_string(), chat(CLOSED).to_string());
    let twice = open_body.replacen("\"model\"", &format!("\"model\":\"{CLOSED}\",\"model\""), 1);
    let escaped = open_body.replacen("\"model\"", &format!("\"mod\\u0065l\":\"{CLOSED}\",\"model\""), 1);
    let path = |model: &str| format!("/openai/deployments/{model}/chat/completions");
    for (path, body) in [
        ("/v1/chat/completions".to_owned(), &twice),
        ("/v1/chat/completions".to_owned(), &escaped),
        (path(MODEL), &closed_body),
        (path(CLOSED), &open_body),
        (path(CLOSED), &closed_body),
        (path("closed%2Fmodel"), &open_body),
        (path("%63losed/model"), &open_body),
    ] {
        let heard = ask(&path, "x-plain: 1", body).await?;
        assert!([vec![400], vec![403]].contains(&heard.statuses()), "{path} {body}: {}", heard.0);
    }
    assert!(scene.upstream.requests().is_empty());
    // Where no API has a model, it is none.
    for (path, header) in [
        ("/v1/chat/completions?model=closed/model", "x-plain: 1"),
        ("/v1/chat/completions", "x-model: closed/model"),
        ("/v1/chat/completions", "x-litellm-model: closed/model"),
    ] {
        assert_eq!(ask(path, header, &open_body).await?.statuses(), [200], "{path} {header}");
    }
    assert_eq!(scene.upstream.requests().len(), 3);
    assert!(upstream.requests().is_empty());
    Ok(())
}

#[tokio::test]
async fn who_lost_the_last_model_may_call_none() -> Result<()> {
    let scene = Scene::start().await?;
    let realm = json!({ "realm": "tenant", "models": { "only": [MODEL] } });
    command(&scene.gateway, "RegisterRealm", realm).await?.expect(200)?;
    let of_realm = issue(&scene.gateway, KeyTerms { realm: Some("tenant"), ..KeyTerms::default() }).await?;
    let of_key = scene.key(KeyTerms { models: Some(json!({ "only": [MODEL] })), ..KeyTerms::default() }).await?;
    let ask = async |secret: &str| scene.gateway.caller(secret)?.post("/v1/chat/completions", &chat(MODEL)).await;
    for key in [&of_realm, &of_key] {
        ask(&key.secret).await?.expect(200)?;
    }
    command(&scene.gateway, "WithdrawGrant", json!({ "realm": "tenant", "model": MODEL })).await?.expect(200)?;
    command(&scene.gateway, "ReviseKey", json!({ "key": of_key.id, "models": { "only": [] } })).await?.expect(200)?;
    let before = scene.logged().await?;
    for (key, code) in [(&of_realm, "model_not_granted"), (&of_key, "model_not_allowed")] {
        let answer = ask(&key.secret).await?;
        assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (403, json!(code)));
        let models = scene.gateway.caller(&key.secret)?.get("/v1/models").await?.expect(200)?;
        assert_eq!(models.at("/data")?, json!([]));
    }
    let expected = [("model_not_granted", 403), ("model_not_allowed", 403)];
    assert_eq!(scene.refusals_since(&before).await?, expected.map(|(code, status)| (code.to_owned(), status)));
    assert_eq!(scene.upstream.requests().len(), 2);
    Ok(())
}

#[tokio::test]
async fn what_one_tenant_selects_nobody_else_gets() -> Result<()> {
    let scene = Scene::start().await?;
    scene.register("other", "deployment-2").await?;
    for realm in ["a", "b"] {
        command(&scene.gateway, "RegisterRealm", json!({ "realm": realm, "models": "all" })).await?.expect(200)?;
    }
    let of_a = issue(&scene.gateway, KeyTerms { realm: Some("a"), ..KeyTerms::default() }).await?;
    let of_b = issue(&scene.gateway, KeyTerms { realm: Some("b"), ..KeyTerms::default() }).await?;
    command(&scene.gateway, "SelectModel", json!({ "scope": "gateway", "model": MODEL })).await?.expect(200)?;
    command(&scene.gateway, "SelectModel", json!({ "scope": "realm:a", "model": "other" })).await?.expect(200)?;
    for (key, model) in [(&of_a, "other"), (&of_b, MODEL)] {
        let caller = scene.gateway.caller(&key.secret)?;
        let answer = caller.post("/v1/chat/completions", &chat("current")).await?.expect(200)?;
        assert_eq!(answer.header("x-litellm-model-group"), Some(model));
    }
    Ok(())
}

#[tokio::test]
async fn whom_a_request_names_moves_no_spend() -> Result<()> {
    let scene = Scene::start().await?;
    let victim = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000), ..KeyTerms::default() }).await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000), ..KeyTerms::default() }).await?;
    let mut caller = scene.gateway.caller(&key.secret)?;
    for name in ["x-litellm-end-user-id", "x-litellm-customer-id", "x-litellm-tags", "x-litellm-key", "x-realm"] {
        caller = caller.with_header(name, &victim.id);
    }
    let before = scene.logged().await?;
    let mut body = chat(MODEL);
    body["user"] = json!(victim.id);
    body["metadata"] =
        json!({ "tenant": "default", "user_api_key": victim.secret, "key": victim.id, "tags": [victim.id] });
    caller.post("/v1/chat/completions", &body).await?.expect(200)?;
    let facts = scene.facts_since(&before).await?;
    let charged: Vec<&Value> = facts.iter().map(|line| &line["data"]["charged"][0]["scope"]).collect();
    assert_eq!(charged, [&json!(format!("key:{}", key.id))]);
    assert_eq!((&facts[0]["data"]["key"], &facts[0]["data"]["end_user"]), (&json!(key.id), &json!(victim.id)));
    assert_eq!(facts[0]["data"]["charged"].as_array().map(Vec::len), Some(1));
    Ok(())
}
