//! Presets: saved, chosen with their parameters, which requests have where their clients say nothing.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::Client;

use super::Selector;
use crate::scene::{KeyTerms, chat, command, lines};

async fn save(client: &Client, name: &str, model: &str, parameters: Value) -> Result<Value> {
    let body = json!({ "name": name, "model_id": model, "parameters": parameters });
    client.post("/models/presets", &body).await?.expect(200)?.json()
}

fn careful() -> Value {
    json!({ "temperature": 0.2, "top_p": 0.95, "max_tokens": 40, "reasoning_effort": "low" })
}

/// The body that the last call reached the upstream with.
fn sent(selector: &Selector) -> Result<Value> {
    selector.upstream.requests().last().context("no call")?.json()
}

#[tokio::test]
async fn a_preset_is_a_model_and_parameters_and_the_clients_own_values_win() -> Result<()> {
    let selector = Selector::start().await?;
    let caller = selector.caller().await?;
    let saved = save(&caller, "careful", "openai/gpt-4o", careful()).await?;
    assert_eq!((&saved["model"], &saved["parameters"]), (&json!("openai/gpt-4o"), &careful()));
    let chosen = caller.post("/models/select", &json!({ "preset": "careful" })).await?.expect(200)?;
    assert_eq!((chosen.at("/model_id")?, chosen.at("/preset")?), (json!("gpt-4o"), json!("careful")));
    assert_eq!(chosen.at("/parameters")?, careful());
    let current = caller.get("/models/current").await?.expect(200)?;
    assert_eq!((current.at("/preset")?, current.at("/parameters")?), (json!("careful"), careful()));
    caller.post("/v1/chat/completions", &chat("current")).await?.expect(200)?;
    let body = sent(&selector)?;
    assert_eq!((&body["model"], &body["temperature"], &body["top_p"]), (&json!("gpt-4o"), &json!(0.2), &json!(0.95)));
    assert_eq!((&body["reasoning_effort"], &body["max_tokens"]), (&json!("low"), &json!(40)), "{body}");
    let mut own = chat("current");
    own["temperature"] = json!(1.5);
    own["max_completion_tokens"] = json!(7);
    own["top_p"] = json!(null);
    caller.post("/v1/chat/completions", &own).await?.expect(200)?;
    let body = sent(&selector)?;
    assert_eq!((&body["temperature"], &body["top_p"]), (&json!(1.5), &json!(0.95)), "{body}");
    assert_eq!((&body["max_completion_tokens"], body.get("max_tokens")), (&json!(7), None), "{body}");
    // By its own name the model has none of them.
    caller.post("/v1/chat/completions", &chat("openai/gpt-4o")).await?.expect(200)?;
    assert_eq!(sent(&selector)?.get("temperature"), None);
    Ok(())
}

#[tokio::test]
async fn requests_in_other_dialects_have_the_parameters_too() -> Result<()> {
    let selector = Selector::start().await?;
    let caller = selector.caller().await?;
    save(&caller, "careful", "openai/gpt-4o", careful()).await?;
    caller.post("/models/select", &json!({ "preset": "careful" })).await?.expect(200)?;
    let says = json!([{ "role": "user", "content": "Hello." }]);
    let asked = [
        ("/v1/messages", json!({ "model": "current", "max_tokens": 9, "messages": says }), 9),
        ("/api/chat", json!({ "model": "current", "messages": says, "stream": false }), 40),
        ("/v1beta/models/current:generateContent", json!({ "contents": [{ "parts": [{ "text": "Hello." }] }] }), 40),
    ];
    for (path, body, limit) in &asked {
        caller.post(path, body).await?.expect(200)?;
        let sent = sent(&selector)?;
        let told = ["max_tokens", "max_completion_tokens"].iter().find_map(|name| sent.get(*name));
        assert_eq!((&sent["temperature"], told), (&json!(0.2), Some(&json!(limit))), "{path}: {sent}");
        assert_eq!(sent["top_p"], json!(0.95), "{path}: {sent}");
    }
    // The simulated upstream has no Responses, and keeps what it was sent all the same: the client's own bytes.
    let body = json!({ "model": "current", "input": "Hello.", "reasoning": { "summary": "auto" } });
    caller.post("/v1/responses", &body).await?;
    let through = sent(&selector)?;
    assert_eq!((&through["temperature"], &through["max_output_tokens"]), (&json!(0.2), &json!(40)), "{through}");
    assert_eq!(through["reasoning"], json!({ "effort": "low", "summary": "auto" }), "{through}");
    save(&caller, "quick", "openai/gpt-5-mini", json!({ "reasoning_effort": "low" })).await?;
    caller.post("/models/select", &json!({ "preset": "quick" })).await?.expect(200)?;
    for (path, body, _) in asked {
        caller.post(path, &body).await?.expect(200)?;
        let sent = sent(&selector)?;
        assert_eq!(
            (&sent["model"], &sent["reasoning_effort"]),
            (&json!("gpt-5-mini"), &json!("low")),
            "{path}: {sent}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_scope_has_its_own_presets_and_those_of_wider_ones_whose_models_it_may_call() -> Result<()> {
    let selector = Selector::start().await?;
    let operator = selector.operator()?;
    let models = Some(json!({ "only": ["openai/gpt-4o"] }));
    let key = selector.key(KeyTerms { models, ..KeyTerms::default() }).await?;
    let (narrow, other) = (selector.gateway.caller(&key.secret)?, selector.caller().await?);
    save(&operator, "house", "openai/gpt-4o", json!({ "temperature": 1 })).await?;
    save(&operator, "mini", "openai/gpt-5-mini", json!({})).await?;
    save(&narrow, "house", "openai/gpt-4o", json!({ "temperature": 0.5 })).await?;
    let names = |list: &Value| -> Vec<(Value, Value)> {
        let rows = list["presets"].as_array().cloned().unwrap_or_default();
        rows.into_iter().map(|row| (row["name"].clone(), row["parameters"]["temperature"].clone())).collect()
    };
    let seen = narrow.get("/models/presets").await?.expect(200)?.json()?;
    assert_eq!(names(&seen), [(json!("house"), json!(0.5))], "its own, and none of a model that it may not call");
    let seen = other.get("/models/presets").await?.expect(200)?.json()?;
    assert_eq!(names(&seen), [(json!("house"), json!(1.0)), (json!("mini"), json!(null))]);
    let refused = narrow.post("/models/select", &json!({ "preset": "mini" })).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (404, json!("preset_not_found")));
    assert!(!refused.text().contains("gpt-5-mini"), "{}", refused.text());
    let chosen = narrow.post("/models/select", &json!({ "preset": "house" })).await?.expect(200)?;
    assert_eq!(chosen.at("/parameters/temperature")?, json!(0.5));
    narrow.delete("/models/presets?name=house").await?.expect(200)?;
    let current = narrow.get("/models/current").await?.expect(200)?;
    assert_eq!(current.at("/parameters/temperature")?, json!(0.5), "what was chosen stays chosen");
    let chosen = narrow.post("/models/select", &json!({ "preset": "house" })).await?.expect(200)?;
    assert_eq!(chosen.at("/parameters/temperature")?, json!(1.0), "now it is the gateway's");
    Ok(())
}

#[tokio::test]
async fn the_way_back_leads_to_the_parameters_and_history_tells_of_them_after_a_restart_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let selector = Selector::with(tallygate_tests::gateway::Setup::new().data(folder.path())).await?;
    let operator = selector.operator()?;
    save(&operator, "careful", "openai/gpt-4o", careful()).await?;
    operator.post("/models/select", &json!({ "preset": "careful" })).await?.expect(200)?;
    operator.post("/models/select", &json!({ "model_id": "openai/gpt-5-mini" })).await?.expect(200)?;
    let back = operator.post("/models/undo", &json!({})).await?.expect(200)?;
    assert_eq!((back.at("/preset")?, back.at("/parameters")?), (json!("careful"), careful()));
    let history = operator.get("/models/history").await?.expect(200)?;
    let presets = [0, 1, 2].map(|row| history.at(&format!("/history/{row}/preset")));
    let presets = presets.into_iter().collect::<Result<Vec<_>>>()?;
    assert_eq!(presets, [json!("careful"), json!(null), json!("careful")]);
    assert_eq!(history.at("/history/0/parameters")?, careful());
    selector.gateway.shut_down().await?;
    let again = tallygate_tests::gateway::Setup::new().data(folder.path()).start().await?;
    let current = again.operator()?.get("/models/current").await?.expect(200)?;
    assert_eq!((current.at("/preset")?, current.at("/parameters")?), (json!("careful"), careful()));
    let presets = again.operator()?.get("/models/presets").await?.expect(200)?;
    assert_eq!(presets.at("/presets/0/name")?, "careful");
    Ok(())
}

#[tokio::test]
async fn a_preset_that_is_not_acceptable_is_refused_and_nothing_is_written() -> Result<()> {
    let selector = Selector::start().await?;
    let caller = selector.caller().await?;
    let before = lines(selector.gateway.data(), "control")?.len();
    for (body, code) in [
        (json!({ "name": "p", "model_id": "openai/gpt-4o", "system": "Be brief." }), "body_invalid"),
        (json!({ "name": "", "model_id": "openai/gpt-4o" }), "body_invalid"),
        (json!({ "name": "x".repeat(257), "model_id": "openai/gpt-4o" }), "body_invalid"),
        (json!({ "name": "p" }), "body_invalid"),
        (json!({ "name": "p", "model_id": "openai/gpt-9" }), "model_not_found"),
        (json!({ "name": "p", "model_id": "openai/gpt-4o", "parameters": { "heat": 1 } }), "body_invalid"),
        (json!({ "name": "p", "model_id": "openai/gpt-4o", "parameters": { "temperature": "1" } }), "body_invalid"),
        (
            json!({ "name": "p", "model_id": "openai/gpt-4o", "parameters": { "reasoning_effort": "much" } }),
            "body_invalid",
        ),
        (
            json!({ "name": "p", "model_id": "openai/gpt-4o", "parameters": { "temperature": 0.1234 } }),
            "parameter_invalid",
        ),
        (json!({ "name": "p", "model_id": "openai/gpt-4o", "parameters": { "temperature": -1 } }), "parameter_invalid"),
        (
            json!({ "name": "p", "model_id": "openai/gpt-4o", "parameters": { "temperature": 2.5 } }),
            "preset_parameter_invalid",
        ),
        (json!({ "name": "p", "model_id": "openai/gpt-4o", "parameters": { "top_p": 0 } }), "preset_parameter_invalid"),
        (
            json!({ "name": "p", "model_id": "openai/gpt-4o", "parameters": { "max_tokens": 0 } }),
            "preset_parameter_invalid",
        ),
        (json!({ "name": "p", "model_id": "openai/gpt-4o", "scope": "gateway" }), "admin_only"),
    ] {
        let answer = caller.post("/models/presets", &body).await?;
        assert_eq!(answer.at("/error/tallygate/code")?, code, "{body}: {}", answer.text());
    }
    for body in [json!({}), json!({ "preset": "p", "model_id": "x" }), json!({ "preset": "p", "provider": "openai" })] {
        let answer = caller.post("/models/select", &body).await?;
        assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (400, json!("body_invalid")), "{body}");
    }
    let gone = caller.post("/models/select", &json!({ "preset": "p" })).await?;
    assert_eq!((gone.status, gone.at("/error/tallygate/code")?), (404, json!("preset_not_found")));
    assert_eq!(caller.delete("/models/presets?name=p").await?.status, 404);
    assert_eq!(caller.delete("/models/presets").await?.status, 400);
    assert_eq!(lines(selector.gateway.data(), "control")?.len(), before, "nothing was written");
    Ok(())
}

#[tokio::test]
async fn a_scope_has_a_hundred_presets_and_no_more() -> Result<()> {
    let selector = Selector::start().await?;
    let all: Vec<Value> = (0..100)
        .map(|number| {
            let data = json!({ "scope": "gateway", "preset": format!("p{number}"), "model": "openai/gpt-4o" });
            json!({ "type": "SavePreset", "data": data })
        })
        .collect();
    for some in all.chunks(25) {
        command(&selector.gateway, "Together", Value::Array(some.to_vec())).await?.expect(200)?;
    }
    let body = json!({ "name": "one more", "model_id": "openai/gpt-4o" });
    let refused = selector.operator()?.post("/models/presets", &body).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (400, json!("preset_too_many")));
    save(&selector.operator()?, "p7", "openai/gpt-4o", careful()).await?;
    Ok(())
}
