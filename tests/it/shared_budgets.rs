//! One budget over several gateways that share a log on a real NATS server: what it promises while they are killed,
//! stopped and cut off.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::nats_server::NatsServer;
use tallygate_tests::upstream::Upstream;
use tokio::task::JoinSet;

use crate::scene::{IssuedKey, KeyTerms, Scene, chat, command, issue, uuid};

const SECRET: &str = "the-secret-of-all-gateways-of-the-tests";
const COSTLY: &str = "costly";
/// What one request holds, and costs: 7 tokens of answer, and a prompt for nothing.
const COST: i64 = 700_000;
const LIMIT: i64 = 500 * COST;
/// How long anything may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(30);

fn on(nats: &NatsServer) -> Setup {
    Setup::new().env("TALLYGATE_NATS", nats.url()).env("TALLYGATE_SECRET", SECRET)
}

fn asking() -> Value {
    let mut body = chat(COSTLY);
    body["max_tokens"] = json!(7);
    body
}

async fn ask(caller: &Client) -> Result<Answer> {
    caller.post("/v1/chat/completions", &asking()).await
}

/// A gateway with a model whose requests cost just what they hold, and a key with a budget.
async fn scene(nats: &NatsServer) -> Result<(Scene, IssuedKey)> {
    let (upstream, gateway) = (Upstream::start().await?, on(nats).start().await?);
    let data = json!({ "model": uuid(), "name": COSTLY, "deployments": [{
        "id": "costly-1", "vendor": "openai-compatible", "upstream_model": "m", "base_url": upstream.url(),
        "price": { "input_pico_usd": 0, "output_pico_usd": 100_000_000,
                   "cached_input_pico_usd": null, "cache_write_pico_usd": null },
    }]});
    command(&gateway, "RegisterModel", data).await?.expect(200)?;
    let key = issue(&gateway, KeyTerms { budget_nano_usd: Some(LIMIT), ..KeyTerms::default() }).await?;
    Ok((Scene { gateway, upstream }, key))
}

/// A gateway that knows the key.
async fn another(nats: &NatsServer, key: &IssuedKey) -> Result<Gateway> {
    let gateway = on(nats).start().await?;
    let known = async {
        while gateway.caller(&key.secret)?.get("/v1/models").await?.status != 200 {}
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, known).await.context("the key does not become known")??;
    Ok(gateway)
}

/// Calls until the budget is used up or the gateway is gone. Tells how often it was served.
async fn spend(caller: Client) -> usize {
    let mut served = 0;
    loop {
        match ask(&caller).await {
            Ok(answer) if answer.status == 200 => served += 1,
            Ok(answer) if answer.status == 503 => {}
            _ => return served,
        }
    }
}

/// Waits until the budget is over for good, as the refusal of a gateway says it, and tells its numbers.
async fn exhausted(caller: &Client) -> Result<BTreeMap<String, i64>> {
    let told = async {
        loop {
            let answer = ask(caller).await?;
            if answer.status == 422 {
                let details = answer.at("/error/tallygate/details")?;
                let amount = |name: &str| details[name].as_i64().unwrap_or_default();
                let names = ["spent_nano_usd", "held_nano_usd", "suspense_nano_usd"];
                return Ok(names.iter().map(|name| ((*name).to_owned(), amount(name))).collect());
            }
            ensure!([200, 503].contains(&answer.status), "status {}: {}", answer.status, answer.text());
        }
    };
    tokio::time::timeout(PATIENCE, told).await.context("the budget does not end")?
}

#[tokio::test]
async fn three_gateways_never_overshoot_a_budget_though_one_is_killed_and_one_is_stopped() -> Result<()> {
    let nats = NatsServer::start().await?;
    let (Scene { gateway: first, upstream }, key) = scene(&nats).await?;
    let (second, third) = (another(&nats, &key).await?, another(&nats, &key).await?);
    let mut load = JoinSet::new();
    for gateway in [&first, &second, &third] {
        for _ in 0..8 {
            load.spawn(spend(gateway.caller(&key.secret)?));
        }
    }
    while upstream.requests().len() < 100 {
        tokio::task::yield_now().await;
    }
    third.process().signal("STOP").await?;
    let second = second.kill_and_restart().await?;
    for _ in 0..8 {
        load.spawn(spend(second.caller(&key.secret)?));
    }
    while upstream.requests().len() < 250 {
        tokio::task::yield_now().await;
    }
    third.process().signal("CONT").await?;
    let mut served = 0;
    while let Some(ended) = tokio::time::timeout(PATIENCE, load.join_next()).await.context("the load does not end")? {
        served += ended?;
    }
    let numbers = exhausted(&first.caller(&key.secret)?).await?;
    let (spent, suspense) = (numbers["spent_nano_usd"], numbers["suspense_nano_usd"]);
    let sent = i64::try_from(upstream.requests().len())?;
    assert!(sent * COST <= LIMIT, "{sent} requests were sent, {} can be paid", LIMIT / COST);
    assert!(spent + suspense <= LIMIT, "{numbers:?}");
    assert!((spent + suspense) * 100 >= LIMIT * 99, "{served} served: {numbers:?}");
    assert!(spent <= sent * COST && sent * COST <= spent + suspense, "{sent} sent: {numbers:?}");
    Ok(())
}

#[tokio::test]
async fn without_nats_a_gateway_spends_its_slice_then_refuses_and_goes_on_once_it_is_back() -> Result<()> {
    let mut nats = NatsServer::start().await?;
    let (scene, key) = scene(&nats).await?;
    let free = issue(&scene.gateway, KeyTerms::default()).await?;
    let (caller, free) = (scene.gateway.caller(&key.secret)?, scene.gateway.caller(&free.secret)?);
    let served = async |caller: &Client, ids: &mut Vec<String>| -> Result<Answer> {
        let id = uuid();
        let answer = ask(&caller.clone().with_header("x-litellm-call-id", &id)).await?;
        if answer.status == 200 {
            ids.push(id);
        }
        Ok(answer)
    };
    let mut ids = Vec::new();
    served(&caller, &mut ids).await?.expect(200)?;
    nats.kill().await?;
    let refused = loop {
        let answer = served(&caller, &mut ids).await?;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (503, json!("budget_unavailable")));
    assert!(refused.header("retry-after").is_some());
    assert!(ids.len() > 1, "it went on without the log");
    for _ in 0..5 {
        served(&free, &mut ids).await?.expect(200).context("without a budget nothing is needed")?;
    }
    nats.restart().await?;
    let back = async {
        while served(&caller, &mut ids).await?.status != 200 {}
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, back).await.context("budgets do not come back")??;
    let operator = scene.gateway.operator()?;
    for id in &ids {
        let logs = operator.get(&format!("/spend/logs?request_id={id}")).await?.expect(200)?.json()?;
        assert_eq!(logs.as_array().map(Vec::len), Some(1), "{id} is there once: {logs}");
    }
    Ok(())
}

#[tokio::test]
async fn the_budget_of_an_end_user_and_that_of_a_model_hold_over_two_gateways() -> Result<()> {
    let nats = NatsServer::start().await?;
    let (Scene { gateway: first, upstream }, _) = scene(&nats).await?;
    let free = issue(&first, KeyTerms::default()).await?;
    let limit = |requests: i64| json!([{ "period": "total", "limit_nano_usd": requests * COST }]);
    for (scope, requests) in [("end_user:seven", 100), (&*format!("model@default:{COSTLY}"), 250)] {
        if let Some(end_user) = scope.strip_prefix("end_user:") {
            command(&first, "RegisterEndUser", json!({ "end_user": end_user })).await?.expect(200)?;
        }
        let budget = json!({ "scope": scope, "limits": limit(requests) });
        command(&first, "SetBudget", budget).await?.expect(200)?;
    }
    let second = another(&nats, &free).await?;
    // What the second has not heard of yet it does not enforce: the budget counts from the position that it was set at.
    let position = first.operator()?.get("/health/readiness").await?.at("/tallygate/position")?.to_string();
    let callers = [&first, &second].map(|gateway| gateway.caller(&free.secret));
    let callers = callers.into_iter().collect::<Result<Vec<_>>>()?;
    let callers: Vec<Client> =
        callers.into_iter().map(|caller| caller.with_header("x-tallygate-min-position", &position)).collect();
    for (named, all, scope) in [(Some("seven"), 100, "end_user:seven"), (None, 250, "model@default:costly")] {
        let mut load = JoinSet::new();
        for caller in callers.iter().cycle().take(8) {
            load.spawn(spend_as(caller.clone(), named));
        }
        while let Some(ended) = tokio::time::timeout(PATIENCE, load.join_next()).await.context("it does not end")? {
            let refused = ended??;
            assert_eq!(refused.at("/error/tallygate/details/scope")?, scope, "{}", refused.text());
        }
        let sent = upstream.requests().len();
        assert!(sent <= all && sent * 100 >= all * 99, "{sent} of {all} of {scope}");
    }
    Ok(())
}

/// Calls until a budget is used up, and tells the refusal.
async fn spend_as(caller: Client, end_user: Option<&str>) -> Result<Answer> {
    let mut body = asking();
    body["user"] = json!(end_user);
    loop {
        let answer = caller.post("/v1/chat/completions", &body).await?;
        match answer.status {
            200 | 503 => {}
            422 => return Ok(answer),
            other => anyhow::bail!("status {other}: {}", answer.text()),
        }
    }
}
