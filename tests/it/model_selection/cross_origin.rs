//! Pages of other origins: what a browser is told.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::Setup;

use super::Selector;
use crate::scene::chat;

const PAGE: &str = "http://localhost:3001";
const PATHS: [&str; 3] = ["/models/select", "/v1/chat/completions", "/health/liveliness"];

async fn preflight(client: &Client, origin: &str, path: &str) -> Result<Answer> {
    let client = client.clone().with_header("origin", origin).with_header("access-control-request-method", "POST");
    client.with_header("access-control-request-headers", "authorization,content-type").options(path).await
}

#[tokio::test]
async fn a_page_of_a_configured_origin_calls_every_route_and_reads_every_answer() -> Result<()> {
    let setup = Setup::new().arg("--cors-origin").arg("https://app.example").arg("--cors-origin").arg(PAGE);
    let selector = Selector::with(setup).await?;
    let nobody = Client::new(selector.gateway.url(), None)?;
    for path in PATHS {
        let answer = preflight(&nobody, PAGE, path).await?.expect(204)?;
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE), "{path}");
        assert_eq!(answer.header("access-control-allow-headers"), Some("authorization,content-type"), "{path}");
        assert!(answer.header("access-control-allow-methods").is_some_and(|methods| methods.contains("POST")));
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
    }
    let page = selector.caller().await?.with_header("origin", PAGE);
    page.post("/models/select", &json!({ "model_id": "openai/gpt-4o" })).await?.expect(200)?;
    let stranger = nobody.with_header("origin", PAGE);
    for answer in [
        page.get("/models/current").await?.expect(200)?,
        page.post("/v1/chat/completions", &chat("current")).await?.expect(200)?,
        stranger.post("/v1/chat/completions", &chat("current")).await?.expect(401)?,
        page.get("/nowhere").await?.expect(404)?,
    ] {
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
        assert_eq!(
            (answer.header("vary"), answer.header("access-control-expose-headers")),
            (Some("origin"), Some("*"))
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_page_of_another_origin_is_told_nothing() -> Result<()> {
    let selector = Selector::with(Setup::new().env("TALLYGATE_CORS_ORIGINS", "https://app.example")).await?;
    let caller = selector.caller().await?;
    for origin in [PAGE, "https://app.example.evil", "null"] {
        for path in PATHS {
            let answer = preflight(&caller, origin, path).await?.expect(405)?;
            assert_eq!(answer.header("access-control-allow-origin"), None, "{origin} {path}");
        }
        let answer = caller.clone().with_header("origin", origin).get("/models/list").await?.expect(200)?;
        assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (None, Some("origin")));
    }
    Ok(())
}

#[tokio::test]
async fn without_configured_origins_nothing_is_said_of_any() -> Result<()> {
    let selector = Selector::start().await?;
    let caller = selector.caller().await?;
    for path in PATHS {
        preflight(&caller, PAGE, path).await?.expect(405)?;
    }
    let answer = caller.with_header("origin", PAGE).get("/models/list").await?.expect(200)?;
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (None, None));
    Ok(())
}

#[tokio::test]
async fn a_star_lets_every_page_call_and_a_text_that_is_no_origin_stops_the_start() -> Result<()> {
    let selector = Selector::with(Setup::new().arg("--cors-origin").arg("*")).await?;
    let answer = preflight(&selector.operator()?, "https://anybody.example", "/models/select").await?.expect(204)?;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let ended = Setup::new().arg("--cors-origin").arg("https://app.example/selector").run().await?;
    assert!(!ended.status.success() && ended.output.contains("origin"), "{}", ended.output);
    Ok(())
}
