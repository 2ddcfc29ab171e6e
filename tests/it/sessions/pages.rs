//! Abuse case 60, pages of other sites: a cookie changes something only from a page of the gateway's own.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::client::Client;
use tallygate_tests::gateway::{Gateway, MASTER_KEY, Setup};

use super::{cookie_alone, page, sign_in};

#[tokio::test]
async fn case_60_a_page_of_another_site_changes_nothing_by_a_cookie() -> Result<()> {
    let gateway = Gateway::start().await?;
    let secret = sign_in(&gateway, json!({ "key": MASTER_KEY })).await?;
    let cookie = || cookie_alone(&gateway, &secret);
    let refused = [
        cookie()?,
        cookie()?.with_header("sec-fetch-site", "cross-site"),
        cookie()?.with_header("sec-fetch-site", "same-site").with_header("origin", gateway.url()),
        cookie()?.with_header("origin", "https://evil.example"),
        cookie()?.with_header("origin", "null"),
        cookie()?.with_header("origin", "https://evil.example").with_header("x-tallygate-csrf", "1"),
        // A key that is none does not let the cookie through either.
        cookie()?.with_header("origin", "https://evil.example").with_header("authorization", "nonsense"),
    ];
    for client in refused {
        let answer = client.post("/team/new", &json!({})).await?;
        assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (403, json!("cross_origin")), "{client:?}");
        assert_eq!(client.delete("/api/sessions").await?.status, 403);
    }
    for client in [
        page(&gateway, &secret)?,
        cookie()?.with_header("origin", gateway.url()),
        cookie()?.with_header("x-tallygate-csrf", "1"),
    ] {
        client.post("/team/new", &json!({})).await?.expect(200)?;
    }
    // Whoever shows a key may come from wherever they like, as before.
    let foreign = cookie()?.with_header("origin", "https://evil.example");
    foreign
        .with_header("authorization", &format!("Bearer {MASTER_KEY}"))
        .post("/team/new", &json!({}))
        .await?
        .expect(200)?;
    Ok(())
}

#[tokio::test]
async fn case_60_a_page_of_another_site_signs_nobody_in() -> Result<()> {
    let gateway = Gateway::start().await?;
    let evil = Client::new(gateway.url(), None)?.with_header("origin", "https://evil.example");
    let body = json!({ "username": "admin", "password": MASTER_KEY });
    for path in ["/api/sessions", "/login", "/v2/login"] {
        let answer = evil.post(path, &body).await?;
        assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_cookie_is_secure_where_a_trusted_proxy_or_the_public_address_says_https() -> Result<()> {
    let body = json!({ "key": MASTER_KEY });
    let secure = async |gateway: &Gateway| -> Result<bool> {
        let client = Client::new(gateway.url(), None)?.with_header("x-forwarded-proto", "https");
        let answer = client.post("/api/sessions", &body).await?.expect(201)?;
        Ok(answer.header("set-cookie").unwrap_or_default().ends_with("; Secure"))
    };
    assert!(!secure(&Gateway::start().await?).await?, "anybody can say so");
    assert!(secure(&Setup::new().env("TALLYGATE_TRUST_FORWARDED", "true").start().await?).await?);
    Ok(())
}
