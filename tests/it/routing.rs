//! Where requests go when upstreams fail, and when there are several: through a real gateway, with real upstreams.

mod retries;
mod abandoned;
mod timeouts;
mod fallbacks;
mod health;
mod probes;
mod choice;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::{Answer, Client};
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::upstream::{Reply, Upstream};

use crate::scene::{KeyTerms, command, issue, lines, uuid};

const CHAT: &str = "/v1/chat/completions";

/// A gateway, and some upstreams.
struct Ground {
    gateway: Gateway,
    upstreams: Vec<Upstream>,
}

/// One deployment of a model.
struct Deployment {
    upstream: usize,
    weight: u32,
    price_pico: u64,
    params: Value,
}

impl Ground {
    async fn start(upstreams: usize) -> Result<Self> {
        Self::with(Setup::new().env("TALLYGATE_RETRIES", "2"), upstreams).await
    }

    async fn with(setup: Setup, count: usize) -> Result<Self> {
        let mut upstreams = Vec::new();
        for _ in 0..count {
            upstreams.push(Upstream::start().await?);
        }
        Ok(Self { gateway: setup.start().await?, upstreams })
    }

    /// Registers a model at these upstreams, the first one in `d0`.
    async fn model(&self, name: &str, deployments: &[Deployment]) -> Result<String> {
        let id = uuid();
        let row = |(index, of): (usize, &Deployment)| {
            json!({
                "id": format!("{name}-d{index}"), "vendor": "openai-compatible", "upstream_model": format!("up-{name}"),
                "base_url": self.upstreams[of.upstream].url(), "max_output_tokens": 1_000, "weight": of.weight,
                "params": of.params,
                "price": { "input_pico_usd": of.price_pico, "output_pico_usd": of.price_pico },
            })
        };
        let rows: Vec<Value> = deployments.iter().enumerate().map(row).collect();
        command(&self.gateway, "RegisterModel", json!({ "model": id, "name": name, "deployments": rows }))
            .await?
            .expect(200)?;
        Ok(id)
    }

    async fn routing(&self, model: &str, routing: Value) -> Result<()> {
        command(&self.gateway, "SetRouting", json!({ "model": model, "routing": routing })).await?.expect(200)?;
        Ok(())
    }

    async fn caller(&self) -> Result<Client> {
        self.caller_of(json!("all")).await
    }

    /// A key with a budget, that may call these models.
    async fn caller_of(&self, models: Value) -> Result<Client> {
        let terms = KeyTerms { budget_nano_usd: Some(1_000_000_000_000), models: Some(models), ..KeyTerms::default() };
        self.gateway.caller(&issue(&self.gateway, terms).await?.secret)
    }

    fn counts(&self) -> Vec<usize> {
        self.upstreams.iter().map(Upstream::request_count).collect()
    }

    /// Settlements, once there are so many.
    async fn settled(&self, count: usize) -> Result<Vec<Value>> {
        for _ in 0..1_000 {
            let all = lines(self.gateway.data(), "activity")?;
            let found: Vec<Value> = all.into_iter().filter(|line| line["type"] == "request.settled").collect();
            if found.len() >= count {
                return Ok(found.into_iter().map(|mut line| line["data"].take()).collect());
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        anyhow::bail!("fewer than {count} settlements")
    }

    /// What is held now, in nano-dollars.
    async fn held(&self) -> Result<String> {
        self.metric("tallygate_held_nano_usd").await
    }

    /// A metric, by its name and its labels.
    async fn metric(&self, name: &str) -> Result<String> {
        let metrics = self.gateway.operator()?.get("/metrics").await?.expect(200)?;
        let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
        metrics.text().lines().find_map(value).with_context(|| format!("no metric {name}"))
    }

    /// Waits until a metric is this number.
    async fn until(&self, metric: &str, wanted: &str) -> Result<()> {
        for _ in 0..1_000 {
            if self.metric(metric).await? == wanted {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        anyhow::bail!("{metric} is not {wanted}")
    }

    /// `/health` as the operator sees it, once so many deployments are not well.
    async fn unhealthy(&self, count: u64) -> Result<Value> {
        let operator = self.gateway.operator()?;
        for _ in 0..1_000 {
            let told = operator.get("/health").await?.expect(200)?.json()?;
            if told["unhealthy_count"] == count {
                return Ok(told);
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        anyhow::bail!("there are never {count} deployments that are not well")
    }
}

/// An equal one at an upstream.
fn at(upstream: usize) -> Deployment {
    Deployment { upstream, weight: 1, price_pico: 1_000, params: json!({}) }
}

fn first(upstream: usize, order: u64) -> Deployment {
    Deployment { params: json!({ "order": order }), ..at(upstream) }
}

fn refused(status: u16) -> Reply {
    Reply::refuse(status)
}

fn route(answer: &Answer) -> Vec<String> {
    let text = answer.header("x-tallygate-route").unwrap_or_default();
    let without_time = |attempt: &str| attempt.split(';').next().unwrap_or_default().to_owned();
    text.split(", ").map(without_time).collect()
}
