//! Whoever tries passwords is told to wait, and learns of no user that is there.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::client::Client;
use tallygate_tests::gateway::{Gateway, Setup};

use super::{PASSWORD, sign_in, user};
use crate::scene::lines;

#[tokio::test]
async fn a_name_is_tried_ten_times_then_not_for_a_while_and_other_names_go_on() -> Result<()> {
    let gateway = Gateway::start().await?;
    let key = user(&gateway, "ann", "internal_user").await?;
    user(&gateway, "bob", "internal_user").await?;
    let stranger = Client::new(gateway.url(), None)?;
    let wrong = json!({ "username": "ann", "password": "wrong horse battery" });
    let mut refused = 0;
    let limited = loop {
        let answer = stranger.post("/api/sessions", &wrong).await?;
        if answer.status != 401 {
            break answer;
        }
        refused += 1;
    };
    assert!((10..15).contains(&refused), "{refused}");
    assert_eq!((limited.status, limited.at("/error/tallygate/code")?), (429, json!("sign_in_limited")));
    assert!(limited.header("retry-after").and_then(|after| after.parse::<u64>().ok()).is_some_and(|after| after <= 6));
    // Who tries goes on with the right one, by whatever route, no sooner.
    let right = json!({ "username": "ann", "password": PASSWORD });
    assert_eq!(stranger.post("/v2/login", &right).await?.status, 429);
    sign_in(&gateway, json!({ "username": "bob", "password": PASSWORD })).await?;
    sign_in(&gateway, json!({ "key": key })).await?;
    Ok(())
}

#[tokio::test]
async fn who_is_there_is_told_by_no_answer_and_only_they_are_recorded() -> Result<()> {
    let gateway = Gateway::start().await?;
    user(&gateway, "ann", "internal_user").await?;
    gateway.operator()?.post("/user/new", &json!({ "user_id": "none" })).await?.expect(200)?;
    let stranger = Client::new(gateway.url(), None)?;
    let mut answers = Vec::new();
    for name in ["ann", "none", "nobody", "admin"] {
        let answer = stranger.post("/api/sessions", &json!({ "username": name, "password": "wrong" })).await?;
        answers.push((answer.status, answer.text()));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    let data = gateway.data().to_path_buf();
    let mut recorded = Vec::new();
    while recorded.len() < 3 {
        let refused = lines(&data, "activity")?.into_iter().filter(|line| line["data"]["code"] == "sign_in_refused");
        recorded = refused.map(|line| line["data"]["message"].as_str().unwrap_or_default().to_owned()).collect();
        tokio::task::yield_now().await;
    }
    let said = |whose: &str| format!("the name or the password is wrong: {whose}");
    assert_eq!(recorded, [said("the user `ann`"), said("the user `none`"), said("the operator")]);
    Ok(())
}

#[tokio::test]
async fn behind_a_proxy_that_is_trusted_clients_are_told_apart_by_its_word_alone() -> Result<()> {
    let gateway = Setup::new().env("TALLYGATE_TRUST_FORWARDED", "true").start().await?;
    let from =
        |address: &str| Client::new(gateway.url(), None).map(|client| client.with_header("x-forwarded-for", address));
    let attempt = json!({ "key": "sk-nobodys" });
    let mut answer = from("10.9.9.9, 192.0.2.1")?.post("/api/sessions", &attempt).await?;
    let mut tries = 1;
    while answer.status == 401 {
        // What a client itself writes before the proxy's word makes it nobody else.
        answer = from(&format!("10.0.0.{tries}, 192.0.2.1"))?.post("/api/sessions", &attempt).await?;
        tries += 1;
        assert!(tries < 200);
    }
    assert_eq!(answer.status, 429);
    assert_eq!(from("192.0.2.2")?.post("/api/sessions", &attempt).await?.status, 401);
    Ok(())
}
