//! Virtual keys, and nobody at all, at what only the operator may do.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::gateway::Gateway;

use super::raw::{request, send};
use super::routes::{ADMIN, OWN};
use crate::scene::{KeyTerms, Scene, uuid};

/// A body that would do something at each route, if it were let.
fn body(secret: &str) -> String {
    json!({
        "id": uuid(), "type": "RegisterRealm", "data": { "realm": "taken-over" },
        "key": secret, "keys": [secret], "models": [], "max_budget": 1_000_000, "key_alias": "taken-over",
        "model_name": "taken-over", "litellm_params": { "model": "gpt-5", "custom_llm_provider": "openai" },
    })
    .to_string()
}

async fn ask(gateway: &Gateway, method: &str, path: &str, key: Option<&str>, body: &str) -> Result<(u16, String)> {
    let length = format!("content-length: {}", body.len());
    let bearer = key.map(|key| format!("authorization: Bearer {key}"));
    let mut headers = vec!["content-type: application/json", length.as_str()];
    headers.extend(bearer.as_deref());
    let heard = send(gateway, &request(&format!("{method} {path} HTTP/1.1"), &headers, body)).await?;
    let status = *heard.statuses().first().with_context(|| format!("no answer from {path}"))?;
    Ok((status, heard.0))
}

async fn digest(scene: &Scene) -> Result<Value> {
    scene.gateway.operator()?.get("/api/state").await?.expect(200)?.at("/control")
}

#[tokio::test]
async fn no_key_but_the_operators_does_what_the_operator_does_and_its_tries_are_recorded() -> Result<()> {
    let scene = Scene::start().await?;
    let (own, other) = (scene.key(KeyTerms::default()).await?, scene.key(KeyTerms::default()).await?);
    let before = digest(&scene).await?;
    let mut tried = Vec::new();
    for (method, path) in ADMIN {
        let filled = path.replace("{key}", &other.secret).replace("{id}", "deployment-1").replace("{*model}", "m");
        let filled = filled.replace(['{', '}'], "");
        for (key, code) in
            [(Some(own.secret.as_str()), "admin_only"), (Some("sk-nobodys-key"), "key_unknown"), (None, "key_missing")]
        {
            let (status, text) = ask(&scene.gateway, method, &filled, key, &body(&other.secret)).await?;
            assert_eq!(status, 401, "{method} {path} with {key:?}: {text}");
            assert!(text.contains(&format!("x-tallygate-error: {code}\r\n")), "{method} {path} with {key:?}: {text}");
        }
        if method != "GET" {
            tried.push(format!("Route={path}."));
        }
    }
    assert_eq!(digest(&scene).await?, before, "nothing changed");
    // What the key tried stands in the log; what strangers tried does not, who could fill it.
    scene.activity("command.refused", tried.len()).await?;
    let recorded = scene.log("activity")?;
    assert_eq!(recorded.len(), tried.len(), "{recorded:?}");
    for (line, route) in recorded.iter().zip(&tried) {
        assert_eq!(line["actor"], json!({ "kind": "key", "id": own.id }));
        assert_eq!((&line["data"]["code"], &line["data"]["command"]), (&json!("admin_only"), &json!(null)));
        let message = line["data"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(route) && !message.contains(&other.secret), "{message}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_reads_nothing_of_another() -> Result<()> {
    let scene = Scene::start().await?;
    let own = scene.key(KeyTerms::default()).await?;
    let alias = "an-alias-that-only-its-owner-sees";
    let generated =
        scene.gateway.operator()?.post("/key/generate", &json!({ "key_alias": alias })).await?.expect(200)?;
    let other = generated.at("/key")?.as_str().context("no key")?.to_owned();
    let token = generated.at("/token")?.as_str().context("no token")?.to_owned();
    for (method, path) in OWN {
        for named in [&other, &token] {
            let path = format!("{path}?key={named}&api_key={named}&return_full_object=true");
            let (_, text) = ask(&scene.gateway, method, &path, Some(&own.secret), &body(named)).await?;
            assert!(!text.contains(alias), "{method} {path}: {text}");
            for key in [Some("sk-nobodys-key"), None] {
                let (status, text) = ask(&scene.gateway, method, &path, key, &body(named)).await?;
                assert_eq!(status, 401, "{method} {path} with {key:?}: {text}");
            }
        }
    }
    // A key of another realm and one that never was cannot be told apart.
    crate::scene::command(&scene.gateway, "RegisterRealm", json!({ "realm": "b" })).await?.expect(200)?;
    let operator = scene.gateway.operator()?;
    let of_b = operator.post("/key/generate", &json!({ "team_id": "b", "models": ["m"] })).await?.expect(200)?;
    let token = of_b.at("/token")?.as_str().context("no token")?.to_owned();
    let nobodys = tallygate_core::key::KeyHash::of_secret("sk-that-never-was").to_string();
    for path in ["/key/info", "/spend/logs"] {
        let told = async |named: &str| -> Result<(u16, String)> {
            let path = format!("{path}?key={named}&api_key={named}");
            let answer = scene.gateway.caller(&own.secret)?.get(&path).await?;
            Ok((answer.status, answer.text().replace(named, "…")))
        };
        assert_eq!(told(&token).await?, told(&nobodys).await?, "{path}");
    }
    let path = format!("/key/info?key={other}");
    let (status, text) = ask(&scene.gateway, "GET", &path, Some(&other), "").await?;
    assert!(status == 200 && text.contains(alias), "its owner sees it: {text}");
    Ok(())
}
