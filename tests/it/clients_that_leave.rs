//! What becomes of money when a client leaves, or an upstream breaks off: the budget is charged what the provider bills,
//! and where nobody can know that, what was held counts until somebody does.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::gateway::Setup;
use tallygate_tests::upstream::{Gate, Reply, StreamEnd, Usage};

use crate::scene::{IssuedKey, KeyTerms, MODEL, Scene, chat, command};

/// What a provider bills for it: 109 nano-dollars, at the scene's price of one for a token of the prompt and two for one of the answer.
const USAGE: Usage = Usage { prompt_tokens: 9, cached_tokens: 0, completion_tokens: 50, reasoning_tokens: 0 };

fn asking(max_tokens: u64) -> Value {
    let mut body = chat(MODEL);
    body["max_tokens"] = json!(max_tokens);
    body
}

fn streaming(max_tokens: u64) -> Value {
    let mut body = asking(max_tokens);
    body["stream"] = json!(true);
    body
}

/// A gateway, a key whose budget pays for one request of a thousand tokens at a time, and its client.
async fn paid(setup: Setup) -> Result<(Scene, IssuedKey, Client)> {
    let scene = Scene::with(setup).await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(5_000), ..KeyTerms::default() }).await?;
    let client = scene.gateway.caller(&key.secret)?;
    Ok((scene, key, client))
}

/// Begins a stream of fifty chunks, reads one, and leaves. The gate holds the rest back.
async fn begin_and_leave(scene: &Scene, client: &Client) -> Result<Gate> {
    let gate = Gate::closed();
    scene.upstream.next(Reply::answer().chunks(50).usage(USAGE).behind(&gate));
    gate.pass(2);
    let mut events = client.stream("/v1/chat/completions", &streaming(1_000)).await?;
    events.next().await?;
    drop(events);
    Ok(gate)
}

async fn balance(scene: &Scene, key: &IssuedKey) -> Result<(i64, i64)> {
    let path = format!("/api/budgets?scope=key:{}", key.id);
    let row = scene.gateway.operator()?.get(&path).await?.expect(200)?.at("/budgets/0")?;
    let of = |name: &str| row[name].as_i64().with_context(|| format!("no {name}: {row}"));
    Ok((of("posted_nano_usd")?, of("suspense_nano_usd")?))
}

/// The balance once it is this one.
async fn becomes(scene: &Scene, key: &IssuedKey, wanted: impl Fn((i64, i64)) -> bool) -> Result<(i64, i64)> {
    let mut last = (0, 0);
    for _ in 0..500 {
        last = balance(scene, key).await?;
        if wanted(last) {
            return Ok(last);
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    anyhow::bail!("the balance stays {last:?}")
}

#[tokio::test]
async fn a_stream_whose_client_leaves_is_read_to_its_end_and_charged_what_it_cost() -> Result<()> {
    let (scene, _, client) = paid(Setup::new()).await?;
    let gate = begin_and_leave(&scene, &client).await?;
    let refused = client.post("/v1/chat/completions", &asking(1_000)).await?;
    assert_eq!(refused.status, 422, "it runs and holds what is left: {}", refused.text());
    gate.open();
    let settled = scene.activity("request.settled", 1).await?.remove(0);
    assert_eq!((&settled["outcome"], &settled["estimated"]), (&json!("disconnected"), &json!(null)), "{settled}");
    assert_eq!(settled["usage"]["output_tokens"], USAGE.completion_tokens);
    client.post("/v1/chat/completions", &asking(1_000)).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_begins_is_charged_what_it_cost() -> Result<()> {
    let (scene, _, client) = paid(Setup::new()).await?;
    let gate = Gate::closed();
    scene.upstream.next(Reply::answer().chunks(50).usage(USAGE).behind(&gate));
    let asked = tokio::spawn({
        let client = client.clone();
        async move { client.stream("/v1/chat/completions", &streaming(1_000)).await.map(drop) }
    });
    scene.upstream.wait_for_requests(1).await?;
    asked.abort();
    let _ = asked.await;
    gate.open();
    let settled = scene.activity("request.settled", 1).await?.remove(0);
    assert_eq!(settled["usage"]["output_tokens"], USAGE.completion_tokens, "{settled}");
    assert_eq!(settled["estimated"], json!(null));
    Ok(())
}

#[tokio::test]
async fn a_stream_that_no_budget_pays_for_is_cut_when_its_client_leaves() -> Result<()> {
    let scene = Scene::start().await?;
    let _gate = begin_and_leave(&scene, &scene.caller().await?).await?;
    scene.upstream.wait_for_abandoned(1).await?;
    let settled = scene.activity("request.settled", 1).await?.remove(0);
    assert_eq!((&settled["outcome"], &settled["estimated"]), (&json!("disconnected"), &json!(true)), "{settled}");
    Ok(())
}

#[tokio::test]
async fn a_stream_that_is_one_too_many_is_cut_and_what_it_held_is_in_suspense() -> Result<()> {
    let setup = Setup::new().arg("--abandoned-streams-max=0").arg("--suspense-rest-seconds=0");
    let (scene, key, client) = paid(setup).await?;
    let _gate = begin_and_leave(&scene, &client).await?;
    scene.upstream.wait_for_abandoned(1).await?;
    let settled = scene.activity("request.settled", 1).await?.remove(0);
    let cost = settled["cost_nano_usd"].as_i64().context("no cost")?;
    assert_eq!((&settled["outcome"], &settled["estimated"]), (&json!("disconnected"), &json!(true)), "{settled}");
    let (posted, suspense) = becomes(&scene, &key, |(posted, suspense)| posted > 0 && suspense > 0).await?;
    assert!(posted == cost && suspense > 2_500, "{cost} was seen, {posted} is posted, {suspense} is in suspense");
    let refused = client.post("/v1/chat/completions", &asking(1_000)).await?;
    assert_eq!(refused.status, 422, "what nobody knows counts: {}", refused.text());
    // The provider's bill says 109: what it is above what was seen.
    let operator = scene.gateway.operator()?;
    let row = operator.get("/api/suspense").await?.expect(200)?.at("/suspense/0")?;
    let mut closing = json!({ "spent_nano_usd": 109 - cost });
    for name in ["gateway", "epoch", "why", "account"] {
        closing[name] = row[name].clone();
    }
    operator.post("/api/suspense/close", &closing).await?.expect(200)?;
    assert_eq!(balance(&scene, &key).await?, (109, 0));
    client.post("/v1/chat/completions", &asking(1_000)).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn no_more_streams_are_read_on_than_the_limit_says() -> Result<()> {
    let scene = Scene::with(Setup::new().arg("--abandoned-streams-max=1")).await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(50_000), ..KeyTerms::default() }).await?;
    let client = scene.gateway.caller(&key.secret)?;
    let gates = [begin_and_leave(&scene, &client).await?, begin_and_leave(&scene, &client).await?];
    scene.upstream.wait_for_abandoned(1).await?;
    gates.iter().for_each(Gate::open);
    let settled = scene.activity("request.settled", 2).await?;
    let cut = settled.iter().filter(|fact| fact["estimated"] == json!(true)).count();
    let whole = settled.iter().filter(|fact| fact["usage"]["output_tokens"] == USAGE.completion_tokens).count();
    assert_eq!((settled.len(), cut, whole), (2, 1, 1), "{settled:?}");
    Ok(())
}

#[tokio::test]
async fn a_soft_budget_has_back_what_was_not_seen_of_a_stream() -> Result<()> {
    let (scene, key, client) = paid(Setup::new().arg("--abandoned-streams-max=0")).await?;
    let budget = json!({ "scope": format!("key:{}", key.id), "reclaim_after_seconds": 60,
        "limits": [{ "period": "total", "limit_nano_usd": 5_000 }] });
    command(&scene.gateway, "SetBudget", budget).await?.expect(200)?;
    let _gate = begin_and_leave(&scene, &client).await?;
    let (_, suspense) = becomes(&scene, &key, |(posted, _)| posted > 0).await?;
    assert_eq!(suspense, 0);
    client.post("/v1/chat/completions", &asking(1_000)).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_stream_that_its_upstream_breaks_off_leaves_its_hold_in_suspense_and_survives_a_kill() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut scene, key, client) = paid(Setup::new().data(folder.path())).await?;
    scene.upstream.next(Reply::answer().chunks(3).usage(USAGE).then(StreamEnd::CutOff));
    client.stream("/v1/chat/completions", &streaming(1_000)).await?.rest().await?;
    scene.gateway = scene.gateway.kill_and_restart().await?;
    let (posted, suspense) = becomes(&scene, &key, |(posted, suspense)| posted > 0 && suspense > 0).await?;
    let settled = scene.activity("request.settled", 1).await?.remove(0);
    assert_eq!((&settled["outcome"], &settled["cost_nano_usd"]), (&json!("failed"), &json!(posted)), "{settled}");
    assert!(posted + suspense > 2_600 && suspense > 2_500, "{posted} is posted, {suspense} is in suspense");
    Ok(())
}

#[tokio::test]
async fn a_refused_call_leaves_nothing_in_suspense() -> Result<()> {
    let (scene, key, client) = paid(Setup::new()).await?;
    scene.upstream.next(Reply::refuse(500));
    client.post("/v1/chat/completions", &asking(1_000)).await?.expect(500)?;
    client.post("/v1/chat/completions", &asking(1_000)).await?.expect(200)?;
    let (_, suspense) = becomes(&scene, &key, |(posted, _)| posted > 0).await?;
    assert_eq!(suspense, 0, "an answer with an error is not billed");
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_is_stopped_reads_its_streams_to_the_end_first() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (scene, _, client) = paid(Setup::new().data(folder.path())).await?;
    let gate = begin_and_leave(&scene, &client).await?;
    let url = scene.gateway.url().to_owned();
    let Scene { gateway, upstream } = scene;
    let stopping = tokio::spawn(gateway.shut_down());
    while Client::new(&url, None)?.get("/health/liveliness").await.is_ok() {
        tokio::task::yield_now().await;
    }
    gate.open();
    assert!(stopping.await??.status.success());
    drop(upstream);
    let settled = crate::scene::lines(folder.path(), "activity")?;
    let data = &settled.last().context("nothing was settled")?["data"];
    assert_eq!(data["usage"]["output_tokens"], USAGE.completion_tokens, "{data}");
    Ok(())
}
