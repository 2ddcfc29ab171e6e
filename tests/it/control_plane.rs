//! The control plane from outside: realms, models, grants, and agents that are told what to use.

mod realms;
mod models;
mod grants;
mod agents;
mod configuration;
mod connection;
mod bounds;
mod cluster;
mod reference_agents;
mod a2a;
mod a2a_refusals;
mod guide;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::agent::Agent;
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::upstream::Upstream;

use crate::scene::{chat, lines};

/// A gateway, and an upstream for the models that are registered.
pub struct Plane {
    gateway: Gateway,
    upstream: Upstream,
}

/// An agent that was registered.
#[derive(Clone)]
pub struct Known {
    did: String,
    token: String,
}

impl Plane {
    async fn start() -> Result<Self> {
        Self::with(Setup::new()).await
    }

    async fn with(setup: Setup) -> Result<Self> {
        Ok(Self { upstream: Upstream::start().await?, gateway: setup.start().await? })
    }

    fn operator(&self) -> Result<Client> {
        self.gateway.operator()
    }

    /// Registers a priced model at the upstream, and gives its id.
    async fn model(&self, name: &str) -> Result<String> {
        let body = json!({
            "name": name, "provider": "openai-compatible", "modelId": format!("upstream-{name}"),
            "baseUrl": self.upstream.url(), "inputCostPerToken": 1e-6, "outputCostPerToken": 0.000002,
        });
        text(&self.operator()?.post("/api/models", &body).await?.expect(201)?, "/model/id")
    }

    /// Makes a realm, and gives its id.
    async fn realm(&self, name: &str) -> Result<String> {
        text(&self.operator()?.post("/api/realms", &json!({ "name": name })).await?.expect(201)?, "/realm/id")
    }

    async fn grant(&self, model: &str, realm: &str) -> Result<Answer> {
        let body = json!({ "realmId": realm });
        self.operator()?.post(&format!("/api/models/{model}/realms"), &body).await?.expect(200)
    }

    async fn withdraw(&self, model: &str, realm: &str) -> Result<Answer> {
        self.operator()?.delete(&format!("/api/models/{model}/realms/{realm}")).await?.expect(200)
    }

    /// Registers an agent in a realm.
    async fn agent(&self, name: &str, realm: &str) -> Result<Known> {
        let body = json!({ "name": name, "realmId": realm });
        let answer = self.operator()?.post("/api/agents", &body).await?.expect(201)?;
        Ok(Known { did: text(&answer, "/agent/did")?, token: text(&answer, "/token")? })
    }

    async fn connect(&self, agent: &Known) -> Result<Agent> {
        Agent::connect(self.gateway.url(), &agent.token).await
    }

    async fn join(&self, agent: &Known, realm: &str) -> Result<Answer> {
        let path = format!("/api/agents/{}/realms", agent.did);
        self.operator()?.post(&path, &json!({ "realmId": realm })).await?.expect(200)
    }

    async fn leave(&self, agent: &Known, realm: &str) -> Result<Answer> {
        self.operator()?.delete(&format!("/api/agents/{}/realms/{realm}", agent.did)).await?.expect(200)
    }

    /// PUT of an agent's configuration.
    async fn configure(&self, agent: &Known, body: &Value) -> Result<Answer> {
        self.operator()?.put(&format!("/api/agents/{}/llm-config", agent.did), body).await
    }

    /// An agent as the operator sees it.
    async fn seen(&self, agent: &Known) -> Result<Value> {
        self.operator()?.get(&format!("/api/agents/{}", agent.did)).await?.expect(200)?.at("/agent")
    }

    /// What calling a model with a key is answered.
    async fn call(&self, key: &str, model: &str) -> Result<Answer> {
        self.gateway.caller(key)?.post("/v1/chat/completions", &chat(model)).await
    }

    /// The lines of the control log.
    fn log(&self) -> Result<Vec<Value>> {
        lines(self.gateway.data(), "control")
    }
}

/// A text of an answer.
fn text(answer: &Answer, pointer: &str) -> Result<String> {
    answer.at(pointer)?.as_str().map(str::to_owned).with_context(|| format!("no {pointer}: {}", answer.text()))
}

/// An answer's status and stable code.
fn refusal(answer: &Answer) -> Result<(u16, Value)> {
    Ok((answer.status, answer.at("/error/tallygate/code")?))
}
