//! People sign in, from outside: with a key, with a password, as LiteLLM's pages do; and whatever ends it.

mod signing_in;
mod passwords;
mod ends;
mod pages;
mod attempts;
mod litellm;
mod two_gateways;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::{Gateway, MASTER_KEY};

/// A password that is long enough.
const PASSWORD: &str = "correct horse battery";

/// The value of a cookie that an answer sets.
fn cookie(answer: &Answer, name: &str) -> Result<String> {
    let lines = answer.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.split(';').next());
    values.next().map(str::to_owned).with_context(|| format!("no cookie {name}"))
}

/// A page of the gateway's own in a browser that has this cookie.
fn page(gateway: &Gateway, session: &str) -> Result<Client> {
    Ok(cookie_alone(gateway, session)?.with_header("sec-fetch-site", "same-origin"))
}

/// Somebody who sends the cookie and says nothing of where they are.
fn cookie_alone(gateway: &Gateway, session: &str) -> Result<Client> {
    let cookies = format!("next-auth.session-token=anything; tallygate_session={session}; theme=dark");
    Ok(Client::new(gateway.url(), None)?.with_header("cookie", &cookies))
}

/// Signs in, and gives the secret of the session.
async fn sign_in(gateway: &Gateway, body: Value) -> Result<String> {
    let answer = Client::new(gateway.url(), None)?.post("/api/sessions", &body).await?.expect(201)?;
    cookie(&answer, "tallygate_session")
}

async fn operator(gateway: &Gateway) -> Result<Client> {
    page(gateway, &sign_in(gateway, json!({ "key": MASTER_KEY })).await?)
}

/// A new user with a key and a password; the key is given.
async fn user(gateway: &Gateway, id: &str, role: &str) -> Result<String> {
    let body = json!({ "user_id": id, "user_role": role, "user_email": format!("{id}@acme.example") });
    let made = gateway.operator()?.post("/user/new", &body).await?.expect(200)?.json()?;
    let path = format!("/api/users/{id}/password");
    gateway.operator()?.put(&path, &json!({ "password": PASSWORD })).await?.expect(200)?;
    made["key"].as_str().map(str::to_owned).context("no key")
}

/// What a request with a session that has ended is answered.
async fn assert_ended(client: &Client, why: &str) -> Result<()> {
    let answer = client.get("/api/sessions").await?;
    assert_eq!((answer.status, answer.at("/error/tallygate/code")?), (401, json!("session_ended")), "{why}");
    Ok(())
}
