//! Deployments that are probed: by one of the requests that come after a cooldown, and actively, whether requests come or not.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::provider::{KEY, Provider, Reply as Said};
use tallygate_tests::upstream::{Gate, Reply};
use tokio::task::JoinSet;

use super::{CHAT, Ground, first, refused};
use crate::scene::{KeyTerms, chat, command, issue, lines};

/// A gateway with the model `m` at a simulated provider, which is probed five times a second.
async fn probed(model: &str, path: &str, by: &str) -> Result<(Ground, Provider)> {
    let (ground, provider) = (Ground::with(Setup::new(), 0).await?, Provider::start().await?);
    let body = json!({
        "model_name": "m",
        "litellm_params": { "model": model, "api_base": format!("{}{path}", provider.url()), "api_key": KEY,
            "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6 },
        "model_info": { "id": "d", "health_check_interval": 0.2, "health_check_by": by, "max_tokens": 4_000 },
    });
    ground.gateway.operator()?.post("/model/new", &body).await?.expect(200)?;
    Ok((ground, provider))
}

#[tokio::test]
async fn of_requests_at_the_same_instant_one_is_sent_to_a_deployment_that_is_being_probed() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("m", &[first(0, 1), first(1, 2)]).await?;
    let cooldown = json!({ "allowed_failures": 1, "first_ms": 300 });
    ground.routing(&model, json!({ "strategy": "ordered", "cooldown": cooldown })).await?;
    let caller = ground.caller().await?;
    ground.upstreams[0].next(refused(503));
    caller.post(CHAT, &chat("m")).await?.expect(200)?;
    let asked = json!({ "request": chat("m") });
    while caller.post("/api/route/explain", &asked).await?.at("/candidates/0/readiness")? != "probe" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let gate = Gate::closed();
    ground.upstreams[0].on_model("up-m", Reply::answer().behind(&gate));
    let mut requests = JoinSet::new();
    for _ in 0..16 {
        let caller = caller.clone();
        requests.spawn(async move { caller.post(CHAT, &chat("m")).await?.expect(200) });
    }
    // All but the probe are answered while that is out.
    for _ in 0..15 {
        requests.join_next().await.context("none")???;
    }
    assert_eq!(ground.counts(), [2, 16], "the failure and the probe, and all others");
    gate.open();
    requests.join_next().await.context("none")???;
    Ok(())
}

#[tokio::test]
async fn a_deployment_that_nobody_calls_is_probed_by_its_list_and_found_ill_and_well_again() -> Result<()> {
    let (ground, provider) = probed("openai/simulated", "/v1", "list").await?;
    let asked = provider.wait_for_requests(2).await?;
    assert!(asked.iter().all(|request| request.method == "GET" && request.path == "/v1/models"), "{asked:?}");
    let told = ground.unhealthy(0).await?;
    let last = &told["healthy_endpoints"][0]["tallygate"]["last_probe"];
    assert_eq!((&last["by"], &last["failed"]), (&json!("list"), &json!(null)), "{told}");
    for _ in 0..2 {
        provider.next(Said::refuse(503));
    }
    let told = ground.unhealthy(1).await?;
    let entry = &told["unhealthy_endpoints"][0];
    assert_eq!(entry["tallygate"]["last_failure"]["kind"], "overloaded", "{entry}");
    assert_eq!(entry["tallygate"]["last_failure"]["fault"], "upstream");
    // Two failures are one too few for a cooldown, and the next list takes back what they said.
    ground.unhealthy(0).await?;
    assert!(lines(ground.gateway.data(), "activity")?.iter().all(|line| line["type"] != "deployment.probed"));
    Ok(())
}

#[tokio::test]
async fn probes_cool_a_deployment_before_any_request_meets_it() -> Result<()> {
    let (ground, provider) = probed("openai/simulated", "/v1", "list").await?;
    for _ in 0..3 {
        provider.next(Said::refuse(503));
    }
    let operator = ground.gateway.operator()?;
    loop {
        let told = ground.unhealthy(1).await?;
        if told["unhealthy_endpoints"][0]["tallygate"]["state"] == "cooling" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The only deployment is called all the same, and its answer ends the cooling.
    let caller = ground.caller().await?;
    while operator.get("/health").await?.at("/healthy_count")? != 1 {
        caller.post(CHAT, &chat("m")).await?.expect(200)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_probe_by_a_call_is_recorded_and_charged_to_nobody_in_every_dialect() -> Result<()> {
    for (model, path) in [
        ("openai/simulated", "/v1"),
        ("openai/responses/simulated", "/v1"),
        ("anthropic/simulated", ""),
        ("gemini/gemini-3-pro", ""),
        ("ollama_chat/simulated", ""),
    ] {
        let (ground, provider) = probed(model, path, "call").await?;
        let limits = json!([{ "period": "total", "limit_nano_usd": 1_000_000_000 }]);
        let budget = json!({ "scope": "gateway", "limits": limits });
        command(&ground.gateway, "SetBudget", budget).await?.expect(200)?;
        let record = recorded(&ground.gateway).await?;
        assert_eq!((&record["deployment"], &record["ended"]), (&json!("d"), &json!("ok")), "{model}: {record}");
        let output = record["usage"]["output_tokens"].as_u64().context("no tokens")?;
        let cost = record["cost_nano_usd"].as_i64().context("no cost")?;
        assert!(output > 0 && cost > 0, "{model}: {record}");
        assert_eq!(provider.complaints(), Vec::<String>::new(), "{model}");
        let operator = ground.gateway.operator()?;
        // A budget that nothing was asked of has no window yet.
        let budgets = operator.get("/api/budgets?scope=gateway").await?.expect(200)?.at("/budgets")?;
        let is_untouched = |row: &Value| row["posted_nano_usd"] == 0 && row["suspense_nano_usd"] == 0;
        assert!(budgets.as_array().context("no list")?.iter().all(is_untouched), "{model}: {budgets}");
        assert_eq!(operator.get("/spend/logs").await?.expect(200)?.json()?, json!([]), "{model}");
        let counted: f64 = ground.metric("tallygate_probe_cost_nano_usd_total").await?.parse()?;
        assert!(counted > 0.0);
        assert!(ground.metric(r#"tallygate_probes_total{by="call",outcome="ok"}"#).await.is_ok());
    }
    Ok(())
}

/// The first probe that is recorded.
async fn recorded(gateway: &Gateway) -> Result<Value> {
    for _ in 0..1_000 {
        let mut probes =
            lines(gateway.data(), "activity")?.into_iter().filter(|line| line["type"] == "deployment.probed");
        if let Some(mut line) = probes.next() {
            return Ok(line["data"].take());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("no probe is recorded")
}

#[tokio::test]
async fn who_may_ask_how_deployments_are_and_what_they_are_told() -> Result<()> {
    let (ground, _provider) = probed("openai/simulated", "/v1", "list").await?;
    let gateway = &ground.gateway;
    let operator = gateway.operator()?;
    let told = operator.get("/health").await?.expect(200)?;
    assert!(!told.text().contains(KEY), "{}", told.text());
    let entry = told.at("/healthy_endpoints/0")?;
    assert_eq!((&entry["model"], &entry["model_id"]), (&json!("openai/simulated"), &json!("d")), "{entry}");
    assert!(entry["api_base"].is_string() && entry["tallygate"]["in_flight"].is_number(), "{entry}");
    for (query, count) in [("?model=m", 1), ("?model=openai/simulated", 1), ("?model_id=d", 1), ("?model=other", 0)] {
        let told = operator.get(&format!("/health{query}")).await?.expect(200)?.json()?;
        assert_eq!((&told["healthy_count"], &told["unhealthy_count"]), (&json!(count), &json!(0)), "{query}");
    }
    // A key sees the models that it may call, and nothing of the network or of what others use.
    let seen = |models: Value| async move {
        let terms = KeyTerms { models: Some(models), ..KeyTerms::default() };
        gateway.caller(&issue(gateway, terms).await?.secret)?.get("/health").await?.expect(200)?.json()
    };
    let told = seen(json!("all")).await?;
    let entry = &told["healthy_endpoints"][0];
    assert_eq!((&entry["model_id"], &entry["tallygate"]["state"]), (&json!("d"), &json!("ready")), "{told}");
    assert!(entry.get("api_base").is_none() && entry["tallygate"].get("in_flight").is_none(), "{entry}");
    assert_eq!(seen(json!({ "only": ["other"] })).await?["healthy_count"], 0);
    tallygate_tests::client::Client::new(gateway.url(), None)?.get("/health").await?.expect(401)?;
    Ok(())
}
