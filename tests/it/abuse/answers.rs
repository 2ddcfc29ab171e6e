//! Upstreams that answer with what is no answer, and clients that leave in the middle of one: memory stays bounded, each
//! request is settled once, and nobody pays more than was held.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::upstream::{Reply, StreamEnd};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::raw::connect;
use crate::scene::{IssuedKey, KeyTerms, MODEL, Scene, chat};

/// More than any request here can cost, and exact: what is left of it in the end is what was not charged.
const BUDGET: i64 = 1_000_000_000;
/// What one request here holds at most: 100 answer tokens, and a prompt of some 600 nano-dollars.
const HOLD: i64 = 2_000;
const EVENTS: usize = 200_000;

fn asking(streamed: bool) -> Value {
    let mut body = chat(MODEL);
    (body["max_tokens"], body["stream"]) = (json!(100), json!(streamed));
    body
}

fn whole(usage: &str) -> Reply {
    let body = format!(
        r#"{{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"hi"}},"finish_reason":"stop"}}]{usage}}}"#
    );
    Reply::raw("application/json", body.as_bytes())
}

fn events(text: &str) -> Reply {
    Reply::raw("text/event-stream", text.as_bytes())
}

fn chunk(content: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{content}\"}}}}]}}\n\n"
    )
}

/// Answers, each with whether it is to be streamed.
fn hostile() -> Vec<(&'static str, Reply, bool)> {
    let usage = |usage: &str| whole(&format!(",\"usage\":{usage}"));
    let done = "data: [DONE]\n\n";
    vec![
        ("no usage", whole(""), false),
        ("negative usage", usage(r#"{"prompt_tokens":-5,"completion_tokens":-5,"total_tokens":-10}"#), false),
        ("usage beyond all", usage(r#"{"prompt_tokens":1e300,"completion_tokens":1e300,"total_tokens":1e300}"#), false),
        ("usage that is text", usage(r#""lots""#), false),
        ("usage that is null", usage("null"), false),
        ("bytes that are no text", Reply::raw("application/json", b"{\"id\":\"\xff\xfe\"}"), false),
        (
            "a compressed body",
            Reply::raw("application/json", &[0x1f, 0x8b, 8, 0]).header("content-encoding", "gzip"),
            false,
        ),
        ("cookies", whole("").header("set-cookie", "session=canary").header("x-injected", "canary"), false),
        ("an endless line", Reply::answer().chunks(2).then(StreamEnd::EndlessLine), true),
        ("two ends", events(&format!("{}{done}{done}{}{done}", chunk("a"), chunk("b"))), true),
        ("no end", events(&chunk("a")), true),
        ("nothing", events(""), true),
        ("only an end", events(done), true),
        ("events that are no JSON", events("data: {\n\ndata: [\n\n"), true),
        (
            "bytes in a stream that are no text",
            Reply::raw("text/event-stream", b"data: \xff\xfe\n\ndata: [DONE]\n\n"),
            true,
        ),
        ("very many events", events(&format!("{}{done}", chunk("x").repeat(EVENTS))), true),
        ("a hang in the middle", Reply::answer().chunks(2).then(StreamEnd::Hang), true),
    ]
}

async fn charged(scene: &Scene, key: &IssuedKey) -> Result<i64> {
    let info = scene.gateway.operator()?.get(&format!("/key/info?key={}", key.secret)).await?.expect(200)?;
    let spend = info.at("/info/spend")?.as_f64().context("no spend")?;
    #[expect(clippy::cast_possible_truncation, reason = "a small number of nano-dollars")]
    Ok((spend * 1e9).round() as i64)
}

/// The most memory that the gateway has had, in MiB.
fn peak_mib(gateway: &Gateway) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process().id().context("ended")?))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1_024)
}

#[tokio::test]
async fn whatever_an_upstream_answers_is_settled_once_and_costs_at_most_what_was_held() -> Result<()> {
    let scene = Scene::with(Setup::new().env("TALLYGATE_UPSTREAM_IDLE_SECONDS", "1")).await?;
    for (what, reply, streamed) in hostile() {
        let key = scene.key(KeyTerms { budget_nano_usd: Some(BUDGET), ..KeyTerms::default() }).await?;
        let (caller, before) = (scene.gateway.caller(&key.secret)?, scene.logged().await?);
        scene.upstream.next(reply);
        let answer = caller.post("/v1/chat/completions", &asking(streamed)).await?;
        assert!([200, 502, 504].contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
        for (name, value) in &answer.headers {
            let is_theirs = name == "set-cookie" || value.as_bytes().windows(6).any(|bytes| bytes == b"canary");
            assert!(!is_theirs, "{what}: {name}");
        }
        let facts = scene.facts_since(&before).await?;
        let settled: Vec<_> = facts.iter().filter(|line| line["data"]["key"] == *key.id).collect();
        assert_eq!((facts.len(), settled.len()), (1, 1), "{what}: {facts:?}");
        assert_eq!(settled[0]["type"], "request.settled", "{what}");
        let cost = settled[0]["data"]["cost_nano_usd"].as_i64().context("no cost")?;
        assert!((0..=HOLD).contains(&cost), "{what} cost {cost}");
    }
    let peak = peak_mib(&scene.gateway)?;
    assert!(peak < 600, "{peak} MiB after answers of at most some 40");
    Ok(())
}

/// Asks for a stream and leaves after so many bytes of the answer. Gives how many there were.
async fn leave_after(gateway: &Gateway, secret: &str, bytes: usize) -> Result<usize> {
    let body = asking(true).to_string();
    let mut stream = connect(gateway).await?;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {secret}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    let (mut read, mut byte) = (0, [0]);
    while read < bytes && stream.read(&mut byte).await? == 1 {
        read += 1;
    }
    Ok(read)
}

#[tokio::test]
async fn a_client_that_leaves_at_any_byte_is_settled_once_and_leaves_nothing_held() -> Result<()> {
    let scene = Scene::start().await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(BUDGET), ..KeyTerms::default() }).await?;
    let before = scene.logged().await?;
    let length = leave_after(&scene.gateway, &key.secret, usize::MAX).await?;
    assert!(length > 500, "a whole answer has {length} bytes");
    // Who leaves before the first byte may have left before the request was sent to anybody: then nothing is settled.
    let offsets: Vec<usize> = (1..length).step_by(29).collect();
    for offset in &offsets {
        leave_after(&scene.gateway, &key.secret, *offset).await?;
    }
    let count = offsets.len() + 1;
    let settled = scene.activity("request.settled", count).await?;
    let facts = scene.facts_since(&before).await?;
    assert_eq!((settled.len(), facts.len()), (count, count), "each once");
    let requests: std::collections::BTreeSet<_> = settled.iter().map(|fact| fact["request"].to_string()).collect();
    assert_eq!(requests.len(), count);
    let costs = settled.iter().map(|fact| fact["cost_nano_usd"].as_i64().context("no cost"));
    let spent = costs.sum::<Result<i64>>()?;
    assert_eq!(charged(&scene, &key).await?, spent, "what is charged is what was settled");
    // Nothing is held: a budget of just what was spent and one hold more lets one request through.
    let limit = json!([{ "period": "total", "limit_nano_usd": spent + HOLD }]);
    let budget = json!({ "scope": format!("key:{}", key.id), "limits": limit });
    crate::scene::command(&scene.gateway, "SetBudget", budget).await?.expect(200)?;
    scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &asking(false)).await?.expect(200)?;
    Ok(())
}
