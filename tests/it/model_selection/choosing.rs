//! A choice: what it says, what it does, and what is refused.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Selector, chosen, select};
use crate::scene::{KeyTerms, chat, command, uuid};

#[tokio::test]
async fn the_very_next_request_for_the_slot_gets_the_model_that_was_chosen() -> Result<()> {
    let selector = Selector::start().await?;
    let key = selector.key(KeyTerms::default()).await?;
    let caller = selector.gateway.caller(&key.secret)?;
    assert_eq!(chosen(&caller).await?, (Value::Null, Value::Null));
    let before = caller.post("/v1/chat/completions", &chat("current")).await?;
    assert_eq!(before.at("/error/tallygate/code")?, "model_not_found", "{}", before.text());
    for _ in 0..3 {
        for model in ["gpt-5-mini", "gpt-4o"] {
            let answer = select(&caller, model, "openai").await?.expect(200)?;
            assert_eq!((answer.at("/model_id")?, answer.at("/provider")?), (json!(model), json!("openai")));
            assert_eq!(answer.at("/model_info/id")?, json!(model));
            assert_eq!(answer.header("x-tallygate-position"), Some(answer.at("/position")?.to_string().as_str()));
            assert_eq!(selector.next_call(&caller, "current").await?, model);
            assert_eq!(chosen(&caller).await?, (json!(model), json!("openai")));
        }
    }
    let logged = selector.selections()?;
    assert_eq!(logged.len(), 6);
    for line in logged {
        assert_eq!(line["actor"], json!({ "kind": "key", "id": key.id }));
        assert_eq!(line["data"]["scope"], json!(format!("key:{}", key.id)));
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_that_runs_ends_with_the_model_it_began_with() -> Result<()> {
    let selector = Selector::start().await?;
    let caller = selector.caller().await?;
    select(&caller, "gpt-5-mini", "openai").await?.expect(200)?;
    let body = json!({ "model": "current", "stream": true, "messages": [{ "role": "user", "content": "Go on." }] });
    let mut events = caller.stream("/v1/chat/completions", &body).await?;
    let first = events.next().await?;
    select(&caller, "gpt-4o", "openai").await?.expect(200)?;
    assert!(first.is_some() && !events.rest().await?.is_empty());
    assert_eq!(selector.next_call(&caller, "current").await?, "gpt-4o");
    let models: Vec<_> = selector.upstream.requests().iter().filter_map(|request| request.model()).collect();
    assert_eq!(models, ["gpt-5-mini", "gpt-4o"]);
    Ok(())
}

#[tokio::test]
async fn a_model_is_chosen_by_its_public_name_or_by_its_bare_name_and_any_name_of_its_provider() -> Result<()> {
    let selector = Selector::start().await?;
    selector.register("gemini/gemini-2.5-pro", "gemini", "gemini-2.5-pro").await?;
    let caller = selector.caller().await?;
    for (body, model) in [
        (json!({ "model_id": "anthropic/claude-sonnet-4-5" }), "anthropic/claude-sonnet-4-5"),
        (json!({ "model_id": "openai/gpt-4o", "provider": "openai" }), "openai/gpt-4o"),
        (json!({ "model_id": "claude-sonnet-4-5", "provider": "anthropic" }), "anthropic/claude-sonnet-4-5"),
        (json!({ "model_id": "gemini-2.5-pro", "provider": "google" }), "gemini/gemini-2.5-pro"),
        (json!({ "model_id": "gpt-4o", "provider": "openai", "slot": "fast" }), "openai/gpt-4o"),
    ] {
        let answer = caller.post("/models/select", &body).await?.expect(200)?;
        assert_eq!(answer.at("/model")?, model, "{body}");
        let (bare, provider) = (answer.at("/model_info/id")?, answer.at("/model_info/provider")?);
        assert_eq!((answer.at("/model_id")?, answer.at("/provider")?), (bare, provider), "{body}");
    }
    let fast = caller.get("/models/current?slot=fast").await?.expect(200)?;
    assert_eq!((fast.at("/model_id")?, fast.at("/slot")?), (json!("gpt-4o"), json!("fast")));
    assert_eq!(selector.next_call(&caller, "fast").await?, "gpt-4o");
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_404_what_is_malformed_is_400_and_neither_writes_to_the_log() -> Result<()> {
    let selector = Selector::start().await?;
    let caller = selector.caller().await?;
    let missing = [
        json!({ "model_id": "gpt-9", "provider": "openai" }),
        json!({ "model_id": "gpt-4o", "provider": "anthropic" }),
        json!({ "model_id": "gpt-4o", "provider": "nobody" }),
        json!({ "model_id": "gpt-4o" }),
        json!({ "model_id": "current" }),
    ];
    for client in [selector.operator()?, caller.clone()] {
        for body in &missing {
            let answer = client.post("/models/select", body).await?;
            assert_eq!(answer.status, 404, "{body}: {}", answer.text());
            assert_eq!(answer.at("/error/tallygate/code")?, "model_not_found", "{body}");
        }
        for body in [
            "",
            "{",
            "[\"gpt-4o\",\"openai\"]",
            "{}",
            r#"{"model_id": 5}"#,
            r#"{"model_id": ""}"#,
            r#"{"model_id": "a\nb"}"#,
            r#"{"model_id": "openai/gpt-4o", "model_id": "openai/gpt-5-mini"}"#,
            r#"{"model_id": "openai/gpt-4o", "slots": "fast"}"#,
            r#"{"model_id": "openai/gpt-4o", "slot": ""}"#,
            r#"{"model_id": "openai/gpt-4o", "slot": "openai/gpt-5-mini"}"#,
            r#"{"model_id": "openai/gpt-4o", "id": ""}"#,
        ] {
            let answer = client.post_bytes("/models/select", "application/json", body).await?;
            assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        }
    }
    assert_eq!(caller.get("/models/current?slots=fast").await?.status, 400);
    assert!(selector.selections()?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_choice_under_an_id_is_made_once_and_ids_of_keys_do_not_meet() -> Result<()> {
    let selector = Selector::start().await?;
    let (one, other) = (selector.caller().await?, selector.caller().await?);
    let id = uuid();
    let body = json!({ "id": id, "model_id": "openai/gpt-4o" });
    let first = one.post("/models/select", &body).await?.expect(200)?;
    select(&one, "gpt-5-mini", "openai").await?.expect(200)?;
    let again = one.post("/models/select", &body).await?.expect(200)?;
    assert_eq!(first.json()?, again.json()?);
    assert_eq!(chosen(&one).await?.0, "gpt-5-mini", "what was chosen since stands");
    let reused = one.post("/models/select", &json!({ "id": id, "model_id": "openai/gpt-5-mini" })).await?;
    assert_eq!((reused.status, reused.at("/error/tallygate/code")?), (409, json!("command_id_reused")));
    other.post("/models/select", &body).await?.expect(200)?;
    assert_eq!(selector.selections()?.len(), 3);
    // To choose what is chosen already is no error, and writes nothing.
    let same = select(&other, "gpt-4o", "openai").await?.expect(200)?;
    assert_eq!(same.at("/model_id")?, "gpt-4o");
    assert_eq!(selector.selections()?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn what_was_chosen_and_may_not_be_called_any_more_is_refused_and_said_to_be() -> Result<()> {
    let selector = Selector::start().await?;
    let caller = selector.caller().await?;
    select(&caller, "gpt-4o", "openai").await?.expect(200)?;
    let only = json!({ "realm": "default", "models": { "only": ["openai/gpt-5-mini"] } });
    command(&selector.gateway, "ReplaceGrants", only).await?.expect(200)?;
    let current = caller.get("/models/current").await?.expect(200)?;
    assert_eq!((current.at("/callable")?, current.at("/model_info")?), (json!(false), json!(null)));
    let refused = caller.post("/v1/chat/completions", &chat("current")).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (403, json!("model_not_granted")));
    select(&caller, "gpt-5-mini", "openai").await?.expect(200)?;
    assert_eq!(caller.get("/models/current").await?.at("/callable")?, true);
    assert_eq!(selector.next_call(&caller, "current").await?, "gpt-5-mini");
    Ok(())
}
