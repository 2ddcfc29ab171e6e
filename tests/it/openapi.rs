//! The document of all routes: served, printed, and kept to where a client can tell.

use anyhow::{Context as _, Result};
use serde_json::Value;
use tallygate_tests::binaries::binary;
use tallygate_tests::client::Client;
use tallygate_tests::gateway::Gateway;
use tallygate_tests::process::Process;

#[tokio::test]
async fn the_document_is_served_without_a_key_and_printed_by_the_program() -> Result<()> {
    let gateway = Gateway::start().await?;
    let served = Client::new(gateway.url(), None)?.get("/openapi.json").await?.expect(200)?.json()?;
    assert_eq!(served["openapi"], "3.1.0");
    let ended = Process::start(&binary("tallygate")?, ["openapi"], [("RUST_LOG", "warn")])?.ended().await?;
    assert_eq!(serde_json::from_str::<Value>(&ended.output)?, served);
    Ok(())
}

#[tokio::test]
async fn no_operation_of_the_document_is_unknown_to_the_gateway_and_none_without_a_key_does_anything() -> Result<()> {
    let gateway = Gateway::start().await?;
    let document = gateway.operator()?.get("/openapi.json").await?.expect(200)?.json()?;
    let stranger = Client::new(gateway.url(), None)?;
    for (path, item) in document["paths"].as_object().context("no paths")? {
        // What stands for several paths is asked as one of those that there are.
        let rest = if path.contains("v1beta") { "m:generateContent" } else { "m/chat/completions" };
        let at = path.replace("{key}", "sk-x").replace("{rest}", rest).replace("{id}", "m:generateContent");
        let at =
            ["{model}", "{realm}", "{agent}", "{session}", "{user}"].iter().fold(at, |at, name| at.replace(name, "m"));
        for (method, operation) in item.as_object().context("no operations")? {
            let answer = match method.as_str() {
                "get" => stranger.get(&at).await?,
                "post" => stranger.post_bytes(&at, "application/json", "{}".to_owned()).await?,
                "patch" => stranger.patch(&at, &serde_json::json!({})).await?,
                "put" => stranger.put(&at, &serde_json::json!({})).await?,
                "delete" => stranger.delete(&at).await?,
                other => anyhow::bail!("{other}"),
            };
            let code = answer.header("x-tallygate-error").unwrap_or_default().to_owned();
            assert!(code != "route_unknown" && code != "method_not_allowed", "{method} {path}: {code}");
            let is_open = operation["security"].as_array().is_some_and(Vec::is_empty);
            assert_eq!(answer.status == 200, is_open, "{method} {path}: {}", answer.status);
        }
    }
    Ok(())
}
