//! A reference agent: it stays connected, says what it was told to use, and asks the model one question after each change.
//!
//! ```sh
//! TALLYGATE_URL=http://127.0.0.1:4000 TALLYGATE_AGENT_TOKEN=agt-… cargo run -p tallygate-tests --example reference_agent
//! ```

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use tallygate_tests::agent::{Agent, Configuration};
use tallygate_tests::client::Client;

/// The longest pause before it connects again.
const PAUSE_MAX: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("set {name}"));
    let (url, token) = (variable("TALLYGATE_URL")?, variable("TALLYGATE_AGENT_TOKEN")?);
    let mut pause = Duration::from_millis(250);
    loop {
        match Agent::connect(&url, &token).await {
            Ok(mut agent) => {
                pause = Duration::from_millis(250);
                let ended = follow(&mut agent).await;
                say(&format!("disconnected: {}", ended.err().map(|error| error.to_string()).unwrap_or_default()))?;
            }
            Err(error) => say(&format!("not connected: {error:#}"))?,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Takes each configuration into use, then acknowledges it.
async fn follow(agent: &mut Agent) -> Result<()> {
    loop {
        let told = agent.told().await?;
        match told.config.is_null() {
            true => say(&format!("nothing to use: {}", told.message["payload"]["reason"]))?,
            false => {
                say(&format!("uses {}: {}", told.model(), ask(&told).await.unwrap_or_else(|error| error.to_string())))?
            }
        }
        agent.acknowledge(&told).await?;
    }
}

async fn ask(told: &Configuration) -> Result<String> {
    let client = Client::new(told.text("baseUrl"), Some(told.text("apiKey")))?;
    let body = json!({ "model": told.model(), "messages": [{ "role": "user", "content": "Who are you?" }] });
    let answer = client.post("/chat/completions", &body).await?.expect(200)?;
    Ok(answer.at("/choices/0/message/content")?.to_string())
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
