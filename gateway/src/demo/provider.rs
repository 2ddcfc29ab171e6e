//! A simulated provider: a real HTTP server on loopback that speaks OpenAI's chat dialect. Every answer says that it is
//! simulated.

use std::net::SocketAddr;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::header::CONTENT_TYPE;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::http::server::{ServerLimits, serve};

/// What each word of an answer is counted as. Real tokenizers differ; this one is simulated too.
const TOKENS_A_WORD: usize = 1;

/// Starts the provider on a free port of loopback. It ends with the process.
///
/// # Errors
/// When no port can be had.
pub(super) async fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/v1/chat/completions", post(chat));
    let (keep, stop) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        serve(listener, |_| TowerToHyperService::new(router.clone()), ServerLimits::default(), stop).await;
        drop(keep);
    });
    Ok(address)
}

async fn chat(Json(request): Json<Value>) -> Response {
    let model = request["model"].as_str().unwrap_or("unknown").to_owned();
    let prompt = request["messages"].to_string();
    let words: Vec<String> = format!("Hello from {model}, a simulated provider. No model was asked.")
        .split_inclusive(' ')
        .map(str::to_owned)
        .collect();
    let usage = json!({
        "prompt_tokens": prompt.len() / 4 + 1,
        "completion_tokens": words.len() * TOKENS_A_WORD,
        "total_tokens": prompt.len() / 4 + 1 + words.len() * TOKENS_A_WORD,
    });
    if request["stream"].as_bool() == Some(true) {
        return ([(CONTENT_TYPE, "text/event-stream")], Body::from(stream(&model, &words, &usage))).into_response();
    }
    Json(json!({
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": 1_795_000_000,
        "model": model,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": words.concat() },
            "finish_reason": "stop",
        }],
        "usage": usage,
    }))
    .into_response()
}

fn stream(model: &str, words: &[String], usage: &Value) -> String {
    let chunk = |choices: Value, usage: &Value| {
        let chunk = json!({
            "id": "chatcmpl-simulated",
            "object": "chat.completion.chunk",
            "created": 1_795_000_000,
            "model": model,
            "choices": choices,
            "usage": usage,
        });
        format!("data: {chunk}\n\n")
    };
    let mut events = chunk(
        json!([{ "index": 0, "delta": { "role": "assistant", "content": "" }, "finish_reason": null }]),
        &Value::Null,
    );
    for word in words {
        events += &chunk(json!([{ "index": 0, "delta": { "content": word }, "finish_reason": null }]), &Value::Null);
    }
    events += &chunk(json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }]), &Value::Null);
    events += &chunk(json!([]), usage);
    events += "data: [DONE]\n\n";
    events
}
