//! What clients put into heads: for upstreams, for limits, for whoever reads the logs.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::client::Client;
use tallygate_tests::gateway::Setup;

use crate::scene::{KeyTerms, MODEL, Scene, chat, command, issue};

/// Headers by which an upstream would take the client for someone else, or the connection for another one.
const FOR_UPSTREAMS: [(&str, &str); 16] = [
    ("x-api-key", "canary"),
    ("api-key", "canary"),
    ("x-goog-api-key", "canary"),
    ("openai-organization", "canary"),
    ("openai-project", "canary"),
    ("cookie", "canary=1"),
    ("proxy-authorization", "Basic canary"),
    ("x-forwarded-for", "canary"),
    ("x-forwarded-host", "canary"),
    ("forwarded", "for=canary"),
    ("via", "canary"),
    ("origin", "https://canary"),
    ("referer", "https://canary"),
    ("te", "trailers"),
    ("x-litellm-canary", "canary"),
    ("user-agent", "canary"),
];
/// All that an upstream gets to see.
const SENT: [&str; 7] =
    ["accept", "accept-encoding", "authorization", "content-length", "content-type", "host", "user-agent"];

fn limits(requests_per_minute: u32) -> serde_json::Value {
    json!({ "requests_per_minute": requests_per_minute, "tokens_per_minute": null, "parallel_requests": null })
}

#[tokio::test]
async fn no_header_of_a_client_reaches_an_upstream() -> Result<()> {
    let scene = Scene::start().await?;
    let mut caller = scene.caller().await?;
    for (name, value) in FOR_UPSTREAMS {
        caller = caller.with_header(name, value);
    }
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let sent = scene.upstream.requests().remove(0);
    for (name, value) in &sent.headers {
        assert!(SENT.contains(&name.as_str()) && !value.contains("canary"), "{name}: {value}");
    }
    Ok(())
}

#[tokio::test]
async fn a_compressed_body_is_refused_unread() -> Result<()> {
    let scene = Scene::start().await?;
    let (caller, operator, before) = (scene.caller().await?, scene.gateway.operator()?, scene.logged().await?);
    let bomb = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".repeat(1_000);
    let encodings = ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip"];
    for encoding in encodings {
        for (client, route) in
            [(&caller, "/v1/chat/completions"), (&operator, "/key/generate"), (&operator, "/api/commands")]
        {
            let client = client.clone().with_header("content-encoding", encoding);
            let answer = client.post_bytes(route, "application/json", bomb.clone()).await?;
            let code = answer.header("x-tallygate-error");
            assert_eq!((answer.status, code), (415, Some("content_type_unsupported")), "{encoding} on {route}");
        }
    }
    let expected = vec![("content_type_unsupported".to_owned(), 415); encodings.len()];
    assert_eq!(scene.refusals_since(&before).await?, expected, "the requests; what was not read is no command");
    assert!(scene.upstream.requests().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_limit_is_not_evaded_by_other_headers_or_more_keys() -> Result<()> {
    let scene = Scene::start().await?;
    let realm = json!({ "realm": "tenant", "models": "all", "limits": limits(5) });
    command(&scene.gateway, "RegisterRealm", realm).await?.expect(200)?;
    let alone = scene.key(KeyTerms { limits: limits(3), ..KeyTerms::default() }).await?;
    let mut many = Vec::new();
    for _ in 0..8 {
        many.push(issue(&scene.gateway, KeyTerms { realm: Some("tenant"), ..KeyTerms::default() }).await?);
    }
    let before = scene.logged().await?;
    let mut statuses = Vec::new();
    for number in 0..6 {
        let (bare, bearer) = (alone.secret.clone(), format!("Bearer {}", alone.secret));
        let forms =
            [("authorization", &bearer), ("x-api-key", &bare), ("api-key", &bare), ("x-litellm-api-key", &bare)];
        let (name, value) = forms[number % forms.len()];
        let caller = Client::new(scene.gateway.url(), None)?
            .with_header(name, value)
            .with_header("x-forwarded-for", &format!("10.0.0.{number}"))
            .with_header("user-agent", &format!("agent-{number}"));
        let path = ["/v1/chat/completions", "/chat/completions"][number % 2];
        statuses.push(caller.post(path, &chat(MODEL)).await?.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429]);
    let mut statuses = Vec::new();
    for key in &many {
        statuses.push(scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(MODEL)).await?.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429, 429]);
    let facts = scene.facts_since(&before).await?;
    let refused = facts.iter().filter(|line| line["data"]["code"] == "rate_limited").count();
    assert_eq!((facts.len(), refused, scene.upstream.requests().len()), (14, 6, 8));
    Ok(())
}

#[tokio::test]
async fn what_a_client_writes_stays_within_its_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let scene = Scene::with(Setup::new().data(folder.path()).env("RUST_LOG", "debug")).await?;
    let (caller, operator) = (scene.caller().await?, scene.gateway.operator()?);
    let before = scene.logged().await?;
    let ugly = "x\r\n{\"type\":\"key.issued\"}\u{1b}[31m\u{2028}\",=cmd()";
    let mut body = chat(ugly);
    body["user"] = json!(ugly);
    let refused = caller.post("/v1/chat/completions", &body).await?;
    assert_eq!((refused.status, refused.header("x-tallygate-error")), (400, Some("parameter_invalid")));
    body["model"] = json!(MODEL);
    caller.post("/v1/chat/completions", &body).await?.expect(200)?;
    operator
        .post("/api/commands", &json!({ "id": ugly, "type": ugly, "data": { "realm": ugly } }))
        .await?
        .expect(400)?;
    let facts = scene.facts_since(&before).await?;
    let kinds: Vec<_> = facts.iter().filter_map(|line| line["type"].as_str()).collect();
    assert_eq!(kinds, ["request.refused", "request.settled", "command.refused"], "three lines and no more");
    assert_eq!(facts[1]["data"]["end_user"], ugly);
    for (field, value) in [("key_alias", ugly), ("user_id", ugly), ("team_id", ugly)] {
        let answer = operator.post("/key/generate", &json!({ field: value })).await?;
        assert!([200, 400].contains(&answer.status), "{field}: {}", answer.text());
    }
    // Each line is read as JSON here: one that was broken in two would fail.
    assert!(scene.log("control")?.iter().all(|line| line["position"].is_u64()));
    let output = scene.gateway.shut_down().await?.output;
    assert!(!output.contains('\u{1b}') && !output.lines().any(|line| line.starts_with("{\"type\"")), "{output}");
    Ok(())
}
