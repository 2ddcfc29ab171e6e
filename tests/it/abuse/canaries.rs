//! Secrets and prompts that must turn up nowhere: whatever fails, and whoever makes it fail.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::gateway::{MASTER_KEY, Setup};
use tallygate_tests::upstream::{Reply, StreamEnd, Upstream};
use walkdir::WalkDir;

const PROVIDER_KEY: &str = "sk-provider-canary-7f3a90c1d2";
const REFUSED_PROVIDER_KEY: &str = "sk-refused-provider-canary-55e1";
const PROMPT: &str = "prompt-canary-tell-nobody-81b2";
const MODEL: &str = "canary-model";

/// Requests that fail in every way an upstream knows.
async fn failing_upstream(caller: &Client, upstream: &Upstream, told: &mut Vec<String>) -> Result<()> {
    let echo = json!({ "error": { "message": format!("Incorrect API key provided: {PROVIDER_KEY}"), "code": "invalid_api_key" }});
    let replies = [
        Reply::refuse_with(401, &echo.to_string()),
        Reply::refuse_with(400, &echo.to_string()),
        Reply::refuse_with(500, &format!("<html>{PROVIDER_KEY}</html>")),
        Reply::refuse(429).retry_after("1"),
        Reply::hang(),
        Reply::reset(),
        Reply::garbage(),
        Reply::raw("application/json", b"no json"),
    ];
    for reply in replies {
        upstream.next(reply);
        told.push(caller.post("/v1/chat/completions", &body()).await?.text());
    }
    let mut streamed = body();
    streamed["stream"] = json!(true);
    for end in [StreamEnd::Hang, StreamEnd::Reset, StreamEnd::CutOff, StreamEnd::Garbage] {
        upstream.next(Reply::answer().then(end));
        let events = caller.stream("/v1/chat/completions", &streamed).await?.rest().await?;
        told.push(Value::Array(events).to_string());
    }
    Ok(())
}

/// Requests that the gateway refuses, with the secret where it does not belong.
async fn refused_requests(url: &str, secret: &str, told: &mut Vec<String>) -> Result<()> {
    let caller = Client::new(url, Some(secret))?;
    let anybody = Client::new(url, None)?;
    let broken = format!("{{\"model\":\"{MODEL}\",\"messages\":[{{\"content\":\"{PROMPT}");
    told.push(caller.post_bytes("/v1/chat/completions", "application/json", broken).await?.text());
    for (name, value) in
        [("model", json!("nope")), ("max_tokens", json!(-1)), ("api_key", json!(secret)), ("n", json!(PROMPT))]
    {
        let mut body = body();
        body[name] = value;
        caller.post("/v1/chat/completions", &body).await?;
    }
    for path in ["/v1/models", "/key/info", "/nowhere"] {
        anybody.get(&format!("{path}?api_key={secret}&key={secret}")).await?;
        anybody.get(&format!("{path}/{secret}")).await?;
    }
    for almost in [format!("{secret}0"), secret.trim_start_matches("sk-").to_owned(), format!("{MASTER_KEY}0")] {
        let answer = Client::new(url, Some(&almost))?.post("/v1/chat/completions", &body()).await?;
        assert_eq!(answer.status, 401);
        told.push(answer.text());
    }
    for scheme in ["Token", "Digest"] {
        let client = Client::new(url, None)?.with_header("authorization", &format!("{scheme} {secret}"));
        told.push(client.post("/v1/chat/completions", &body()).await?.text());
    }
    Ok(())
}

/// Commands that are refused, with secrets in them.
async fn refused_commands(operator: &Client, secret: &str, told: &mut Vec<String>) -> Result<()> {
    let model = |params: Value| json!({ "model_name": "refused", "litellm_params": params });
    let bodies = [
        model(json!({ "model": "m", "custom_llm_provider": "no-such-vendor", "api_key": REFUSED_PROVIDER_KEY })),
        model(
            json!({ "model": "m", "custom_llm_provider": "openai", "api_base": "ftp://x", "api_key": REFUSED_PROVIDER_KEY }),
        ),
        model(json!({ "model": "m", "custom_llm_provider": "openai", "api_key": [REFUSED_PROVIDER_KEY] })),
        model(
            json!({ "model": "m", "custom_llm_provider": "openai", "api_key": REFUSED_PROVIDER_KEY, "aws_secret_access_key": REFUSED_PROVIDER_KEY }),
        ),
    ];
    for body in bodies {
        let answer = operator.post("/model/new", &body).await?;
        assert!(answer.status >= 400, "{}", answer.text());
        told.push(answer.text());
    }
    for (route, body) in [
        ("/key/generate", json!({ "key": secret })),
        ("/key/update", json!({ "key": secret, "max_budget": -1 })),
        ("/key/update", json!({ "key": format!("{secret}0"), "models": [] })),
        ("/key/delete", json!({ "keys": [format!("{secret}0")] })),
        ("/api/commands", json!({ "id": "a-secret-for-a-hash", "type": "IssueKey", "data": { "hash": secret } })),
        ("/key/block", json!({ "key": format!("{secret}0") })),
        ("/api/commands", json!({ "id": secret, "type": secret, "data": { "secret": secret } })),
    ] {
        let answer = operator.post(route, &body).await?;
        assert!(answer.status >= 400, "{route}: {}", answer.text());
    }
    Ok(())
}

fn body() -> Value {
    json!({ "model": MODEL, "messages": [{ "role": "user", "content": PROMPT }], "user": "somebody" })
}

/// Every place under a folder that holds one of these.
fn places(folder: &Path, canaries: &[&str]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in WalkDir::new(folder) {
        let entry = entry?;
        if entry.file_type().is_file() {
            let bytes = std::fs::read(entry.path())?;
            let holds = |canary: &&&str| bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            found.extend(canaries.iter().filter(holds).map(|canary| format!("{}: {canary}", entry.path().display())));
        }
    }
    Ok(found)
}

#[tokio::test]
async fn no_secret_and_no_prompt_is_in_any_file_line_or_answer_whatever_fails() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new()
        .data(folder.path())
        .env("RUST_LOG", "trace")
        .env("TALLYGATE_UPSTREAM_FIRST_BYTE_SECONDS", "1")
        .env("TALLYGATE_UPSTREAM_IDLE_SECONDS", "1");
    let gateway = setup.start().await?;
    let upstream = Upstream::start().await?;
    let operator = gateway.operator()?;
    let mut told = Vec::new();
    let model = json!({ "model_name": MODEL, "litellm_params": {
        "model": "m", "custom_llm_provider": "openai", "api_base": upstream.url(), "api_key": PROVIDER_KEY,
        "input_cost_per_token": 0.000001, "output_cost_per_token": 0.000001,
    }});
    told.push(operator.post("/model/new", &model).await?.expect(200)?.text());
    let key = operator.post("/key/generate", &json!({ "max_budget": 1 })).await?.expect(200)?.at("/key")?;
    let secret = key.as_str().context("no key")?.to_owned();
    let caller = gateway.caller(&secret)?;
    caller.post("/v1/chat/completions", &body()).await?.expect(200)?;
    let bearer = format!("Bearer {PROVIDER_KEY}");
    assert_eq!(upstream.requests()[0].header("authorization"), Some(bearer.as_str()), "the canary is in use");

    failing_upstream(&caller, &upstream, &mut told).await?;
    refused_requests(gateway.url(), &secret, &mut told).await?;
    refused_commands(&operator, &secret, &mut told).await?;
    for path in ["/model/info", "/key/list?return_full_object=true", "/spend/logs", "/metrics", "/health/readiness"] {
        told.push(operator.get(path).await?.text());
    }

    let canaries = [PROVIDER_KEY, REFUSED_PROVIDER_KEY, PROMPT, secret.as_str(), MASTER_KEY];
    for text in &told {
        let found = canaries.iter().find(|canary| text.contains(**canary));
        assert_eq!(found, None, "{text}");
    }
    let output = gateway.shut_down().await?.output;
    let line = output.lines().find(|line| canaries.iter().any(|canary| line.contains(canary)));
    assert_eq!(line, None, "a line of the gateway's");
    assert!(output.lines().count() > 1, "the gateway says something at all");
    assert_eq!(places(folder.path(), &canaries)?, Vec::<String>::new());
    assert!(!places(folder.path(), &[MODEL])?.is_empty(), "what is not secret is found by the same search");
    Ok(())
}
