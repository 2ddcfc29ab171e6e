//! Signing in as LiteLLM's pages do.

use anyhow::{Context as _, Result};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::{Gateway, MASTER_KEY};

use super::{PASSWORD, cookie, user};

fn claims(answer: &Answer) -> Result<Value> {
    let token = cookie(answer, "token")?;
    let parts: Vec<&str> = token.split('.').collect();
    let header: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(parts[0].as_bytes())?)?;
    assert_eq!(header, json!({ "alg": "HS256", "typ": "JWT" }));
    assert_eq!(parts.len(), 3);
    Ok(serde_json::from_slice(&BASE64URL_NOPAD.decode(parts[1].as_bytes())?)?)
}

#[tokio::test]
async fn a_form_is_answered_by_303_and_a_cookie_whose_key_manages() -> Result<()> {
    let gateway = Gateway::start().await?;
    let stranger = Client::new(gateway.url(), None)?;
    let form = format!("username=admin&password={MASTER_KEY}");
    let kind = "application/x-www-form-urlencoded";
    let answer = stranger.post_bytes("/login", kind, form).await?.expect(303)?;
    assert_eq!(answer.header("location"), Some("/ui/?login=success"));
    let claims = claims(&answer)?;
    assert_eq!(claims["user_id"], "default_user_id");
    assert_eq!((&claims["user_role"], &claims["login_method"]), (&json!("proxy_admin"), &json!("username_password")));
    assert_eq!((&claims["premium_user"], &claims["auth_header_name"]), (&json!(false), &json!("Authorization")));
    let key = claims["key"].as_str().context("no key")?;
    gateway.caller(key)?.post("/key/generate", &json!({ "key_alias": "made by a page" })).await?.expect(200)?;
    let wrong = stranger.post_bytes("/login", kind, "username=admin&password=wrong".to_owned()).await?;
    let error = wrong.at("/error")?;
    assert_eq!(wrong.status, 401);
    assert_eq!(
        error["message"],
        "Invalid credentials used to access UI.\nCheck 'UI_USERNAME', 'UI_PASSWORD' in .env file"
    );
    assert_eq!(
        (&error["type"], &error["param"], &error["code"]),
        (&json!("auth_error"), &json!("invalid_credentials"), &json!("401"))
    );
    assert_eq!(stranger.post_bytes("/login", kind, "username=admin".to_owned()).await?.status, 400);
    Ok(())
}

#[tokio::test]
async fn json_is_answered_by_where_to_go_on_and_the_cookie() -> Result<()> {
    let gateway = Gateway::start().await?;
    user(&gateway, "ann", "internal_user").await?;
    let stranger = Client::new(gateway.url(), None)?;
    let body = json!({ "username": "ann@acme.example", "password": PASSWORD });
    let answer = stranger.post("/v2/login", &body).await?.expect(200)?;
    assert_eq!(answer.json()?, json!({ "redirect_url": "/ui/?login=success" }));
    let claims = claims(&answer)?;
    assert_eq!((&claims["user_id"], &claims["user_email"]), (&json!("ann"), &json!("ann@acme.example")));
    assert_eq!(claims["user_role"], "internal_user");
    for path in ["/.well-known/litellm-ui-config", "/litellm/.well-known/litellm-ui-config"] {
        let told = stranger.get(path).await?.expect(200)?.json()?;
        assert_eq!(told, json!({ "server_root_path": "/", "proxy_base_url": null, "auto_redirect_to_sso": false }));
    }
    Ok(())
}
