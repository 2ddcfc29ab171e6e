//! What agents refuse by the agent-to-agent protocol, and that nothing changes then.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::gateway::Setup;
use tallygate_tests::upstream::Reply;

use super::a2a::{Talk, message, say};
use super::refusal;

/// The number and the stable code of an error.
fn fault(answer: &Value) -> (i64, Value) {
    (answer["error"]["code"].as_i64().unwrap_or_default(), answer["error"]["data"]["code"].clone())
}

#[tokio::test]
async fn a_swap_to_what_is_not_granted_is_refused_and_the_log_stays_as_it_is() -> Result<()> {
    let talk = Talk::start().await?;
    talk.plane.model("secret").await?;
    let before = talk.plane.log()?.len();
    for (name, code) in [
        ("openai-compatible/secret", "selection_not_granted"),
        ("openai-compatible/gone", "model_not_found"),
        ("*.>", "model_not_found"),
    ] {
        let answer = talk.say("a.*.>", &format!("[HOTSWAP:MODEL:{name}]")).await?;
        assert_eq!(fault(&answer), (-32_000, json!(code)), "{answer}");
    }
    let long = talk.say("a", &format!("[HOTSWAP:MODEL:{}]", "x".repeat(10_000))).await?;
    assert_eq!(fault(&long).0, -32_602, "{long}");
    assert_eq!(talk.plane.log()?.len(), before);
    talk.say("a.*.>", "[HOTSWAP:MODEL:two]").await?;
    let answer = talk.say("a.*.>", "[HOTSWAP:MODEL:openai-compatible/two]").await?;
    assert!(answer["result"].is_object(), "a name may hold what NATS takes for wildcards: {answer}");
    Ok(())
}

#[tokio::test]
async fn what_was_swapped_to_is_refused_once_it_is_withdrawn_and_nothing_takes_its_place() -> Result<()> {
    let talk = Talk::start().await?;
    talk.say("a", "[HOTSWAP:MODEL:openai-compatible/two]").await?;
    talk.plane.withdraw(&talk.two, &talk.realm).await?;
    for method in ["message/send", "message/stream"] {
        let answer = talk.caller()?.post("/a2a/planner", &message(method, "a", "Hello.")).await?.expect(200)?;
        let body = answer.text();
        let json: Value = serde_json::from_str(body.trim().trim_start_matches("data: "))?;
        assert_eq!(fault(&json), (-32_000, json!("agent_idle")), "{method}: {json}");
        assert_eq!(json["error"]["data"]["details"]["reason"], "not_granted");
    }
    assert!(talk.asked().is_empty());
    talk.plane.withdraw(&talk.one, &talk.realm).await?;
    let answer = talk.say("b", "Hello.").await?;
    assert_eq!(answer["error"]["data"]["details"]["reason"], "no_model", "{answer}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_call_is_answered_by_the_protocols_numbers_and_reaches_no_model() -> Result<()> {
    let talk = Talk::start().await?;
    let caller = talk.caller()?;
    let post = async |body: String| -> Result<Value> {
        caller.post_bytes("/a2a/planner", "application/json", body).await?.expect(200)?.at("")
    };
    let with = |field: &str, value: Value| {
        let mut call = message("message/send", "a", "Hello.");
        call["params"]["message"][field] = value;
        call.to_string()
    };
    for (body, code) in [
        ("{".to_owned(), -32_700),
        ("[]".to_owned(), -32_600),
        (json!({ "id": 1, "method": "message/send" }).to_string(), -32_600),
        (message("message/sent", "a", "Hello.").to_string(), -32_601),
        (message("tasks/get", "a", "Hello.").to_string(), -32_001),
        (message("tasks/cancel", "a", "Hello.").to_string(), -32_001),
        (message("tasks/pushNotificationConfig/get", "a", "").to_string(), -32_003),
        (json!({ "jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {} }).to_string(), -32_602),
        (with("parts", json!([{ "kind": "file", "file": { "uri": "http://a" } }])), -32_005),
        (with("parts", json!([{ "kind": "text", "text": "x".repeat(300_000) }])), -32_602),
        (with("contextId", json!("x".repeat(10_000))), -32_602),
        (with("contextId", json!("a\u{200B}")), -32_602),
        (with("taskId", json!("t")), -32_001),
        (message("message/send", "a", "[HOTSWAP:NONSENSE]").to_string(), -32_602),
    ] {
        let answer = post(body.clone()).await?;
        assert_eq!(fault(&answer).0, code, "{} {answer}", body.chars().take(200).collect::<String>());
        assert_eq!(answer["jsonrpc"], "2.0");
        assert!(answer.to_string().len() < 600, "nothing long is repeated");
    }
    assert!(talk.asked().is_empty());
    Ok(())
}

#[tokio::test]
async fn only_who_has_to_do_with_an_agent_reaches_it_and_others_do_not_learn_that_it_is_there() -> Result<()> {
    let talk = Talk::start().await?;
    let other = talk.plane.agent("other", &talk.realm).await?;
    let operator = talk.plane.operator()?;
    let issue = async |realm: &str| {
        let body = json!({ "team_id": realm, "models": [] });
        let key = operator.post("/key/generate", &body).await?.expect(200)?.at("/key")?;
        anyhow::Ok(key.as_str().unwrap_or_default().to_owned())
    };
    let (near, far) = (issue(&talk.realm).await?, issue("default").await?);
    let gateway = &talk.plane.gateway;
    for (caller, status, code) in [
        (gateway.caller(&other.token)?, 404, "agent_not_registered"),
        (gateway.caller(&far)?, 404, "agent_not_registered"),
        (gateway.caller("sk-nobody")?, 401, "key_unknown"),
        (Client::new(gateway.url(), None)?, 401, "key_missing"),
    ] {
        let hello = message("message/send", "a", "Hello.");
        let answer = caller.post("/a2a/planner", &hello).await?;
        assert_eq!(refusal(&answer)?, (status, json!(code)), "{}", answer.text());
        assert_eq!(caller.get("/a2a/planner/.well-known/agent-card.json").await?.status, status);
    }
    for agent in ["nobody", &"x".repeat(10_000), "*.%3E"] {
        let answer = operator.post(&format!("/a2a/{agent}"), &message("message/send", "a", "Hello.")).await?;
        assert_eq!(refusal(&answer)?, (404, json!("agent_not_registered")), "{}", answer.text());
        assert!(answer.text().len() < 500);
    }
    assert!(talk.asked().is_empty());
    for caller in [gateway.caller(&near)?, talk.plane.operator()?] {
        assert!(say(&caller, &talk.agent.did, "a", "Hello.").await?["result"].is_object());
        let card = caller.get("/a2a/planner/.well-known/agent.json").await?.expect(200)?;
        assert_eq!(card.at("/url")?, json!(format!("{}/a2a/planner", gateway.url())));
        assert_eq!(card.at("/security/0/bearer")?, json!([]));
    }
    Ok(())
}

#[tokio::test]
async fn an_open_agent_takes_callers_without_a_key_on_this_machine_alone() -> Result<()> {
    let talk = Talk::with(Setup::new().arg("--open-agent").arg("planner")).await?;
    talk.plane.agent("closed", &talk.realm).await?;
    let stranger = Client::new(talk.plane.gateway.url(), None)?;
    assert!(say(&stranger, "planner", "a", "Hello.").await?["result"].is_object());
    assert!(say(&stranger, "planner", "a", "[HOTSWAP:MODEL:openai-compatible/two]").await?["result"].is_object());
    let card = stranger.get("/a2a/planner/.well-known/agent-card.json").await?.expect(200)?;
    assert!(!card.text().contains("security"), "{}", card.text());
    let hello = || message("message/send", "a", "Hello.");
    let closed = stranger.post("/a2a/closed", &hello()).await?;
    assert_eq!(refusal(&closed)?, (401, json!("key_missing")));
    let plain = stranger.post_bytes("/a2a/planner", "text/plain", hello().to_string()).await?;
    assert_eq!(refusal(&plain)?, (415, json!("content_type_unsupported")), "a page could send that");
    let rebound = Client::new(talk.plane.gateway.url(), None)?.with_header("host", "rebound.example");
    assert_eq!(refusal(&rebound.post("/a2a/planner", &hello()).await?)?, (401, json!("key_missing")));
    let elsewhere = Setup::new().host("0.0.0.0").env("TALLYGATE_SECRET", "a-secret-of-some-length-for-tests");
    let ended = elsewhere.arg("--open-agent").arg("planner").run().await?;
    assert!(!ended.status.success() && ended.output.contains("cannot be open on 0.0.0.0"), "{}", ended.output);
    Ok(())
}

#[tokio::test]
async fn a_failing_upstream_is_told_as_an_error_and_is_not_remembered() -> Result<()> {
    let talk = Talk::start().await?;
    for method in ["message/send", "message/stream"] {
        talk.plane.upstream.next(Reply::refuse(503));
        let answer = talk.caller()?.post("/a2a/planner", &message(method, "a", "Lost.")).await?.expect(200)?;
        let json: Value = serde_json::from_str(answer.text().trim().trim_start_matches("data: "))?;
        assert_eq!(fault(&json).0, -32_603, "{method}: {json}");
    }
    talk.say("a", "Hello.").await?;
    let sent = talk.plane.upstream.requests();
    let messages = sent[sent.len() - 1].json()?["messages"].clone();
    assert_eq!(messages, json!([{ "role": "user", "content": "Hello." }]));
    Ok(())
}

/// What a model that says nothing answers, whole or streamed.
fn silent(streams: bool) -> Reply {
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1 });
    let of = |kind: &str, part: &str, said: Value| {
        json!({ "id": "c1", "object": kind, "created": 1, "model": "upstream-one", "usage": usage,
            "choices": [{ "index": 0, "finish_reason": "stop", part: said }] })
    };
    if streams {
        let chunk = of("chat.completion.chunk", "delta", json!({ "role": "assistant" }));
        return Reply::raw("text/event-stream", format!("data: {chunk}\n\ndata: [DONE]\n\n").as_bytes());
    }
    let answer = of("chat.completion", "message", json!({ "role": "assistant", "content": null }));
    Reply::raw("application/json", answer.to_string().as_bytes())
}

#[tokio::test]
async fn an_answer_without_text_has_failed_whole_and_streamed_and_is_not_remembered() -> Result<()> {
    let talk = Talk::start().await?;
    for (method, streams) in [("message/send", false), ("message/stream", true)] {
        talk.plane.upstream.next(silent(streams));
        let answer = talk.caller()?.post("/a2a/planner", &message(method, "a", "Well?")).await?.expect(200)?;
        let text = answer.text();
        let json: Value = serde_json::from_str(text.trim().rsplit("data: ").next().unwrap_or_default())?;
        let why =
            if streams { &json["result"]["status"]["message"]["parts"][0]["text"] } else { &json["error"]["message"] };
        assert!(why.as_str().is_some_and(|why| why.contains("the model's answer has no text")), "{method}: {json}");
        assert!(!streams || json["result"]["status"]["state"] == "failed", "{json}");
    }
    talk.say("a", "Hello.").await?;
    let sent = talk.plane.upstream.requests();
    let messages = sent[sent.len() - 1].json()?["messages"].clone();
    assert_eq!(messages, json!([{ "role": "user", "content": "Hello." }]));
    Ok(())
}
