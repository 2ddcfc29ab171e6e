//! Addresses that no deployment may have: refused when they are said, not only when they would be called.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::upstream::{Reply, Upstream};

use crate::scene::{MODEL, Scene, chat, uuid};

const FORBIDDEN: [&str; 26] = [
    "http://169.254.169.254/v1",
    "https://169.254.169.254/latest/meta-data",
    "http://[fd00:ec2::254]/v1",
    "http://[fe80::1]/v1",
    "http://[fe80::1%25eth0]/v1",
    "http://[::ffff:127.0.0.1]/v1",
    "http://[::ffff:169.254.169.254]/v1",
    "http://0.0.0.0/v1",
    "http://[::]/v1",
    "http://0/v1",
    "http://0x7f.1/v1",
    "http://0177.0.0.1/v1",
    "http://2130706433/v1",
    "http://127.1/v1",
    "http://metadata.google.internal/v1",
    "http://METADATA.google.internal./v1",
    "http://metadata/v1",
    "http://224.0.0.1/v1",
    "http://255.255.255.255/v1",
    "file:///etc/passwd",
    "unix:///run/docker.sock",
    "gopher://127.0.0.1/v1",
    "http://user:password@127.0.0.1/v1",
    "http://127.0.0.1:0/v1",
    "http://127.0.0.1:4222/v1",
    "javascript:alert(1)",
];

#[tokio::test]
async fn an_address_that_may_not_be_called_is_refused_when_it_is_said() -> Result<()> {
    let scene = Scene::start().await?;
    let (operator, before) = (scene.gateway.operator()?, scene.logged().await?);
    let mut recorded = 0;
    for address in FORBIDDEN {
        let model = json!({ "model_name": "ssrf", "litellm_params": {
            "model": "m", "custom_llm_provider": "openai", "api_base": address, "api_key": "sk-of-a-provider",
        }});
        let answer = operator.post("/model/new", &model).await?;
        let param = answer.at("/error/param").unwrap_or_default();
        assert_eq!((answer.status, param), (400, json!("litellm_params.api_base")), "{address}: {}", answer.text());
        let deployment =
            json!({ "id": "ssrf-1", "vendor": "openai-compatible", "upstream_model": "m", "base_url": address });
        let command = json!({ "id": uuid(), "type": "RegisterModel", "data": {
            "model": uuid(), "name": "ssrf", "deployments": [deployment],
        }});
        let answer = operator.post("/api/commands", &command).await?;
        let code = answer.header("x-tallygate-error");
        assert_eq!((answer.status, code), (400, Some("deployment_field_invalid")), "{address}: {}", answer.text());
        recorded += 1;
    }
    assert_eq!(scene.refusals_since(&before).await?, vec![("deployment_field_invalid".to_owned(), 0); recorded]);
    Ok(())
}

#[tokio::test]
async fn a_redirect_of_an_upstream_leads_nowhere() -> Result<()> {
    let scene = Scene::start().await?;
    let elsewhere = Upstream::start().await?;
    let (caller, before) = (scene.caller().await?, scene.logged().await?);
    for status in [301, 302, 307, 308] {
        scene.upstream.next(Reply::refuse(status).header("location", &elsewhere.url()));
        let answer = caller.post("/v1/chat/completions", &chat(MODEL)).await?;
        assert_eq!((answer.status, answer.header("x-tallygate-error")), (502, Some("upstream_refused")), "{status}");
        assert_eq!(answer.header("location"), None);
    }
    assert!(elsewhere.requests().is_empty());
    let facts = scene.facts_since(&before).await?;
    let outcomes: Vec<_> = facts.iter().map(|line| &line["data"]["outcome"]).collect();
    assert_eq!(outcomes, [&json!("failed"); 4]);
    Ok(())
}
