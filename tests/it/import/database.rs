//! From a database: dry first, then for good, then again.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::gateway::Gateway;
use tallygate_tests::postgres::Postgres;
use tallygate_tests::upstream::Upstream;

use super::{fixture, import, secret};
use crate::litellm::position;

pub(super) struct Proxy {
    pub(super) database: Postgres,
    pub(super) gateway: Gateway,
    pub(super) upstream: Upstream,
}

impl Proxy {
    pub(super) async fn start() -> Result<Self> {
        let (database, upstream) = (Postgres::start().await?, Upstream::start().await?);
        database.run(&fixture(&upstream.url())?).await?;
        Ok(Self { database, gateway: Gateway::start().await?, upstream })
    }
}

#[tokio::test]
async fn keys_models_teams_and_budgets_are_carried_over_and_the_secrets_that_people_have_work() -> Result<()> {
    let proxy = Proxy::start().await?;
    let (url, operator) = (proxy.database.url(), proxy.gateway.operator()?);
    let before = position(&operator).await?;
    let dry = import(&proxy.gateway, &["--database-url", &url]).await?;
    assert!(dry.status.success() && dry.output.contains("nothing is applied"), "{}", dry.output);
    assert_eq!(position(&operator).await?, before, "a dry run changes nothing");
    let ended = import(&proxy.gateway, &["--database-url", &url, "--apply"]).await?;
    for said in [
        "organization acme: carried over",
        "team research: carried over",
        "key ann of research: carried over",
        "model gpt-4o: carried over",
        "model own: carried over",
        "not carried over: team strict: `model_max_budget`",
        "not carried over: key strict: `model_max_budget`",
        "not carried over: key expired: it has expired",
        "not carried over: key free: of the 3.00 dollars that it spent the history tells 2.50",
        "not carried over: model tuned: refused",
        "not carried over: model foreign: its parameters do not open with this salt key",
    ] {
        assert!(ended.output.contains(said), "{said}: {}", ended.output);
    }
    assert_eq!(ended.status.code(), Some(1), "one model was refused");
    assert!(!ended.output.contains("dashboard") && !ended.output.contains("sk-of-"), "{}", ended.output);
    let ann = proxy.gateway.caller(&secret("ANN"))?;
    ann.post("/v1/chat/completions", &crate::scene::chat("gpt-4o")).await?.expect(200)?;
    let other = ann.post("/v1/chat/completions", &crate::scene::chat("own")).await?;
    assert_eq!(other.status, 403, "a model that the key is not for: {}", other.text());
    let sent = proxy.upstream.requests();
    assert_eq!(sent[0].header("authorization"), Some("Bearer sk-of-the-provider"));
    assert_eq!(sent[0].json()?["model"], "gpt-4o");
    Ok(())
}

#[tokio::test]
async fn what_a_key_was_and_had_left_it_is_and_has_here() -> Result<()> {
    let proxy = Proxy::start().await?;
    let (url, operator) = (proxy.database.url(), proxy.gateway.operator()?);
    import(&proxy.gateway, &["--database-url", &url, "--apply"]).await?;
    let info = async |name: &str| {
        let answer = operator.get(&format!("/key/info?key={}", secret(name))).await?.expect(200)?;
        answer.at("/info")
    };
    let ann = info("ANN").await?;
    assert_eq!(
        (&ann["key_alias"], &ann["user_id"], &ann["team_id"], &ann["models"], &ann["key_name"], &ann["max_budget"]),
        (
            &json!("ann of research"),
            &json!("ann"),
            &json!("research"),
            &json!(["gpt-4o"]),
            &json!("sk-...0001"),
            &json!(10.0)
        ),
        "{ann}"
    );
    assert_eq!((&ann["spend"], &ann["soft_budget"]), (&json!(2.25), &json!(4.0)), "{ann}");
    assert_eq!(ann["metadata"]["tags"], json!(["prod"]));
    let free = info("FREE").await?;
    assert!(free["expires"].as_str().is_some_and(|at| at.starts_with("2999-01-01")), "{free}");
    let shared = info("SHARED").await?;
    assert_eq!(
        (&shared["max_budget"], &shared["spend"], &shared["rpm_limit"]),
        (&json!(8.0), &json!(1.0), &json!(90)),
        "{shared}"
    );
    assert_eq!(info("MONTHLY").await?["budget_duration"], "30d");
    assert_eq!(info("BLOCKED").await?["blocked"], true);
    let budget = async |team: &str| {
        operator.get(&format!("/team/info?team_id={team}")).await?.expect(200)?.at("/team_info/max_budget")
    };
    for team in ["research", "acme"] {
        assert!(budget(team).await?.as_f64().is_some_and(|usd| usd > 0.0), "{team}");
    }
    let closed = json!({ "id": "c", "type": "SuspendRealm", "data": { "realm": "closed" } });
    operator.post("/api/commands", &closed).await?.expect(409)?;
    for gone in ["STRICT", "EXPIRED", "SESSION"] {
        operator.get(&format!("/key/info?key={}", secret(gone))).await?.expect(404)?;
    }
    Ok(())
}

#[tokio::test]
async fn an_import_that_is_run_again_adds_what_came_since_and_nothing_else() -> Result<()> {
    let proxy = Proxy::start().await?;
    let (url, operator) = (proxy.database.url(), proxy.gateway.operator()?);
    import(&proxy.gateway, &["--database-url", &url, "--apply"]).await?;
    let after = position(&operator).await?;
    let again = import(&proxy.gateway, &["--database-url", &url, "--apply"]).await?;
    assert_eq!(position(&operator).await?, after, "{}", again.output);
    proxy
        .database
        .run("UPDATE \"LiteLLM_VerificationToken\" SET \"model_max_budget\" = '{}' WHERE \"key_alias\" = 'strict'")
        .await?;
    let more = import(&proxy.gateway, &["--database-url", &url, "--apply"]).await?;
    assert!(more.output.contains("key strict: carried over"), "{}", more.output);
    assert!(!more.output.contains("key free: carried over"), "{}", more.output);
    operator.get(&format!("/key/info?key={}", secret("STRICT"))).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_database_that_cannot_be_read_is_told_without_its_password() -> Result<()> {
    let proxy = Proxy::start().await?;
    proxy.database.run("CREATE DATABASE empty").await?;
    let url = proxy.database.url();
    let wrong = url.replace(":secret@", ":sk-canary@");
    for (url, said) in [
        (wrong, "password authentication failed"),
        (format!("{}empty", url.trim_end_matches("postgres")), "no tables of LiteLLM's"),
        ("mysql://x:sk-canary@db/y".to_owned(), "begins with postgresql://"),
        (format!("{url}?sslmode=require"), "TLS is not spoken to databases"),
    ] {
        let ended = import(&proxy.gateway, &["--database-url", &url]).await?;
        assert_eq!(ended.status.code(), Some(1), "{said}: {}", ended.output);
        assert!(ended.output.contains(said) && !ended.output.contains("canary"), "{said}: {}", ended.output);
    }
    let none = import(&proxy.gateway, &[]).await?;
    assert!(none.output.contains("name what to import"), "{}", none.output);
    Ok(())
}
