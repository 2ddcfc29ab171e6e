//! The way back: what was chosen before, and undoing it.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::Setup;

use super::{Selector, chosen, select};
use crate::scene::{KeyTerms, command, uuid};

async fn undo(client: &Client) -> Result<Answer> {
    client.post("/models/undo", &json!({})).await
}

/// The history of a slot from an address, as (from, to, undo), and where the next page begins.
async fn history(client: &Client, query: &str) -> Result<(Vec<Value>, Value)> {
    let answer = client.get(&format!("/models/history{query}")).await?.expect(200)?;
    let rows = answer.at("/history")?;
    let rows = rows.as_array().context("no list")?.iter();
    let rows = rows.map(|row| json!([row["from"], row["to"], row["undo"]])).collect();
    Ok((rows, answer.at("/next")?))
}

#[tokio::test]
async fn an_undo_goes_one_choice_back_and_another_one_further_and_requests_follow() -> Result<()> {
    let selector = Selector::start().await?;
    let caller = selector.caller().await?;
    let nothing = undo(&caller).await?;
    assert_eq!((nothing.status, nothing.at("/error/tallygate/code")?), (400, json!("nothing_to_undo")));
    for model in ["gpt-5-mini", "gpt-4o"] {
        select(&caller, model, "openai").await?.expect(200)?;
    }
    let back = undo(&caller).await?.expect(200)?;
    assert_eq!((back.at("/model_id")?, back.at("/provider")?), (json!("gpt-5-mini"), json!("openai")));
    assert_eq!(back.header("x-tallygate-position"), Some(back.at("/position")?.to_string().as_str()));
    assert_eq!(selector.next_call(&caller, "current").await?, "gpt-5-mini");
    let further = caller.post_bytes("/models/undo", "application/json", "").await?.expect(200)?;
    assert_eq!((further.at("/model_id")?, further.at("/model")?), (json!(null), json!(null)));
    assert_eq!(chosen(&caller).await?, (json!(null), json!(null)));
    assert_eq!(undo(&caller).await?.status, 400);
    // A new choice can be undone like any other.
    select(&caller, "claude-sonnet-4-5", "anthropic").await?.expect(200)?;
    undo(&caller).await?.expect(200)?;
    assert_eq!(chosen(&caller).await?, (json!(null), json!(null)));
    Ok(())
}

#[tokio::test]
async fn an_undo_moves_its_own_scope_and_slot_alone() -> Result<()> {
    let selector = Selector::start().await?;
    let (one, other) = (selector.caller().await?, selector.caller().await?);
    for client in [&one, &other, &selector.operator()?] {
        select(client, "gpt-5-mini", "openai").await?.expect(200)?;
        select(client, "gpt-4o", "openai").await?.expect(200)?;
    }
    one.post("/models/select", &json!({ "model_id": "openai/gpt-4o", "slot": "fast" })).await?.expect(200)?;
    undo(&one).await?.expect(200)?;
    assert_eq!(chosen(&one).await?.0, "gpt-5-mini");
    assert_eq!((chosen(&other).await?.0, chosen(&selector.operator()?).await?.0), (json!("gpt-4o"), json!("gpt-4o")));
    assert_eq!(one.get("/models/current?slot=fast").await?.at("/model_id")?, "gpt-4o");
    let foreign = one.post("/models/undo", &json!({ "scope": "gateway" })).await?;
    assert_eq!((foreign.status, foreign.at("/error/tallygate/code")?), (401, json!("admin_only")));
    assert_eq!(one.get("/models/history?scope=gateway").await?.status, 401);
    for body in ["[]", "{\"slots\": \"fast\"}", "{\"slot\": \"\"}", "5"] {
        assert_eq!(one.post_bytes("/models/undo", "application/json", body).await?.status, 400, "{body}");
    }
    Ok(())
}

#[tokio::test]
async fn an_undo_under_an_id_is_done_once_and_says_the_same_again() -> Result<()> {
    let selector = Selector::start().await?;
    let caller = selector.caller().await?;
    for model in ["gpt-5-mini", "gpt-4o"] {
        select(&caller, model, "openai").await?.expect(200)?;
    }
    let body = json!({ "id": uuid() });
    let first = caller.post("/models/undo", &body).await?.expect(200)?;
    select(&caller, "claude-sonnet-4-5", "anthropic").await?.expect(200)?;
    let again = caller.post("/models/undo", &body).await?.expect(200)?;
    assert_eq!(first.json()?, again.json()?);
    assert_eq!(chosen(&caller).await?.0, "claude-sonnet-4-5");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_chosen_any_more_is_not_gone_back_to() -> Result<()> {
    let selector = Selector::start().await?;
    let caller = selector.caller().await?;
    for model in ["gpt-5-mini", "gpt-4o"] {
        select(&caller, model, "openai").await?.expect(200)?;
    }
    let only = json!({ "realm": "default", "models": { "only": ["openai/gpt-4o"] } });
    command(&selector.gateway, "ReplaceGrants", only).await?.expect(200)?;
    let refused = undo(&caller).await?;
    assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (404, json!("model_not_found")));
    assert_eq!(selector.next_call(&caller, "current").await?, "gpt-4o");
    Ok(())
}

#[tokio::test]
async fn the_history_tells_who_chose_what_and_when_in_pages_and_outlives_a_restart() -> Result<()> {
    let data = tempfile::tempdir()?;
    let selector = Selector::with(Setup::new().data(data.path())).await?;
    let key = selector.key(KeyTerms::default()).await?;
    let caller = selector.gateway.caller(&key.secret)?;
    assert_eq!(history(&caller, "").await?, (vec![], json!(null)));
    select(&caller, "gpt-5-mini", "openai").await?.expect(200)?;
    select(&caller, "gpt-4o", "openai").await?.expect(200)?;
    undo(&caller).await?.expect(200)?;
    let body = json!({ "model_id": "openai/gpt-4o", "scope": format!("key:{}", key.id) });
    selector.operator()?.post("/models/select", &body).await?.expect(200)?;
    let (mini, large) = ("openai/gpt-5-mini", "openai/gpt-4o");
    let all = vec![
        json!([mini, large, false]),
        json!([large, mini, true]),
        json!([mini, large, false]),
        json!([null, mini, false]),
    ];
    assert_eq!(history(&caller, "").await?, (all.clone(), json!(null)));
    let (first, next) = history(&caller, "?limit=3").await?;
    let (rest, end) = history(&caller, &format!("?limit=3&before={next}")).await?;
    assert_eq!((first.as_slice(), rest.as_slice(), end), (&all[..3], &all[3..], json!(null)));
    let told = caller.get("/models/history").await?;
    assert_eq!(told.at("/history/0/by")?, json!({ "kind": "operator", "id": "master" }));
    assert_eq!(told.at("/history/1/by")?, json!({ "kind": "key", "id": key.id }));
    for row in selector.selections()? {
        let place = told.json()?["history"].as_array().context("no list")?.clone();
        let found = place.into_iter().find(|told| told["position"] == row["position"]).context("not told")?;
        assert_eq!((&found["at"], &found["to"]), (&row["at"], &row["data"]["model"]));
    }
    for query in ["?limit=0", "?limit=101", "?before=x", "?slots=fast"] {
        assert_eq!(caller.get(&format!("/models/history{query}")).await?.status, 400, "{query}");
    }
    assert_eq!(history(&caller, "?slot=fast").await?.0, Vec::<Value>::new());
    assert_eq!(history(&selector.caller().await?, "").await?.0, Vec::<Value>::new(), "others made other choices");

    let Selector { gateway, upstream } = selector;
    gateway.kill().await?;
    // The views are lost, and made again from the log.
    std::fs::remove_dir_all(data.path().join("views"))?;
    let gateway = Setup::new().data(data.path()).start().await?;
    let caller = gateway.caller(&key.secret)?;
    assert_eq!(history(&caller, "").await?, (all, json!(null)));
    assert_eq!(undo(&caller).await?.expect(200)?.at("/model")?, mini);
    drop(upstream);
    Ok(())
}
