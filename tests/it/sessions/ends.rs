//! Abuse case 10, an old session after a sign-out, a change of role or of password: all are dead at once, and after a
//! restart too.

use anyhow::Result;
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::gateway::{Gateway, MASTER_KEY, Setup};

use super::{PASSWORD, assert_ended, cookie_alone, operator, page, sign_in, user};

/// The sessions of a user by a key, and by a password.
async fn signed_in(gateway: &Gateway, id: &str) -> Result<(String, [Client; 2])> {
    let key = user(gateway, id, "internal_user").await?;
    let by_key = page(gateway, &sign_in(gateway, json!({ "key": key })).await?)?;
    let by_password = page(gateway, &sign_in(gateway, json!({ "username": id, "password": PASSWORD })).await?)?;
    Ok((key, [by_key, by_password]))
}

#[tokio::test]
async fn case_10_no_session_outlives_what_its_user_was() -> Result<()> {
    let gateway = Gateway::start().await?;
    let operator = gateway.operator()?;
    operator.post("/team/new", &json!({ "team_id": "red" })).await?.expect(200)?;
    let member = |id: &str| json!({ "team_id": "red", "member": { "role": "admin", "user_id": id } });
    let changes: [(&str, &str, Value); 4] = [
        ("role", "/user/update", json!({ "user_id": "role", "user_role": "internal_user_viewer" })),
        ("member", "/team/member_add", member("member")),
        ("removed", "/user/delete", json!({ "user_ids": ["removed"] })),
        ("signed-out", "", json!(null)),
    ];
    for (id, path, body) in changes {
        let (_, sessions) = signed_in(&gateway, id).await?;
        match path {
            "" => sessions[0].delete("/api/sessions").await?.expect(200)?,
            path => operator.post(path, &body).await?.expect(200)?,
        };
        for session in &sessions {
            assert_ended(session, id).await?;
            assert_eq!(session.post("/key/generate", &json!({})).await?.status, 401, "{id}");
        }
    }
    let (_, sessions) = signed_in(&gateway, "password").await?;
    operator.put("/api/users/password/password", &json!({ "password": "another horse battery" })).await?.expect(200)?;
    for session in &sessions {
        assert_ended(session, "password").await?;
    }
    Ok(())
}

#[tokio::test]
async fn case_10_a_session_ends_with_the_key_that_was_signed_in_with_and_the_others_go_on() -> Result<()> {
    let gateway = Gateway::start().await?;
    let operator = gateway.operator()?;
    let soon = json!({ "duration": "30d" });
    for (id, path, body) in [
        ("blocked", "/key/block", json!({})),
        ("deleted", "/key/delete", json!({})),
        ("regenerated", "/key/regenerate", json!({ "grace_period": "1h" })),
        ("expiring", "/key/update", soon),
    ] {
        let (key, [by_key, by_password]) = signed_in(&gateway, id).await?;
        let mut body = body;
        match path {
            "/key/delete" => body["keys"] = json!([key]),
            _ => body["key"] = json!(key),
        }
        operator.post(path, &body).await?.expect(200)?;
        assert_ended(&by_key, id).await?;
        by_password.get("/api/sessions").await?.expect(200)?;
    }
    Ok(())
}

#[tokio::test]
async fn signing_out_ends_one_session_or_all_of_ones_own() -> Result<()> {
    let gateway = Gateway::start().await?;
    let (_, [one, other]) = signed_in(&gateway, "ann").await?;
    let (_, [stranger, _]) = signed_in(&gateway, "bob").await?;
    let listed = one.get("/api/sessions").await?.expect(200)?.json()?;
    let theirs = listed["sessions"].as_array().cloned().unwrap_or_default();
    let id = theirs.iter().find(|session| session["current"] == false).map(|session| session["id"].clone());
    let path = format!("/api/sessions/{}", id.unwrap_or_default().as_str().unwrap_or_default());
    assert_eq!(stranger.delete(&path).await?.status, 403);
    assert_eq!(stranger.delete("/api/sessions?user=ann").await?.status, 403);
    one.delete(&path).await?.expect(200)?;
    assert_ended(&other, "it was ended by the other").await?;
    let again = one.delete(&path).await?;
    assert_eq!((again.status, again.at("/error/tallygate/code")?), (403, json!("not_permitted")), "it is nobody's");
    let gone = one.delete("/api/sessions/current").await?.expect(200)?;
    assert!(gone.header("set-cookie").unwrap_or_default().starts_with("tallygate_session=; Path=/; Max-Age=0;"));
    assert_ended(&one, "it signed out").await?;
    operator(&gateway).await?.delete("/api/sessions?user=bob").await?.expect(200)?;
    assert_ended(&stranger, "the operator ended it").await?;
    Ok(())
}

#[tokio::test]
async fn a_session_outlives_a_restart_and_its_end_does_too() -> Result<()> {
    let gateway = Gateway::start().await?;
    let live = sign_in(&gateway, json!({ "key": MASTER_KEY })).await?;
    let ended = sign_in(&gateway, json!({ "key": MASTER_KEY })).await?;
    page(&gateway, &ended)?.delete("/api/sessions/current").await?.expect(200)?;
    let gateway = gateway.kill_and_restart().await?;
    page(&gateway, &live)?.get("/api/sessions").await?.expect(200)?;
    assert_ended(&page(&gateway, &ended)?, "after a restart").await?;
    Ok(())
}

#[tokio::test]
async fn another_password_of_the_operator_ends_the_operators_sessions() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new().data(folder.path());
    let gateway = setup.clone().start().await?;
    let secret = sign_in(&gateway, json!({ "key": MASTER_KEY })).await?;
    gateway.shut_down().await?;
    let gateway = setup.clone().env("UI_PASSWORD", PASSWORD).start().await?;
    assert_ended(&page(&gateway, &secret)?, "the password is another").await?;
    Ok(())
}

#[tokio::test]
async fn a_secret_that_is_nearly_a_sessions_is_nobodys() -> Result<()> {
    let gateway = Gateway::start().await?;
    let secret = sign_in(&gateway, json!({ "key": MASTER_KEY })).await?;
    let mut other = secret.clone();
    let last = if other.pop() == Some('A') { 'B' } else { 'A' };
    other.push(last);
    for secret in [&other, &secret[..43], "sk-session-", "sk-session-é"] {
        if secret.is_ascii() {
            assert_ended(&cookie_alone(&gateway, secret)?, secret).await?;
        }
    }
    Ok(())
}
