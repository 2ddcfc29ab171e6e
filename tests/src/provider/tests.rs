//! The simulated provider takes what its vendors take, refuses what they refuse, and misbehaves when told to.

mod behaving;
mod misbehaving;
mod strict;

use serde_json::{Value, json};

use super::{KEY, Provider};
use crate::client::Client;

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";
const GEMINI: &str = "/v1beta/models/gemini-3-pro:generateContent";
const GEMINI_STREAM: &str = "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse";
const OLLAMA: &str = "/api/chat";

/// A provider, and a client that has what every vendor wants of headers.
async fn provider() -> (Provider, Client) {
    let provider = Provider::start().await.unwrap();
    let client = Client::new(&provider.url(), Some(KEY)).unwrap();
    let client = client.with_header("x-goog-api-key", KEY).with_header("anthropic-version", "2023-06-01");
    (provider, client)
}

/// The path and body of a request that says `hi`, in each format.
fn greetings() -> [(&'static str, Value); 5] {
    let messages = json!([{"role": "user", "content": "hi"}]);
    [
        (CHAT, json!({"model": "m", "messages": messages})),
        (RESPONSES, json!({"model": "m", "input": "hi"})),
        (MESSAGES, json!({"model": "m", "max_tokens": 50, "messages": messages})),
        (GEMINI, json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})),
        (OLLAMA, json!({"model": "m", "messages": messages, "stream": false})),
    ]
}
