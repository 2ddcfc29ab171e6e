//! Prices from outside: the list that models are registered from, LiteLLM's map, what has no price, and counting.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::binaries::binary;
use tallygate_tests::gateway::{Gateway, MASTER_KEY};
use tallygate_tests::process::{Ended, Process};
use tallygate_tests::upstream::Upstream;

use crate::scene::{KeyTerms, Scene, chat, command, lines, uuid};

/// A price map as LiteLLM writes one.
const MAP: &str = r#"{
    "sample_spec": { "input_cost_per_token": 0.0, "litellm_provider": "one of the vendors" },
    "gpt-5": { "litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 9e-06,
        "cache_read_input_token_cost": 1.25e-07, "input_cost_per_token_above_200k_tokens": 2e-06, "search_context_cost_per_query": {"low": 0.01} },
    "gpt-4o": { "litellm_provider": "openai", "mode": "chat", "input_cost_per_token": -1e-06, "output_cost_per_token": 9e-06 }
}"#;

async fn register(gateway: &Gateway, name: &str, vendor: &str, upstream_model: &str) -> Result<()> {
    let data = json!({ "model": uuid(), "name": name, "deployments": [{
        "id": name, "vendor": vendor, "upstream_model": upstream_model,
    }]});
    command(gateway, "RegisterModel", data).await?.expect(200)?;
    Ok(())
}

/// Runs `tallygate import prices` on a map.
async fn import(gateway: &Gateway, map: &str, more: &[&str]) -> Result<Ended> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("map.json");
    tokio::fs::write(&file, map).await?;
    let file = file.to_string_lossy().into_owned();
    let arguments = ["import", "prices", &file, "--gateway", gateway.url()];
    let arguments = arguments.into_iter().chain(more.iter().copied()).map(str::to_owned);
    Process::start(&binary("tallygate")?, arguments, [("TALLYGATE_MASTER_KEY", MASTER_KEY)])?.ended().await
}

async fn price_of(gateway: &Gateway, deployment: &str) -> Result<Value> {
    let all = gateway.operator()?.get("/api/prices").await?.expect(200)?.at("/deployments")?;
    let one = all.as_array().into_iter().flatten().find(|one| one["deployment"] == deployment);
    Ok(one.cloned().unwrap_or_default())
}

#[tokio::test]
async fn a_model_that_is_registered_without_a_price_has_the_one_of_the_catalog_and_shows_what_is_known() -> Result<()> {
    let gateway = Gateway::start().await?;
    register(&gateway, "sonnet", "anthropic", "claude-sonnet-4-5").await?;
    let price = price_of(&gateway, "sonnet").await?;
    assert_eq!(
        (&price["price"]["input_pico_usd"], &price["price"]["cache_write_1h_pico_usd"]),
        (&json!(3_000_000), &json!(6_000_000))
    );
    assert_eq!(price["price"]["variants"][0]["above_prompt_tokens"], 200_000);
    let revised = lines(gateway.data(), "control")?.into_iter().find(|line| line["type"] == "price.revised");
    let revised = revised.unwrap_or_default();
    assert_eq!((&revised["schema"], &revised["position"]), (&json!(2), &price["price_position"]));

    let operator = gateway.operator()?;
    let body = json!({ "model_name": "big", "litellm_params": { "model": "openai/gpt-5" } });
    let new = operator.post("/model/new", &body).await?.expect(200)?;
    assert_eq!(new.at("/model_info/input_cost_per_token")?, json!(1.25e-6));
    let again = operator.post("/model/new", &body).await?.expect(200)?;
    assert_eq!(again.at("/model_id")?, new.at("/model_id")?, "the same again adds nothing");
    let info = operator.get("/model/info").await?.expect(200)?.at("/data/0/model_info")?;
    assert_eq!(
        (&info["max_input_tokens"], &info["max_output_tokens"], &info["mode"]),
        (&json!(272_000), &json!(128_000), &json!("chat"))
    );
    assert_eq!((&info["supports_vision"], &info["supports_reasoning"]), (&json!(true), &json!(true)));
    assert_eq!(
        (&info["tallygate"]["priced"], &info["tallygate"]["catalog"]["source_date"]),
        (&json!(true), &json!("2026-08-06"))
    );
    let group = operator.get("/model_group/info?model_group=big").await?.expect(200)?.at("/data/0")?;
    assert_eq!((&group["max_input_tokens"], &group["supports_function_calling"]), (&json!(272_000), &json!(true)));
    assert_eq!(group["input_cost_per_token"], json!(1.25e-6));
    Ok(())
}

#[tokio::test]
async fn what_has_no_price_says_so_everywhere_and_is_never_free() -> Result<()> {
    let scene = Scene::start().await?;
    let data = json!({ "model": uuid(), "name": "unlisted", "deployments": [{
        "id": "unlisted", "vendor": "openai-compatible", "upstream_model": "gpt-4o", "base_url": scene.upstream.url(),
    }]});
    command(&scene.gateway, "RegisterModel", data).await?.expect(200)?;
    let answer = scene.caller().await?.post("/v1/chat/completions", &chat("unlisted")).await?.expect(200)?;
    assert_eq!(
        (answer.header("x-tallygate-unpriced"), answer.header("x-litellm-response-cost")),
        (Some("no_price"), None)
    );
    let settled = scene.activity("request.settled", 1).await?.remove(0);
    assert_eq!((&settled["cost_nano_usd"], &settled["price"]), (&Value::Null, &Value::Null));
    let operator = scene.gateway.operator()?;
    let info = operator.get("/model/info?litellm_model_id=unlisted").await?.expect(200)?.at("/data/0/model_info")?;
    assert_eq!(info["input_cost_per_token"], Value::Null);
    assert_eq!(
        (&info["tallygate"]["priced"], &info["tallygate"]["unpriced_reason"]),
        (&json!(false), &json!("no_price"))
    );
    let group = operator.get("/model_group/info?model_group=unlisted").await?.expect(200)?.at("/data/0")?;
    assert_eq!((&group["input_cost_per_token"], &group["tallygate"]["priced"]), (&Value::Null, &json!(false)));
    assert_eq!(price_of(&scene.gateway, "unlisted").await?["unpriced_reason"], "no_price");
    let key = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000_000), ..KeyTerms::default() }).await?;
    let refused = scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat("unlisted")).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (400, json!("unpriced")));
    // A model that is free has a price.
    let free = scene.caller().await?.post("/v1/chat/completions", &chat(crate::scene::MODEL)).await?.expect(200)?;
    assert_eq!(free.header("x-tallygate-unpriced"), None);
    Ok(())
}

#[tokio::test]
async fn a_price_map_is_compared_first_and_applied_when_asked() -> Result<()> {
    let gateway = Gateway::start().await?;
    register(&gateway, "big", "openai", "gpt-5").await?;
    register(&gateway, "other", "deepseek", "deepseek-chat").await?;
    let before = lines(gateway.data(), "control")?.len();

    let shown = import(&gateway, MAP, &[]).await?;
    assert!(shown.status.success(), "{}", shown.output);
    for line in [
        "big (big): input_cost_per_token 1.25 → 1, output_cost_per_token 10 → 9, input_cost_per_token_above_200k_tokens none → 2",
        "gpt-5: warning: search_context_cost_per_query: its unit is not counted: nothing is charged for it",
        "1 models that are not in use have findings too",
        "2 deployments: 1 prices change, 0 stay, 1 have none in the file",
        "nothing is applied",
    ] {
        assert!(shown.output.contains(line), "{line}: {}", shown.output);
    }
    assert_eq!(lines(gateway.data(), "control")?.len(), before);

    let applied = import(&gateway, MAP, &["--apply"]).await?;
    assert!(applied.status.success() && applied.output.contains("1 prices are in force"), "{}", applied.output);
    let price = price_of(&gateway, "big").await?;
    assert_eq!(
        (&price["price"]["input_pico_usd"], &price["price"]["output_pico_usd"]),
        (&json!(1_000_000), &json!(9_000_000))
    );
    assert_eq!(lines(gateway.data(), "control")?.len(), before + 1, "one event, for the one price that changed");

    let again = import(&gateway, MAP, &["--apply"]).await?;
    assert!(again.status.success() && again.output.contains("0 prices change, 1 stay"), "{}", again.output);
    assert_eq!(lines(gateway.data(), "control")?.len(), before + 1);
    Ok(())
}

#[tokio::test]
async fn a_map_that_is_wrong_about_a_model_in_use_changes_nothing() -> Result<()> {
    let gateway = Gateway::start().await?;
    register(&gateway, "big", "openai", "gpt-5").await?;
    register(&gateway, "small", "openai", "gpt-4o").await?;
    let before = lines(gateway.data(), "control")?.len();
    let refused = import(&gateway, MAP, &["--apply"]).await?;
    assert!(!refused.status.success(), "{}", refused.output);
    assert!(refused.output.contains("gpt-4o: error: input_cost_per_token: -1e-06 is negative"), "{}", refused.output);
    assert_eq!(lines(gateway.data(), "control")?.len(), before);
    let stranger = import(&gateway, MAP, &["--master-key", "sk-somebody-elses-key"]).await?;
    assert!(!stranger.status.success(), "{}", stranger.output);
    let none = import(&gateway, "[]", &[]).await?;
    assert!(!none.status.success() && none.output.contains("is no price map"), "{}", none.output);
    Ok(())
}

#[tokio::test]
async fn tokens_are_counted_by_the_vocabulary_or_estimated_and_say_which() -> Result<()> {
    let (gateway, upstream) = (Gateway::start().await?, Upstream::start().await?);
    register(&gateway, "mine", "openai", "gpt-4o").await?;
    let operator = gateway.operator()?;
    let count = async |body: Value| operator.post("/utils/token_counter", &body).await?.expect(200)?.json();
    let counted = count(json!({ "model": "mine", "prompt": "hello world" })).await?;
    assert_eq!(
        (&counted["total_tokens"], &counted["request_model"], &counted["model_used"], &counted["tokenizer_type"]),
        (&json!(2), &json!("mine"), &json!("gpt-4o"), &json!("openai_tokenizer"))
    );
    let messages = json!([{ "role": "user", "content": "hello world" }]);
    assert_eq!(count(json!({ "model": "gpt-4o", "messages": messages })).await?["total_tokens"], 9);
    let estimated = count(json!({ "model": "anthropic/claude-opus-5", "messages": messages })).await?;
    assert_eq!((&estimated["total_tokens"], &estimated["tokenizer_type"]), (&json!(10), &json!("estimate")));
    let answer = operator.post("/utils/token_counter", &json!({ "model": "mine" })).await?;
    assert_eq!((answer.status, answer.at("/error/param")?), (400, json!("prompt")));
    assert_eq!(
        gateway.caller("sk-nobodys-key-0123456789")?.post("/utils/token_counter", &json!({})).await?.status,
        401
    );
    assert!(upstream.requests().is_empty());
    Ok(())
}
