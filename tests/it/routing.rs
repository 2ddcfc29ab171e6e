//! Where requests go when upstreams fail, and when there are several: through a real gateway, with real upstreams.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::upstream::{Gate, Reply, StreamEnd, Upstream};

use crate::scene::{KeyTerms, chat, command, issue, lines, uuid};

const CHAT: &str = "/v1/chat/completions";

/// A gateway, and some upstreams.
struct Ground {
    gateway: Gateway,
    upstreams: Vec<Upstream>,
}

/// One deployment of a model.
struct Deployment {
    upstream: usize,
    weight: u32,
    price_pico: u64,
    params: Value,
}

impl Ground {
    async fn start(upstreams: usize) -> Result<Self> {
        Self::with(Setup::new().env("TALLYGATE_RETRIES", "2"), upstreams).await
    }

    async fn with(setup: Setup, count: usize) -> Result<Self> {
        let mut upstreams = Vec::new();
        for _ in 0..count {
            upstreams.push(Upstream::start().await?);
        }
        Ok(Self { gateway: setup.start().await?, upstreams })
    }

    /// Registers a model at these upstreams, the first one in `d0`.
    async fn model(&self, name: &str, deployments: &[Deployment]) -> Result<String> {
        let id = uuid();
        let row = |(index, of): (usize, &Deployment)| {
            json!({
                "id": format!("{name}-d{index}"), "vendor": "openai-compatible", "upstream_model": format!("up-{name}"),
                "base_url": self.upstreams[of.upstream].url(), "max_output_tokens": 1_000, "weight": of.weight,
                "params": of.params,
                "price": { "input_pico_usd": of.price_pico, "output_pico_usd": of.price_pico },
            })
        };
        let rows: Vec<Value> = deployments.iter().enumerate().map(row).collect();
        command(&self.gateway, "RegisterModel", json!({ "model": id, "name": name, "deployments": rows }))
            .await?
            .expect(200)?;
        Ok(id)
    }

    async fn routing(&self, model: &str, routing: Value) -> Result<()> {
        command(&self.gateway, "SetRouting", json!({ "model": model, "routing": routing })).await?.expect(200)?;
        Ok(())
    }

    async fn caller(&self) -> Result<Client> {
        self.caller_of(json!("all")).await
    }

    /// A key with a budget, that may call these models.
    async fn caller_of(&self, models: Value) -> Result<Client> {
        let terms = KeyTerms { budget_nano_usd: Some(1_000_000_000_000), models: Some(models), ..KeyTerms::default() };
        self.gateway.caller(&issue(&self.gateway, terms).await?.secret)
    }

    fn counts(&self) -> Vec<usize> {
        self.upstreams.iter().map(Upstream::request_count).collect()
    }

    /// Settlements, once there are so many.
    async fn settled(&self, count: usize) -> Result<Vec<Value>> {
        for _ in 0..1_000 {
            let all = lines(self.gateway.data(), "activity")?;
            let found: Vec<Value> = all.into_iter().filter(|line| line["type"] == "request.settled").collect();
            if found.len() >= count {
                return Ok(found.into_iter().map(|mut line| line["data"].take()).collect());
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        anyhow::bail!("fewer than {count} settlements")
    }

    /// What is held now, in nano-dollars.
    async fn held(&self) -> Result<String> {
        let metrics = self.gateway.operator()?.get("/metrics").await?.expect(200)?;
        let line = metrics.text().lines().find(|line| line.starts_with("tallygate_held_nano_usd ")).map(str::to_owned);
        Ok(line.context("no metric")?.split(' ').nth(1).unwrap_or_default().to_owned())
    }
}

/// An equal one at an upstream.
fn at(upstream: usize) -> Deployment {
    Deployment { upstream, weight: 1, price_pico: 1_000, params: json!({}) }
}

fn first(upstream: usize, order: u64) -> Deployment {
    Deployment { params: json!({ "order": order }), ..at(upstream) }
}

fn refused(status: u16) -> Reply {
    Reply::refuse(status)
}

fn route(answer: &Answer) -> Vec<String> {
    let text = answer.header("x-tallygate-route").unwrap_or_default();
    let without_time = |attempt: &str| attempt.split(';').next().unwrap_or_default().to_owned();
    text.split(", ").map(without_time).collect()
}

#[tokio::test]
async fn a_request_that_failed_is_answered_by_another_deployment_and_says_so() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("m", &[first(0, 1), first(1, 2)]).await?;
    ground.routing(&model, json!({ "strategy": "ordered" })).await?;
    let caller = ground.caller().await?;
    for streams in [false, true] {
        ground.upstreams[0].next(refused(503));
        let mut body = chat("m");
        body["stream"] = json!(streams);
        let answer = caller.post(CHAT, &body).await?.expect(200)?;
        assert_eq!(route(&answer), ["m/m-d0:overloaded(503)", "m/m-d1:ok"]);
        assert_eq!(answer.header("x-litellm-attempted-retries"), Some("1"));
        assert_eq!(answer.header("x-litellm-model-id"), Some("m-d1"));
    }
    assert_eq!(ground.counts(), [2, 2]);
    // What was certainly not billed is settled with the attempt that answered, and holds nothing.
    let settled = ground.settled(2).await?;
    assert_eq!(settled.len(), 2);
    for one in &settled {
        assert_eq!((&one["outcome"], &one["deployment"]), (&json!("succeeded"), &json!("m-d1")));
        assert_eq!(one["route"][0]["ended"], "overloaded");
        assert_eq!(one["route"][1]["ended"], "ok");
    }
    assert_eq!(ground.held().await?, "0");
    Ok(())
}

#[tokio::test]
async fn a_lone_deployment_is_tried_again_after_a_while_and_not_without_end() -> Result<()> {
    let ground = Ground::start(1).await?;
    ground.model("m", &[at(0)]).await?;
    let caller = ground.caller().await?;
    ground.upstreams[0].next(refused(500));
    let begun = Instant::now();
    let answer = caller.post(CHAT, &chat("m")).await?.expect(200)?;
    assert!(begun.elapsed().as_millis() >= 250, "it waits before it asks the same one again");
    assert_eq!(answer.header("x-litellm-attempted-retries"), Some("1"));
    for _ in 0..3 {
        ground.upstreams[0].next(refused(500));
    }
    let answer = caller.post(CHAT, &chat("m")).await?.expect(500)?;
    assert_eq!(route(&answer), ["m/m-d0:server_error(500)"; 3]);
    assert_eq!(ground.counts(), [5]);
    let settled = ground.settled(2).await?;
    assert_eq!((settled.len(), &settled[1]["outcome"]), (2, &json!("failed")));
    assert_eq!(settled[1]["route"].as_array().map(Vec::len), Some(3));
    Ok(())
}

#[tokio::test]
async fn what_is_the_clients_fault_is_not_tried_again() -> Result<()> {
    let ground = Ground::start(2).await?;
    ground.model("m", &[at(0), at(1)]).await?;
    let caller = ground.caller().await?;
    for upstream in &ground.upstreams {
        upstream.next(refused(400));
    }
    caller.post(CHAT, &chat("m")).await?.expect(400)?;
    assert_eq!(ground.counts().iter().sum::<usize>(), 1);
    Ok(())
}

#[tokio::test]
async fn a_request_says_itself_how_often_it_is_tried_again() -> Result<()> {
    let ground = Ground::start(1).await?;
    ground.model("m", &[at(0)]).await?;
    let caller = ground.caller().await?;
    ground.upstreams[0].next(refused(500));
    let mut body = chat("m");
    body["num_retries"] = json!(0);
    caller.post(CHAT, &body).await?.expect(500)?;
    assert_eq!(ground.counts(), [1]);
    Ok(())
}

#[tokio::test]
async fn a_stream_that_has_begun_is_not_tried_again() -> Result<()> {
    let ground = Ground::start(2).await?;
    ground.model("m", &[at(0), at(1)]).await?;
    let caller = ground.caller().await?;
    for upstream in &ground.upstreams {
        upstream.next(Reply::answer().chunks(3).then(StreamEnd::CutOff));
    }
    let mut body = chat("m");
    body["stream"] = json!(true);
    let answer = caller.post(CHAT, &body).await?.expect(200)?;
    assert!(answer.text().contains("\"error\""), "{}", answer.text());
    assert_eq!(ground.counts().iter().sum::<usize>(), 1);
    Ok(())
}

#[tokio::test]
async fn an_attempt_that_may_be_billed_is_settled_for_itself() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("m", &[first(0, 1), first(1, 2)]).await?;
    ground.routing(&model, json!({ "strategy": "ordered" })).await?;
    let caller = ground.caller().await?;
    ground.upstreams[0].next(Reply::reset());
    let answer = caller.post(CHAT, &chat("m")).await?.expect(200)?;
    assert_eq!(route(&answer), ["m/m-d0:reset", "m/m-d1:ok"]);
    let settled = ground.settled(2).await?;
    let told: Vec<(&Value, &Value)> = settled.iter().map(|one| (&one["deployment"], &one["outcome"])).collect();
    assert_eq!(told, [(&json!("m-d0"), &json!("failed")), (&json!("m-d1"), &json!("succeeded"))]);
    assert_eq!(settled[0]["request"], settled[1]["request"]);
    assert_eq!(ground.held().await?, "0");
    let metrics = ground.gateway.operator()?.get("/metrics").await?.expect(200)?;
    let suspense = metrics
        .text()
        .lines()
        .any(|line| line.strip_prefix("tallygate_suspense_nano_usd ").is_some_and(|amount| amount != "0"));
    assert!(suspense, "what the reset call may have cost is in suspense, since nobody knows");
    Ok(())
}

#[tokio::test]
async fn a_model_falls_back_to_another_one_that_the_key_may_call() -> Result<()> {
    let ground = Ground::start(3).await?;
    let model = ground.model("first", &[at(0)]).await?;
    ground.model("secret", &[at(1)]).await?;
    ground.model("second", &[at(2)]).await?;
    ground.routing(&model, json!({ "retries": 0, "fallbacks": ["nowhere", "secret", "second"] })).await?;
    let caller = ground.caller_of(json!({ "only": ["first", "second"] })).await?;
    ground.upstreams[0].next(refused(500));
    let answer = caller.post(CHAT, &chat("first")).await?.expect(200)?;
    assert_eq!(route(&answer), ["first/first-d0:server_error(500)", "second/second-d0:ok"]);
    assert_eq!(answer.header("x-litellm-attempted-fallbacks"), Some("1"));
    assert_eq!(answer.header("x-litellm-model-group"), Some("second"));
    assert_eq!(ground.counts(), [1, 0, 1], "a fallback leads to no model that the key may not call by name");
    let settled = ground.settled(1).await?.remove(0);
    assert_eq!((&settled["requested_model"], &settled["model"]), (&json!("first"), &json!("second")));
    Ok(())
}

#[tokio::test]
async fn a_request_names_fallbacks_of_its_own_or_none() -> Result<()> {
    let ground = Ground::start(3).await?;
    let model = ground.model("first", &[at(0)]).await?;
    ground.model("second", &[at(1)]).await?;
    ground.model("third", &[at(2)]).await?;
    ground.routing(&model, json!({ "retries": 0, "fallbacks": ["second"] })).await?;
    let caller = ground.caller().await?;
    ground.upstreams[0].next(refused(500));
    let mut body = chat("first");
    body["fallbacks"] = json!(["third"]);
    let answer = caller.post(CHAT, &body).await?.expect(200)?;
    assert_eq!(route(&answer)[1], "third/third-d0:ok");
    assert!(
        ground.upstreams[2].requests()[0].json()?.get("fallbacks").is_none(),
        "that is not the upstream's business"
    );
    ground.upstreams[0].next(refused(500));
    let mut body = chat("first");
    body["disable_fallbacks"] = json!(true);
    caller.post(CHAT, &body).await?.expect(500)?;
    assert_eq!(ground.counts(), [2, 0, 1]);
    Ok(())
}

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_to_the_model_for_long_prompts_at_once() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("short", &[at(0)]).await?;
    ground.model("long", &[at(1)]).await?;
    ground.routing(&model, json!({ "context_window_fallbacks": ["long"] })).await?;
    let too_long = r#"{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
    ground.upstreams[0].next(Reply::refuse_with(400, too_long));
    let answer = ground.caller().await?.post(CHAT, &chat("short")).await?.expect(200)?;
    assert_eq!(route(&answer), ["short/short-d0:context_too_long(400)", "long/long-d0:ok"]);
    Ok(())
}

#[tokio::test]
async fn a_deployment_that_fails_is_left_alone_and_found_well_again_by_one_probe() -> Result<()> {
    let ground = Ground::start(10).await?;
    let all: Vec<Deployment> = (0..10).map(at).collect();
    let model = ground.model("m", &all).await?;
    ground.routing(&model, json!({ "cooldown": { "allowed_failures": 3, "first_ms": 500 } })).await?;
    ground.upstreams[0].on_model("up-m", refused(503));
    let caller = ground.caller().await?;
    for _ in 0..200 {
        caller.post(CHAT, &chat("m")).await?.expect(200)?;
    }
    let failed = ground.counts()[0];
    assert!((3..=40).contains(&failed), "{failed} of 200 requests went to a deployment that fails");
    ground.upstreams[0].on_model("up-m", Reply::answer());
    let begun = Instant::now();
    while ground.counts()[0] < failed + 5 {
        anyhow::ensure!(begun.elapsed().as_secs() < 30, "what is well again gets no traffic");
        caller.post(CHAT, &chat("m")).await?.expect(200)?;
    }
    Ok(())
}

#[tokio::test]
async fn one_that_limits_its_rate_is_left_alone_for_as_long_as_it_says() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("m", &[first(0, 1), first(1, 2)]).await?;
    ground.routing(&model, json!({ "strategy": "ordered" })).await?;
    ground.upstreams[0].next(refused(429).retry_after("30"));
    let caller = ground.caller().await?;
    for _ in 0..10 {
        caller.post(CHAT, &chat("m")).await?.expect(200)?;
    }
    assert_eq!(ground.counts(), [1, 10]);
    Ok(())
}

#[tokio::test]
async fn each_strategy_sends_requests_where_it_says() -> Result<()> {
    let ground = Ground::start(2).await?;
    let dear = Deployment { price_pico: 9_000, ..at(0) };
    let cheap = ground.model("cheap", &[dear, at(1)]).await?;
    ground.routing(&cheap, json!({ "strategy": "lowest_cost" })).await?;
    let weighted = [Deployment { weight: 0, ..at(0) }, at(1)];
    ground.model("weighted", &weighted).await?;
    let limited = [Deployment { params: json!({ "rpm": 2 }), ..at(0) }, at(1)];
    let usage = ground.model("usage", &limited).await?;
    ground.routing(&usage, json!({ "strategy": "usage" })).await?;
    let caller = ground.caller().await?;
    for (model, at_first) in [("cheap", 0), ("weighted", 0), ("usage", 2)] {
        let before = ground.counts();
        for _ in 0..20 {
            caller.post(CHAT, &chat(model)).await?.expect(200)?;
        }
        let after = ground.counts();
        let moved = [after[0] - before[0], after[1] - before[1]];
        assert!(moved[0] <= at_first && moved[0] + moved[1] == 20, "{model}: {moved:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_least_busy_one_gets_what_the_busy_one_does_not() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("m", &[at(0), at(1)]).await?;
    ground.routing(&model, json!({ "strategy": "least_busy" })).await?;
    let caller = ground.caller().await?;
    let gate = Gate::closed();
    for upstream in &ground.upstreams {
        upstream.next(Reply::answer().behind(&gate));
    }
    let waiting = tokio::spawn({
        let caller = caller.clone();
        async move { caller.post(CHAT, &chat("m")).await }
    });
    let busy = loop {
        let counts = ground.counts();
        if let Some(busy) = counts.iter().position(|count| *count == 1) {
            break busy;
        }
        tokio::task::yield_now().await;
    };
    ground.upstreams[1 - busy].nothing_next();
    for _ in 0..10 {
        caller.post(CHAT, &chat("m")).await?.expect(200)?;
    }
    assert_eq!(ground.counts()[busy], 1);
    gate.open();
    waiting.await??.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn tags_lead_to_the_deployments_that_have_them() -> Result<()> {
    let ground = Ground::start(2).await?;
    let tagged = |upstream, tag: &str| Deployment { params: json!({ "tags": [tag] }), ..at(upstream) };
    ground.model("m", &[tagged(0, "paid"), tagged(1, "default")]).await?;
    let caller = ground.caller().await?;
    let mut asked: BTreeMap<&str, Value> = BTreeMap::new();
    asked.insert("tags", json!(["paid"]));
    asked.insert("metadata", json!({ "tags": ["paid"] }));
    for (field, value) in asked {
        let mut body = chat("m");
        body[field] = value;
        let answer = caller.post(CHAT, &body).await?.expect(200)?;
        assert_eq!(route(&answer), ["m/m-d0:ok"], "{field}");
    }
    for _ in 0..10 {
        caller.post(CHAT, &chat("m")).await?.expect(200)?;
    }
    assert_eq!(ground.counts(), [2, 10]);
    Ok(())
}

#[tokio::test]
async fn a_refused_connection_costs_next_to_nothing() -> Result<()> {
    let ground = Ground::start(1).await?;
    let (nobody, id) = (Upstream::refusing_url().await?, uuid());
    let row = |name: &str, url: &str, order: u32| {
        json!({ "id": name, "vendor": "openai-compatible", "upstream_model": "up", "base_url": url,
                "max_output_tokens": 100, "params": { "order": order },
                "price": { "input_pico_usd": 1, "output_pico_usd": 1 } })
    };
    let rows = [row("away", &nobody, 1), row("here", &ground.upstreams[0].url(), 2)];
    command(&ground.gateway, "RegisterModel", json!({ "model": id, "name": "m", "deployments": rows }))
        .await?
        .expect(200)?;
    ground.routing(&id, json!({ "strategy": "ordered", "cooldown": { "first_ms": 0 } })).await?;
    let caller = ground.caller().await?;
    // More often than what would cool it, if it were not for the model's routing.
    for _ in 0..8 {
        let answer = caller.post(CHAT, &chat("m")).await?.expect(200)?;
        assert_eq!(route(&answer), ["m/away:refused", "m/here:ok"]);
    }
    ground.routing(&id, json!({ "strategy": "ordered" })).await?;
    let mut last = Vec::new();
    for _ in 0..8 {
        last = route(&caller.post(CHAT, &chat("m")).await?.expect(200)?);
    }
    assert_eq!(last, ["m/here:ok"], "it cools");
    Ok(())
}

#[tokio::test]
async fn where_a_request_would_go_is_told_without_sending_it() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("first", &[first(0, 1), first(1, 2)]).await?;
    ground.model("second", &[at(1)]).await?;
    ground.routing(&model, json!({ "strategy": "ordered", "fallbacks": ["second", "secret"] })).await?;
    let terms = KeyTerms { models: Some(json!({ "only": ["first", "second"] })), ..KeyTerms::default() };
    let key = issue(&ground.gateway, terms).await?;
    let (caller, asked) = (ground.gateway.caller(&key.secret)?, json!({ "request": chat("first") }));
    let told = caller.post("/api/route/explain", &asked).await?.expect(200)?.json()?;
    assert_eq!(told["strategy"], "ordered");
    let allowed = json!([{ "model": "second", "allowed": true }, { "model": "secret", "allowed": false }]);
    assert_eq!(told["fallbacks"]["general"], allowed);
    let order: Vec<&Value> =
        told["candidates"].as_array().context("none")?.iter().map(|row| &row["deployment"]).collect();
    assert_eq!(order, [&json!("first-d0"), &json!("first-d1")]);
    // The first one fails until it cools: then it is the last resort.
    ground.upstreams[0].on_model("up-first", refused(503));
    for _ in 0..3 {
        caller.post(CHAT, &chat("first")).await?.expect(200)?;
    }
    let asked = json!({ "request": chat("first"), "key": key.secret });
    let told = ground.gateway.operator()?.post("/api/route/explain", &asked).await?.expect(200)?.json()?;
    assert_eq!(told["candidates"][1]["deployment"], "first-d0");
    assert_eq!(told["candidates"][1]["readiness"], "cooling");
    caller.post("/api/route/explain", &asked).await?.expect(401)?;
    caller.post("/api/route/explain", &json!({ "request": chat("secret") })).await?.expect(403)?;
    assert_eq!(ground.counts(), [3, 3]);
    Ok(())
}
