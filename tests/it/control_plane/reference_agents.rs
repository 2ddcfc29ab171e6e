//! The reference agents that ship with the tests, in Python and in Rust.

use anyhow::Result;
use serde_json::json;
use tallygate_tests::agent::Agent;
use tallygate_tests::python;

use super::Plane;

#[tokio::test]
async fn the_agent_in_python_follows_its_configuration_and_calls_the_model() -> Result<()> {
    let plane = Plane::start().await?;
    let (one, two, realm) = (plane.model("one").await?, plane.model("two").await?, plane.realm("Engineering").await?);
    plane.grant(&one, &realm).await?;
    plane.grant(&two, &realm).await?;
    let agent = plane.agent("planner", &realm).await?;
    let script = async {
        let ended = python::run_script("agent.py", &[plane.gateway.url(), &agent.token, "2"], &[]).await?;
        anyhow::Ok(ended.output)
    };
    let change = async {
        while plane.seen(&agent).await?["told"]["acknowledged"] != json!(true) {}
        plane.configure(&agent, &json!({ "realmId": realm, "realmModelId": two })).await?.expect(200)
    };
    let (output, configured) = tokio::join!(script, change);
    assert_eq!(configured?.at("/pushed")?, json!(true));
    let lines: Vec<String> = output?.lines().map(str::to_owned).collect();
    let used = |line: &String, model: &str| line.starts_with(&format!("uses openai-compatible/{model} -> "));
    assert!(lines.len() == 2 && used(&lines[0], "one") && used(&lines[1], "two"), "{lines:?}");
    let models: Vec<_> = plane.upstream.requests().iter().filter_map(|request| request.model()).collect();
    assert_eq!(models, ["upstream-one", "upstream-two"]);
    Ok(())
}

#[tokio::test]
async fn the_agent_in_rust_calls_the_model_that_it_was_told() -> Result<()> {
    let plane = Plane::start().await?;
    let (one, realm) = (plane.model("one").await?, plane.realm("Engineering").await?);
    plane.grant(&one, &realm).await?;
    let agent = plane.agent("planner", &realm).await?;
    let mut connected = Agent::connect(plane.gateway.url(), &agent.token).await?;
    let told = connected.told().await?;
    connected.acknowledge(&told).await?;
    let client = tallygate_tests::client::Client::new(told.text("baseUrl"), Some(told.text("apiKey")))?;
    client.post("/chat/completions", &crate::scene::chat(told.model())).await?.expect(200)?;
    assert_eq!(plane.upstream.requests()[0].model().as_deref(), Some("upstream-one"));
    Ok(())
}
