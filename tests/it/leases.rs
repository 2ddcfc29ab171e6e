//! Budgets over the life and death of gateways: what the lease log says is what requests cost, and never too little.

use anyhow::{Context as _, Result};
use serde_json::json;
use tallygate_tests::gateway::Setup;
use tallygate_tests::upstream::{Gate, Reply};

use crate::books::{Balance, balance};
use crate::killed::killed_again_and_again;
use crate::scene::{KeyTerms, MODEL, Scene, chat, command};

/// What settlements charged to a scope.
fn charged(scene: &Scene, scope: &str) -> Result<i64> {
    let settled = scene.log("activity")?;
    let charges = |line: &&serde_json::Value| {
        let charged = line["data"]["charged"].as_array().map(Vec::as_slice).unwrap_or_default();
        charged.iter().any(|charge| charge["scope"] == scope)
    };
    Ok(settled.iter().filter(charges).filter_map(|line| line["data"]["cost_nano_usd"].as_i64()).sum())
}

#[tokio::test]
async fn what_ran_when_the_gateway_was_killed_is_in_suspense_and_all_else_is_accounted_for() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let scene = Scene::with(Setup::new().data(folder.path())).await?;
    let limit = 1_000_000_000;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(limit), ..KeyTerms::default() }).await?;
    let gateway_budget = json!({ "scope": "gateway", "limits": [{ "period": "total", "limit_nano_usd": limit }] });
    command(&scene.gateway, "SetBudget", gateway_budget).await?.expect(200)?;
    // Three requests get no answer for as long as their gateway lives.
    let never = Gate::closed();
    (0..3).for_each(|_| scene.upstream.next(Reply::answer().behind(&never)));
    let (scene, _) = killed_again_and_again(scene, &key.secret).await?;
    // So that the next of its life has something to report.
    scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    let Scene { gateway, upstream } = scene;
    let ended = gateway.shut_down().await?;
    assert!(ended.status.success(), "{}", ended.output);
    let scene = Scene { gateway: Setup::new().data(folder.path()).start().await?, upstream };
    scene.logged().await?;
    for scope in [format!("key:{}", key.id), "gateway".to_owned()] {
        let Balance { posted, out, suspense } = balance(folder.path(), &scope)?;
        assert_eq!((posted, out), (charged(&scene, &scope)?, 0), "{scope}: posted is what settled, nothing is out");
        // What ran is at least the three that got no answer: each held its prompt and 1,000 tokens of answer.
        assert!(suspense >= 3 * 2_000, "{scope}: {suspense} in suspense");
    }
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_is_stopped_gives_back_what_it_did_not_spend() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let scene = Scene::with(Setup::new().data(folder.path())).await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000), ..KeyTerms::default() }).await?;
    for _ in 0..5 {
        scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
    }
    let scope = format!("key:{}", key.id);
    let spent = scene.activity("request.settled", 5).await?;
    let spent: i64 = spent.iter().filter_map(|fact| fact["cost_nano_usd"].as_i64()).sum();
    scene.gateway.shut_down().await?;
    assert_eq!(balance(folder.path(), &scope)?, Balance { posted: spent, out: 0, suspense: 0 });
    Ok(())
}

#[tokio::test]
async fn a_budget_goes_on_where_it_was_after_a_restart() -> Result<()> {
    let scene = Scene::start().await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(20_000), ..KeyTerms::default() }).await?;
    let spend = async |scene: &Scene| -> Result<usize> {
        let caller = scene.gateway.caller(&key.secret)?;
        let mut served = 0;
        while caller.post("/v1/chat/completions", &chat(MODEL)).await?.status == 200 {
            served += 1;
        }
        Ok(served)
    };
    let served = spend(&scene).await?;
    assert!(served > 10, "{served}");
    let Scene { gateway, upstream } = scene;
    let scene = Scene { gateway: gateway.kill_and_restart().await?, upstream };
    let refused = scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(MODEL)).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (422, json!("budget_exhausted")));
    let spent: i64 = refused.at("/error/tallygate/details/spent_nano_usd")?.as_i64().context("no amount")?;
    assert_eq!(spent, charged(&scene, &format!("key:{}", key.id))?);
    Ok(())
}

/// From which offset on a gateway has read the lease log at its start.
async fn read_after(scene: &Scene) -> Result<u64> {
    const SAID: &str = "the lease log is read, and followed from here after=";
    loop {
        let output = scene.gateway.output();
        if let Some((_, said)) = output.split_once(SAID) {
            return Ok(said.split_whitespace().next().context("no offset")?.parse()?);
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_start_goes_on_from_the_books_that_were_kept_and_without_them_from_the_beginning() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = || Setup::new().data(folder.path());
    let mut scene = Scene::with(setup()).await?;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(1_000_000), ..KeyTerms::default() }).await?;
    let mut posted = Vec::new();
    for round in 0..3 {
        let caller = scene.gateway.caller(&key.secret)?;
        caller.post("/v1/chat/completions", &chat(MODEL)).await?.expect(200)?;
        // From the second start on something was kept; the last one finds that somebody has removed it.
        assert_eq!(read_after(&scene).await? > 0, round == 1, "{round}: {}", scene.gateway.output());
        let Scene { gateway, upstream } = scene;
        let ended = gateway.shut_down().await?;
        assert!(ended.status.success(), "{}", ended.output);
        posted.push(balance(folder.path(), &format!("key:{}", key.id))?.posted);
        if round == 1 {
            std::fs::remove_dir_all(folder.path().join("views/lease"))?;
        }
        scene = Scene { gateway: setup().start().await?, upstream };
    }
    assert!(posted[0] > 0, "{posted:?}");
    assert_eq!(posted, [posted[0], 2 * posted[0], 3 * posted[0]]);
    Ok(())
}

#[tokio::test]
async fn what_is_in_suspense_is_shown_and_closed_by_the_operators_word() -> Result<()> {
    let mut scene = Scene::start().await?;
    let limit = 1_000_000;
    let key = scene.key(KeyTerms { budget_nano_usd: Some(limit), ..KeyTerms::default() }).await?;
    let never = Gate::closed();
    scene.upstream.next(Reply::answer().behind(&never));
    let caller = scene.gateway.caller(&key.secret)?;
    let running = tokio::spawn(async move { caller.post("/v1/chat/completions", &chat(MODEL)).await });
    scene.upstream.wait_for_requests(1).await?;
    scene.gateway = scene.gateway.kill_and_restart().await?;
    assert!(running.await?.is_err(), "its gateway is gone");
    let operator = scene.gateway.operator()?;
    let suspense = loop {
        let answer = operator.get("/api/suspense").await?.expect(200)?.at("/suspense")?;
        if answer.as_array().is_some_and(|amounts| !amounts.is_empty()) {
            break answer;
        }
    };
    let amount = &suspense[0];
    assert_eq!(
        (&amount["why"], &amount["account"]["scope"]),
        (&json!("outcome_unknown"), &json!(format!("key:{}", key.id)))
    );
    assert!(amount["amount_nano_usd"].as_i64() > Some(2_000), "{amount}");
    let metrics = operator.get("/metrics").await?.text();
    assert!(metrics.contains(&format!("tallygate_suspense_nano_usd {}", amount["amount_nano_usd"])), "{metrics}");
    let mut closing = json!({ "spent_nano_usd": 1_500, "by": "gateway" });
    for name in ["gateway", "epoch", "why", "account"] {
        closing[name] = amount[name].clone();
    }
    assert_eq!(
        operator.post("/api/suspense/close", &closing).await?.status,
        400,
        "only a gateway itself speaks for itself"
    );
    closing["by"] = json!("provider");
    closing["amount_nano_usd"] = json!(2_000);
    let other = operator.post("/api/suspense/close", &closing).await?;
    assert_eq!((other.status, other.at("/error/tallygate/code")?), (409, json!("suspense_changed")), "{other:?}");
    closing["amount_nano_usd"] = amount["amount_nano_usd"].clone();
    operator.post("/api/suspense/close", &closing).await?.expect(200)?;
    let again = operator.post("/api/suspense/close", &closing).await?;
    assert_eq!((again.status, again.at("/error/tallygate/code")?), (404, json!("suspense_not_found")));
    let budgets = operator.get(&format!("/api/budgets?scope=key:{}", key.id)).await?.expect(200)?.at("/budgets/0")?;
    let balance = (&budgets["posted_nano_usd"], &budgets["suspense_nano_usd"], &budgets["limit_nano_usd"]);
    assert_eq!(balance, (&json!(1_500), &json!(0), &json!(limit)));
    let closed =
        scene.log("lease")?.into_iter().find(|line| line["type"] == "suspense.closed").context("not closed")?;
    assert_eq!((&closed["actor"]["kind"], &closed["data"]["by"]), (&json!("operator"), &json!("provider")));
    Ok(())
}

#[tokio::test]
async fn only_the_operator_sees_budgets_and_closes_suspense() -> Result<()> {
    let scene = Scene::start().await?;
    let caller = scene.caller().await?;
    for path in ["/api/budgets", "/api/suspense"] {
        assert_eq!(caller.get(path).await?.status, 401, "{path}");
    }
    assert_eq!(caller.post("/api/suspense/close", &json!({})).await?.status, 401);
    let operator = scene.gateway.operator()?;
    assert_eq!(operator.post("/api/suspense/close", &json!({})).await?.status, 400);
    assert_eq!(operator.get("/api/budgets?scope=nonsense").await?.status, 400);
    Ok(())
}
