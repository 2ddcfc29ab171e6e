//! A session stands for what was shown once, and for no more.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::client::Client;
use tallygate_tests::gateway::{Gateway, MASTER_KEY, Setup};

use super::{PASSWORD, cookie, operator, page, sign_in, user};
use crate::scene::{Scene, chat};

#[tokio::test]
async fn the_operator_signs_in_with_the_master_key_and_manages_everything() -> Result<()> {
    let gateway = Gateway::start().await?;
    let answer =
        Client::new(gateway.url(), None)?.post("/api/sessions", &json!({ "key": MASTER_KEY })).await?.expect(201)?;
    assert_eq!((answer.at("/session/with")?, answer.at("/session/user")?), (json!("operator"), json!(null)));
    let set = answer.header("set-cookie").unwrap_or_default();
    assert!(set.ends_with("; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"), "{set}");
    let secret = cookie(&answer, "tallygate_session")?;
    assert!(!answer.text().contains(&secret), "no script of a page has it");
    let page = page(&gateway, &secret)?;
    page.post("/team/new", &json!({ "team_id": "red" })).await?.expect(200)?;
    let key = page.post("/key/generate", &json!({ "team_id": "red" })).await?.expect(200)?.json()?;
    assert_eq!(key["created_by"].as_str().map(str::len), Some(36), "the session is on record");
    page.get("/global/spend").await?.expect(200)?;
    let listed = page.get("/api/sessions").await?.expect(200)?.json()?;
    assert_eq!(
        (&listed["sessions"][0]["current"], listed["sessions"].as_array().map(Vec::len)),
        (&json!(true), Some(1))
    );
    assert_eq!(page.get("/key/list").await?.at("/total_count")?, json!(1), "a session is no key");
    // Its secret in a header is the session too, as LiteLLM's pages send it.
    gateway.caller(&secret)?.get("/key/list").await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_user_signs_in_with_a_key_or_by_name_or_email_and_has_their_own_rights() -> Result<()> {
    let gateway = Gateway::start().await?;
    let key = user(&gateway, "ann", "internal_user").await?;
    for body in [
        json!({ "key": key }),
        json!({ "username": "ann", "password": PASSWORD }),
        json!({ "username": "Ann@acme.example", "password": PASSWORD }),
    ] {
        let ann = page(&gateway, &sign_in(&gateway, body.clone()).await?)?;
        let made = ann.post("/key/generate", &json!({})).await?.expect(200)?.json()?;
        assert_eq!(made["user_id"], "ann", "{body}");
        let refused = ann.post("/team/new", &json!({})).await?;
        assert_eq!((refused.status, refused.at("/error/tallygate/code")?), (403, json!("not_permitted")));
        assert_eq!(ann.post("/model/new", &json!({})).await?.status, 401);
        assert_eq!(ann.get("/global/spend").await?.status, 401);
    }
    let ann = page(&gateway, &sign_in(&gateway, json!({ "key": key })).await?)?;
    assert_eq!(ann.get("/api/sessions").await?.expect(200)?.json()?["sessions"].as_array().map(Vec::len), Some(4));
    assert_eq!(ann.get("/api/sessions?user=default").await?.status, 401, "others' are the operator's to see");
    let seen = operator(&gateway).await?.get("/api/sessions?user=ann").await?.expect(200)?.json()?;
    assert_eq!(seen["sessions"].as_array().map(Vec::len), Some(4));
    assert!(!seen.to_string().contains("sk-session"), "{seen}");
    Ok(())
}

#[tokio::test]
async fn a_session_of_a_viewer_reads_and_changes_nothing() -> Result<()> {
    let gateway = Gateway::start().await?;
    let key = user(&gateway, "vic", "internal_user_viewer").await?;
    let vic = page(&gateway, &sign_in(&gateway, json!({ "username": "vic", "password": PASSWORD })).await?)?;
    vic.get("/key/list").await?.expect(200)?;
    for (path, body) in [
        ("/key/generate", json!({})),
        ("/key/block", json!({ "key": key })),
        ("/user/update", json!({ "user_id": "vic", "user_role": "proxy_admin" })),
    ] {
        assert_eq!(vic.post(path, &body).await?.at("/error/tallygate/code")?, json!("not_permitted"), "{path}");
    }
    vic.delete("/api/sessions/current").await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_session_calls_no_models_and_a_cookie_is_looked_at_nowhere_else() -> Result<()> {
    let scene = Scene::start().await?;
    let secret = sign_in(&scene.gateway, json!({ "key": MASTER_KEY })).await?;
    for client in [page(&scene.gateway, &secret)?, scene.gateway.caller(&secret)?] {
        assert_eq!(client.post("/v1/chat/completions", &chat("m")).await?.status, 401);
        assert_eq!(client.get("/v1/models").await?.status, 401);
    }
    // A key of the headers counts, whatever cookie comes along.
    let both = page(&scene.gateway, &secret)?.with_header("authorization", "Bearer sk-nobodys");
    assert_eq!(both.get("/key/list").await?.at("/error/tallygate/code")?, json!("key_unknown"));
    let guide = Client::new(scene.gateway.url(), Some(MASTER_KEY))?.with_header("cookie", "next-auth.session-token=x");
    guide.post("/team/new", &json!({})).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn nobody_signs_in_with_what_is_not_theirs_to_manage_with() -> Result<()> {
    let gateway = Gateway::start().await?;
    let operator = gateway.operator()?;
    let nobodys = operator.post("/key/generate", &json!({})).await?.expect(200)?.json()?;
    user(&gateway, "ann", "internal_user").await?;
    let models = json!({ "user_id": "ann", "key_type": "llm_api" });
    let models = operator.post("/key/generate", &models).await?.expect(200)?.json()?;
    let session = sign_in(&gateway, json!({ "username": "ann", "password": PASSWORD })).await?;
    let stranger = Client::new(gateway.url(), None)?;
    for (body, status, code) in [
        (json!({ "key": nobodys["key"] }), 403, "session_refused"),
        (json!({ "key": models["key"] }), 403, "session_refused"),
        (json!({ "key": "sk-nobodys" }), 401, "key_unknown"),
        (json!({ "key": session }), 401, "key_unknown"),
        (json!({ "username": "ann", "password": "wrong" }), 401, "sign_in_refused"),
        (json!({ "username": "nobody", "password": PASSWORD }), 401, "sign_in_refused"),
        (json!({ "username": "ann" }), 400, "parameter_invalid"),
        (json!({ "username": "ann", "password": PASSWORD, "key": "sk-1" }), 400, "parameter_invalid"),
        (json!({ "username": "ann", "password": PASSWORD, "role": "operator" }), 400, "body_invalid"),
    ] {
        let answer = stranger.post("/api/sessions", &body).await?;
        assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (status, json!(code)), "{body}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    Ok(())
}

#[tokio::test]
async fn the_operators_name_and_password_are_those_of_the_environment() -> Result<()> {
    let setup = Setup::new().env("UI_USERNAME", "root").env("UI_PASSWORD", PASSWORD);
    let gateway = setup.env("TALLYGATE_SESSION_SECONDS", "600").start().await?;
    let root = page(&gateway, &sign_in(&gateway, json!({ "username": "root", "password": PASSWORD })).await?)?;
    root.get("/global/spend").await?.expect(200)?;
    let stranger = Client::new(gateway.url(), None)?;
    for (name, password) in [("root", MASTER_KEY), ("admin", PASSWORD), ("admin", MASTER_KEY)] {
        let answer = stranger.post("/api/sessions", &json!({ "username": name, "password": password })).await?;
        assert_eq!(answer.status, 401, "{name}");
    }
    let plain = Gateway::start().await?;
    sign_in(&plain, json!({ "username": "admin", "password": MASTER_KEY })).await?;
    let weak = Setup::new().host("0.0.0.0").env("UI_PASSWORD", "changeme").run().await?;
    assert!(weak.output.contains("UI_PASSWORD"), "{}", weak.output);
    Ok(())
}
