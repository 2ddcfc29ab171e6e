//! Which realm may use which model, and the realm's virtual key.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Plane, refusal, text};

const ONE: &str = "openai-compatible/one";
const TWO: &str = "openai-compatible/two";

/// A gateway with two models and a realm.
async fn plane() -> Result<(Plane, String, String, String)> {
    let plane = Plane::start().await?;
    let (one, two, realm) = (plane.model("one").await?, plane.model("two").await?, plane.realm("Engineering").await?);
    Ok((plane, one, two, realm))
}

#[tokio::test]
async fn the_first_grant_issues_the_realms_key_and_every_later_one_changes_what_that_key_may_call() -> Result<()> {
    let (plane, one, two, realm) = plane().await?;
    let first = plane.grant(&one, &realm).await?;
    assert_eq!((first.at("/virtualKeyIssued")?, first.at("/litellmModelName")?), (json!(true), json!(ONE)));
    let log = plane.log()?;
    let [granted, issued] = &log[log.len() - 2..] else { anyhow::bail!("{log:?}") };
    assert_eq!((&granted["type"], &issued["type"]), (&json!("model.granted"), &json!("key.issued")));
    assert_eq!(granted["command"], issued["command"], "they are one step");
    let key = plane.operator()?.post(&format!("/api/realms/{realm}/key"), &json!({})).await?.expect(201)?;
    let key = text(&key, "/key")?;
    plane.call(&key, ONE).await?.expect(200)?;
    plane.call(&key, TWO).await?.expect(403)?;
    assert_eq!(plane.grant(&two, &realm).await?.at("/virtualKeyIssued")?, json!(false));
    plane.call(&key, TWO).await?.expect(200)?;
    plane.withdraw(&one, &realm).await?;
    plane.call(&key, ONE).await?.expect(403)?;
    plane.withdraw(&two, &realm).await?;
    for model in [ONE, TWO] {
        plane.call(&key, model).await?.expect(403)?;
    }
    let shown = plane.operator()?.get(&format!("/api/realms/{realm}")).await?.expect(200)?;
    assert_eq!((shown.at("/realm/models")?, shown.at("/realm/hasVirtualKey")?), (json!([]), json!(true)));
    Ok(())
}

#[tokio::test]
async fn a_grant_that_is_there_or_that_cannot_be_is_refused_by_its_reason() -> Result<()> {
    let (plane, one, _, realm) = plane().await?;
    plane.grant(&one, &realm).await?;
    let operator = plane.operator()?;
    let before = plane.log()?.len();
    let grants = format!("/api/models/{one}/realms");
    for (path, body, expected) in [
        (grants.clone(), json!({ "realmId": realm }), (409, json!("model_already_granted"))),
        (grants.clone(), json!({ "workspaceId": realm }), (409, json!("model_already_granted"))),
        (grants.clone(), json!({ "realmId": "gone" }), (404, json!("realm_not_registered"))),
        (grants.clone(), json!({ "realmId": "x".repeat(10_000) }), (404, json!("realm_not_registered"))),
        (grants.clone(), json!({ "realmId": realm, "monthlyBudgetUsd": -1 }), (400, json!("parameter_invalid"))),
        (grants.clone(), json!({ "realmId": realm, "monthlyBudgetUsd": "x" }), (400, json!("parameter_invalid"))),
        (grants, json!({}), (400, json!("body_invalid"))),
        ("/api/models/gone/realms".to_owned(), json!({ "realmId": realm }), (404, json!("model_not_registered"))),
    ] {
        assert_eq!(refusal(&operator.post(&path, &body).await?)?, expected, "{path} {body}");
    }
    let other = plane.realm("Other").await?;
    let before = before + (plane.log()?.len() - before);
    let missing = operator.delete(&format!("/api/models/{one}/realms/{other}")).await?;
    assert_eq!(refusal(&missing)?, (404, json!("grant_not_found")));
    assert_eq!(plane.log()?.len(), before);
    Ok(())
}

#[tokio::test]
async fn two_administrators_at_once_leave_one_key_and_both_grants() -> Result<()> {
    for _ in 0..5 {
        let (plane, one, two, realm) = plane().await?;
        let (first, second) = tokio::join!(plane.grant(&one, &realm), plane.grant(&two, &realm));
        first?;
        second?;
        let of_realm = |line: &&Value| line["type"] == "key.issued" && line["realm"] == *realm;
        assert_eq!(plane.log()?.iter().filter(of_realm).count(), 1);
        let shown = plane.operator()?.get(&format!("/api/realms/{realm}")).await?.expect(200)?.at("/realm/models")?;
        assert_eq!(shown.as_array().map(Vec::len), Some(2), "{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn a_monthly_budget_caps_what_the_realm_spends_on_that_model_in_a_month() -> Result<()> {
    let (plane, one, two, realm) = plane().await?;
    let path = format!("/api/models/{one}/realms");
    // A call of the upstream costs some millionths of a dollar; this is far less.
    let body = json!({ "workspaceId": realm, "monthlyBudgetUsd": 0.000000001 });
    let granted = plane.operator()?.post(&path, &body).await?.expect(200)?;
    assert_eq!(granted.at("/monthlyBudgetUsd")?, json!(1e-9));
    let key = plane.operator()?.post(&format!("/api/workspaces/{realm}/key"), &json!({})).await?.expect(201)?;
    let key = text(&key, "/key")?;
    assert_eq!(plane.call(&key, ONE).await?.status, 422);
    plane.grant(&two, &realm).await?;
    plane.call(&key, TWO).await?.expect(200)?;
    let body = json!({ "realmId": realm, "monthlyBudgetUsd": 50.0 });
    let raised = plane.operator()?.post(&path, &body).await?.expect(200)?;
    assert_eq!(raised.at("/monthlyBudgetUsd")?, json!(50.0));
    plane.call(&key, ONE).await?.expect(200)?;
    let listed = plane.operator()?.get(&path).await?.expect(200)?;
    assert_eq!(listed.at("/realms/0/monthlyBudgetUsd")?, json!(50.0));
    let shown = plane.operator()?.get(&format!("/api/realms/{realm}")).await?.expect(200)?;
    assert_eq!(shown.at("/realm/budget")?, json!(null), "the realm itself has no budget");
    Ok(())
}
