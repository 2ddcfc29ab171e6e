//! What may be chosen, and what is told of it.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::upstream::Reply;

use super::{Selector, select};
use crate::scene::{KeyTerms, command};

#[tokio::test]
async fn models_stand_under_their_providers_with_what_they_can_and_cost() -> Result<()> {
    let selector = Selector::start().await?;
    for (client, is_operator) in [(selector.operator()?, true), (selector.caller().await?, false)] {
        let list = client.get("/models/list").await?.expect(200)?;
        assert_eq!((list.at("/0/id")?, list.at("/0/name")?), (json!("anthropic"), json!("Anthropic")));
        assert_eq!((list.at("/1/id")?, list.at("/1/name")?), (json!("openai"), json!("OpenAI")));
        let names: Vec<_> =
            ["/1/models/0/id", "/1/models/1/id"].map(|at| list.at(at)).into_iter().collect::<Result<_>>()?;
        assert_eq!(names, [json!("gpt-4o"), json!("gpt-5-mini")]);
        let mut expected = json!({
            "id": "gpt-5-mini",
            "name": "gpt-5-mini",
            "provider": "openai",
            "description": "The model gpt-5-mini",
            "context_window": 272_000,
            "max_output_tokens": 128_000,
            "supports_streaming": true,
            "supports_tools": true,
            "supports_vision": true,
            "is_reasoning": true,
            "model": "openai/gpt-5-mini",
            "priced": true,
            "input_usd_per_million_tokens": 0.25,
            "output_usd_per_million_tokens": 2.0,
            "cached_input_usd_per_million_tokens": 0.025,
            "success_rate": null,
            "latency_ms_p50": null,
        });
        if is_operator {
            expected["calls"] = json!(0);
        }
        assert_eq!(list.at("/1/models/1")?, expected);
        assert_eq!(client.get("/models/providers").await?.expect(200)?.json()?, json!(["anthropic", "openai"]));
    }
    Ok(())
}

#[tokio::test]
async fn what_nobody_knows_of_a_model_is_null_and_what_people_attached_is_told() -> Result<()> {
    let selector = Selector::start().await?;
    let known = json!({ "display_name": "Ours", "max_input_tokens": 9_000, "supports_vision": true });
    for (name, info) in [("house/plain", json!({})), ("house/told", known)] {
        let body = json!({ "model_name": name, "model_info": info, "litellm_params": {
            "model": "openai-compatible/model-of-the-house", "api_base": selector.upstream.url(),
        }});
        selector.operator()?.post("/model/new", &body).await?.expect(200)?;
    }
    let list = selector.operator()?.get("/models/list").await?.expect(200)?;
    let plain = list.at("/2/models/0")?;
    assert_eq!((&plain["id"], &plain["provider"]), (&json!("house/plain"), &json!("openai-compatible")));
    for unknown in
        ["context_window", "supports_tools", "supports_vision", "is_reasoning", "input_usd_per_million_tokens"]
    {
        assert_eq!(plain[unknown], json!(null), "{unknown}");
    }
    assert_eq!(plain["priced"], json!(false));
    let told = list.at("/2/models/1")?;
    assert_eq!((&told["name"], &told["context_window"]), (&json!("Ours"), &json!(9_000)));
    assert_eq!((&told["supports_vision"], &told["supports_tools"]), (&json!(true), &json!(null)));
    Ok(())
}

#[tokio::test]
async fn a_key_is_shown_what_it_may_call_and_nothing_else() -> Result<()> {
    let selector = Selector::start().await?;
    let models = Some(json!({ "only": ["openai/gpt-4o"] }));
    let key = selector.key(KeyTerms { models, ..KeyTerms::default() }).await?;
    let caller = selector.gateway.caller(&key.secret)?;
    let list = caller.get("/models/list").await?.expect(200)?;
    assert_eq!(
        (list.at("/0/models/0/id")?, list.at("/0/models/1")?, list.at("/1")?),
        (json!("gpt-4o"), json!(null), json!(null))
    );
    assert_eq!(caller.get("/models/providers").await?.expect(200)?.json()?, json!(["openai"]));
    // Granted nothing, a realm's key sees nothing, and no list is not every model.
    command(&selector.gateway, "RegisterRealm", json!({ "realm": "acme" })).await?.expect(200)?;
    command(&selector.gateway, "ReplaceGrants", json!({ "realm": "acme", "models": { "only": [] } })).await?;
    let key = selector.key(KeyTerms { realm: Some("acme"), ..KeyTerms::default() }).await?;
    let caller = selector.gateway.caller(&key.secret)?;
    assert_eq!(caller.get("/models/list").await?.expect(200)?.json()?, json!([]));
    let operator = selector.operator()?;
    assert_eq!(operator.get("/models/list?scope=realm:acme").await?.expect(200)?.json()?, json!([]));
    assert_eq!(operator.get(&format!("/models/providers?scope=key:{}", key.id)).await?.expect(200)?.json()?, json!([]));
    Ok(())
}

#[tokio::test]
async fn a_name_that_two_models_could_bear_is_shown_whole_for_one_of_them() -> Result<()> {
    let selector = Selector::start().await?;
    selector.register("gpt-4o", "openai", "gpt-4o-mini").await?;
    let list = selector.operator()?.get("/models/list").await?.expect(200)?;
    let shown = |at: &str| -> Result<_> { Ok((list.at(&format!("{at}/id"))?, list.at(&format!("{at}/model"))?)) };
    assert_eq!(shown("/1/models/0")?, (json!("gpt-4o"), json!("gpt-4o")));
    assert_eq!(shown("/1/models/1")?, (json!("openai/gpt-4o"), json!("openai/gpt-4o")));
    for id in ["gpt-4o", "openai/gpt-4o"] {
        let answer = select(&selector.operator()?, id, "openai").await?.expect(200)?;
        assert_eq!((answer.at("/model_id")?, answer.at("/model")?), (json!(id), json!(id)));
    }
    Ok(())
}

#[tokio::test]
async fn how_a_model_did_lately_is_told_wherever_the_model_is() -> Result<()> {
    let selector = Selector::start().await?;
    let (caller, operator) = (selector.caller().await?, selector.operator()?);
    select(&caller, "gpt-4o", "openai").await?.expect(200)?;
    for reply in [Reply::answer(), Reply::refuse(500), Reply::refuse(400), Reply::answer()] {
        selector.upstream.next(reply);
        caller
            .post(
                "/v1/chat/completions",
                &json!({ "model": "current", "num_retries": 0, "messages": [
                    { "role": "user", "content": "Hello." }
                ]}),
            )
            .await?;
    }
    let list = operator.get("/models/list").await?.expect(200)?;
    let (seen, other) = (list.at("/1/models/0")?, list.at("/1/models/1")?);
    assert_eq!(
        (&seen["calls"], &seen["success_rate"]),
        (&json!(3), &json!(0.6666)),
        "400 is the request's own: {seen}"
    );
    assert!(seen["latency_ms_p50"].is_u64(), "{seen}");
    let nothing = (&json!(0), &json!(null), &json!(null));
    assert_eq!((&other["calls"], &other["success_rate"], &other["latency_ms_p50"]), nothing, "of each model its own");
    let current = caller.get("/models/current").await?.expect(200)?.at("/model_info")?;
    assert_eq!((&current["success_rate"], &current["calls"]), (&json!(0.6666), &json!(null)));
    assert_eq!(select(&caller, "gpt-4o", "openai").await?.at("/model_info/success_rate")?, json!(0.6666));
    Ok(())
}
