//! The control plane's guide, its commands run as they stand there: only the address, the upstream's address and the ids that
//! the reader fills in are put in their place. The guide signs in with a cookie; the reader has put a key where curl looks
//! for it.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::gateway::{MASTER_KEY, Setup};
use tallygate_tests::python::run_shell;

use super::{Known, Plane};

/// The address that the guide names, and how it leaves it out.
const ADDRESSES: [&str; 2] = ["https://vaultysclaw.acme.com", ".../"];
/// The upstream of the guide's model.
const UPSTREAM: &str = "http://ollama:11434/v1";

/// A reader at work.
struct Reader {
    plane: Plane,
    realm: String,
    model: String,
    agent: Option<Known>,
}

impl Reader {
    /// Runs a block of the guide, and gives the JSON that it wrote.
    async fn run(&self, block: &str) -> Result<Value> {
        let home = tempfile::tempdir()?;
        let header = format!("silent\nheader = \"Authorization: Bearer {MASTER_KEY}\"\n");
        std::fs::write(home.path().join(".curlrc"), header)?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guides").join(block);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        assert!(ADDRESSES.iter().any(|address| text.contains(address)), "{block} names no address");
        let url = self.plane.gateway.url();
        let text = text
            .replace(ADDRESSES[0], url)
            .replace(ADDRESSES[1], &format!("{url}/"))
            .replace(UPSTREAM, &self.plane.upstream.url())
            .replace("{modelId}", &self.model)
            .replace("model-registry-id", &self.model)
            .replace("{did}", self.agent.as_ref().map_or("", |agent| &agent.did))
            .replace("realm-uuid", &self.realm)
            .replace(r#""realmId": "...""#, &format!(r#""realmId": "{}""#, self.realm));
        let output = run_shell(&text, &[("CURL_HOME", &home.path().to_string_lossy())]).await?.output;
        serde_json::from_str(&output).with_context(|| output)
    }
}

#[tokio::test]
async fn the_guides_calls_lead_from_a_model_to_an_agent_that_calls_it() -> Result<()> {
    let plane = Plane::with(Setup::new()).await?;
    let realm = plane.realm("Engineering").await?;
    let mut reader = Reader { plane, realm, model: String::new(), agent: None };
    let registered = reader.run("plane_register.sh").await?;
    reader.model = registered["model"]["id"].as_str().context("no id")?.to_owned();
    assert_eq!(registered["model"]["litellmModelName"], "openai-compatible/llama-3-local");
    let granted = reader.run("plane_grant.sh").await?;
    assert_eq!((&granted["ok"], &granted["virtualKeyIssued"]), (&json!(true), &json!(true)), "{granted}");

    let agent = reader.plane.agent("planner", &reader.realm).await?;
    let mut connected = reader.plane.connect(&agent).await?;
    let told = connected.told().await?;
    assert_eq!(told.model(), "openai-compatible/llama-3-local", "told as soon as it is in the realm");
    reader.agent = Some(agent);
    let routed = reader.run("plane_route.sh").await?;
    assert_eq!((&routed["ok"], &routed["mode"], &routed["pushed"]), (&json!(true), &json!("realm"), &json!(true)));
    reader.plane.call(told.text("apiKey"), told.model()).await?.expect(200)?;
    assert_eq!(reader.plane.upstream.requests()[0].model().as_deref(), Some("llama3-8b"));

    let capped = reader.run("plane_cap.sh").await?;
    assert_eq!((&capped["ok"], &capped["monthlyBudgetUsd"]), (&json!(true), &json!(50.0)), "{capped}");
    let expected = json!({
        "litellmConfigured": true,
        "litellmBaseUrl": reader.plane.gateway.url(),
        "realms": [{
            "realmId": reader.realm,
            "realmName": "Engineering",
            "isPrimary": true,
            "hasVirtualKey": true,
            "models": [{
                "id": reader.model,
                "name": "Llama 3 (local)",
                "provider": "openai-compatible",
                "modelId": "llama3-8b",
                "litellmModelName": "openai-compatible/llama-3-local",
            }],
        }],
    });
    assert_eq!(reader.run("plane_check.sh").await?, expected);
    Ok(())
}
