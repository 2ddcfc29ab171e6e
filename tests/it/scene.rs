//! What most suites begin with: a gateway, a simulated upstream, a priced model and a key.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_core::key::KeyHash;
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::upstream::Upstream;

/// The public name of the model that is registered.
pub const MODEL: &str = "team/model.v1";
/// The name that the upstream knows it by.
pub const UPSTREAM_MODEL: &str = "upstream-model";

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A gateway with one priced model behind a simulated upstream.
pub struct Scene {
    pub gateway: Gateway,
    pub upstream: Upstream,
}

/// What both logs held at a moment.
pub struct Logged {
    control: Vec<Value>,
    activity: usize,
}

/// What a key is issued with.
#[derive(Default)]
pub struct KeyTerms {
    pub budget_nano_usd: Option<i64>,
    pub limits: Value,
    pub realm: Option<&'static str>,
    pub models: Option<Value>,
}

/// A key, and the id it was issued under.
pub struct IssuedKey {
    pub secret: String,
    pub id: String,
}

impl Scene {
    /// A gateway on its embedded log.
    pub async fn start() -> Result<Self> {
        Self::with(Setup::new()).await
    }

    /// A gateway that was set up so.
    pub async fn with(setup: Setup) -> Result<Self> {
        let upstream = Upstream::start().await?;
        let gateway = setup.start().await?;
        let scene = Self { gateway, upstream };
        scene.register(MODEL, "deployment-1").await?;
        Ok(scene)
    }

    /// Registers a model at the upstream: 1,000 pico-dollars a prompt token, 2,000 an answer token.
    pub async fn register(&self, name: &str, deployment: &str) -> Result<Answer> {
        let data = json!({ "model": uuid(), "name": name, "deployments": [{
            "id": deployment, "vendor": "openai-compatible", "upstream_model": UPSTREAM_MODEL,
            "base_url": self.upstream.url(), "max_output_tokens": 1_000,
            "price": { "input_pico_usd": 1_000, "output_pico_usd": 2_000,
                       "cached_input_pico_usd": null, "cache_write_pico_usd": null },
        }]});
        command(&self.gateway, "RegisterModel", data).await?.expect(200)
    }

    /// Issues a key.
    pub async fn key(&self, terms: KeyTerms) -> Result<IssuedKey> {
        issue(&self.gateway, terms).await
    }

    /// A client with a fresh key without limits.
    pub async fn caller(&self) -> Result<Client> {
        self.gateway.caller(&self.key(KeyTerms::default()).await?.secret)
    }

    /// The lines of a log in the data folder.
    pub fn log(&self, log: &str) -> Result<Vec<Value>> {
        lines(self.gateway.data(), log)
    }

    /// The activity of one type, once there are as many as wanted.
    pub async fn activity(&self, kind: &str, count: usize) -> Result<Vec<Value>> {
        for _ in 0..500 {
            let found: Vec<Value> = self
                .log("activity")?
                .into_iter()
                .filter(|line| line["type"] == kind)
                .map(|mut line| line["data"].take())
                .collect();
            if found.len() >= count {
                return Ok(found);
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        anyhow::bail!("fewer than {count} events {kind}: {:?}", self.log("activity")?)
    }

    /// What both logs hold now. What happens after this call is told by [`Scene::facts_since`].
    pub async fn logged(&self) -> Result<Logged> {
        let until = self.end_of_activity().await?;
        Ok(Logged { control: self.log("control")?, activity: until + 1 })
    }

    /// All that was recorded in activity since, line by line.
    ///
    /// # Errors
    /// When the control log has changed meanwhile.
    pub async fn facts_since(&self, before: &Logged) -> Result<Vec<Value>> {
        let until = self.end_of_activity().await?;
        anyhow::ensure!(self.log("control")? == before.control, "the control log has changed");
        Ok(self.log("activity")?.drain(before.activity..until).collect())
    }

    /// The refusals since, as (code, status) of requests and (code, 0) of commands.
    ///
    /// # Errors
    /// When anything else was recorded.
    pub async fn refusals_since(&self, before: &Logged) -> Result<Vec<(String, u64)>> {
        let refusal = |line: Value| {
            let refused = ["request.refused", "command.refused"].contains(&line["type"].as_str().unwrap_or_default());
            anyhow::ensure!(refused, "no refusal: {line}");
            let code = line["data"]["code"].as_str().context("no code")?.to_owned();
            Ok((code, line["data"]["status"].as_u64().unwrap_or_default()))
        };
        self.facts_since(before).await?.into_iter().map(refusal).collect()
    }

    /// How many lines activity has, up to a command that is refused on purpose now: what happened before it stands
    /// before it.
    async fn end_of_activity(&self) -> Result<usize> {
        let mark = uuid();
        let body = json!({ "id": mark, "type": "SuspendRealm", "data": { "realm": mark } });
        self.gateway.operator()?.post("/api/commands", &body).await?.expect(404)?;
        for _ in 0..500 {
            if let Some(at) = self.log("activity")?.iter().position(|line| line["data"]["command"] == *mark) {
                return Ok(at);
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        anyhow::bail!("the mark {mark} is not in the activity log")
    }

    /// The position of the control log.
    pub async fn position(&self) -> Result<u64> {
        let answer = self.gateway.operator()?.get("/health/readiness").await?.expect(200)?;
        answer.at("/tallygate/position")?.as_u64().context("no position")
    }
}

/// The lines of a log in a data folder, as JSON.
pub fn lines(data: &Path, log: &str) -> Result<Vec<Value>> {
    let mut files: Vec<_> = std::fs::read_dir(data.join("log").join(log))?
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file)?;
        // A line whose end is not written yet is none.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            lines.push(serde_json::from_str(line)?);
        }
    }
    Ok(lines)
}

/// Sends a command under a fresh id.
pub async fn command(gateway: &Gateway, kind: &str, data: Value) -> Result<Answer> {
    let body = json!({ "id": uuid(), "type": kind, "data": data });
    gateway.operator()?.post("/api/commands", &body).await
}

/// Issues a key, with its budget in the same command.
pub async fn issue(gateway: &Gateway, terms: KeyTerms) -> Result<IssuedKey> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let secret = format!("sk-test-key-number-{number:08}-of-{}", std::process::id());
    let id = uuid();
    let limits = if terms.limits.is_null() {
        json!({ "requests_per_minute": null, "tokens_per_minute": null, "parallel_requests": null })
    } else {
        terms.limits
    };
    let mut commands = vec![json!({ "type": "IssueKey", "data": {
        "key": id, "hash": KeyHash::of_secret(&secret), "shown": format!("sk-...{}", &secret[secret.len() - 4..]),
        "realm": terms.realm.unwrap_or("default"), "models": terms.models.unwrap_or_else(|| json!("all")), "limits": limits,
    }})];
    if let Some(limit) = terms.budget_nano_usd {
        commands.push(json!({ "type": "SetBudget", "data": {
            "scope": format!("key:{id}"), "limits": [{ "period": "total", "limit_nano_usd": limit }],
        }}));
    }
    command(gateway, "Together", Value::Array(commands)).await?.expect(200)?;
    Ok(IssuedKey { secret, id })
}

/// A chat request.
pub fn chat(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Say three words." }] })
}

/// A uuid that no other call of this process gives.
pub fn uuid() -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("0199{:04x}-0000-7000-8000-{number:012x}", std::process::id() & 0xffff)
}
