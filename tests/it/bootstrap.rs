//! `tallygate bootstrap` as a reader of the guide runs it: environment files from a template, a gateway, and the blocks of
//! the guide that follow.

mod files;
mod again;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::binaries::binary;
use tallygate_tests::gateway::{Gateway, MASTER_KEY, Setup};
use tallygate_tests::process::{Ended, Process};
use tallygate_tests::python::run_shell;
use tallygate_tests::upstream::Upstream;
use tempfile::TempDir;

/// The template as the guide describes it, with its comments.
const TEMPLATE: &str = "# LLM proxy\nLITELLM_MASTER_KEY=MASTER\nLITELLM_SALT_KEY='a salt of the reader'\n\
    LITELLM_OPENAI_API_KEY=sk-provider-canary  # from the console\nLITELLM_ANTHROPIC_API_KEY=\n\n\
    FF_LLM_PROXY_BASE_URL=ADDRESS          # or http://localhost:10999 when outside Docker\n\
    OPENAI_API_KEY=sk-proxy-default # replaced by the bootstrap job\nLITELLM_MODEL=openai/gpt-4o-mini\nUNKNOWN_TO_US=\"x y\"\n";

/// A folder of environment files, and a gateway that they are for.
struct Installation {
    gateway: Gateway,
    upstream: Upstream,
    folder: TempDir,
}

impl Installation {
    async fn start() -> Result<Self> {
        let upstream = Upstream::start().await?;
        let setup = Setup::new()
            .without_env("TALLYGATE_MASTER_KEY")
            .env("LITELLM_MASTER_KEY", MASTER_KEY)
            .env("LITELLM_OPENAI_API_KEY", "sk-provider-canary")
            .env("OPENAI_BASE_URL", upstream.url());
        let installation = Self { gateway: setup.start().await?, upstream, folder: tempfile::tempdir()? };
        installation.write(&TEMPLATE.replace("MASTER\n", &format!("{MASTER_KEY}\n")))?;
        let body = json!({ "model_name": "openai/gpt-4o-mini", "litellm_params": {
            "model": "gpt-4o-mini", "custom_llm_provider": "openai", "api_key": "os.environ/LITELLM_OPENAI_API_KEY",
        }});
        installation.gateway.operator()?.post("/model/new", &body).await?.expect(200)?;
        Ok(installation)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(".env")
    }

    /// Writes the file of variables, with the gateway's address in its place.
    fn write(&self, text: &str) -> Result<()> {
        Ok(std::fs::write(self.path(), text.replace("ADDRESS", self.gateway.url()))?)
    }

    fn text(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.path())?)
    }

    /// The agent's key, as the guide's own awk reads it.
    async fn key(&self) -> Result<String> {
        let block = format!("awk -F= '$1==\"OPENAI_API_KEY\"{{print $2}}' {}", self.path().display());
        Ok(run_shell(&block, &[]).await?.output.split_whitespace().next().context("no key")?.to_owned())
    }

    /// Runs the bootstrap to its end.
    async fn bootstrap(&self) -> Result<Ended> {
        bootstrap(&self.path(), &[]).await
    }

    /// What the gateway knows of a key.
    async fn info(&self, key: &str) -> Result<Value> {
        self.gateway.operator()?.get(&format!("/key/info?key={key}")).await?.expect(200)?.at("/info")
    }

    /// How many events the control log has.
    async fn position(&self) -> Result<Value> {
        crate::litellm::position(&self.gateway.operator()?).await
    }
}

/// Runs the bootstrap over a file to its end, with further arguments.
async fn bootstrap(file: &Path, arguments: &[&str]) -> Result<Ended> {
    let file = file.to_string_lossy();
    let arguments = ["bootstrap", "--env-file", &file].into_iter().chain(arguments.iter().copied());
    Process::start(&binary("tallygate")?, arguments, [("RUST_BACKTRACE", "0")])?.ended().await
}

#[tokio::test]
async fn the_key_that_is_issued_over_the_placeholder_serves_the_guides_blocks() -> Result<()> {
    let installation = Installation::start().await?;
    let before = installation.text()?;
    let ended = installation.bootstrap().await?;
    assert!(ended.status.success(), "{}", ended.output);
    let key = installation.key().await?;
    assert_eq!(installation.text()?, before.replace("sk-proxy-default", &key), "nothing else changed");
    assert!(!ended.output.contains(&key) && !ended.output.contains("canary"), "{}", ended.output);
    let info = installation.info(&key).await?;
    assert_eq!(
        (&info["key_alias"], &info["models"]),
        (&json!("task-agent default"), &json!(["openai/gpt-4o-mini"])),
        "{info}"
    );
    for block in ["health.sh", "chat.sh"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guides").join(block);
        let text = std::fs::read_to_string(path)?.replace("http://localhost:10999", installation.gateway.url());
        let told = run_shell(&text, &[("OPENAI_API_KEY", &key)]).await?.output;
        assert!(told.contains("I'm alive!") || told.contains("choices"), "{block}: {told}");
    }
    let sent = installation.upstream.requests();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header("authorization"), Some("Bearer sk-provider-canary"));
    Ok(())
}
