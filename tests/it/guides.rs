//! The guides' commands, run as they stand: only the address, the path of the environment file and the key that the
//! reader has to fill in are put in their place.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::gateway::{Gateway, MASTER_KEY, Setup};
use tallygate_tests::python::run_shell;
use tallygate_tests::upstream::Upstream;
use tempfile::TempDir;

/// The address that the guides name.
const ADDRESS: &str = "http://localhost:10999";
/// Where the guides' agent is.
const AGENTS: &str = "http://localhost:10900";
/// The guides' helper that swaps an agent's model. The tests have one of the same name.
const HELPER: &str = "ai/agents/task_agent/a2a_hot_swap.py";
/// The file that the guides read keys from.
const ENVIRONMENT_FILE: &str = "volumes/env/.env";
/// What the gateway sends to the upstream: never anything that a client sent.
const PROVIDER_KEY: &str = "sk-provider-canary-of-the-guides";

/// A reader at work: a gateway as the guide starts it, and the file with the reader's keys.
struct Reader {
    gateway: Gateway,
    upstream: Upstream,
    folder: TempDir,
}

impl Reader {
    async fn start() -> Result<Self> {
        let upstream = Upstream::start().await?;
        let setup = Setup::new()
            .without_env("TALLYGATE_MASTER_KEY")
            .env("LITELLM_MASTER_KEY", MASTER_KEY)
            .env("LITELLM_SALT_KEY", "a-salt-that-the-reader-chose")
            .env("LITELLM_OPENAI_API_KEY", PROVIDER_KEY)
            .env("LITELLM_ANTHROPIC_API_KEY", "sk-ant-canary-of-the-guides")
            .env("OPENAI_BASE_URL", upstream.url())
            .env("ANTHROPIC_BASE_URL", upstream.url())
            .env("TALLYGATE_OPEN_AGENTS", "litellm_agent");
        Ok(Self { gateway: setup.start().await?, upstream, folder: tempfile::tempdir()? })
    }

    fn environment_file(&self) -> PathBuf {
        self.folder.path().join("env")
    }

    /// Fills in the reader's keys, as the guide's bootstrap does.
    fn keep(&self, virtual_key: &str) -> Result<()> {
        let text = format!("LITELLM_MASTER_KEY={MASTER_KEY}\nOPENAI_API_KEY={virtual_key}\n");
        Ok(std::fs::write(self.environment_file(), text)?)
    }

    /// Runs a block of a guide, and gives what it wrote.
    async fn run(&self, block: &str, virtual_key: &str) -> Result<String> {
        self.keep(virtual_key)?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guides").join(block);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        assert!(text.contains(ADDRESS) || text.contains(AGENTS), "{block} names no address");
        let helper = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/a2a_hot_swap.py");
        let text = text
            .replace(ADDRESS, self.gateway.url())
            .replace(AGENTS, self.gateway.url())
            .replace(HELPER, &helper.to_string_lossy())
            .replace(ENVIRONMENT_FILE, &self.environment_file().to_string_lossy())
            .replace("sk-...", virtual_key);
        // The names are exported, as in a shell that has read the environment file; the blocks set some anew.
        let environment = [
            ("LITELLM_MASTER_KEY", MASTER_KEY),
            ("MASTER_KEY", MASTER_KEY),
            ("OPENAI_API_KEY", virtual_key),
            ("VK", virtual_key),
        ];
        Ok(run_shell(&text, &environment).await?.output)
    }

    /// Registers the model that the guide's key is for, as it registers others; with its price, since the key has a
    /// budget.
    async fn register_mini(&self) -> Result<()> {
        let body = json!({ "model_name": "openai/gpt-4o-mini", "litellm_params": {
            "model": "gpt-4o-mini", "custom_llm_provider": "openai", "api_key": "os.environ/LITELLM_OPENAI_API_KEY",
            "input_cost_per_token": 0.00000015, "output_cost_per_token": 0.0000006,
        }});
        self.gateway.operator()?.post("/model/new", &body).await?.expect(200)?;
        Ok(())
    }
}

/// The JSON among the lines of a program that also tells of its progress.
fn json_of(output: &str) -> Result<Value> {
    let whole = output.find('{').zip(output.rfind('}')).and_then(|(start, end)| output.get(start..=end));
    let mut lines = output.lines().filter(|line| line.starts_with('{'));
    let found = lines.find_map(|line| serde_json::from_str(line).ok());
    found.or_else(|| serde_json::from_str(whole?).ok()).with_context(|| format!("no JSON: {output}"))
}

#[tokio::test]
async fn the_script_that_registers_models_runs_any_number_of_times_and_its_models_answer() -> Result<()> {
    let reader = Reader::start().await?;
    let registered = "openai/gpt-5 => 200\nopenai/gpt-5-mini => 200\nanthropic/claude-sonnet-4-5 => 200";
    assert_eq!(reader.run("register_models.sh", "sk-proxy-default").await?, registered);
    let state = reader.gateway.operator()?.get("/api/state").await?.expect(200)?.at("/control/digest")?;
    let again = reader.run("register_models.sh", "sk-proxy-default").await?;
    for line in again.lines() {
        assert!(line.ends_with("=> 200") || line.ends_with("=> 409"), "{again}");
    }
    let after = reader.gateway.operator()?.get("/api/state").await?.expect(200)?.at("/control/digest")?;
    assert_eq!(state, after, "a second run changes nothing");
    let models = reader.gateway.operator()?.get("/v1/models").await?.expect(200)?;
    assert_eq!(models.at("/data")?.as_array().map(Vec::len), Some(3), "{}", models.text());
    let key = reader.gateway.operator()?.post("/key/generate", &json!({})).await?.expect(200)?.at("/key")?;
    let caller = reader.gateway.caller(key.as_str().context("no key")?)?;
    let answer = caller.post("/v1/chat/completions", &crate::scene::chat("openai/gpt-5")).await?.expect(200)?;
    assert!(answer.at("/choices/0/message/content")?.is_string(), "{}", answer.text());
    Ok(())
}

#[tokio::test]
async fn a_key_whose_models_are_emptied_by_the_guide_calls_every_model() -> Result<()> {
    let reader = Reader::start().await?;
    reader.run("register_models.sh", "sk-proxy-default").await?;
    let body = json!({ "models": ["openai/gpt-5-mini"], "key_alias": "task-agent default" });
    let key = reader.gateway.operator()?.post("/key/generate", &body).await?.expect(200)?.at("/key")?;
    let key = key.as_str().context("no key")?;
    let caller = reader.gateway.caller(key)?;
    let chat = crate::scene::chat("openai/gpt-5");
    caller.post("/v1/chat/completions", &chat).await?.expect(403)?;
    for _ in 0..2 {
        let updated = json_of(&reader.run("relax_the_key.sh", key).await?)?;
        assert_eq!(updated["models"], json!([]), "{updated}");
        caller.post("/v1/chat/completions", &chat).await?.expect(200)?;
    }
    Ok(())
}

#[tokio::test]
async fn the_proxys_guide_from_health_to_a_chat_works_command_by_command() -> Result<()> {
    let reader = Reader::start().await?;
    assert!(reader.run("health.sh", "").await?.contains("\"I'm alive!\""));
    reader.register_mini().await?;
    let generated = json_of(&reader.run("generate_a_key.sh", "").await?)?;
    assert_eq!(
        (&generated["key_alias"], &generated["user_id"], &generated["models"], &generated["max_budget"]),
        (&json!("demo-user"), &json!("demo"), &json!(["openai/gpt-4o-mini"]), &json!(50.0)),
        "{generated}"
    );
    assert_eq!(generated["metadata"]["team"], "sandbox");
    let key = generated["key"].as_str().context("no key")?;
    assert!(key.starts_with("sk-") && generated["expires"].is_string(), "{generated}");
    let answer = json_of(&reader.run("chat.sh", key).await?)?;
    assert!(answer["choices"][0]["message"]["content"].is_string(), "{answer}");
    let updated = json_of(&reader.run("update_the_key.sh", key).await?)?;
    assert_eq!(
        (&updated["models"], &updated["max_budget"]),
        (&json!(["anthropic/*", "openai/*"]), &json!(100.0)),
        "{updated}"
    );
    let answer = json_of(&reader.run("chat.sh", key).await?)?;
    assert!(answer["choices"][0]["message"]["content"].is_string(), "{answer}");
    let sent = reader.upstream.requests();
    assert_eq!(sent.len(), 2);
    for request in sent {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
        assert_eq!(request.json()?["model"], "gpt-4o-mini");
    }
    Ok(())
}

#[tokio::test]
async fn the_guide_of_hot_swaps_runs_from_its_models_to_its_last_swap_without_a_restart() -> Result<()> {
    let reader = Reader::start().await?;
    reader.run("register_models.sh", "sk-proxy-default").await?;
    let key =
        reader.gateway.operator()?.post("/key/generate", &json!({ "models": [] })).await?.expect(200)?.at("/key")?;
    let key = key.as_str().context("no key")?;
    reader.run("relax_the_key.sh", key).await?;
    let agent = json!({ "name": "litellm_agent", "realmId": "default" });
    reader.gateway.operator()?.post("/api/agents", &agent).await?.expect(201)?;
    let output = reader.run("hot_swap.sh", key).await?;
    let swapped: Vec<&str> = output.lines().filter_map(|line| line.strip_prefix("Model: ")).collect();
    assert_eq!(swapped, ["openai/gpt-5", "openai/gpt-5-mini", "anthropic/claude-sonnet-4-5"], "{output}");
    let asked = reader.upstream.requests();
    assert_eq!(asked.len(), 1, "control messages reach no model");
    assert_eq!(asked[0].json()?["model"], "gpt-5");
    assert_eq!(asked[0].header("authorization"), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
    let lines = crate::scene::lines(reader.gateway.data(), "control")?;
    let swaps: Vec<&Value> = lines.iter().filter(|line| line["type"] == "model.selected").collect();
    let models: Vec<&Value> = swaps.iter().map(|line| &line["data"]["model"]).collect();
    assert_eq!(models, ["openai/gpt-5", "openai/gpt-5-mini", "anthropic/claude-sonnet-4-5"]);
    for swap in swaps {
        let scope = swap["data"]["scope"].as_str().context("no scope")?;
        assert!(scope.starts_with("context:") && scope.ends_with("#switch-demo"), "{scope}");
    }
    Ok(())
}
