//! A gateway that is killed under load, again and again: what was answered is recorded, and recorded once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use tallygate_tests::client::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::durability::replay;
use crate::scene::{KeyTerms, MODEL, Scene, chat, uuid};

const ROUNDS: usize = 5;
const CALLERS: usize = 16;
/// So many answers are waited for before the gateway is killed.
const ANSWERS: usize = 150;

/// Calls until the gateway is gone, and tells the id of each request that was answered.
async fn call(caller: Client, answered: mpsc::UnboundedSender<String>) {
    loop {
        let id = uuid();
        let caller = caller.clone().with_header("x-litellm-call-id", &id);
        match caller.post("/v1/chat/completions", &chat(MODEL)).await {
            Ok(answer) if answer.status == 200 => drop(answered.send(id)),
            _ => return,
        }
    }
}

/// Kills the gateway under load some times, and tells which requests were answered.
pub async fn killed_again_and_again(mut scene: Scene, key: &str) -> Result<(Scene, BTreeSet<String>)> {
    let mut all = BTreeSet::new();
    for _ in 0..ROUNDS {
        let (answered, mut answers) = mpsc::unbounded_channel();
        let mut load = JoinSet::new();
        for _ in 0..CALLERS {
            load.spawn(call(scene.gateway.caller(key)?, answered.clone()));
        }
        drop(answered);
        for _ in 0..ANSWERS {
            all.insert(answers.recv().await.context("the load ended early")?);
        }
        scene.gateway = scene.gateway.kill_and_restart().await?;
        while load.join_next().await.is_some() {}
        while let Ok(id) = answers.try_recv() {
            all.insert(id);
        }
    }
    Ok((scene, all))
}

/// How often each request was settled.
async fn settlements(scene: &Scene) -> Result<BTreeMap<String, usize>> {
    scene.logged().await?;
    let mut times = BTreeMap::new();
    for line in scene.log("activity")?.iter().filter(|line| line["type"] == "request.settled") {
        *times.entry(line["data"]["request"].as_str().context("no request")?.to_owned()).or_default() += 1;
    }
    Ok(times)
}

#[tokio::test]
async fn every_answered_request_is_settled_once_however_often_the_gateway_is_killed() -> Result<()> {
    let scene = Scene::start().await?;
    let key = scene.key(KeyTerms::default()).await?;
    let (scene, answered) = killed_again_and_again(scene, &key.secret).await?;
    ensure!(answered.len() >= ROUNDS * ANSWERS);
    let settled = settlements(&scene).await?;
    let lost: Vec<&String> = answered.iter().filter(|id| !settled.contains_key(*id)).collect();
    let doubled: Vec<_> = settled.iter().filter(|(_, times)| **times > 1).collect();
    assert!(lost.is_empty() && doubled.is_empty(), "lost {lost:?}, doubled {doubled:?}");
    let verified = replay(scene.gateway.data(), &["verify"]).await?;
    assert!(verified.status.success(), "{}", verified.output);
    Ok(())
}
