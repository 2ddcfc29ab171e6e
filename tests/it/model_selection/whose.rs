//! Whose choice it is: a key's own, its realm's, or the gateway's.

use anyhow::Result;
use serde_json::json;

use super::{Selector, chosen, select};
use crate::scene::{KeyTerms, command};

#[tokio::test]
async fn one_users_choice_never_moves_anothers() -> Result<()> {
    let selector = Selector::start().await?;
    let (one, other) = (selector.caller().await?, selector.caller().await?);
    select(&one, "gpt-5-mini", "openai").await?.expect(200)?;
    assert_eq!(chosen(&other).await?, (json!(null), json!(null)));
    select(&other, "gpt-4o", "openai").await?.expect(200)?;
    select(&selector.operator()?, "claude-sonnet-4-5", "anthropic").await?.expect(200)?;
    assert_eq!(selector.next_call(&one, "current").await?, "gpt-5-mini");
    assert_eq!(selector.next_call(&other, "current").await?, "gpt-4o");
    assert_eq!(chosen(&selector.caller().await?).await?.0, "claude-sonnet-4-5", "others follow the gateway");
    Ok(())
}

#[tokio::test]
async fn the_nearest_scope_wins_and_the_holder_of_the_master_key_chooses_for_any() -> Result<()> {
    let selector = Selector::start().await?;
    let operator = selector.operator()?;
    command(&selector.gateway, "RegisterRealm", json!({ "realm": "acme" })).await?.expect(200)?;
    command(&selector.gateway, "ReplaceGrants", json!({ "realm": "acme", "models": "all" })).await?;
    let key = selector.key(KeyTerms { realm: Some("acme"), ..KeyTerms::default() }).await?;
    let caller = selector.gateway.caller(&key.secret)?;
    let own = format!("key:{}", key.id);
    for (scope, model) in [("gateway", "gpt-4o"), ("realm:acme", "gpt-5-mini"), (own.as_str(), "claude-sonnet-4-5")] {
        let provider = if model.starts_with("gpt") { "openai" } else { "anthropic" };
        let body = json!({ "model_id": model, "provider": provider, "scope": scope });
        let answer = operator.post("/models/select", &body).await?.expect(200)?;
        assert_eq!(answer.at("/scope")?, scope);
        let current = caller.get("/models/current").await?.expect(200)?;
        assert_eq!((current.at("/model_id")?, current.at("/selected_by")?), (json!(model), json!(scope)));
        let seen = operator.get(&format!("/models/current?scope={scope}")).await?.expect(200)?;
        assert_eq!((seen.at("/model_id")?, seen.at("/callable")?), (json!(model), json!(true)));
    }
    assert_eq!(chosen(&operator).await?.0, "gpt-4o", "without a scope the gateway's is meant");
    Ok(())
}

#[tokio::test]
async fn a_key_chooses_for_no_other_scope_and_that_it_tried_is_recorded() -> Result<()> {
    let selector = Selector::start().await?;
    let (key, other) = (selector.key(KeyTerms::default()).await?, selector.key(KeyTerms::default()).await?);
    let caller = selector.gateway.caller(&key.secret)?;
    let foreign = ["gateway".to_owned(), "realm:default".to_owned(), format!("key:{}", other.id)];
    for scope in &foreign {
        let answer = caller.post("/models/select", &json!({ "model_id": "openai/gpt-4o", "scope": scope })).await?;
        assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (401, json!("admin_only")), "{scope}");
        for path in ["list", "providers", "current"] {
            assert_eq!(caller.get(&format!("/models/{path}?scope={scope}")).await?.status, 401, "{path} {scope}");
        }
    }
    let own = format!("key:{}", key.id);
    caller.post("/models/select", &json!({ "model_id": "openai/gpt-4o", "scope": own })).await?.expect(200)?;
    assert_eq!(selector.selections()?.len(), 1);
    let nowhere = selector.operator()?;
    for (scope, status) in [("realm:nowhere", 404), ("user:ada", 404), ("nobody:ada", 400)] {
        assert_eq!(nowhere.get(&format!("/models/current?scope={scope}")).await?.status, status, "{scope}");
        let body = json!({ "model_id": "openai/gpt-4o", "scope": scope });
        assert_eq!(nowhere.post("/models/select", &body).await?.status, status, "{scope}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_cannot_tell_a_model_of_others_from_one_that_never_was() -> Result<()> {
    let selector = Selector::start().await?;
    let models = Some(json!({ "only": ["openai/gpt-4o"] }));
    let key = selector.key(KeyTerms { models, ..KeyTerms::default() }).await?;
    let caller = selector.gateway.caller(&key.secret)?;
    let mut told = Vec::new();
    for name in ["openai/gpt-5-mini", "openai/gpt-9-mini"] {
        let answer = caller.post("/models/select", &json!({ "model_id": name })).await?.expect(404)?;
        told.push(answer.text().replace(name, "…"));
    }
    assert_eq!(told[0], told[1]);
    assert!(selector.selections()?.is_empty());
    Ok(())
}

#[tokio::test]
async fn only_a_key_that_may_call_models_chooses_one() -> Result<()> {
    let selector = Selector::start().await?;
    for (kind, status) in [("llm_api", 200), ("default", 200), ("management", 403), ("read_only", 403)] {
        let body = json!({ "key_type": kind });
        let key = selector.operator()?.post("/key/generate", &body).await?.expect(200)?.at("/key")?;
        let caller = selector.gateway.caller(key.as_str().unwrap_or_default())?;
        let answer = select(&caller, "gpt-4o", "openai").await?;
        assert_eq!(answer.status, status, "{kind}: {}", answer.text());
    }
    for path in ["list", "providers", "current"] {
        let path = format!("/models/{path}");
        assert_eq!(selector.gateway.caller("sk-nobodys-key-0123456789")?.get(&path).await?.status, 401);
    }
    Ok(())
}

#[tokio::test]
async fn a_keys_choices_count_in_its_rate_limits_and_the_operators_do_not() -> Result<()> {
    let selector = Selector::start().await?;
    let limits = json!({ "requests_per_minute": 3, "tokens_per_minute": null, "parallel_requests": 1 });
    let key = selector.key(KeyTerms { limits, ..KeyTerms::default() }).await?;
    let caller = selector.gateway.caller(&key.secret)?;
    select(&caller, "gpt-5-mini", "openai").await?.expect(200)?;
    select(&caller, "gpt-4o", "openai").await?.expect(200)?;
    caller.post("/models/undo", &json!({})).await?.expect(200)?;
    for path in ["/models/select", "/models/undo"] {
        let body = if path == "/models/undo" { json!({}) } else { json!({ "model_id": "openai/gpt-4o" }) };
        let refused = caller.post(path, &body).await?;
        assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (429, json!("rate_limited")), "{path}");
        assert!(refused.header("retry-after").is_some(), "{path}");
    }
    assert_eq!(selector.selections()?.len(), 2);
    assert_eq!(chosen(&caller).await?.0, "gpt-5-mini", "to look costs nothing");
    let body = json!({ "model_id": "openai/gpt-4o", "scope": format!("key:{}", key.id) });
    selector.operator()?.post("/models/select", &body).await?.expect(200)?;
    assert_eq!(chosen(&caller).await?.0, "gpt-4o");
    Ok(())
}
