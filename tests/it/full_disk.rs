//! A disk that fills up and is freed again under a running gateway: a small file system of the test's own.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tallygate_tests::client::Answer;
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::small_disk::SmallDisk;
use tallygate_tests::upstream::Upstream;

use crate::durability::replay;
use crate::scene::{KeyTerms, MODEL, Scene, chat, command, lines};

async fn register(gateway: &Gateway, realm: &str) -> Result<Answer> {
    command(gateway, "RegisterRealm", json!({ "realm": realm })).await
}

/// Sends commands until one is refused, and gives the refusal. What was acknowledged before is noted.
async fn until_refused(scene: &Scene, acknowledged: &mut Vec<String>) -> Result<Answer> {
    for number in 0..2_000 {
        let realm = format!("filling-{number}");
        let answer = register(&scene.gateway, &realm).await?;
        if answer.status != 200 {
            return Ok(answer);
        }
        acknowledged.push(realm);
    }
    anyhow::bail!("a full disk refused nothing")
}

#[tokio::test]
async fn on_a_full_disk_commands_are_refused_and_requests_go_on_until_there_is_room_again() -> Result<()> {
    let Some(disk) = SmallDisk::mount()? else { return Ok(()) };
    let data = disk.path().join("data");
    fs::create_dir(&data)?;
    let upstream = Upstream::start().await?;
    let scene = Scene { gateway: Setup::new().data(&data).start().await?, upstream };
    scene.register(MODEL, "deployment-1").await?;
    let limited = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000_000), ..KeyTerms::default() }).await?;
    let limited = scene.gateway.caller(&limited.secret)?;
    let (caller, operator) = (scene.caller().await?, scene.gateway.operator()?);

    let mut acknowledged = vec!["before".to_owned()];
    register(&scene.gateway, "before").await?.expect(200)?;
    let filling = disk.fill()?;
    let refused = until_refused(&scene, &mut acknowledged).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (503, json!("log_unavailable")));
    assert!(refused.text().contains("full"), "the reason is told: {}", refused.text());
    assert!(refused.header("retry-after").is_some());
    let first = caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    // What is held could not be written down.
    let refused = limited.post("/v1/chat/completions", &chat(MODEL)).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (503, json!("budget_unavailable")));
    operator.get("/v1/models").await?.expect(200)?;
    operator.get("/api/state").await?.expect(200)?;
    operator.get("/health/readiness").await?.expect(200)?;

    fs::remove_file(&filling)?;
    register(&scene.gateway, "after").await?.expect(200).context("there is room again")?;
    acknowledged.push("after".to_owned());
    // The journal is tried again a few times a second.
    while limited.post("/v1/chat/completions", &chat(MODEL)).await?.status == 503 {}
    let settled = scene.activity("request.settled", 2).await?;
    assert_eq!(settled[0]["request"], first.header("x-litellm-call-id").unwrap_or_default());

    let digest = operator.get("/api/state").await?.expect(200)?.at("/control/digest")?;
    let ended = scene.gateway.shut_down().await?;
    assert!(ended.status.success(), "{}", ended.output);
    let control = lines(&data, "control")?;
    for realm in &acknowledged {
        let is_there = control.iter().any(|line| line["data"]["realm"] == **realm);
        assert!(is_there, "{realm} was acknowledged and is gone");
    }
    let verified = replay(&data, &["verify"]).await?;
    assert!(verified.status.success(), "{}", verified.output);
    let rebuilt = replay(&data, &["rebuild", "--expect", digest.as_str().context("no digest")?]).await?;
    assert!(rebuilt.status.success(), "{}", rebuilt.output);
    Ok(())
}

/// Waits until the gateway has written a text.
async fn until_said(gateway: &Gateway, text: &str, deadline: Duration) -> bool {
    let until = Instant::now() + deadline;
    while Instant::now() < until {
        if gateway.output().contains(text) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

/// Frees room for the journal of a few rows, and changes rows until sled has used up the room that it took before.
async fn until_sled_fails(scene: &Scene, filling: &Path) -> Result<()> {
    const SAID: &str = "sled did not take the rows";
    let file = OpenOptions::new().write(true).open(filling)?;
    file.set_len(file.metadata()?.len().saturating_sub(192 * 1024))?;
    for round in 0..20 {
        for number in 0..30 {
            let realm =
                json!({ "realm": format!("large-{round}-{number}"), "metadata": { "text": "x".repeat(3_000) } });
            if command(&scene.gateway, "RegisterRealm", realm).await?.status != 200 {
                // Sled has failed in the midst of the round.
                break;
            }
        }
        if until_said(&scene.gateway, SAID, Duration::from_millis(3_500)).await {
            return Ok(());
        }
    }
    anyhow::bail!("sled met no full disk: {}", scene.gateway.output())
}

#[tokio::test]
async fn views_whose_own_write_meets_a_full_disk_go_on_by_themselves_once_there_is_room() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let views = data.join("views");
    fs::create_dir_all(&views)?;
    // The views alone are on the small disk: the logs take all that happens.
    let Some(disk) = SmallDisk::mount_at(folder, views)? else { return Ok(()) };
    let upstream = Upstream::start().await?;
    let scene = Scene { gateway: Setup::new().data(&data).start().await?, upstream };
    scene.register(MODEL, "deployment-1").await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000_000), ..KeyTerms::default() }).await?;
    let (caller, operator) = (scene.gateway.caller(&key.secret)?, scene.gateway.operator()?);

    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let filling = disk.fill()?;
    for number in 0..40 {
        register(&scene.gateway, &format!("filling-{number}")).await?.expect(200).context("the log has room")?;
    }
    let said = until_said(&scene.gateway, "the views cannot be written", Duration::from_secs(20)).await;
    ensure!(said, "the views were written to a full disk: {}", scene.gateway.output());
    until_sled_fails(&scene, &filling).await?;
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200).context("a key in memory")?;
    // What sled still reads after a write that failed is up to it: a command finds what it needs, or is refused.
    let meanwhile = register(&scene.gateway, "meanwhile").await?;
    if meanwhile.status != 200 {
        assert_eq!((meanwhile.status, meanwhile.at("/error/tallygate/code")?), (503, json!("views_stopped")));
    }

    fs::remove_file(&filling)?;
    // Each store of views says it of itself; this is about the one that commands are decided on.
    let well = format!("the views are written again dir={}", data.join("views/control").display());
    ensure!(until_said(&scene.gateway, &well, Duration::from_secs(20)).await, "{}", scene.gateway.output());
    register(&scene.gateway, "after").await?.expect(200).context("there is room again")?;
    caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    scene.activity("request.settled", 3).await?;

    let digest = operator.get("/api/state").await?.expect(200)?.at("/control/digest")?;
    let ended = scene.gateway.shut_down().await?;
    assert!(ended.status.success(), "{}", ended.output);
    let expected = digest.as_str().context("no digest")?.to_owned();
    let rebuilt = replay(&data, &["rebuild", "--expect", &expected]).await?;
    assert!(rebuilt.status.success(), "{}", rebuilt.output);
    // What is on disk is what a rebuild makes: nothing was lost, and nothing is there twice.
    let compared = replay(&data, &["rebuild"]).await?;
    assert!(compared.status.success(), "{}", compared.output);
    Ok(())
}
