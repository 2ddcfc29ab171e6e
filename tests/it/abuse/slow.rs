//! Clients that take their time: each holds a connection, and memory, for no longer than it may.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tallygate_tests::gateway::{Gateway, Setup};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::raw::{Heard, connect, send};
use crate::scene::{KeyTerms, MODEL, Scene, chat};

/// The limit that is set, and how long after it a busy machine may take to keep it.
const LIMIT: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_secs(10);
const HALF_HEADS: usize = 200;

/// Beginnings of a request that never goes on.
const BEGINNINGS: [&str; 4] =
    ["", "GET /v1/mod", "GET /v1/models HTTP/1.1\r\n", "GET /v1/models HTTP/1.1\r\nhost: gateway\r\nx-slow: "];

/// Sends the head of a request a byte at a time until the gateway has had enough, and gives what it said.
async fn drip(gateway: &Gateway) -> Result<Heard> {
    let (mut reader, mut writer) = connect(gateway).await?.into_split();
    let dripping = async {
        let mut pace = tokio::time::interval(LIMIT / 20);
        writer.write_all(b"GET /v1/models HTTP/1.1\r\nhost: gateway\r\nx-slow: ").await?;
        loop {
            pace.tick().await;
            writer.write_all(b"x").await?;
        }
    };
    let mut said = Vec::new();
    tokio::select! {
        broken = dripping => { let _: std::io::Result<()> = broken; }
        _ = reader.read_to_end(&mut said) => {}
    }
    Ok(Heard(String::from_utf8_lossy(&said).into_owned()))
}

fn in_time(took: Duration, what: &str) -> Result<()> {
    ensure!(took >= LIMIT.mul_f32(0.9) && took < LIMIT + SLACK, "{what} was closed after {took:?}");
    Ok(())
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() -> Result<()> {
    let scene = Scene::with(Setup::new().arg("--head-timeout-seconds=1")).await?;
    for beginning in BEGINNINGS {
        let started = Instant::now();
        let heard = send(&scene.gateway, beginning.as_bytes()).await?;
        in_time(started.elapsed(), beginning)?;
        assert!(heard.statuses().iter().all(|status| *status == 408), "{beginning:?}: {}", heard.0);
    }
    let started = Instant::now();
    let heard = tokio::time::timeout(LIMIT + SLACK, drip(&scene.gateway)).await??;
    in_time(started.elapsed(), "a head byte by byte")?;
    assert!(heard.statuses().iter().all(|status| *status == 408), "{}", heard.0);
    Ok(())
}

#[tokio::test]
async fn many_half_heads_keep_nobody_else_waiting_and_are_all_closed() -> Result<()> {
    let scene = Scene::with(Setup::new().env("TALLYGATE_HEAD_TIMEOUT_SECONDS", "5")).await?;
    let caller = scene.caller().await?;
    let mut halves: Vec<TcpStream> = Vec::with_capacity(HALF_HEADS);
    for _ in 0..HALF_HEADS {
        let mut half = connect(&scene.gateway).await?;
        half.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: g").await?;
        halves.push(half);
    }
    let started = Instant::now();
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    assert!(started.elapsed() < Duration::from_secs(4), "answered before the first half head was given up");
    for half in &mut halves {
        let mut said = Vec::new();
        // A reset is an end as well.
        let _ = tokio::time::timeout(Duration::from_secs(5) + SLACK, half.read_to_end(&mut said)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_body_that_does_not_come_is_refused_with_408_and_nothing_is_done() -> Result<()> {
    let scene = Scene::with(Setup::new().arg("--body-timeout-seconds=1")).await?;
    let key = scene.key(KeyTerms::default()).await?;
    let before = scene.log("control")?;
    let operator = tallygate_tests::gateway::MASTER_KEY;
    for (route, secret, framing) in [
        ("/v1/chat/completions", key.secret.as_str(), "content-length: 5000"),
        ("/v1/chat/completions", key.secret.as_str(), "transfer-encoding: chunked"),
        ("/key/generate", operator, "content-length: 5000"),
        ("/api/commands", operator, "transfer-encoding: chunked"),
    ] {
        let beginning = if framing.starts_with("content") { "{\"model\":" } else { "9\r\n{\"model\":\r\n" };
        let bytes = format!(
            "POST {route} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {secret}\r\n{framing}\r\n\r\n{beginning}"
        );
        let started = Instant::now();
        let heard = send(&scene.gateway, bytes.as_bytes()).await?;
        in_time(started.elapsed(), route)?;
        assert_eq!(heard.statuses(), [408], "{route}, {framing}: {}", heard.0);
        assert!(heard.0.contains("x-tallygate-error: body_invalid\r\n"), "{}", heard.0);
    }
    let refused = scene.activity("request.refused", 2).await?;
    assert!(refused.iter().all(|fact| (&fact["key"], &fact["status"]) == (&json!(key.id), &json!(408))), "{refused:?}");
    assert_eq!((scene.log("activity")?.len(), scene.log("control")?), (2, before));
    assert!(scene.upstream.requests().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_connection_beyond_the_limit_waits_for_a_place() -> Result<()> {
    let scene = Scene::with(Setup::new().arg("--connections-max=2").arg("--head-timeout-seconds=600")).await?;
    let ask = async |gateway: &Gateway| {
        send(gateway, b"GET /health/liveliness HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n").await
    };
    // After a restart no connection of the scene's own takes a place.
    let gateway = scene.gateway.kill_and_restart().await?;
    let (first, _second) = (connect(&gateway).await?, connect(&gateway).await?);
    let waits = tokio::time::timeout(Duration::from_millis(500), ask(&gateway)).await;
    assert!(
        waits.is_err(),
        "a third connection was served: {:?}",
        waits.ok().and_then(Result::ok).map(|heard| heard.0)
    );
    drop(first);
    assert_eq!(ask(&gateway).await?.statuses(), [200]);
    Ok(())
}
