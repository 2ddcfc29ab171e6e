//! Bodies that are meant to cost more than they are worth.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tallygate_tests::gateway::Setup;

use super::raw::send;
use crate::scene::{KeyTerms, MODEL, Scene, chat};

/// How long a refusal may take, in a build for debugging on a busy machine.
const QUICKLY: Duration = Duration::from_secs(5);
const BODY_MAX_BYTES: usize = 20_000;

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_even_if_it_never_ends() -> Result<()> {
    let scene = Scene::with(Setup::new().env("TALLYGATE_BODY_MAX_BYTES", BODY_MAX_BYTES.to_string())).await?;
    let key = scene.key(KeyTerms::default()).await?;
    let caller = scene.gateway.caller(&key.secret)?;
    let before = scene.logged().await?;
    let mut body = chat(MODEL);
    body["metadata"] = json!({ "filling": "" });
    let filling = "x".repeat(BODY_MAX_BYTES - body.to_string().len());
    body["metadata"]["filling"] = json!(filling);
    assert_eq!(body.to_string().len(), BODY_MAX_BYTES);
    caller.post("/v1/chat/completions", &body).await?.expect(200)?;
    body["metadata"]["filling"] = json!(format!("{filling}x"));
    let refused = caller.post("/v1/chat/completions", &body).await?.expect(413)?;
    assert_eq!(refused.header("x-tallygate-error"), Some("body_too_large"));
    let mut endless = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\n\
         transfer-encoding: chunked\r\n\r\n",
        key.secret
    );
    for _ in 0..100 {
        endless.push_str(&format!("1000\r\n{}\r\n", "x".repeat(0x1000)));
    }
    let heard = send(&scene.gateway, endless.as_bytes()).await?;
    assert!(heard.statuses().iter().all(|status| *status == 413) && heard.statuses().len() <= 1, "{}", heard.0);
    assert_eq!(scene.upstream.requests().len(), 1);
    let facts = scene.facts_since(&before).await?;
    let kinds: Vec<_> = facts.iter().map(|line| (&line["type"], &line["data"]["status"])).collect();
    let (settled, refused) = (json!("request.settled"), json!("request.refused"));
    assert_eq!(kinds, [(&settled, &json!(200)), (&refused, &json!(413)), (&refused, &json!(413))]);
    Ok(())
}

/// Bodies that no route can read.
fn unreadable() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("deep arrays", "[".repeat(100_000).into_bytes()),
        ("deep objects", "{\"a\":".repeat(100_000).into_bytes()),
        ("a bare control character", b"{\"model\":\"a\0b\",\"key_alias\":\"a\0b\"}".to_vec()),
        ("a byte order mark", [b"\xef\xbb\xbf".as_slice(), chat(MODEL).to_string().as_bytes()].concat()),
        ("bytes that are no text", b"{\"model\":\"\xff\",\"key_alias\":\"\xff\"}".to_vec()),
    ]
}

/// Bodies whose fields are beyond what they may be, each for its route.
fn beyond_bounds() -> Vec<(&'static str, &'static str, String)> {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let names: Vec<String> = (0..1_000_000).map(|number| format!("\"k{number}\":1")).collect();
    let inside = |extra: &str| format!(r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"x"}}],{extra}}}"#);
    let chats = "/v1/chat/completions";
    let half = r#"{"model":"\ud800","key_alias":"\ud800","messages":[{"role":"user","content":"x"}]}"#;
    vec![
        ("deep within", chats, inside(&format!("\"x\":{deep}"))),
        ("a number beyond all", chats, inside("\"temperature\":1e400")),
        ("a limit beyond all", chats, inside("\"max_tokens\":1e400")),
        ("half a character", chats, half.to_owned()),
        ("a million names and no model", chats, format!("{{{}}}", names.join(","))),
        ("half a character", "/key/generate", half.to_owned()),
        ("a budget beyond all", "/key/generate", r#"{"max_budget":1e400}"#.to_owned()),
        ("a rate beyond all", "/key/generate", r#"{"tpm_limit":1e400}"#.to_owned()),
        ("deep metadata", "/key/generate", format!("{{\"metadata\":{{\"a\":{deep}}}}}")),
        ("deep parameters", "/model/new", format!("{{\"model_name\":\"m\",\"litellm_params\":{deep}}}")),
        ("a deep command", "/api/commands", format!("{{\"id\":\"x\",\"type\":\"Together\",\"data\":{deep}}}")),
    ]
}

#[tokio::test]
async fn json_that_is_no_request_is_refused_quickly_on_every_route_that_reads_it() -> Result<()> {
    let scene = Scene::start().await?;
    let caller = scene.caller().await?;
    let operator = scene.gateway.operator()?;
    let before = scene.logged().await?;
    let mut recorded = Vec::new();
    let routes = ["/v1/chat/completions", "/model/new", "/key/generate", "/key/update", "/api/commands"];
    let everywhere = unreadable().into_iter().flat_map(|(what, body)| routes.map(|route| (what, route, body.clone())));
    let beyond = beyond_bounds().into_iter().map(|(what, route, body)| (what, route, body.into_bytes()));
    for (what, route, body) in everywhere.chain(beyond) {
        let client = if route.starts_with("/v1/") { &caller } else { &operator };
        let started = Instant::now();
        let answer = client.post_bytes(route, "application/json", body).await?;
        let took = started.elapsed();
        assert!([400, 422].contains(&answer.status), "{what} on {route}: {} {}", answer.status, answer.text());
        assert!(took < QUICKLY, "{what} on {route} took {took:?}");
        let code = answer.header("x-tallygate-error").unwrap_or_default().to_owned();
        let known = ["body_invalid", "parameter_invalid", "command_malformed"].contains(&code.as_str());
        assert!(known, "{what} on {route}: {code}");
        match route {
            "/v1/chat/completions" => recorded.push((code, u64::from(answer.status))),
            "/api/commands" => recorded.push((code, 0)),
            // What a management route cannot translate becomes no command.
            _ => {}
        }
    }
    assert!(scene.upstream.requests().is_empty());
    assert_eq!(scene.refusals_since(&before).await?, recorded);
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    Ok(())
}
