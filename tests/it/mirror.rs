//! The mirror: a LiteLLM proxy that is kept in step. In the proxy's place stands a second gateway, which has LiteLLM's routes,
//! behind a relay that sees every call.

mod models;
mod keys;
mod teams;
mod restricted;
mod trouble;
mod settings;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::{Gateway, MASTER_KEY, Setup};
use tallygate_tests::relay::Relay;
use tallygate_tests::upstream::Upstream;

/// A gateway, the proxy that is to be in step with it, and an upstream for both.
pub struct Mirrored {
    here: Gateway,
    there: Gateway,
    relay: Relay,
    upstream: Upstream,
}

/// A gateway that keeps a proxy in step.
fn setup(proxy: &str) -> Setup {
    Setup::new().env("TALLYGATE_MIRROR_LITELLM_URL", proxy).env("TALLYGATE_MIRROR_LITELLM_KEY", MASTER_KEY)
}

impl Mirrored {
    async fn start() -> Result<Self> {
        let there = Gateway::start().await?;
        let relay = Relay::start(there.url()).await?;
        let here = setup(&relay.url()).start().await?;
        Ok(Self { here, there, relay, upstream: Upstream::start().await? })
    }

    fn operator(&self) -> Result<Client> {
        self.here.operator()
    }

    /// Changes something here, and waits until the proxy has it.
    async fn change(&self, path: &str, body: Value) -> Result<Answer> {
        let answer = self.operator()?.post(path, &body).await?.expect(200)?;
        self.in_step().await?;
        Ok(answer)
    }

    /// Waits until the proxy has all that is here by now, and tells how the mirror stands.
    async fn in_step(&self) -> Result<Value> {
        let head = position(&self.here).await?;
        until(&self.here, |told| told["position"].as_u64() >= Some(head)).await
    }

    /// What the proxy answers the holder of its master key.
    async fn read_there(&self, path: &str) -> Result<Answer> {
        self.there.operator()?.get(path).await
    }

    /// A key that both have: made on the proxy as its users did, and here with the same secret.
    async fn key_of_both(&self, secret: &str, fields: &Value) -> Result<()> {
        let mut body = json!({ "key": secret });
        for (name, value) in fields.as_object().context("no fields")? {
            body[name] = value.clone();
        }
        self.there.operator()?.post("/key/generate", &body).await?.expect(200)?;
        self.change("/key/generate", body).await?;
        Ok(())
    }

    /// A key as the proxy shows it.
    async fn key_there(&self, secret: &str) -> Result<Value> {
        self.read_there(&format!("/key/info?key={secret}")).await?.expect(200)?.at("/info")
    }

    /// A model of the upstream's.
    fn model(&self, name: &str, id: &str) -> Value {
        json!({
            "model_name": name, "model_info": { "id": id },
            "litellm_params": { "model": format!("custom_openai/upstream-{name}"), "api_base": self.upstream.url(), "api_key": "sk-canary-of-upstream" },
        })
    }
}

/// The position of a gateway's views.
async fn position(gateway: &Gateway) -> Result<u64> {
    let answer = gateway.operator()?.get("/health/readiness").await?.expect(200)?;
    answer.at("/tallygate/position")?.as_u64().context("no position")
}

/// How the mirror stands.
async fn told(gateway: &Gateway) -> Result<Value> {
    gateway.operator()?.get("/api/mirror").await?.expect(200)?.at("/mirror")
}

/// Waits until the mirror stands so.
async fn until(gateway: &Gateway, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    for _ in 0..3_000 {
        let told = told(gateway).await?;
        if is_so(&told) {
            return Ok(told);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("the mirror does not come to stand so: {}\n{}", told(gateway).await?, gateway.output())
}

/// Why something is not mirrored, if it is not.
fn reason(told: &Value, what: &str) -> Option<String> {
    let listed = told["not_mirrored"].as_array()?.iter().find(|one| one["what"] == what)?;
    listed["reason"].as_str().map(str::to_owned)
}
