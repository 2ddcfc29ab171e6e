//! How long a deployment is waited for that says so itself, and what a failed primary costs.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::upstream::{Reply, StreamEnd};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{CHAT, Deployment, Ground, at, first, refused, route};
use crate::scene::{Scene, chat, command, uuid};

/// What is added to a limit on a busy machine. Far less than the gateway's own limits.
const SLACK: Duration = Duration::from_secs(8);

fn with(params: Value) -> Deployment {
    Deployment { params, ..at(0) }
}

fn streaming(model: &str) -> Value {
    let mut body = chat(model);
    body["stream"] = json!(true);
    body
}

/// Listens, but has no room for another connection: the kernel leaves those who come unanswered.
struct Unreachable {
    url: String,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Unreachable {
    async fn start() -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind("127.0.0.1:0".parse()?)?;
        let listener = socket.listen(1)?;
        let address = listener.local_addr()?;
        let mut waiting = Vec::new();
        while let Ok(Ok(socket)) = timeout(Duration::from_millis(150), TcpStream::connect(address)).await {
            waiting.push(socket);
            anyhow::ensure!(waiting.len() < 64, "the kernel takes every connection");
        }
        Ok(Self { url: format!("http://{address}/v1"), _listener: listener, _waiting: waiting })
    }
}

#[tokio::test]
async fn a_deployment_that_hangs_is_left_at_its_own_timeout() -> Result<()> {
    let ground = Ground::start(2).await?;
    let hanging = with(json!({ "order": 1, "timeout": 0.4, "stream_timeout": 0.2 }));
    let model = ground.model("m", &[hanging, first(1, 2)]).await?;
    ground.routing(&model, json!({ "strategy": "ordered", "cooldown": { "first_ms": 0 } })).await?;
    let caller = ground.caller().await?;
    for (body, limit_ms, ended) in
        [(chat("m"), 400, "m/m-d0:total_timeout"), (streaming("m"), 200, "m/m-d0:first_byte_timeout")]
    {
        ground.upstreams[0].next(Reply::hang());
        let begun = Instant::now();
        let answer = caller.post(CHAT, &body).await?.expect(200)?;
        let took = begun.elapsed();
        assert_eq!(route(&answer), [ended, "m/m-d1:ok"]);
        let limit = Duration::from_millis(limit_ms);
        assert!((limit..limit + SLACK).contains(&took), "{took:?}");
    }
    assert_eq!(ground.held().await?, "0");
    Ok(())
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_left_at_its_own_timeout() -> Result<()> {
    let ground = Ground::start(1).await?;
    ground.model("m", &[with(json!({ "stream_timeout": 0.2 }))]).await?;
    ground.upstreams[0].next(Reply::answer().chunks(3).then(StreamEnd::Hang));
    let begun = Instant::now();
    let answer = ground.caller().await?.post(CHAT, &streaming("m")).await?.expect(200)?;
    assert!(answer.text().contains("\"error\""), "{}", answer.text());
    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_deployment_says_how_often_a_request_that_failed_there_is_tried_again() -> Result<()> {
    let ground = Ground::start(1).await?;
    ground.model("m", &[with(json!({ "max_retries": 0 }))]).await?;
    let caller = ground.caller().await?;
    ground.upstreams[0].next(refused(500));
    caller.post(CHAT, &chat("m")).await?.expect(500)?;
    assert_eq!(ground.counts(), [1], "the gateway's two retries are not made");
    ground.upstreams[0].next(refused(500));
    let mut body = chat("m");
    body["num_retries"] = json!(1);
    caller.post(CHAT, &body).await?.expect(200)?;
    assert_eq!(ground.counts(), [3], "what the request says goes before");
    Ok(())
}

#[tokio::test]
async fn a_primary_that_cannot_be_reached_costs_its_connect_timeout_and_five_milliseconds_at_most() -> Result<()> {
    const CONNECT: Duration = Duration::from_millis(200);
    let (ground, away) = (Ground::start(1).await?, Unreachable::start().await?);
    let row = |name: &str, url: &str, params: Value| {
        json!({ "id": name, "vendor": "openai-compatible", "upstream_model": "up", "base_url": url,
                "max_output_tokens": 100, "params": params,
                "price": { "input_pico_usd": 1, "output_pico_usd": 1 } })
    };
    let (id, here) = (uuid(), ground.upstreams[0].url());
    let rows = [
        row("away", &away.url, json!({ "order": 1, "connect_timeout": 0.2 })),
        row("here", &here, json!({ "order": 2 })),
    ];
    let model = json!({ "model": id, "name": "m", "deployments": rows });
    command(&ground.gateway, "RegisterModel", model).await?.expect(200)?;
    ground.routing(&id, json!({ "strategy": "ordered", "cooldown": { "first_ms": 0 } })).await?;
    ground.model("plain", &[at(0)]).await?;
    let caller = ground.caller().await?;
    let (mut plain, mut failed) = (Duration::MAX, Duration::MAX);
    // The best of several: what the machine adds to a single one is not the gateway's.
    for _ in 0..25 {
        let begun = Instant::now();
        caller.post(CHAT, &chat("plain")).await?.expect(200)?;
        plain = plain.min(begun.elapsed());
        let begun = Instant::now();
        let answer = caller.post(CHAT, &chat("m")).await?.expect(200)?;
        failed = failed.min(begun.elapsed());
        assert_eq!(route(&answer), ["m/away:connect_timeout", "m/here:ok"]);
    }
    let most = CONNECT + plain + Duration::from_millis(5);
    assert!((CONNECT..=most).contains(&failed), "{failed:?}, where a plain request takes {plain:?}");
    Ok(())
}

#[tokio::test]
async fn a_limit_that_cannot_be_kept_is_refused_by_name_and_changes_nothing() -> Result<()> {
    let scene = Scene::start().await?;
    let before = scene.logged().await?;
    let wrong = [
        ("params", "timeout", json!(0)),
        ("params", "stream_timeout", json!("30")),
        ("params", "connect_timeout", json!(61)),
        ("params", "max_retries", json!(11)),
        ("info", "health_check_interval", json!(-1)),
        ("info", "health_check_by", json!("ping")),
    ];
    for (section, name, value) in &wrong {
        let deployment = json!({ "id": "new", "vendor": "openai-compatible", "upstream_model": "up",
            "base_url": scene.upstream.url(), *section: { *name: value } });
        let data = json!({ "model": uuid(), "name": "new", "deployments": [deployment] });
        let refused = command(&scene.gateway, "RegisterModel", data).await?.expect(400)?;
        assert_eq!(refused.at("/error/tallygate/code")?, "deployment_field_invalid", "{name}");
        assert!(refused.text().contains(name), "{}", refused.text());
        let (as_litellm, place) =
            if *section == "params" { ("litellm_params", "params") } else { ("model_info", "info") };
        let mut body = json!({ "model_name": "new", "model_info": {},
            "litellm_params": { "model": "up", "api_base": scene.upstream.url() } });
        body[as_litellm][*name] = value.clone();
        let refused = scene.gateway.operator()?.post("/model/new", &body).await?.expect(400)?;
        assert_eq!(refused.at("/error/param")?, format!("{as_litellm}.{name}"), "{place}: {}", refused.text());
    }
    let refusals = scene.refusals_since(&before).await?;
    assert!(refusals.iter().all(|(code, _)| code == "deployment_field_invalid"), "{refusals:?}");
    assert_eq!(refusals.len(), wrong.len() * 2);
    Ok(())
}

#[tokio::test]
async fn a_request_may_have_less_patience_than_its_deployment_and_says_nothing_of_it_then() -> Result<()> {
    let ground = Ground::start(2).await?;
    let model = ground.model("m", &[with(json!({ "order": 1 })), first(1, 2)]).await?;
    ground
        .routing(&model, json!({ "strategy": "ordered", "cooldown": { "allowed_failures": 1, "first_ms": 3_600_000 } }))
        .await?;
    let caller = ground.caller().await?;
    for (mut body, ended) in [(chat("m"), "m/m-d0:total_timeout"), (streaming("m"), "m/m-d0:first_byte_timeout")] {
        ground.upstreams[0].next(Reply::hang());
        body["timeout"] = json!(0.3);
        let begun = Instant::now();
        let answer = caller.post(CHAT, &body).await?.expect(200)?;
        assert_eq!(route(&answer), [ended, "m/m-d1:ok"]);
        assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
    }
    let answer = caller.post(CHAT, &chat("m")).await?.expect(200)?;
    assert_eq!(route(&answer), ["m/m-d0:ok"], "one client's haste leaves the deployment to the others");
    for odd in [json!("soon"), json!(-1), json!(1e300), json!(null)] {
        let mut body = chat("m");
        body["timeout"] = odd;
        caller.post(CHAT, &body).await?.expect(200)?;
    }
    assert!(ground.upstreams[0].requests()[0].json()?.get("timeout").is_none(), "that is not the upstream's business");
    Ok(())
}
