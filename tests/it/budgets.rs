//! Budgets and rate limits under concurrency, through a real gateway.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::upstream::{Gate, Reply, Usage};

use crate::scene::{KeyTerms, MODEL, Scene, chat, command, issue};

/// What one request of these suites holds: 10 answer tokens and the prompt's bound, at the scene's price.
fn asking(max_tokens: u64) -> serde_json::Value {
    let mut body = chat(MODEL);
    body["max_tokens"] = json!(max_tokens);
    body
}

#[tokio::test]
async fn parallel_callers_never_overshoot_and_the_refusal_names_budget_and_numbers() -> Result<()> {
    let scene = Scene::start().await?;
    let limit = 60_000;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(limit), ..KeyTerms::default() }).await?;
    let caller = scene.gateway.caller(&key.secret)?;
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let caller = caller.clone();
        running.spawn(async move { caller.post("/v1/chat/completions", &asking(1_000)).await });
    }
    let (mut served, mut refused) = (0, 0);
    while let Some(answer) = running.join_next().await {
        let answer = answer??;
        match answer.status {
            200 => served += 1,
            422 => {
                refused += 1;
                assert_eq!(answer.at("/error/type")?, "budget_exceeded");
                assert_eq!(answer.at("/error/tallygate/details/limit_nano_usd")?, limit);
                assert_eq!(answer.at("/error/tallygate/details/scope")?, format!("key:{}", key.id));
                assert!(
                    answer
                        .at("/error/message")?
                        .as_str()
                        .is_some_and(|text| text.starts_with("Budget has been exceeded!"))
                );
            }
            other => anyhow::bail!("status {other}: {}", answer.text()),
        }
    }
    assert_eq!(served + refused, 200);
    let facts = scene.activity("request.refused", refused).await?;
    assert!(facts.iter().all(|fact| fact["code"] == "budget_exhausted" && fact["key"] == key.id), "{facts:?}");
    assert_eq!(facts.len(), refused, "each refusal is recorded once");
    let settled = scene.activity("request.settled", served).await?;
    let spent: i64 = settled.iter().filter_map(|fact| fact["cost_nano_usd"].as_i64()).sum();
    assert!(spent <= limit, "{spent} of {limit}");
    // Nothing stays held: what is left can be spent to the end.
    let mut more = 0;
    while caller.post("/v1/chat/completions", &asking(1)).await?.status == 200 {
        more += 1;
        assert!(more < 10_000);
    }
    let settled = scene.activity("request.settled", served + more).await?;
    let spent: i64 = settled.iter().filter_map(|fact| fact["cost_nano_usd"].as_i64()).sum();
    assert!(spent <= limit && spent * 100 >= limit * 90, "{spent} of {limit}");
    Ok(())
}

#[tokio::test]
async fn a_realms_budget_holds_over_all_its_keys() -> Result<()> {
    let scene = Scene::start().await?;
    let realm = json!({ "realm": "tenant", "models": "all" });
    command(&scene.gateway, "RegisterRealm", realm).await?.expect(200)?;
    let budget = json!({ "scope": "realm:tenant", "limits": [{ "period": "total", "limit_nano_usd": 0 }] });
    command(&scene.gateway, "SetBudget", budget).await?.expect(200)?;
    for _ in 0..2 {
        let key = issue(&scene.gateway, KeyTerms { realm: Some("tenant"), ..KeyTerms::default() }).await?;
        let answer = scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &asking(10)).await?;
        assert_eq!((answer.status, answer.at("/error/tallygate/details/scope")?), (422, json!("realm:tenant")));
    }
    scene.caller().await?.post("/v1/chat/completions", &asking(10)).await?.expect(200)?;
    assert_eq!(scene.upstream.requests().len(), 1);
    Ok(())
}

#[tokio::test]
async fn the_budget_of_a_model_holds_in_its_realm_and_below_and_for_that_model_alone() -> Result<()> {
    let scene = Scene::start().await?;
    scene.register("other", "deployment-2").await?;
    for (realm, parent) in [("tenant", None), ("tenant.eu", Some("tenant"))] {
        let realm = json!({ "realm": realm, "parent": parent, "models": "all" });
        command(&scene.gateway, "RegisterRealm", realm).await?.expect(200)?;
    }
    let scope = format!("model@tenant:{MODEL}");
    let budget = json!({ "scope": scope, "limits": [
        { "period": { "seconds": 3600 }, "limit_nano_usd": 1_000_000_000 }, { "period": "total", "limit_nano_usd": 0 },
    ]});
    command(&scene.gateway, "SetBudget", budget).await?.expect(200)?;
    for realm in ["tenant", "tenant.eu"] {
        let key = issue(&scene.gateway, KeyTerms { realm: Some(realm), ..KeyTerms::default() }).await?;
        let caller = scene.gateway.caller(&key.secret)?;
        let answer = caller.post("/v1/chat/completions", &asking(10)).await?;
        assert_eq!((answer.status, answer.at("/error/tallygate/details/scope")?), (422, json!(scope)));
        caller.post("/v1/chat/completions", &chat("other")).await?.expect(200)?;
    }
    scene.caller().await?.post("/v1/chat/completions", &asking(10)).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_budget_refuses_models_without_a_price() -> Result<()> {
    let scene = Scene::start().await?;
    let data = json!({ "model": crate::scene::uuid(), "name": "unpriced", "deployments": [{
        "id": "unpriced-1", "vendor": "openai-compatible", "upstream_model": "m", "base_url": scene.upstream.url(),
    }]});
    command(&scene.gateway, "RegisterModel", data).await?.expect(200)?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000), ..KeyTerms::default() }).await?;
    let answer = scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat("unpriced")).await?;
    assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (400, json!("unpriced")));
    scene.caller().await?.post("/v1/chat/completions", &chat("unpriced")).await?.expect(200)?;
    let settled = scene.activity("request.settled", 1).await?.remove(0);
    assert_eq!(settled["cost_nano_usd"], json!(null), "unpriced is not free: it is unknown");
    Ok(())
}

#[tokio::test]
async fn rate_limits_refuse_with_when_to_come_back() -> Result<()> {
    let scene = Scene::start().await?;
    let limits = json!({ "requests_per_minute": 3, "tokens_per_minute": null, "parallel_requests": null });
    let key = scene.key(KeyTerms { limits, ..KeyTerms::default() }).await?;
    let caller = scene.gateway.caller(&key.secret)?;
    for left in ["2", "1", "0"] {
        let answer = caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
        assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("3"));
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some(left));
    }
    let answer = caller.post("/v1/chat/completions", &chat(MODEL)).await?;
    assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (429, json!("rate_limited")));
    let seconds: u64 = answer.header("retry-after").unwrap_or_default().parse()?;
    assert!((1..=20).contains(&seconds));
    Ok(())
}

#[tokio::test]
async fn requests_at_once_are_limited_and_end_with_their_request() -> Result<()> {
    let scene = Scene::start().await?;
    let limits = json!({ "requests_per_minute": null, "tokens_per_minute": null, "parallel_requests": 1 });
    let key = scene.key(KeyTerms { limits, ..KeyTerms::default() }).await?;
    let caller = scene.gateway.caller(&key.secret)?;
    let gate = Gate::closed();
    scene.upstream.next(Reply::answer().chunks(3).behind(&gate));
    gate.pass(1);
    let mut body = chat(MODEL);
    body["stream"] = json!(true);
    let mut events = caller.stream("/v1/chat/completions", &body).await?;
    events.next().await?;
    let answer = caller.post("/v1/chat/completions", &chat(MODEL)).await?;
    assert_eq!(
        (answer.status, answer.at("/error/tallygate/details/limit_type")?),
        (429, json!("max_parallel_requests"))
    );
    gate.open();
    events.rest().await?;
    scene.activity("request.settled", 1).await?;
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_model_that_costs_more_than_its_bound_is_paid_by_no_strict_budget_until_it_is_trusted_again() -> Result<()> {
    let scene = Scene::start().await?;
    let strict = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000_000), ..KeyTerms::default() }).await?;
    let (strict, free) = (scene.gateway.caller(&strict.secret)?, scene.caller().await?);
    let soft = scene.key(KeyTerms::default()).await?;
    let limits = json!([{ "period": "total", "limit_nano_usd": 1_000_000_000 }]);
    let budget = json!({ "scope": format!("key:{}", soft.id), "limits": limits, "reclaim_after_seconds": 60 });
    command(&scene.gateway, "SetBudget", budget).await?.expect(200)?;
    let soft = scene.gateway.caller(&soft.secret)?;
    // The upstream bills a thousand times what was asked for.
    let usage = Usage { completion_tokens: 10_000, ..Usage::default() };
    scene.upstream.next(Reply::answer().usage(usage));
    strict.post("/v1/chat/completions", &asking(10)).await?.expect(200)?;
    let told = scene.activity("budget.bound_violated", 1).await?.remove(0);
    assert!(told["cost_nano_usd"].as_i64() >= Some(20_000) && told["held_nano_usd"].as_i64() < Some(1_000), "{told}");
    let settled = scene.activity("request.settled", 1).await?.remove(0);
    assert_eq!(settled["cost_nano_usd"], told["cost_nano_usd"], "what it cost is recorded as it is");
    let refused = loop {
        let answer = strict.post("/v1/chat/completions", &asking(10)).await?;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (503, json!("model_distrusted")));
    for other in [&free, &soft] {
        other.post("/v1/chat/completions", &asking(10)).await?.expect(200)?;
    }
    let distrusted = scene.log("control")?.into_iter().find(|line| line["type"] == "model.distrusted");
    let distrusted = distrusted.ok_or_else(|| anyhow::anyhow!("not in control"))?;
    assert_eq!((&distrusted["actor"]["kind"], &distrusted["data"]["request"]), (&json!("gateway"), &told["request"]));
    command(&scene.gateway, "TrustModel", json!({ "model": distrusted["data"]["model"] })).await?.expect(200)?;
    strict.post("/v1/chat/completions", &asking(10)).await?.expect(200)?;
    Ok(())
}
