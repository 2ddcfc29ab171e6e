//! Somebody who may publish like a gateway, and has not the gateways' secret: what he writes into the logs is counted,
//! named and never believed, and everything else goes on.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_core::envelope::{Draft, Line, MacKey, seal};
use tallygate_core::id::{EventId, WriterId};
use tallygate_core::stream::{Head, Log, Position, StreamId};
use tallygate_core::time::Timestamp;
use tallygate_tests::binaries::binary;
use tallygate_tests::gateway::Gateway;
use tallygate_tests::nats_server::NatsServer;
use tallygate_tests::process::Process;

use crate::cluster::{SECRET, on};
use crate::foreign_leases::first_lines;
use crate::scene::{KeyTerms, MODEL, Scene, chat, command, issue, uuid};

/// A line of the right form at a place, with a MAC under a key of the forger's own.
pub fn forged(log: Log, stream: StreamId, kind: &'static str, at: u64, data: &Value) -> Result<Line> {
    sealed((log, stream, kind), at, data, &MacKey::new([66; 32]))
}

/// A line of the right form at a place.
pub fn sealed((log, stream, kind): (Log, StreamId, &'static str), at: u64, data: &Value, key: &MacKey) -> Result<Line> {
    let head = Head { position: Position::new(at - 1), ..Head::EMPTY };
    let draft = Draft {
        id: EventId::new(uuid().parse()?),
        kind,
        schema: 1,
        realm: None,
        stream,
        version: 1,
        at: Timestamp::from_millis(1_795_169_730_123),
        actor: tallygate_core::actor::Actor::operator(),
        command: None,
        part: (1, 1),
        cause: Vec::new(),
        data: serde_json::value::to_raw_value(data)?,
    };
    Ok(seal(log, &head, &draft, key)?.0)
}

/// How many lines of a log the gateway has skipped for a reason.
pub async fn skipped(gateway: &Gateway, log: &str, reason: &str) -> Result<u64> {
    let text = gateway.operator()?.get("/metrics").await?.expect(200)?.text().to_owned();
    let name = format!("tallygate_views_quarantined_lines_total{{log=\"{log}\",reason=\"{reason}\"}} ");
    let found = text.lines().find_map(|line| line.strip_prefix(&name));
    Ok(found.context("no such metric")?.parse()?)
}

async fn until_forged(gateway: &Gateway, log: &str, count: u64) -> Result<()> {
    while skipped(gateway, log, "forged").await? < count {
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn writer_of(gateway: &Gateway) -> Result<WriterId> {
    Ok(WriterId::new(std::fs::read_to_string(gateway.data().join("writer.id"))?.trim())?)
}

async fn settle_one(gateway: &Gateway, key: &str) -> Result<()> {
    gateway.caller(key)?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    while gateway.operator()?.get("/spend/logs").await?.expect(200)?.json()?.as_array().is_none_or(Vec::is_empty) {}
    Ok(())
}

#[tokio::test]
async fn forged_events_are_counted_and_named_and_never_believed_and_everything_else_goes_on() -> Result<()> {
    let nats = NatsServer::start().await?;
    let mut scene = Scene::with(on(&nats)).await?;
    let other = on(&nats).start().await?;
    let key = issue(&scene.gateway, KeyTerms { budget_nano_usd: Some(1_000_000_000), ..KeyTerms::default() }).await?;
    // Of the gateway that has issued it: the other may still be behind.
    let position = scene.position().await?;

    // Into control: the key would be blocked, and something that is no line at all.
    let block = json!({ "key": key.id });
    let stream = StreamId::key(key.id.parse()?);
    let lie = forged(Log::Control, stream.clone(), "key.blocked", position + 1, &block)?;
    let subject = format!("tallygate.control.default.{stream}");
    nats.publish(&subject, lie.bytes())?;
    nats.publish("tallygate.control.default.x", b"no line")?;
    // Into the chain of the gateway's own activity, as if it were far ahead.
    let writer = writer_of(&scene.gateway)?;
    let refused = json!({ "command": null, "kind": "IssueKey", "code": "c", "message": "m" });
    let ahead = forged(Log::Activity, StreamId::gateway(&writer), "command.refused", 1_000_000, &refused)?;
    let chain = format!("tallygate.activity.{writer}");
    for body in [ahead.bytes().as_ref(), b"no line\nand no other"] {
        nats.publish(&chain, body)?;
    }

    for gateway in [&scene.gateway, &other] {
        until_forged(gateway, "control", 2).await?;
        until_forged(gateway, "activity", 3).await?;
        let said = gateway.output();
        assert!(
            said.contains("a forged line is skipped") && said.contains(&format!("position={}", position + 1)),
            "{said}"
        );
        // Commands are decided behind the forgeries, and requests are answered and recorded.
        command(gateway, "RegisterRealm", json!({ "realm": uuid() })).await?.expect(200)?;
        settle_one(gateway, &key.secret).await?;
    }
    let digest = async |gateway: &Gateway| gateway.operator()?.get("/api/state").await?.at("/control/digest");
    let position = scene.position().await?;
    let caller = other.caller(&key.secret)?.with_header("x-tallygate-min-position", &position.to_string());
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    assert_eq!(digest(&scene.gateway).await?, digest(&other).await?);

    // A gateway that starts with a forgery as the last line of every chain is ready, and goes on behind it.
    let end = forged(Log::Control, stream, "key.blocked", position + 1, &block)?;
    nats.publish(&subject, end.bytes())?;
    nats.publish(&chain, ahead.bytes())?;
    scene.gateway = scene.gateway.kill_and_restart().await?;
    command(&scene.gateway, "RegisterRealm", json!({ "realm": "behind" })).await?.expect(200)?;
    settle_one(&scene.gateway, &key.secret).await?;
    drop(other);
    verify_finds_them(&nats).await
}

/// Publishes the first lines of a log once more.
async fn publish_again(nats: &NatsServer, log: &str, count: u64, subject: &str) -> Result<()> {
    let lines = first_lines(nats, log, usize::try_from(count)?).await?;
    assert_eq!(lines.len() as u64, count);
    lines.iter().try_for_each(|line| nats.publish(subject, line.as_bytes()))
}

async fn until_repeated(gateway: &Gateway, log: &str, count: u64) -> Result<()> {
    while skipped(gateway, log, "repeated").await? < count {
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test]
async fn lines_that_are_published_again_are_counted_and_named_and_change_nothing() -> Result<()> {
    let nats = NatsServer::start().await?;
    let mut scene = Scene::with(on(&nats)).await?;
    let other = on(&nats).start().await?;
    let key = issue(&scene.gateway, KeyTerms { budget_nano_usd: Some(1_000_000_000), ..KeyTerms::default() }).await?;
    for _ in 0..3 {
        settle_one(&scene.gateway, &key.secret).await?;
    }
    let writer = writer_of(&scene.gateway)?;
    let spent = async |gateway: &Gateway| gateway.operator()?.get("/global/spend").await?.at("/spend");
    let before = spent(&scene.gateway).await?;

    let (of_control, of_activity) = (scene.position().await?, 3);
    publish_again(&nats, "control", of_control, "tallygate.control.default.x").await?;
    publish_again(&nats, "activity", of_activity, &format!("tallygate.activity.{writer}")).await?;
    // A line of one log that is published in another is in no chain of that one.
    let control = first_lines(&nats, "control", 1).await?;
    nats.publish(&format!("tallygate.activity.{writer}"), control[0].as_bytes())?;
    for gateway in [&scene.gateway, &other] {
        until_repeated(gateway, "control", of_control).await?;
        until_repeated(gateway, "activity", of_activity + 1).await?;
        assert!(gateway.output().contains("a line that was published again is skipped"), "{}", gateway.output());
        assert_eq!(spent(gateway).await?, before, "nothing is counted twice");
    }
    // Commands are decided behind them, and requests are answered and recorded, now and after a restart.
    for round in 0..2 {
        command(&scene.gateway, "RegisterRealm", json!({ "realm": format!("behind-{round}") })).await?.expect(200)?;
        scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
        scene.gateway = scene.gateway.kill_and_restart().await?;
    }
    let of_one = before.as_f64().context("no spend")? / 3.0;
    let now = spent(&scene.gateway).await?.as_f64().context("no spend")?;
    assert!((now / of_one - 5.0).abs() < 1e-6, "{now} of five requests at {of_one}");
    drop(other);
    verify_finds_them(&nats).await
}

/// The auditor, who believes no line without its MAC, says that there are forged ones.
async fn verify_finds_them(nats: &NatsServer) -> Result<()> {
    let program: &Path = &binary("tallygate-replay")?;
    let environment = [("TALLYGATE_SECRET", SECRET)];
    let ended = Process::start(program, ["verify", "--nats", &nats.url()], environment)?.ended().await?;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    assert!(ended.output.lines().last().unwrap_or_default().starts_with("WRONG"), "{}", ended.output);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_requires_syncing_servers_starts_on_no_other() -> Result<()> {
    let plain = NatsServer::start().await?;
    let refused = on(&plain).env("TALLYGATE_NATS_SYNC", "require").run().await?;
    assert!(!refused.status.success() && refused.output.contains("sync_interval: always"), "{}", refused.output);
    let warned = on(&plain).start().await?;
    assert!(
        warned.output().contains("WARN") && warned.output().contains("sync_interval: always"),
        "{}",
        warned.output()
    );

    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/nats/nats-server.conf");
    let passwords = ["GATEWAY", "SERVICE", "ADMIN"].map(|user| format!("TALLYGATE_NATS_{user}_PASSWORD"));
    let passwords = passwords.each_ref().map(|name| (name.as_str(), "of-the-tests"));
    let nats = NatsServer::start_configured(&sample, &passwords).await?;
    let url = format!("nats://gateway:of-the-tests@127.0.0.1:{}", nats.port());
    let setup = on(&nats).env("TALLYGATE_NATS", url).env("TALLYGATE_NATS_SYNC", "require");
    let scene = Scene::with(setup).await?;
    let key = scene.key(KeyTerms::default()).await?;
    scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    assert!(scene.gateway.output().contains("every NATS server syncs"), "{}", scene.gateway.output());
    Ok(())
}
