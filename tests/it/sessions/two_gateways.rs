//! Gateways that share a log know each other's sessions, and their ends.

use anyhow::{Context as _, Result};
use serde_json::json;
use tallygate_tests::client::Answer;
use tallygate_tests::gateway::MASTER_KEY;
use tallygate_tests::nats_server::NatsServer;

use super::{PASSWORD, assert_ended, page, sign_in, user};
use crate::cluster::on;

fn position(answer: &Answer) -> Result<String> {
    answer.header("x-tallygate-position").map(str::to_owned).context("no position")
}

#[tokio::test]
async fn whoever_signs_in_at_one_gateway_is_known_at_another_and_signed_out_at_both() -> Result<()> {
    let nats = NatsServer::start().await?;
    let (one, other) = (on(&nats).start().await?, on(&nats).start().await?);
    user(&one, "ann", "internal_user").await?;
    let secret = sign_in(&one, json!({ "username": "ann", "password": PASSWORD })).await?;
    let of_operator = sign_in(&one, json!({ "key": MASTER_KEY })).await?;
    let made = page(&one, &secret)?.post("/key/generate", &json!({})).await?.expect(200)?;
    let at = |answer: &Answer| {
        anyhow::Ok(page(&other, &secret)?.with_header("x-tallygate-min-position", &position(answer)?))
    };
    at(&made)?.get("/key/list").await?.expect(200)?;
    page(&other, &of_operator)?
        .with_header("x-tallygate-min-position", &position(&made)?)
        .get("/key/list")
        .await?
        .expect(200)?;
    let changed = json!({ "user_id": "ann", "user_role": "internal_user_viewer" });
    let changed = page(&other, &of_operator)?.post("/user/update", &changed).await?.expect(200)?;
    assert_ended(&at(&changed)?, "at the gateway that was told").await?;
    let first = page(&one, &secret)?.with_header("x-tallygate-min-position", &position(&changed)?);
    assert_ended(&first, "at the other").await?;
    Ok(())
}
