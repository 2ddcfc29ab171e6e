//! A gateway with a configuration file: LiteLLM's `proxy_config.yaml`, as people have it.

mod declared;
mod changed;
mod guarded;
mod validated;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::gateway::{Gateway, MASTER_KEY, Setup};
use tallygate_tests::upstream::Upstream;
use tempfile::TempDir;

/// A file with two models, of which one has two deployments.
pub const FILE: &str = "\
model_list:
  - model_name: openai/gpt-5
    litellm_params:
      model: gpt-5
      custom_llm_provider: openai
      api_base: os.environ/LOCAL_BASE
      api_key: os.environ/LITELLM_OPENAI_API_KEY
      input_cost_per_token: 0.00000125
      output_cost_per_token: 1e-5
    model_info: {description: the large one}
  - model_name: local
    litellm_params: {model: openai/llama, api_base: os.environ/LOCAL_BASE, api_key: sk-canary-one, rpm: 1_000}
  - model_name: local
    litellm_params: {model: openai/llama, api_base: os.environ/LOCAL_BASE, api_key: sk-canary-two}
litellm_settings:
  max_budget: 100
  budget_duration: 30d
  fallbacks: [{\"openai/gpt-5\": [local]}]
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
environment_variables:
  LOCAL_BASE: UPSTREAM
";

/// The entries of one model of [`FILE`].
pub const LOCALS: &str = "  - model_name: local
    litellm_params: {model: openai/llama, api_base: os.environ/LOCAL_BASE, api_key: sk-canary-one, rpm: 1_000}
  - model_name: local
    litellm_params: {model: openai/llama, api_base: os.environ/LOCAL_BASE, api_key: sk-canary-two}
";

/// A folder with a file, and the gateway that reads it.
pub struct Declaring {
    pub gateway: Gateway,
    pub upstream: Upstream,
    folder: TempDir,
}

impl Declaring {
    /// A gateway with a file; `UPSTREAM` in it stands for a simulated upstream.
    pub async fn start(file: &str) -> Result<Self> {
        let (folder, upstream) = (tempfile::tempdir()?, Upstream::start().await?);
        let path = folder.path().join("proxy_config.yaml");
        std::fs::write(&path, file.replace("UPSTREAM", &upstream.url()))?;
        let gateway = setup().arg("--config").arg(path.to_string_lossy()).start().await?;
        Ok(Self { gateway, upstream, folder })
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("proxy_config.yaml")
    }

    /// Writes another file. It is moved into its place, as editors do.
    pub fn write(&self, file: &str) -> Result<()> {
        let draft = self.folder.path().join("draft");
        std::fs::write(&draft, file.replace("UPSTREAM", &self.upstream.url()))?;
        Ok(std::fs::rename(draft, self.path())?)
    }

    /// The same after a restart.
    pub async fn restart(self) -> Result<Self> {
        Ok(Self { gateway: self.gateway.kill_and_restart().await?, ..self })
    }

    pub fn operator(&self) -> Result<Client> {
        self.gateway.operator()
    }

    /// The control log.
    pub fn control(&self) -> Result<Vec<Value>> {
        crate::scene::lines(self.gateway.data(), "control")
    }

    /// The deployments, as `/model/info` tells of them.
    pub async fn models(&self) -> Result<Vec<Value>> {
        let info = self.operator()?.get("/model/info").await?.expect(200)?.at("/data")?;
        Ok(info.as_array().cloned().unwrap_or_default())
    }

    /// The names of the models that are served.
    pub async fn names(&self) -> Result<Vec<String>> {
        let list = self.operator()?.get("/v1/models").await?.expect(200)?.at("/data")?;
        Ok(list.as_array().into_iter().flatten().map(|model| crate::litellm::text(model, "id")).collect())
    }

    /// How the file stands, for the operator.
    pub async fn state(&self) -> Result<Value> {
        self.operator()?.get("/api/state").await?.expect(200)?.at("/configuration")
    }

    /// Waits until the file stands so.
    pub async fn until(&self, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut state = Value::Null;
        for _ in 0..1_500 {
            state = self.state().await?;
            if is_so(&state) {
                return Ok(state);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        anyhow::bail!("the file stands otherwise: {state}\n{}", self.gateway.output())
    }

    /// A client with a fresh key for every model.
    pub async fn caller(&self) -> Result<Client> {
        let key = self.operator()?.post("/key/generate", &json!({})).await?.expect(200)?.at("/key")?;
        self.gateway.caller(key.as_str().context("no key")?)
    }
}

/// The environment of all of them.
pub fn setup() -> Setup {
    Setup::new()
        .without_env("TALLYGATE_MASTER_KEY")
        .env("LITELLM_MASTER_KEY", MASTER_KEY)
        .env("LITELLM_OPENAI_API_KEY", "sk-canary-of-the-provider")
}
