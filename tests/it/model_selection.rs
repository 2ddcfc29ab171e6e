//! The model selector from outside: what may be chosen, a choice, and that the next request follows it.

mod listing;
mod choosing;
mod whose;
mod back;
mod presets;
mod swaps;
mod cross_origin;
mod guide;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::upstream::Upstream;

use crate::scene::{IssuedKey, KeyTerms, chat, issue, lines};

/// A gateway with the models of a selector's users behind a simulated upstream.
pub struct Selector {
    gateway: Gateway,
    upstream: Upstream,
}

impl Selector {
    async fn start() -> Result<Self> {
        Self::with(Setup::new()).await
    }

    async fn with(setup: Setup) -> Result<Self> {
        let upstream = Upstream::start().await?;
        let setup = setup
            .env("LITELLM_OPENAI_API_KEY", "sk-provider-of-the-selector")
            .env("LITELLM_ANTHROPIC_API_KEY", "sk-ant-provider-of-the-selector")
            .env("OPENAI_BASE_URL", upstream.url());
        let selector = Self { gateway: setup.start().await?, upstream };
        selector.register("openai/gpt-5-mini", "openai", "gpt-5-mini").await?;
        selector.register("openai/gpt-4o", "openai", "gpt-4o").await?;
        selector.register("anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5").await?;
        Ok(selector)
    }

    /// Registers a model as guides do.
    async fn register(&self, name: &str, provider: &str, upstream_model: &str) -> Result<()> {
        let body = json!({
            "model_name": name,
            "litellm_params": {
                "model": upstream_model, "custom_llm_provider": provider,
                "api_key": format!("os.environ/LITELLM_{}_API_KEY", provider.to_uppercase()),
            },
            "model_info": { "description": format!("The model {upstream_model}") },
        });
        self.operator()?.post("/model/new", &body).await?.expect(200)?;
        Ok(())
    }

    fn operator(&self) -> Result<Client> {
        self.gateway.operator()
    }

    async fn key(&self, terms: KeyTerms) -> Result<IssuedKey> {
        issue(&self.gateway, terms).await
    }

    /// A client with a fresh key that may call everything.
    async fn caller(&self) -> Result<Client> {
        self.gateway.caller(&self.key(KeyTerms::default()).await?.secret)
    }

    /// The model that a slot's next call reaches the upstream with.
    async fn next_call(&self, caller: &Client, slot: &str) -> Result<String> {
        caller.post("/v1/chat/completions", &chat(slot)).await?.expect(200)?;
        self.upstream.requests().last().and_then(|request| request.model()).context("no call")
    }

    /// The selections that are in the log.
    fn selections(&self) -> Result<Vec<Value>> {
        let all = lines(self.gateway.data(), "control")?;
        Ok(all.into_iter().filter(|line| line["type"] == "model.selected").collect())
    }
}

/// Chooses a model by its bare name and its provider.
async fn select(client: &Client, model_id: &str, provider: &str) -> Result<Answer> {
    client.post("/models/select", &json!({ "model_id": model_id, "provider": provider })).await
}

/// The model and the provider that are chosen.
async fn chosen(client: &Client) -> Result<(Value, Value)> {
    let current = client.get("/models/current").await?.expect(200)?;
    Ok((current.at("/model_id")?, current.at("/provider")?))
}
