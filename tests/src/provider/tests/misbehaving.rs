//! What it does wrong when it is told to.

use serde_json::{Value, json};

use super::{CHAT, GEMINI_STREAM, MESSAGES, OLLAMA, RESPONSES, greetings, provider};
use crate::client::Client;
use crate::provider::{End, Provider, Reply};
use crate::upstream::Gate;

/// Path and body of a stream that says `hi`, in each format.
fn streams() -> [(&'static str, Value); 5] {
    let mut streams = greetings();
    for (_, body) in &mut streams[..3] {
        body["stream"] = json!(true);
    }
    streams[3].0 = GEMINI_STREAM;
    streams[4].1["stream"] = json!(true);
    streams
}

/// The whole text of a chat's stream that ends so after one frame.
async fn ended(end: End) -> (Provider, anyhow::Result<String>) {
    let (provider, client) = provider().await;
    provider.next(Reply::answer().after(1).then(end));
    let (path, body) = streams().into_iter().next().unwrap();
    let text = client.post(path, &body).await.map(|answer| answer.text());
    (provider, text)
}

#[tokio::test]
async fn a_refusal_has_the_vendors_form() {
    let (provider, client) = provider().await;
    let forms = [
        (CHAT, "/error/code", json!("rate_limit_exceeded")),
        (RESPONSES, "/error/code", json!("rate_limit_exceeded")),
        (MESSAGES, "/error/type", json!("rate_limit_error")),
        (super::GEMINI, "/error/status", json!("RESOURCE_EXHAUSTED")),
        (OLLAMA, "/error", json!("refused with 429 as planned")),
    ];
    for ((path, pointer, expected), (_, body)) in forms.into_iter().zip(greetings()) {
        provider.next(Reply::refuse(429).header("retry-after", "7"));
        let answer = client.post(path, &body).await.unwrap().expect(429).unwrap();
        assert_eq!((answer.at(pointer).unwrap(), answer.header("retry-after")), (expected, Some("7")), "{path}");
    }
}

#[tokio::test]
async fn an_error_in_the_middle_has_the_vendors_form() {
    let (provider, client) = provider().await;
    let words = [
        "\"error\":{\"code\":\"server_is_overloaded\"",
        "event: error\ndata: {\"code\":\"server_is_overloaded\"",
        "event: error\ndata: {\"error\":{\"message\":\"refused with 503 as planned\"",
        "\"status\":\"UNAVAILABLE\"",
        "{\"error\":\"refused with 503 as planned\"}\n",
    ];
    for ((path, body), words) in streams().into_iter().zip(words) {
        provider.next(Reply::answer().then(End::Error(503)));
        let text = client.post(path, &body).await.unwrap().expect(200).unwrap().text();
        assert!(text.contains(words), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_stream_is_reset_or_cut_off_or_falls_silent() {
    let error = format!("{:#}", ended(End::Reset).await.1.unwrap_err());
    assert!(error.contains("reset"), "{error}");
    let error = format!("{:#}", ended(End::CutOff).await.1.unwrap_err());
    assert!(!error.contains("reset"), "{error}");
    let text = ended(End::Silence).await.1.unwrap();
    assert!(text.contains("assistant") && !text.contains("[DONE]"), "{text}");
}

#[tokio::test]
async fn a_stream_is_done_twice_or_has_garbage_or_a_flood_in_it() {
    assert_eq!(ended(End::DoneTwice).await.1.unwrap().matches("[DONE]").count(), 2);
    let text = ended(End::Garbage).await.1.unwrap();
    assert!(text.contains("data: {\"mess\n\n") && text.ends_with("[DONE]\n\n"), "{text}");
    let text = ended(End::Flood(500)).await.1.unwrap();
    assert_eq!(text.matches("chatcmpl-filler").count(), 500);
}

#[tokio::test]
async fn a_caller_that_hangs_up_on_a_hang_or_an_endless_line_is_seen() {
    for end in [End::Hang, End::EndlessLine] {
        let (provider, client) = provider().await;
        provider.next(Reply::answer().after(1).then(end));
        let (path, body) = streams().into_iter().next().unwrap();
        let mut events = client.stream(path, &body).await.unwrap();
        assert!(events.next().await.unwrap().unwrap().contains("assistant"));
        drop(events);
        provider.wait_for_abandoned(1).await.unwrap();
    }
}

#[tokio::test]
async fn it_hangs_before_and_after_its_head() {
    let (provider, client) = provider().await;
    provider.next(Reply::hang());
    let (path, body) = streams().into_iter().next().unwrap();
    let (asking, asked) = (client.clone(), body.clone());
    let request = tokio::spawn(async move { asking.post(path, &asked).await });
    provider.wait_for_requests(1).await.unwrap();
    assert!(!request.is_finished());
    request.abort();
    provider.next(Reply::hang_after_head());
    assert_eq!(client.stream(path, &body).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_connection_is_reset_or_answered_with_garbage() {
    let (provider, client) = provider().await;
    let (path, body) = greetings().into_iter().next().unwrap();
    for (reply, word) in [(Reply::reset(), "reset"), (Reply::garbage(), "invalid HTTP")] {
        provider.next(reply);
        let error = format!("{:#}", client.post(path, &body).await.unwrap_err());
        assert!(error.contains(word), "{error}");
    }
}

#[tokio::test]
async fn an_answer_has_another_type_or_headers_or_leads_elsewhere() {
    let (provider, client) = provider().await;
    let (path, body) = greetings().into_iter().next().unwrap();
    provider.next(Reply::answer().content_type("text/html").header("set-cookie", "a=b"));
    let answer = client.post(path, &body).await.unwrap().expect(200).unwrap();
    assert_eq!((answer.header("content-type"), answer.header("set-cookie")), (Some("text/html"), Some("a=b")));
    provider.next(Reply::redirect("http://127.0.0.1:1/"));
    let answer = client.post(path, &body).await.unwrap().expect(307).unwrap();
    assert_eq!(answer.header("location"), Some("http://127.0.0.1:1/"));
    provider.next(Reply::answer().text("another text"));
    let answer = client.post(path, &body).await.unwrap().expect(200).unwrap();
    assert_eq!(answer.at("/choices/0/message/content").unwrap(), "another text");
}

/// Judged by another's decompression than ours, since we have none.
#[tokio::test]
async fn compressed_bodies_are_what_they_say() {
    let (provider, client) = provider().await;
    let (path, body) = greetings().into_iter().next().unwrap();
    provider.next(Reply::answer().compressed());
    let honest = client.post(path, &body).await.unwrap();
    provider.next(Reply::gzip_bomb(1_000_000));
    let bomb = client.post(path, &body).await.unwrap();
    assert_eq!((honest.header("content-encoding"), bomb.header("content-encoding")), (Some("gzip"), Some("gzip")));
    assert!(bomb.body.len() < 10_000, "{}", bomb.body.len());
    assert!(opened(&honest.body).await.contains("You said: hi"));
    assert_eq!(opened(&bomb.body).await.trim_end_matches('\n').len(), 1_000_009);
}

/// What `gzip` makes of a file.
async fn opened(compressed: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), compressed).unwrap();
    let path = file.path().to_string_lossy().into_owned();
    let arguments = ["-c".to_owned(), format!("gzip -dc < {path}")];
    let process =
        crate::process::Process::start(std::path::Path::new("/bin/sh"), arguments, [("PATH", "/usr/bin:/bin")]);
    let ended = process.unwrap().ended().await.unwrap();
    assert!(ended.status.success(), "{}", ended.output);
    ended.output
}

#[tokio::test]
async fn frames_wait_at_the_gate() {
    let (provider, client): (Provider, Client) = provider().await;
    let gate = Gate::closed();
    provider.next(Reply::answer().behind(&gate));
    let (path, body) = streams().into_iter().next().unwrap();
    let mut events = client.stream(path, &body).await.unwrap();
    gate.pass(1);
    assert!(events.next().await.unwrap().unwrap().contains("assistant"));
    gate.open();
    assert_eq!(events.rest().await.unwrap().last().unwrap()["choices"][0]["finish_reason"], "stop");
}
