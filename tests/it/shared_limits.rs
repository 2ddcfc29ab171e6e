//! Rate limits that several gateways divide, on a real NATS server: how much goes through while the load is even, on one
//! of them, moves, and one is killed.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::gateway::Gateway;
use tallygate_tests::nats_server::NatsServer;
use tallygate_tests::paced::Pace;
use tallygate_tests::upstream::{Gate, Reply};

use crate::cluster::on;
use crate::scene::{IssuedKey, KeyTerms, MODEL, Scene, UPSTREAM_MODEL, chat};

/// Requests a minute: four a second.
const LIMIT: u64 = 240;
const GATEWAYS: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// Three gateways of one log, and the upstream of all.
struct Cluster {
    scene: Scene,
    others: Vec<Gateway>,
    _nats: NatsServer,
}

impl Cluster {
    async fn start() -> Result<Self> {
        let nats = NatsServer::start().await?;
        let scene = Scene::with(on(&nats)).await?;
        let others = vec![on(&nats).start().await?, on(&nats).start().await?];
        Ok(Self { scene, others, _nats: nats })
    }

    /// A key that is limited, and known to all gateways.
    async fn key(&self, limits: Value) -> Result<(IssuedKey, Vec<Client>)> {
        let key = self.scene.key(KeyTerms { limits, ..KeyTerms::default() }).await?;
        let gateways = std::iter::once(&self.scene.gateway).chain(&self.others);
        let callers = gateways.map(|gateway| gateway.caller(&key.secret)).collect::<Result<Vec<_>>>()?;
        for caller in &callers {
            until("the key is known", async || Ok(caller.get("/v1/models").await?.status == 200)).await?;
        }
        Ok((key, callers))
    }

    /// What the first gateway knows of the portions of a key: each gateway's, in parts.
    async fn portions(&self, key: &IssuedKey) -> Result<Vec<u64>> {
        let operator = self.scene.gateway.operator()?;
        let answer = operator.get(&format!("/api/limits?scope=key:{}", key.id)).await?.expect(200)?;
        let portions = answer.at("/limits/0/portions")?;
        let portions = portions.as_array().context("no portions")?;
        Ok(portions.iter().filter_map(|portion| portion["held_parts"].as_u64()).collect())
    }
}

fn requests(per_minute: u64) -> Value {
    json!({ "requests_per_minute": per_minute, "tokens_per_minute": null, "parallel_requests": null })
}

async fn until(what: &str, is_so: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let waiting = async {
        while !is_so().await? {}
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, waiting).await.with_context(|| format!("not in time: {what}"))?
}

/// Loads some gateways side by side. Tells how much each let through.
async fn load(callers: &[&Client], per_second: u32, seconds: u32) -> Result<Vec<u64>> {
    let pace = Pace { per_second, calls: per_second * seconds };
    let calls: Vec<_> = callers.iter().map(|&caller| tokio::spawn(pace.load(caller.clone(), chat(MODEL)))).collect();
    let mut served = Vec::new();
    for call in calls {
        served.push(call.await??);
    }
    Ok(served)
}

/// Loads some gateways until so much was let through, or no more will come. On a busy machine portions may change hands late;
/// they do in the end, and the most grows only by what refills.
async fn load_for(wanted: u64, callers: &[&Client], per_second: u32) -> Result<u64> {
    let mut through = 0;
    for _ in 0..6 {
        through += load(callers, per_second, 5).await?.iter().sum::<u64>();
        if through >= wanted {
            break;
        }
    }
    Ok(through)
}

/// Loads the gateway that the load has moved to, until it let most of what refilled meanwhile through, or won't. Tells both.
async fn load_moved(caller: &Client) -> Result<(u64, u64)> {
    let (moved_at, mut through, mut refilled) = (Instant::now(), 0, 0);
    for _ in 0..3 {
        through += load(&[caller], 30, 8).await?[0];
        refilled = (LIMIT as f64 * moved_at.elapsed().as_secs_f64() / 60.0) as u64;
        if is_most_of(through, refilled) {
            break;
        }
    }
    Ok((through, refilled))
}

fn is_most_of(through: u64, refilled: u64) -> bool {
    through * 100 >= refilled * 60
}

async fn served(caller: &Client) -> Result<bool> {
    let answer = caller.post("/v1/chat/completions", &chat(MODEL)).await?;
    assert!([200, 429].contains(&answer.status), "{}", answer.text());
    Ok(answer.status == 200)
}

/// The most that docs/rate-limits.md lets all gateways serve in a time that begins at rest: a whole limit, what refills
/// meanwhile, a request more for each other gateway, and what refills while portions change hands.
fn most(since: Instant) -> u64 {
    let refilled = LIMIT as f64 * (since.elapsed().as_secs_f64() + 1.0) / 60.0;
    LIMIT + refilled.ceil() as u64 + GATEWAYS - 1
}

#[tokio::test]
async fn three_gateways_let_one_limit_through_whether_the_load_is_even_or_on_one_or_moves() -> Result<()> {
    let cluster = Cluster::start().await?;
    let (_, even) = cluster.key(requests(LIMIT)).await?;
    let begun = Instant::now();
    let even: Vec<&Client> = even.iter().collect();
    let through = load_for(LIMIT, &even, 50).await?;
    assert!((LIMIT..=most(begun)).contains(&through), "evenly: {through}, at most {}", most(begun));

    let (key, callers) = cluster.key(requests(LIMIT)).await?;
    let begun = Instant::now();
    let one = load_for(LIMIT * 95 / 100, &[&callers[0]], 80).await?;
    assert!((LIMIT * 95 / 100..=most(begun)).contains(&one), "on one: {one}, at most {}", most(begun));
    let portions = cluster.portions(&key).await?;
    assert!(portions.iter().any(|held| *held > 950_000) && portions.iter().sum::<u64>() <= 1_000_000, "{portions:?}");

    let (other, refilled) = load_moved(&callers[1]).await?;
    assert!(one + other <= most(begun), "moved: {one} and {other}, at most {}", most(begun));
    assert!(is_most_of(other, refilled), "moved: {other} of {refilled} that refilled");
    Ok(())
}

#[tokio::test]
async fn what_a_killed_gateway_had_goes_to_the_others() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let (key, callers) = cluster.key(requests(LIMIT)).await?;
    let begun = Instant::now();
    let mut through: u64 = load(&callers.iter().collect::<Vec<_>>(), 50, 3).await?.iter().sum();
    let killed = cluster.others.pop().context("no third gateway")?;
    killed.kill().await?;
    until("the killed gateway is counted out", async || Ok(cluster.portions(&key).await?.len() == 2)).await?;
    through += load(&[&callers[0], &callers[1]], 30, 3).await?.iter().sum::<u64>();
    assert!(through <= most(begun), "{through}, at most {}", most(begun));
    let portions = cluster.portions(&key).await?;
    let sum: u64 = portions.iter().sum();
    assert!((950_000..=1_000_000).contains(&sum), "the two have all of it: {portions:?}");
    Ok(())
}

#[tokio::test]
async fn a_limit_of_as_few_requests_as_gateways_is_there_for_who_calls_only_one_of_them() -> Result<()> {
    let cluster = Cluster::start().await?;
    let (_, callers) = cluster.key(requests(GATEWAYS)).await?;
    let begun = Instant::now();
    let mut through = 0;
    while through < GATEWAYS && begun.elapsed() < PATIENCE {
        through += u64::from(served(&callers[2]).await?);
    }
    assert_eq!(through, GATEWAYS);
    assert!(begun.elapsed() < Duration::from_secs(15), "it took {:?}, where a refill takes a minute", begun.elapsed());
    for caller in &callers[..2] {
        for _ in 0..5 {
            through += u64::from(served(caller).await?);
        }
    }
    assert!(through < 2 * GATEWAYS, "each other gateway lets one through: {through}");
    Ok(())
}

#[tokio::test]
async fn one_request_at_once_is_one_on_all_gateways_together() -> Result<()> {
    let cluster = Cluster::start().await?;
    let at_once = json!({ "requests_per_minute": null, "tokens_per_minute": null, "parallel_requests": 1 });
    let (_, callers) = cluster.key(at_once).await?;
    let (upstream, gate) = (&cluster.scene.upstream, Gate::closed());
    upstream.on_model(UPSTREAM_MODEL, Reply::answer());
    upstream.next(Reply::answer().behind(&gate));
    let first = callers[0].clone();
    let running = tokio::spawn(async move { first.post("/v1/chat/completions", &chat(MODEL)).await });
    upstream.wait_for_requests(1).await?;
    for caller in &callers[1..] {
        until("the others know that one runs", async || Ok(!served(caller).await?)).await?;
        assert!(!served(caller).await?);
    }
    gate.open();
    running.await??.expect(200)?;
    for caller in &callers[1..] {
        until("the others know that none runs", async || served(caller).await).await?;
    }
    Ok(())
}
