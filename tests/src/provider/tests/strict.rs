//! What it refuses: each case is a translation that went wrong.

use serde_json::{Value, json};

use super::{CHAT, GEMINI, GEMINI_STREAM, MESSAGES, OLLAMA, RESPONSES, greetings, provider};
use crate::client::Client;
use crate::provider::{KEY, Provider};

/// Where each format says what is wrong.
fn why(path: &str, answer: &Value) -> String {
    let pointer = if path == OLLAMA { "/error" } else { "/error/message" };
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Each body is refused with 400, for a reason that has these words.
async fn all_refused(path: &str, cases: &[(Value, &str)]) {
    let (provider, client) = provider().await;
    for (body, words) in cases {
        let answer = client.post(path, body).await.unwrap().expect(400).unwrap().json().unwrap();
        let why = why(path, &answer);
        assert!(why.contains(words), "{path} {body} is refused because {why}");
    }
    assert_eq!(provider.complaints().len(), cases.len());
}

/// A request with these messages.
fn chat(messages: &Value) -> Value {
    json!({"model": "m", "max_tokens": 2_000, "messages": messages, "tools": [{"type": "function", "function": {"name": "f"}}]})
}

fn messages(messages: &Value) -> Value {
    json!({"model": "m", "max_tokens": 2_000, "messages": messages,
        "tools": [{"name": "f", "input_schema": {"type": "object"}}]})
}

fn contents(contents: &Value) -> Value {
    json!({"contents": contents})
}

#[tokio::test]
async fn every_vendor_wants_its_key_in_its_own_header() {
    let provider = Provider::start().await.unwrap();
    let bare = Client::new(&provider.url(), None).unwrap().with_header("anthropic-version", "2023-06-01");
    for ((path, body), status) in greetings().into_iter().zip([401, 401, 401, 403, 200]) {
        bare.post(path, &body).await.unwrap().expect(status).unwrap();
        let wrong = bare.clone().with_header("authorization", "Bearer sk-of-nobody");
        wrong.post(path, &body).await.unwrap().expect(status).unwrap();
    }
    let own = [("x-goog-api-key", GEMINI), ("x-api-key", MESSAGES)];
    for (header, path) in own {
        let body = greetings().into_iter().find(|(known, _)| *known == path).unwrap().1;
        bare.clone().with_header(header, KEY).post(path, &body).await.unwrap().expect(200).unwrap();
    }
    let azure = "/openai/deployments/d/chat/completions";
    let client = bare.with_header("api-key", KEY);
    client.post(&format!("{azure}?api-version=1"), &greetings()[0].1).await.unwrap().expect(200).unwrap();
    client.post(azure, &greetings()[0].1).await.unwrap().expect(404).unwrap();
    let unversioned = Client::new(&provider.url(), Some(KEY)).unwrap();
    let refused = unversioned.post(MESSAGES, &greetings()[2].1).await.unwrap().expect(400).unwrap();
    assert!(refused.text().contains("anthropic-version"), "{}", refused.text());
}

#[tokio::test]
async fn a_field_that_no_vendor_has_is_refused_by_name() {
    let (_provider, client) = provider().await;
    for (path, mut body) in greetings() {
        body["nonsense"] = json!(1);
        let refused = client.post(path, &body).await.unwrap().expect(400).unwrap();
        assert!(why(path, &refused.json().unwrap()).contains("nonsense"), "{path}");
    }
}

#[tokio::test]
async fn chat_completions_are_read_strictly() {
    let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let called = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let said = json!({"role": "tool", "tool_call_id": "c1", "content": "x"});
    let mut object = called.clone();
    object["tool_calls"][0]["function"]["arguments"] = json!({});
    let mut long = called.clone();
    long["tool_calls"][0]["id"] = json!("c".repeat(41));
    let user = json!({"role": "user", "content": "hi"});
    all_refused(
        CHAT,
        &[
            (json!({"model": "m"}), "at least one message"),
            (json!({"messages": [user]}), "model: Field required"),
            (json!({"model": "gpt-5-mini", "max_tokens": 5, "messages": [user]}), "max_tokens: is not supported"),
            (json!({"model": "m", "messages": [user], "stream_options": {"include_usage": true}}), "only allowed when"),
            (json!({"model": "m", "messages": [user], "tool_choice": "auto"}), "when 'tools' are specified"),
            (json!({"model": "m", "messages": [user], "tools": []}), "too short"),
            (chat(&json!([user, called])), "did not have response messages: c1"),
            (chat(&json!([user, called, user])), "must be followed by tool messages"),
            (chat(&json!([user, said])), "must be a response to a preceding"),
            (chat(&json!([user, object, said])), "expected a string"),
            (chat(&json!([user, long, said])), "longer than 40"),
            (chat(&json!([{"role": "user", "content": [{"type": "image", "source": {}}]}])), "is none of text"),
            (
                chat(&json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "iVBO"}}]}])),
                "neither",
            ),
            (chat(&json!([{"role": "model", "content": "hi"}])), "is none of developer"),
        ],
    )
    .await;
}

#[tokio::test]
async fn responses_are_read_strictly() {
    let call = json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"});
    let said = json!({"type": "function_call_output", "call_id": "c1", "output": "x"});
    let body = |input: Value| json!({"model": "m", "input": input});
    all_refused(
        RESPONSES,
        &[
            (json!({"model": "m"}), "input: Field required"),
            (json!({"model": "m", "input": "hi", "messages": []}), "messages"),
            (json!({"model": "m", "input": "hi", "max_tokens": 5}), "max_tokens"),
            (
                json!({"model": "m", "input": "hi", "tools": [{"type": "function", "function": {"name": "f"}}]}),
                "function",
            ),
            (body(json!([call])), "No tool output found for function call c1"),
            (body(json!([said])), "No tool call found"),
            (body(json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}])), "is none of input_text"),
            (body(json!([{"role": "assistant", "content": [{"type": "input_text", "text": "hi"}]}])), "output_text"),
            (
                body(json!([{"type": "reasoning", "summary": [], "encrypted_content": "forged"}])),
                "could not be verified",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn messages_are_read_strictly() {
    let user = json!({"role": "user", "content": "hi"});
    let called = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {}}]});
    let said = json!({"type": "tool_result", "tool_use_id": "c1", "content": "x"});
    let text = json!({"type": "text", "text": "and"});
    let thought = |signature| json!({"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": signature}]});
    let with = |name: &str, value: Value| {
        let mut body = messages(&json!([user]));
        body[name] = value;
        body
    };
    let mut looping = messages(&json!([user, called, {"role": "user", "content": [said]}]));
    looping["thinking"] = json!({"type": "enabled", "budget_tokens": 1_024});
    let mut toolless = messages(&json!([user, called, {"role": "user", "content": [said]}]));
    toolless.as_object_mut().unwrap().remove("tools");
    let marked = json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}});
    all_refused(
        MESSAGES,
        &[
            (json!({"model": "m", "messages": [user]}), "max_tokens: Field required"),
            (messages(&json!([{"role": "system", "content": "x"}, user])), "roles must"),
            (messages(&json!([user, user])), "alternate"),
            (messages(&json!([user, {"role": "assistant", "content": "x"}])), "end with a user message"),
            (messages(&json!([user, called, user])), "without `tool_result` blocks immediately after: c1"),
            (messages(&json!([user, called, {"role": "user", "content": [text, said]}])), "must come first"),
            (messages(&json!([{"role": "user", "content": [said]}])), "corresponding `tool_use`"),
            (messages(&json!([{"role": "user", "content": " "}])), "must be non-empty"),
            (messages(&json!([{"role": "user", "content": [{"type": "text", "text": ""}]}])), "non-whitespace"),
            (messages(&json!([user, thought("forged"), user])), "Invalid `signature`"),
            (
                messages(&json!([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}])),
                "does not match any",
            ),
            (with("temperature", json!(1.5)), "temperature"),
            (with("stop", json!(["x"])), "stop"),
            (with("tools", json!([{"name": "f", "parameters": {}}])), "parameters"),
            (with("tools", json!([{"name": "a.b", "input_schema": {"type": "object"}}])), "should match pattern"),
            (with("thinking", json!({"type": "enabled", "budget_tokens": 128})), "at least 1024"),
            (with("system", json!([marked, marked, marked, marked, marked])), "maximum of 4 blocks"),
            (
                with("output_config", json!({"format": {"type": "json_schema", "schema": {"type": "object"}}})),
                "additionalProperties",
            ),
            (looping, "Expected `thinking`"),
            (toolless, "must define tools"),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_newer_version_of_messages_takes_no_settings_of_sampling() {
    let provider = Provider::start().await.unwrap();
    let client = Client::new(&provider.url(), Some(KEY)).unwrap();
    let newer = client.clone().with_header("anthropic-version", "2026-10-21");
    let older = client.with_header("anthropic-version", "2023-06-01");
    let (path, mut body) = greetings().into_iter().nth(2).unwrap();
    newer.post(path, &body).await.unwrap().expect(200).unwrap();
    body["temperature"] = json!(1);
    newer.post(path, &body).await.unwrap().expect(400).unwrap();
    older.post(path, &body).await.unwrap().expect(200).unwrap();
}

#[tokio::test]
async fn contents_are_read_strictly() {
    let user = json!({"role": "user", "parts": [{"text": "hi"}]});
    let call = json!({"functionCall": {"name": "f", "args": {}}});
    let called = json!({"role": "model", "parts": [call]});
    let forged = json!({"role": "model", "parts": [{"functionCall": {"name": "f"}, "thoughtSignature": "forged"}]});
    let spared = json!({"role": "model", "parts": [
        {"functionCall": {"name": "f"}, "thoughtSignature": "skip_thought_signature_validator"}, call]});
    let said = json!({"functionResponse": {"name": "f", "response": {"content": "x"}}});
    let once = json!({"role": "user", "parts": [said]});
    let with = |name: &str, value: Value| {
        let mut body = contents(&json!([user]));
        body[name] = value;
        body
    };
    let declared = |function: Value| with("tools", json!([{"functionDeclarations": [function]}]));
    all_refused(
        GEMINI,
        &[
            (json!({}), "contents are required"),
            (contents(&json!([{"role": "assistant", "parts": [{"text": "hi"}]}])), "valid role"),
            (contents(&json!([{"role": "user", "parts": []}])), "must not be empty"),
            (contents(&json!([called])), "must follow one of the user"),
            (contents(&json!([user, {"role": "model", "parts": [{"text": "hi"}]}])), "must end with"),
            (contents(&json!([{"parts": [{"text": "a", "inlineData": {}}]}])), "oneof"),
            (contents(&json!([{"parts": [{"thought": true}]}])), "oneof"),
            (contents(&json!([user, called, once])), "missing a thought_signature"),
            (contents(&json!([user, forged, once])), "not valid"),
            (contents(&json!([user, spared, once])), "equal to the number"),
            (contents(&json!([once])), "no call of the turn before"),
            (contents(&json!([{"parts": [{"inlineData": {"mimeType": "image/png", "data": "data:x"}}]}])), "Base64"),
            (with("generationConfig", json!({"max_tokens": 5})), "maxTokens"),
            (with("generationConfig", json!({"responseJsonSchema": {}})), "responseMimeType"),
            (
                declared(json!({"name": "f", "parameters": {"type": "object", "additionalProperties": false}})),
                "additionalProperties",
            ),
            (declared(json!({"name": "f", "parameters": {"type": "object"}, "parametersJsonSchema": {}})), "beside"),
        ],
    )
    .await;
    let (_provider, client) = provider().await;
    let twice = json!({"role": "user", "parts": [said, said]});
    client.post(GEMINI, &contents(&json!([user, spared, twice]))).await.unwrap().expect(200).unwrap();
    let mut snaked = contents(&json!([{"parts": [{"inline_data": {"mime_type": "image/png", "data": "ab-_"}}]}]));
    snaked["generation_config"] = json!({"thinking_config": {"include_thoughts": true}});
    client.post(GEMINI, &snaked).await.unwrap().expect(200).unwrap();
    client.post(&GEMINI.replace("v1beta", "v1"), &snaked).await.unwrap().expect(200).unwrap();
    let unframed = GEMINI_STREAM.trim_end_matches("?alt=sse");
    client.post(unframed, &contents(&json!([user]))).await.unwrap().expect(400).unwrap();
}

#[tokio::test]
async fn ollamas_messages_are_read_strictly() {
    let body = |message: Value| json!({"model": "m", "messages": [message], "stream": false});
    let call = json!({"function": {"name": "f", "arguments": "{}"}});
    all_refused(
        OLLAMA,
        &[
            (body(json!({"role": "user", "content": [{"type": "text", "text": "hi"}]})), "expected a string"),
            (
                body(json!({"role": "user", "content": "hi", "images": ["data:image/png;base64,iVBO"]})),
                "illegal base64",
            ),
            (body(json!({"role": "assistant", "content": "", "tool_calls": [call]})), "expected an object"),
            (body(json!({"role": "developer", "content": "hi"})), "is none of system"),
            (json!({"model": "m", "messages": [], "max_tokens": 5}), "max_tokens"),
        ],
    )
    .await;
}
