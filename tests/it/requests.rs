//! Requests through a real gateway: what passes, what is metered, what is refused, and what the log says of it.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::gateway::Setup;
use tallygate_tests::upstream::{Reply, StreamEnd, Upstream, Usage};

use crate::scene::{KeyTerms, MODEL, Scene, UPSTREAM_MODEL, chat, command, uuid};

#[tokio::test]
async fn a_buffered_answer_passes_and_its_cost_becomes_an_event() -> Result<()> {
    let scene = Scene::start().await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000_000), ..KeyTerms::default() }).await?;
    let mut body = chat(MODEL);
    body["unknown_field"] = json!({ "kept": [1, 2.50, "ä"] });
    let answer = scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &body).await?.expect(200)?;
    assert_eq!(answer.at("/model")?, UPSTREAM_MODEL);
    let sent = scene.upstream.requests().remove(0);
    assert_eq!(sent.json()?["model"], UPSTREAM_MODEL);
    assert_eq!(sent.json()?["unknown_field"], body["unknown_field"]);
    assert!(sent.json()?["max_tokens"].as_u64().is_some(), "the gateway limits an answer that a budget must pay for");
    assert_eq!(answer.header("x-tallygate-max-output-tokens"), Some("1000"));
    let settled = scene.activity("request.settled", 1).await?.remove(0);
    let usage = Usage::default();
    let cost = (usage.prompt_tokens * 1_000 + usage.completion_tokens * 2_000).div_ceil(1_000);
    assert_eq!(settled["cost_nano_usd"], cost);
    assert_eq!(settled["usage"]["output_tokens"], usage.completion_tokens);
    assert_eq!(settled["key"], key.id);
    assert_eq!(settled["outcome"], "succeeded");
    assert_eq!(settled["charged"][0]["scope"], format!("key:{}", key.id));
    assert_eq!(settled["request"], answer.header("x-litellm-call-id").unwrap_or_default());
    Ok(())
}

#[tokio::test]
async fn a_stream_is_metered_and_the_usage_that_nobody_asked_for_is_kept_back() -> Result<()> {
    let scene = Scene::start().await?;
    let caller = scene.caller().await?;
    let mut body = chat(MODEL);
    body["stream"] = json!(true);
    let events = caller.stream("/v1/chat/completions", &body).await?.rest().await?;
    assert!(
        events.iter().all(|event| event["choices"].as_array().is_some_and(|choices| !choices.is_empty())),
        "{events:?}"
    );
    assert_eq!(scene.upstream.requests()[0].json()?["stream_options"]["include_usage"], true);
    body["stream_options"] = json!({ "include_usage": true });
    let events = caller.stream("/v1/chat/completions", &body).await?.rest().await?;
    assert!(events.iter().any(|event| event["usage"]["completion_tokens"].is_u64()), "{events:?}");
    for settled in scene.activity("request.settled", 2).await? {
        assert_eq!(settled["usage"]["output_tokens"], Usage::default().completion_tokens);
        // What is false is left out.
        assert_eq!((&settled["streamed"], settled.get("estimated")), (&json!(true), None));
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_without_usage_is_estimated_and_says_so() -> Result<()> {
    let scene = Scene::start().await?;
    scene.upstream.next(Reply::answer().chunks(20).without_usage());
    let mut body = chat(MODEL);
    body["stream"] = json!(true);
    scene.caller().await?.stream("/v1/chat/completions", &body).await?.rest().await?;
    let settled = scene.activity("request.settled", 1).await?.remove(0);
    assert_eq!(settled["estimated"], true);
    assert!(settled["usage"]["output_tokens"].as_u64().is_some_and(|tokens| tokens > 0));
    Ok(())
}

#[tokio::test]
async fn embeddings_models_and_azure_paths_answer() -> Result<()> {
    let scene = Scene::start().await?;
    let caller = scene.caller().await?;
    let answer =
        caller.post("/v1/embeddings", &json!({ "model": MODEL, "input": "three words" })).await?.expect(200)?;
    assert!(answer.at("/data/0/embedding")?.is_array());
    let models = caller.get("/v1/models").await?.expect(200)?;
    assert_eq!(models.at("/data/0/id")?, MODEL);
    assert_eq!(caller.get(&format!("/v1/models/{MODEL}")).await?.expect(200)?.at("/id")?, MODEL);
    let mut body = chat(MODEL);
    body.as_object_mut().unwrap().remove("model");
    caller.post(&format!("/openai/deployments/{MODEL}/chat/completions"), &body).await?.expect(200)?;
    caller.post("/chat/completions", &chat(MODEL)).await?.expect(200)?;
    assert_eq!(scene.activity("request.settled", 3).await?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn what_is_no_request_is_refused_by_its_reason_and_reaches_no_upstream() -> Result<()> {
    let scene = Scene::with(Setup::new().env("TALLYGATE_BODY_MAX_BYTES", "20000")).await?;
    let caller = scene.caller().await?;
    let before = scene.logged().await?;
    let long = "x".repeat(30_000);
    let cases: [(&[u8], u16, &str); 9] = [
        (b"{", 400, "body_invalid"),
        (b"[]", 400, "body_invalid"),
        (b"{\"model\":\"\xff\",\"messages\":[]}", 400, "body_invalid"),
        (b"{\"model\":\"a\",\"model\":\"b\",\"messages\":[{}]}", 400, "parameter_invalid"),
        (br#"{"model":"team/model.v1"}"#, 400, "parameter_invalid"),
        (br#"{"model":7,"messages":[{"role":"user","content":"x"}]}"#, 400, "parameter_invalid"),
        (
            br#"{"model":"team/model.v1","messages":[{"role":"user","content":"x"}],"max_tokens":-1}"#,
            400,
            "parameter_invalid",
        ),
        (
            br#"{"model":"team/model.v1","messages":[{"role":"user","content":"x"}],"api_base":"http://e"}"#,
            400,
            "parameter_forbidden",
        ),
        (long.as_bytes(), 413, "body_too_large"),
    ];
    for (body, status, code) in cases {
        let answer = caller.post_bytes("/v1/chat/completions", "application/json", body.to_vec()).await?;
        let shown = String::from_utf8_lossy(body).chars().take(80).collect::<String>();
        assert_eq!(
            (answer.status, answer.at("/error/tallygate/code")?),
            (status, json!(code)),
            "{shown}: {}",
            answer.text()
        );
        assert_eq!(answer.at("/error/code")?, status.to_string());
        assert_eq!(answer.header("x-should-retry"), Some("false"));
    }
    assert!(scene.upstream.requests().is_empty());
    let expected: Vec<_> = cases.iter().map(|(_, status, code)| ((*code).to_owned(), u64::from(*status))).collect();
    assert_eq!(scene.refusals_since(&before).await?, expected);
    Ok(())
}

#[tokio::test]
async fn a_key_that_may_not_is_told_what_litellm_would_tell() -> Result<()> {
    let scene = Scene::start().await?;
    let limited = scene.key(KeyTerms { models: Some(json!({ "only": ["other/*"] })), ..KeyTerms::default() }).await?;
    let free = scene.key(KeyTerms::default()).await?;
    let refused = |answer: &tallygate_tests::client::Answer| -> Result<(u16, Value, Value)> {
        Ok((answer.status, answer.at("/error/type")?, answer.at("/error/tallygate/code")?))
    };
    let post =
        async |key: &str, model: &str| scene.gateway.caller(key)?.post("/v1/chat/completions", &chat(model)).await;
    assert_eq!(
        refused(&post(&limited.secret, MODEL).await?)?,
        (403, json!("key_model_access_denied"), json!("model_not_allowed"))
    );
    assert_eq!(
        refused(&post(&free.secret, "nope").await?)?,
        (400, json!("invalid_request_error"), json!("model_not_found"))
    );
    assert_eq!(
        refused(&post("sk-unknown-key", MODEL).await?)?,
        (401, json!("token_not_found_in_db"), json!("key_unknown"))
    );
    command(&scene.gateway, "BlockKey", json!({ "key": free.id })).await?.expect(200)?;
    assert_eq!(refused(&post(&free.secret, MODEL).await?)?, (401, json!("auth_error"), json!("key_blocked")));
    command(&scene.gateway, "UnblockKey", json!({ "key": free.id })).await?.expect(200)?;
    post(&free.secret, MODEL).await?.expect(200)?;
    command(&scene.gateway, "RevokeKey", json!({ "key": free.id })).await?.expect(200)?;
    assert_eq!(
        refused(&post(&free.secret, MODEL).await?)?,
        (401, json!("token_not_found_in_db"), json!("key_unknown"))
    );
    let without = tallygate_tests::client::Client::new(scene.gateway.url(), None)?;
    let answer = without.post("/v1/chat/completions", &chat(MODEL)).await?;
    assert_eq!(refused(&answer)?, (401, json!("auth_error"), json!("key_missing")));
    assert_eq!(scene.upstream.requests().len(), 1);
    // Known keys are named in the record; strangers are not recorded, who could fill the log.
    let recorded = scene.activity("request.refused", 4).await?;
    let recorded: Vec<_> = recorded.iter().map(|fact| (&fact["key"], &fact["code"])).collect();
    let (limited, free) = (json!(limited.id), json!(free.id));
    let codes = ["model_not_allowed", "model_not_found", "key_blocked", "key_unknown"].map(|code| json!(code));
    assert_eq!(recorded, [&limited, &free, &free, &free].into_iter().zip(&codes).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn an_expired_key_is_refused() -> Result<()> {
    let scene = Scene::start().await?;
    let key = scene.key(KeyTerms::default()).await?;
    let refused =
        command(&scene.gateway, "ReviseKey", json!({ "key": key.id, "expires_at": "2020-01-01T00:00:00Z" })).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (400, json!("key_expiry_in_past")));
    let soon = std::time::SystemTime::now() + std::time::Duration::from_millis(300);
    let millis = i64::try_from(soon.duration_since(std::time::UNIX_EPOCH)?.as_millis())?;
    let at = tallygate_core::time::Timestamp::from_millis(millis).to_string();
    command(&scene.gateway, "ReviseKey", json!({ "key": key.id, "expires_at": at })).await?.expect(200)?;
    let caller = scene.gateway.caller(&key.secret)?;
    for _ in 0..200 {
        let answer = caller.post("/v1/chat/completions", &chat(MODEL)).await?;
        if answer.status == 401 {
            assert_eq!(
                (answer.at("/error/type")?, answer.at("/error/tallygate/code")?),
                (json!("expired_key"), json!("key_expired"))
            );
            let recorded = scene.activity("request.refused", 1).await?;
            assert_eq!((&recorded[0]["key"], &recorded[0]["code"]), (&json!(key.id), &json!("key_expired")));
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    anyhow::bail!("the key never expired")
}

#[tokio::test]
async fn a_failing_upstream_gets_an_honest_status_and_costs_nothing_it_did_not_do() -> Result<()> {
    let setup =
        Setup::new().env("TALLYGATE_UPSTREAM_FIRST_BYTE_SECONDS", "1").env("TALLYGATE_UPSTREAM_IDLE_SECONDS", "1");
    let scene = Scene::with(setup).await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000_000), ..KeyTerms::default() }).await?;
    let caller = scene.gateway.caller(&key.secret)?;
    let cases = [
        (Reply::refuse(500), 500, "upstream_failed"),
        (Reply::refuse(401), 401, "upstream_refused"),
        (Reply::refuse(429).retry_after("7"), 429, "upstream_failed"),
        (Reply::hang(), 504, "upstream_timeout"),
        (Reply::reset(), 502, "upstream_failed"),
        (Reply::garbage(), 502, "upstream_failed"),
    ];
    let (count, before) = (cases.len(), scene.logged().await?);
    for (reply, status, code) in cases {
        scene.upstream.next(reply);
        let answer = caller.post("/v1/chat/completions", &chat(MODEL)).await?;
        assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (status, json!(code)), "{}", answer.text());
        if status == 429 {
            assert_eq!(answer.header("retry-after"), Some("7"));
        }
    }
    let settled = scene.facts_since(&before).await?;
    assert_eq!(settled.len(), count, "one fact each");
    for (at, fact) in settled.iter().map(|line| &line["data"]).enumerate() {
        assert_eq!(fact["outcome"], "failed");
        let is_billed = fact["cost_nano_usd"].as_i64().is_some_and(|cost| cost > 0);
        // What an upstream refused was not done; what hung, reset or made no sense may have been.
        assert_eq!(is_billed, at > 2, "{at}: {fact}");
    }
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error_event_and_is_settled_once() -> Result<()> {
    let scene = Scene::with(Setup::new().env("TALLYGATE_UPSTREAM_IDLE_SECONDS", "1")).await?;
    let caller = scene.caller().await?;
    let mut body = chat(MODEL);
    body["stream"] = json!(true);
    let before = scene.logged().await?;
    for end in [StreamEnd::Reset, StreamEnd::Hang] {
        scene.upstream.next(Reply::answer().chunks(5).then(end));
        let events = caller.stream("/v1/chat/completions", &body).await?.rest().await?;
        let last = events.last().cloned().unwrap_or_default();
        assert!(last["error"]["message"].is_string(), "{events:?}");
    }
    let settled: Vec<_> = scene.facts_since(&before).await?.into_iter().map(|mut line| line["data"].take()).collect();
    assert_eq!(settled.len(), 2);
    assert!(settled.iter().all(|fact| fact["outcome"] == "failed" && fact["estimated"] == true), "{settled:?}");
    Ok(())
}

#[tokio::test]
async fn an_upstream_that_nobody_listens_at_is_a_bad_gateway() -> Result<()> {
    let scene = Scene::start().await?;
    let data = json!({ "model": uuid(), "name": "dead", "deployments": [{
        "id": "dead-1", "vendor": "openai-compatible", "upstream_model": "m", "base_url": Upstream::refusing_url().await?,
    }]});
    command(&scene.gateway, "RegisterModel", data).await?.expect(200)?;
    let (caller, before) = (scene.caller().await?, scene.logged().await?);
    let answer = caller.post("/v1/chat/completions", &chat("dead")).await?;
    assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (502, json!("upstream_failed")));
    let settled = scene.facts_since(&before).await?;
    assert_eq!((settled.len(), &settled[0]["data"]["outcome"]), (1, &json!("failed")));
    Ok(())
}

#[tokio::test]
async fn two_deployments_share_by_weight() -> Result<()> {
    let scene = Scene::start().await?;
    let other = Upstream::start().await?;
    let model = scene.log("control")?.into_iter().find(|line| line["type"] == "model.registered").unwrap();
    let add = json!({ "model": model["data"]["model"], "deployment": {
        "id": "deployment-2", "vendor": "openai-compatible", "upstream_model": "m2", "base_url": other.url(), "weight": 3,
    }});
    command(&scene.gateway, "AddDeployment", add).await?.expect(200)?;
    let caller = scene.caller().await?;
    for _ in 0..200 {
        caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    }
    let (first, second) = (scene.upstream.requests().len(), other.requests().len());
    assert_eq!(first + second, 200);
    assert!((120..=178).contains(&second), "a weight of 3 in 4 got {second} of 200");
    Ok(())
}

#[tokio::test]
async fn a_swap_takes_effect_on_the_next_request() -> Result<()> {
    let scene = Scene::start().await?;
    scene.register("other", "deployment-3").await?;
    let caller = scene.caller().await?;
    for model in [MODEL, "other", MODEL, "other"] {
        command(&scene.gateway, "SelectModel", json!({ "scope": "gateway", "model": model })).await?.expect(200)?;
        let answer = caller.post("/v1/chat/completions", &chat("current")).await?.expect(200)?;
        assert_eq!(answer.header("x-litellm-model-group"), Some(model));
    }
    Ok(())
}
