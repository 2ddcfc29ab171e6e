//! Crashes, damage, and who may open what.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::binaries::binary;
use tallygate_tests::gateway::Setup;
use tallygate_tests::process::{Ended, Process};

use crate::scene::{MODEL, Scene, chat, command, lines, uuid};

/// Runs the audit tool on a data folder.
pub async fn replay(data: &Path, arguments: &[&str]) -> Result<Ended> {
    let data = data.to_string_lossy().into_owned();
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).chain(["--data".to_owned(), data]);
    Process::start(&binary("tallygate-replay")?, arguments, Vec::<(String, String)>::new())?.ended().await
}

#[tokio::test]
async fn after_a_kill_under_load_every_acknowledged_command_is_there_and_the_digests_are_equal() -> Result<()> {
    let mut scene = Scene::start().await?;
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let (caller, operator) = (scene.caller().await?, scene.gateway.operator()?);
        let load =
            tokio::spawn(async move { while caller.post("/v1/chat/completions", &chat(MODEL)).await.is_ok() {} });
        let (sent, mut receipts) = tokio::sync::mpsc::unbounded_channel();
        let commands = tokio::spawn(async move {
            for number in 0.. {
                let realm = format!("realm-{round}-{number}");
                let body = json!({ "id": uuid(), "type": "RegisterRealm", "data": { "realm": realm } });
                match operator.post("/api/commands", &body).await {
                    Ok(answer) if answer.status == 200 => drop(sent.send(realm)),
                    _ => return,
                }
            }
        });
        for _ in 0..40 {
            acknowledged.push(receipts.recv().await.context("no receipt")?);
        }
        scene.gateway = scene.gateway.kill_and_restart().await?;
        commands.await?;
        load.abort();
        while let Ok(realm) = receipts.try_recv() {
            acknowledged.push(realm);
        }
    }
    let registered: Vec<Value> =
        scene.log("control")?.into_iter().map(|mut line| line["data"]["realm"].take()).collect();
    for realm in &acknowledged {
        assert!(registered.contains(&json!(realm)), "{realm} was acknowledged and is gone");
    }
    let live = scene.gateway.operator()?.get("/api/state").await?.expect(200)?.json()?;
    let data = scene.gateway.data().to_owned();
    let verified = replay(&data, &["verify"]).await?;
    assert!(verified.status.success(), "{}", verified.output);
    let expected = live["control"]["digest"].as_str().context("no digest")?.to_owned();
    let rebuilt = replay(&data, &["rebuild", "--expect", &expected]).await?;
    assert!(rebuilt.status.success(), "{}", rebuilt.output);
    Ok(())
}

#[tokio::test]
async fn a_stopped_gateways_views_are_what_the_log_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let scene = Scene::with(Setup::new().data(folder.path())).await?;
    let caller = scene.caller().await?;
    for _ in 0..20 {
        caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    }
    scene.gateway.shut_down().await?;
    let rebuilt = replay(folder.path(), &["rebuild", "--json"]).await?;
    assert!(rebuilt.status.success(), "{}", rebuilt.output);
    let report: Value = serde_json::from_str(rebuilt.output.lines().next().unwrap_or_default())?;
    assert_eq!(
        (&report["control"]["live"], &report["activity"]["live"]),
        (&json!("equal"), &json!("equal")),
        "{report}"
    );
    Ok(())
}

#[tokio::test]
async fn a_second_process_on_the_same_data_folder_is_refused() -> Result<()> {
    let scene = Scene::start().await?;
    let before = scene.logged().await?;
    let ended = Setup::new().data(scene.gateway.data()).run().await?;
    assert!(!ended.status.success() && ended.output.contains("in use by another process"), "{}", ended.output);
    assert!(scene.facts_since(&before).await?.is_empty(), "neither log has changed");
    scene.gateway.operator()?.get("/health/readiness").await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_damaged_segment_stops_the_start_and_the_audit_names_the_place() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let scene = Scene::with(Setup::new().data(folder.path())).await?;
    scene.gateway.shut_down().await?;
    let segment = folder.path().join("log/control/00000000000000000001.jsonl");
    let mut bytes = fs::read(&segment)?;
    let second = bytes.iter().position(|byte| *byte == b'\n').context("one line")? + 40;
    bytes[second] ^= 1;
    fs::write(&segment, &bytes)?;
    let ended = Setup::new().data(folder.path()).run().await?;
    assert!(!ended.status.success() && ended.output.contains("damaged at"), "{}", ended.output);
    let verified = replay(folder.path(), &["verify"]).await?;
    assert_eq!(verified.status.code(), Some(1));
    let last = verified.output.lines().last().unwrap_or_default();
    assert!(last.starts_with("WRONG: control: offset 2"), "{}", verified.output);
    assert_eq!(fs::read(&segment)?, bytes, "nobody changed the evidence");
    Ok(())
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_and_what_was_acknowledged_stays() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let scene = Scene::with(Setup::new().data(folder.path())).await?;
    let gateway = scene.gateway;
    let before = lines(folder.path(), "control")?.len();
    gateway.shut_down().await?;
    let segment = folder.path().join("log/control/00000000000000000001.jsonl");
    let mut bytes = fs::read(&segment)?;
    bytes.extend_from_slice(br#"{"id":"0199aaaa-0000-7000-8000-0000"#);
    fs::write(&segment, bytes)?;
    let gateway = Setup::new().data(folder.path()).start().await?;
    assert_eq!(lines(folder.path(), "control")?.len(), before);
    command(&gateway, "RegisterRealm", json!({ "realm": "after" })).await?.expect(200)?;
    assert_eq!(lines(folder.path(), "control")?.len(), before + 1);
    Ok(())
}

#[tokio::test]
async fn damaged_views_are_made_again_from_the_log() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let scene = Scene::with(Setup::new().data(folder.path())).await?;
    let key = scene.key(crate::scene::KeyTerms::default()).await?;
    scene.gateway.shut_down().await?;
    let database = folder.path().join("views/control/db");
    let mut bytes = fs::read(&database)?;
    for byte in bytes.iter_mut().skip(64).step_by(97) {
        *byte ^= 0xA5;
    }
    fs::write(&database, bytes)?;
    let gateway = Setup::new().data(folder.path()).start().await?;
    gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn what_was_is_told_as_of_a_position() -> Result<()> {
    let scene = Scene::start().await?;
    let key = scene.key(crate::scene::KeyTerms::default()).await?;
    let position = scene.position().await?;
    command(&scene.gateway, "BlockKey", json!({ "key": key.id })).await?.expect(200)?;
    let data = scene.gateway.data().to_owned();
    let state = async |position: u64| -> Result<Value> {
        let ended = replay(&data, &["as-of", "--key", &key.id, "--position", &position.to_string(), "--json"]).await?;
        anyhow::ensure!(ended.status.success(), "{}", ended.output);
        Ok(serde_json::from_str(ended.output.lines().next().unwrap_or_default())?)
    };
    assert_eq!(state(position).await?["state"]["key"]["blocked"], json!(null));
    let after = state(position + 1).await?;
    assert_eq!(after["state"]["key"]["blocked"], position + 1);
    assert_eq!(
        after["events"].as_array().and_then(|events| events.last().cloned()).unwrap_or_default()["type"],
        "key.blocked"
    );
    let unknown = replay(&data, &["as-of", "--key", "nobody"]).await?;
    assert_eq!(unknown.status.code(), Some(2));
    Ok(())
}
