//! The traffic of coding agents, as they send it: Claude Code over Messages and Codex over Responses. Neither is a library
//! of ours to run; their requests stand in `tests/traces`, headers and all, and are sent byte by byte.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::provider::{KEY, Provider};

use crate::scene::{KeyTerms, issue};

/// A request of a trace: a line with method and path, lines of headers, an empty line, and the body if there is one.
struct Trace {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Trace {
    fn read(name: &str) -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(format!("{name}.http"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| format!("{name} is no request"))
    }

    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\n\n")?;
        let mut lines = head.lines();
        let (method, path) = lines.next()?.split_once(' ')?;
        let header = |line: &str| Some((line.split_once(": ")?.0.to_owned(), line.split_once(": ")?.1.to_owned()));
        let headers = lines.map(header).collect::<Option<Vec<_>>>()?;
        let body = body.trim_end().to_owned();
        Some(Self { method: method.to_owned(), path: path.to_owned(), headers, body })
    }

    /// Sends it with this key in place of `$KEY`.
    async fn send(&self, server: &str, key: &str) -> Result<Answer> {
        let mut client = Client::new(server, None)?;
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "content-type") {
            client = client.with_header(name, &value.replace("$KEY", key));
        }
        match self.method.as_str() {
            "GET" => client.get(&self.path).await,
            "HEAD" => client.head(&self.path).await,
            _ => client.post_bytes(&self.path, "application/json", self.body.clone()).await,
        }
    }
}

/// A gateway that leads these names to one simulated vendor.
async fn gateway(upstream: &str, path: &str, names: &[&str]) -> Result<(Gateway, Provider, String)> {
    let (gateway, provider) = (Setup::new().start().await?, Provider::start().await?);
    for name in names {
        let params = json!({ "model": upstream, "api_base": format!("{}{path}", provider.url()), "api_key": KEY });
        let body = json!({ "model_name": name, "litellm_params": params, "model_info": { "max_tokens": 32_000 } });
        gateway.operator()?.post("/model/new", &body).await?.expect(200)?;
    }
    let key = issue(&gateway, KeyTerms::default()).await?.secret;
    Ok((gateway, provider, key))
}

const CLAUDE: [&str; 2] = ["claude-sonnet-5", "claude-haiku-4-5"];

/// The data of the events of a stream.
fn events(answer: &Answer) -> Result<Vec<Value>> {
    let text = answer.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).with_context(|| data.to_owned())).collect()
}

#[tokio::test]
async fn claude_code_calls_a_tool_and_goes_on_whatever_is_behind_it() -> Result<()> {
    for (upstream, path) in [("anthropic/simulated", ""), ("openai/simulated", "/v1"), ("gemini/gemini-3-pro", "")] {
        let (gateway, provider, key) = gateway(upstream, path, &CLAUDE).await?;
        let answer = Trace::read("claude_code_turn")?.send(gateway.url(), &key).await?.expect(200)?;
        let events = events(&answer)?;
        assert_eq!(events.first().map(|event| &event["type"]), Some(&json!("message_start")), "{upstream}");
        assert_eq!(events.last().map(|event| &event["type"]), Some(&json!("message_stop")), "{upstream}");
        let calls = events.iter().filter(|event| event["content_block"]["type"] == "tool_use").count();
        assert_eq!(calls, 2, "{upstream}: {}", answer.text());
        assert_eq!(provider.complaints(), Vec::<String>::new(), "{upstream}");
        let answer = Trace::read("claude_code_results")?.send(gateway.url(), &key).await?.expect(200)?;
        assert!(answer.text().contains("said: "), "{upstream}: {}", answer.text());
        assert_eq!(provider.complaints(), Vec::<String>::new(), "{upstream}");
    }
    Ok(())
}

#[tokio::test]
async fn anthropic_gets_claude_codes_betas_and_fields_as_they_were_sent() -> Result<()> {
    let (gateway, provider, key) = gateway("anthropic/simulated", "", &CLAUDE).await?;
    let trace = Trace::read("claude_code_turn")?;
    trace.send(gateway.url(), &key).await?.expect(200)?;
    let sent = provider.requests().pop().context("no request")?;
    let betas = trace.headers.iter().find(|(name, _)| name == "anthropic-beta").map(|(_, value)| value.as_str());
    assert_eq!(sent.header("anthropic-beta"), betas);
    let (mut sent, mut asked) = (sent.json()?, serde_json::from_str::<Value>(&trace.body)?);
    sent["model"].take();
    asked["model"].take();
    assert_eq!(sent, asked);
    Ok(())
}

#[tokio::test]
async fn claude_codes_other_routes_are_answered() -> Result<()> {
    let (gateway, _provider, key) = gateway("openai/simulated", "/v1", &CLAUDE).await?;
    let counted = Trace::read("claude_code_count_tokens")?.send(gateway.url(), &key).await?.expect(200)?;
    assert!(counted.at("/input_tokens")?.as_u64().is_some_and(|tokens| tokens > 0), "{}", counted.text());
    for name in ["claude_code_preconnect", "claude_code_hello", "claude_code_event_logging"] {
        Trace::read(name)?.send(gateway.url(), &key).await?.expect(200).with_context(|| name)?;
    }
    let models = Trace::read("claude_code_models")?.send(gateway.url(), &key).await?.expect(200)?;
    let listed = models.at("/data")?.as_array().cloned().unwrap_or_default();
    assert_eq!(listed.len(), 2, "{}", models.text());
    assert!(listed.iter().all(|model| model["type"] == "model" && model["display_name"].is_string()));
    Ok(())
}

#[tokio::test]
async fn codex_calls_a_tool_and_goes_on_whatever_is_behind_it() -> Result<()> {
    let targets = [("openai/responses/simulated", "/v1"), ("openai/simulated", "/v1"), ("anthropic/simulated", "")];
    for (upstream, path) in targets {
        let (gateway, provider, key) = gateway(upstream, path, &["gpt-5-codex"]).await?;
        let answer = Trace::read("codex_turn")?.send(gateway.url(), &key).await?.expect(200)?;
        assert_eq!(done_items(&answer)?.iter().filter(|item| item["type"] == "function_call").count(), 1, "{upstream}");
        let answer = Trace::read("codex_results")?.send(gateway.url(), &key).await?.expect(200)?;
        let items = done_items(&answer)?;
        assert!(items.iter().any(|item| item["type"] == "message"), "{upstream}: {}", answer.text());
        assert_eq!(provider.complaints(), Vec::<String>::new(), "{upstream}");
    }
    Ok(())
}

/// The items of a stream as Codex builds them: from what is done alone, of a response that is completed.
fn done_items(answer: &Answer) -> Result<Vec<Value>> {
    let events = events(answer)?;
    let created = events.first().context("no event")?;
    assert_eq!(created["type"], "response.created");
    let completed = events.iter().find(|event| event["type"] == "response.completed").context("not completed")?;
    assert!(completed["response"]["id"].is_string());
    let usage = &completed["response"]["usage"];
    assert!(usage["input_tokens_details"].is_null() || usage["input_tokens_details"]["cached_tokens"].is_u64());
    let done = events.into_iter().filter(|event| event["type"] == "response.output_item.done");
    Ok(done.map(|mut event| event["item"].take()).collect())
}

#[tokio::test]
async fn codex_reads_its_own_list_of_models() -> Result<()> {
    let (gateway, _provider, key) = gateway("openai/simulated", "/v1", &["gpt-5-codex"]).await?;
    let answer = Trace::read("codex_models")?.send(gateway.url(), &key).await?.expect(200)?;
    assert_eq!(answer.at("/models/0/slug")?, "gpt-5-codex");
    for field in
        ["display_name", "supported_reasoning_levels", "shell_type", "visibility", "supported_in_api", "priority"]
    {
        assert!(!answer.at(&format!("/models/0/{field}"))?.is_null(), "{field}: {}", answer.text());
    }
    assert!(answer.header("etag").is_some());
    Ok(())
}

#[tokio::test]
async fn the_vendors_take_what_their_agents_send() -> Result<()> {
    let provider = Provider::start().await?;
    let names = ["claude_code_turn", "claude_code_results", "claude_code_count_tokens", "codex_turn", "codex_results"];
    for name in names {
        let answer = Trace::read(name)?.send(&provider.url(), KEY).await?;
        assert_eq!((answer.status, provider.complaints()), (200, Vec::new()), "{name}: {}", answer.text());
    }
    Ok(())
}

#[test]
fn a_trace_is_a_line_headers_and_a_body() {
    let trace = Trace::parse("POST /v1/x?y=1\na: b: c\n\n{\"d\":\n1}\n").unwrap();
    assert_eq!((trace.method.as_str(), trace.path.as_str(), trace.body.as_str()), ("POST", "/v1/x?y=1", "{\"d\":\n1}"));
    assert_eq!(trace.headers, [("a".to_owned(), "b: c".to_owned())]);
    assert!(Trace::parse("POST /v1/x").is_none());
}
