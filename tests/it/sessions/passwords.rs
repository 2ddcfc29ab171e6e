//! Passwords: who sets one, and what is kept of it.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::client::Client;
use tallygate_tests::gateway::Gateway;

use super::{PASSWORD, assert_ended, page, sign_in, user};
use crate::scene::lines;

const OTHER: &str = "another horse battery";

#[tokio::test]
async fn who_changes_their_own_shows_the_one_before_and_signs_in_again() -> Result<()> {
    let gateway = Gateway::start().await?;
    user(&gateway, "ann", "internal_user").await?;
    let ann = page(&gateway, &sign_in(&gateway, json!({ "username": "ann", "password": PASSWORD })).await?)?;
    let path = "/api/users/ann/password";
    for (body, status, code) in [
        (json!({ "password": OTHER }), 400, "parameter_invalid"),
        (json!({ "password": OTHER, "old": "wrong" }), 401, "sign_in_refused"),
        (json!({ "password": "too short", "old": PASSWORD }), 400, "parameter_invalid"),
        (json!({ "password": "x".repeat(257), "old": PASSWORD }), 400, "parameter_invalid"),
    ] {
        let answer = ann.put(path, &body).await?;
        assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (status, json!(code)), "{body}");
    }
    let stranger = ann.put("/api/users/default/password", &json!({ "password": OTHER })).await?;
    assert_eq!(stranger.status, 403);
    ann.put(path, &json!({ "password": OTHER, "old": PASSWORD })).await?.expect(200)?;
    assert_ended(&ann, "the password is another").await?;
    let old = json!({ "username": "ann", "password": PASSWORD });
    assert_eq!(Client::new(gateway.url(), None)?.post("/api/sessions", &old).await?.status, 401);
    sign_in(&gateway, json!({ "username": "ann", "password": OTHER })).await?;
    Ok(())
}

#[tokio::test]
async fn a_key_that_does_less_than_its_user_does_not_become_its_user_by_a_password() -> Result<()> {
    let gateway = Gateway::start().await?;
    gateway.operator()?.post("/user/new", &json!({ "user_id": "ann" })).await?.expect(200)?;
    let narrow = json!({ "user_id": "ann", "models": ["a"] });
    let narrow = gateway.operator()?.post("/key/generate", &narrow).await?.expect(200)?.json()?;
    let key = narrow["key"].as_str().unwrap_or_default();
    for client in [gateway.caller(key)?, page(&gateway, &sign_in(&gateway, json!({ "key": key })).await?)?] {
        let refused = client.put("/api/users/ann/password", &json!({ "password": OTHER })).await?;
        assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (403, json!("rights_exceeded")));
        let wide = client.post("/key/generate", &json!({ "models": ["a", "b"] })).await?;
        assert_eq!((wide.status, wide.at("/error/tallygate/code")?), (403, json!("rights_exceeded")));
    }
    Ok(())
}

#[tokio::test]
async fn no_password_and_no_secret_of_a_session_is_in_a_log_or_a_line_of_the_program() -> Result<()> {
    let gateway = Gateway::start().await?;
    user(&gateway, "ann", "internal_user").await?;
    let secret = sign_in(&gateway, json!({ "username": "ann", "password": PASSWORD })).await?;
    let wrong = json!({ "username": "ann", "password": "wrong horse battery" });
    assert_eq!(Client::new(gateway.url(), None)?.post("/api/sessions", &wrong).await?.status, 401);
    let ann = page(&gateway, &secret)?;
    ann.delete("/api/sessions/current").await?.expect(200)?;
    let data = gateway.data().to_path_buf();
    let control = lines(&data, "control")?;
    let kinds: Vec<&str> = control.iter().filter_map(|line| line["type"].as_str()).collect();
    for kind in ["user.password_set", "session.started", "session.ended"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    let started = control.iter().find(|line| line["type"] == "session.started").cloned().unwrap_or_default();
    assert_eq!((&started["data"]["user"], &started["data"]["with"]["password"]), (&json!("ann"), &json!("ann")));
    assert_eq!(started["actor"]["kind"], "gateway");
    let ended = control.iter().find(|line| line["type"] == "session.ended").cloned().unwrap_or_default();
    assert_eq!(ended["actor"], json!({ "kind": "session", "id": started["data"]["session"] }));
    let shown = format!("{}{}", serde_json::to_string(&control)?, gateway.output());
    for secret in [PASSWORD, "wrong horse battery", secret.as_str()] {
        assert!(!shown.contains(secret), "{secret}");
    }
    let metrics = gateway.operator()?.get("/metrics").await?.expect(200)?.text();
    assert!(metrics.contains(r#"tallygate_sign_ins_total{outcome="refused"} 1"#), "{metrics}");
    Ok(())
}
