//! A gateway that is cut off, contradicted by others, or given another log than it followed.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::Answer;
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::lossy_link::LossyLink;
use tallygate_tests::nats_bridge::NatsBridge;
use tallygate_tests::nats_server::NatsServer;
use tokio::time::timeout;

use crate::cluster::on;
use crate::scene::{IssuedKey, KeyTerms, MODEL, Scene, chat, command};

/// Longer than anything that is waited for here takes.
const PATIENCE: Duration = Duration::from_secs(90);

async fn ask(gateway: &Gateway, key: &IssuedKey) -> Result<Answer> {
    gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(MODEL)).await
}

fn code(answer: &Answer) -> Value {
    answer.at("/error/tallygate/code").unwrap_or_default()
}

/// Asks again until the answer is what is wanted.
async fn until(gateway: &Gateway, key: &IssuedKey, wanted: impl Fn(&Answer) -> bool) -> Result<Answer> {
    let asked = async {
        loop {
            let answer = ask(gateway, key).await?;
            if wanted(&answer) {
                return Ok(answer);
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, asked).await.context("the answer that is wanted never came")?
}

async fn readiness(gateway: &Gateway) -> Result<(u16, Value)> {
    let answer = gateway.operator()?.get("/health/readiness").await?;
    Ok((answer.status, answer.at("/tallygate/reason")?))
}

async fn metric(gateway: &Gateway, name: &str) -> Result<f64> {
    let answer = gateway.operator()?.get("/metrics").await?.expect(200)?;
    let value = answer.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.with_context(|| format!("no metric {name}"))
}

#[tokio::test]
async fn a_gateway_that_is_cut_off_serves_a_revoked_key_no_longer_than_its_age_and_goes_on_when_it_is_back()
-> Result<()> {
    let nats = NatsServer::start().await?;
    let link = LossyLink::to(nats.port()).await?;
    let scene = Scene::with(on(&nats)).await?;
    let key = scene.key(KeyTerms::default()).await?;
    let other = scene.key(KeyTerms::default()).await?;
    let linked = on(&nats).env("TALLYGATE_NATS", link.nats_url()).env("TALLYGATE_MAX_STALENESS_SECONDS", "2");
    let linked = linked.start().await?;
    ask(&linked, &key).await?.expect(200)?;

    link.go_down();
    command(&scene.gateway, "BlockKey", json!({ "key": key.id })).await?.expect(200)?;
    assert_eq!(code(&ask(&scene.gateway, &key).await?), "key_blocked");
    // It cannot know; up to its age it answers, and from then on it answers nobody.
    ask(&linked, &key).await?.expect(200)?;
    let refused = until(&linked, &key, |answer| answer.status != 200).await?;
    assert_eq!((refused.status, code(&refused)), (503, json!("state_too_old")));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(code(&ask(&linked, &other).await?), "state_too_old");
    assert_eq!(readiness(&linked).await?, (503, json!("the control log has been away for too long")));
    let (age, limit) = ("tallygate_control_age_seconds", "tallygate_control_age_limit_seconds");
    assert!(metric(&linked, age).await? > metric(&linked, limit).await?);

    link.recover();
    let refused = until(&linked, &key, |answer| answer.status == 401).await?;
    assert_eq!(code(&refused), "key_blocked");
    ask(&linked, &other).await?.expect(200)?;
    assert_eq!(readiness(&linked).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn a_gateway_without_its_server_refuses_commands_at_once_and_requests_after_its_age() -> Result<()> {
    let mut nats = NatsServer::start().await?;
    let scene = Scene::with(on(&nats).env("TALLYGATE_MAX_STALENESS_SECONDS", "3")).await?;
    let key = scene.key(KeyTerms::default()).await?;
    nats.kill().await?;
    assert_eq!(command(&scene.gateway, "RegisterRealm", json!({ "realm": "r" })).await?.status, 503);
    let refused = until(&scene.gateway, &key, |answer| answer.status != 200).await?;
    assert_eq!(code(&refused), "state_too_old");
    nats.restart().await?;
    until(&scene.gateway, &key, |answer| answer.status == 200).await?;
    Ok(())
}

#[tokio::test]
async fn gateways_whose_logs_have_split_stop_serving_and_say_why() -> Result<()> {
    let (mut one, mut two) = (NatsServer::start().await?, NatsServer::start().await?);
    let mut scene = Scene::with(on(&one)).await?;
    let key = scene.key(KeyTerms::default()).await?;
    // From here on there are two logs with one beginning, each with a gateway.
    one.kill().await?;
    two.kill().await?;
    one.copy_store_to(&two).await?;
    one.restart().await?;
    two.restart().await?;
    let other = on(&two).start().await?;
    scene.gateway = scene.gateway.kill_and_restart().await?;
    let bridge = NatsBridge::start(&one, &two, "tallygate.heads").await?;
    for gateway in [&scene.gateway, &other] {
        timeout(PATIENCE, async { while metric(gateway, "tallygate_peers").await.is_ok_and(|peers| peers < 1.0) {} })
            .await?;
        ask(gateway, &key).await?.expect(200)?;
    }

    command(&scene.gateway, "RegisterRealm", json!({ "realm": "one" })).await?.expect(200)?;
    command(&other, "RegisterRealm", json!({ "realm": "two" })).await?.expect(200)?;
    for gateway in [&scene.gateway, &other] {
        let refused = until(gateway, &key, |answer| answer.status != 200).await?;
        assert_eq!((refused.status, code(&refused)), (503, json!("diverged")), "{}", refused.text());
        assert_eq!(readiness(gateway).await?, (503, json!("other gateways contradict this one")));
        assert_eq!(code(&command(gateway, "RegisterRealm", json!({ "realm": "three" })).await?), "diverged");
        assert!(metric(gateway, "tallygate_contradictions_total").await? >= 1.0);
        assert!(gateway.output().contains("has another event at position"), "{}", gateway.output());
    }
    drop(bridge);
    Ok(())
}

#[tokio::test]
async fn claims_that_no_gateway_made_are_counted_and_change_nothing() -> Result<()> {
    let nats = NatsServer::start().await?;
    let scene = Scene::with(on(&nats)).await?;
    let key = scene.key(KeyTerms::default()).await?;
    let claim =
        json!({ "gateway": "g", "head": { "position": 1, "hash": "0".repeat(64) }, "state": null, "serves": true });
    nats.publish("tallygate.heads", format!("{claim}{}", "0".repeat(64)).as_bytes())?;
    let counted =
        async { while metric(&scene.gateway, "tallygate_claims_refused_total").await.is_ok_and(|n| n < 1.0) {} };
    timeout(PATIENCE, counted).await?;
    assert!(metric(&scene.gateway, "tallygate_peers").await?.abs() < f64::EPSILON);
    ask(&scene.gateway, &key).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_log_in_files_that_is_shorter_or_another_than_the_views_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let scene = Scene::with(Setup::new().data(folder.path())).await?;
    command(&scene.gateway, "RegisterRealm", json!({ "realm": "last" })).await?.expect(200)?;
    scene.gateway.shut_down().await?;
    let segment = folder.path().join("log/control/00000000000000000001.jsonl");
    let whole = fs::read_to_string(&segment)?;

    let last = whole.trim_end().rfind('\n').context("two lines")? + 1;
    fs::write(&segment, &whole[..last])?;
    let refused = Setup::new().data(folder.path()).run().await?;
    assert!(!refused.status.success() && refused.output.contains("it has lost events"), "{}", refused.output);

    // Another last event under the same secret: a copy of the log that went on elsewhere.
    let elsewhere = tempfile::tempdir()?;
    fs::create_dir_all(elsewhere.path().join("log/control"))?;
    fs::write(elsewhere.path().join("log/control/00000000000000000001.jsonl"), &whole[..last])?;
    fs::copy(folder.path().join("gateway.secret"), elsewhere.path().join("gateway.secret"))?;
    let gateway = Setup::new().data(elsewhere.path()).start().await?;
    command(&gateway, "RegisterRealm", json!({ "realm": "other" })).await?.expect(200)?;
    gateway.shut_down().await?;
    fs::copy(elsewhere.path().join("log/control/00000000000000000001.jsonl"), &segment)?;
    let refused = Setup::new().data(folder.path()).run().await?;
    assert!(!refused.status.success() && refused.output.contains("it is another log"), "{}", refused.output);

    fs::write(&segment, &whole)?;
    Setup::new().data(folder.path()).start().await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_lost_its_store_or_has_an_older_one_is_refused_and_a_running_gateway_stops() -> Result<()> {
    let (mut nats, mut copy) = (NatsServer::start().await?, NatsServer::start().await?);
    let folder = tempfile::tempdir()?;
    let setup = on(&nats).data(folder.path());
    let scene = Scene::with(setup.clone()).await?;
    nats.kill().await?;
    copy.kill().await?;
    nats.copy_store_to(&copy).await?;
    nats.restart().await?;
    timeout(PATIENCE, async {
        while !command(&scene.gateway, "RegisterRealm", json!({ "realm": "lost" })).await.is_ok_and(|a| a.status == 200)
        {
        }
    })
    .await?;
    // The server comes back with what it had before.
    nats.kill().await?;
    copy.copy_store_to(&nats).await?;
    nats.restart().await?;
    let stopped =
        async { while readiness(&scene.gateway).await.is_ok_and(|(_, why)| why != "the views have stopped") {} };
    timeout(PATIENCE, stopped).await?;
    assert!(scene.gateway.output().contains("more than that was read before"), "{}", scene.gateway.output());
    // In order, so that the views are on disk with all that they have seen.
    scene.gateway.shut_down().await?;
    let refused = setup.clone().run().await?;
    assert!(!refused.status.success() && refused.output.contains("it has lost events"), "{}", refused.output);

    nats.kill().await?;
    nats.lose_store()?;
    nats.restart().await?;
    let refused = setup.run().await?;
    assert!(!refused.status.success() && refused.output.contains("it has lost events"), "{}", refused.output);
    Ok(())
}
