//! Upstreams that misbehave, in every dialect: the client is answered in time, what was held is free or settled once, and
//! nothing is charged beyond it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::json;
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::provider::{End, KEY, Provider, Reply, Tokens};

use crate::scene::{KeyTerms, chat, issue};

/// How long an upstream may be silent here.
const SILENCE: Duration = Duration::from_secs(1);
/// What is added to it on a busy machine.
const SLACK: Duration = Duration::from_secs(9);

struct Ground {
    gateway: Gateway,
    providers: Vec<(&'static str, Provider)>,
    key: String,
}

impl Ground {
    /// A gateway with an upstream of each dialect, and a key with a budget.
    async fn start() -> Result<Self> {
        let seconds = SILENCE.as_secs().to_string();
        let setup = Setup::new().env("TALLYGATE_UPSTREAM_IDLE_SECONDS", &seconds);
        let gateway = setup.env("TALLYGATE_UPSTREAM_FIRST_BYTE_SECONDS", &seconds).start().await?;
        let mut providers = Vec::new();
        for (name, model, path) in [
            ("chat", "openai/simulated", "/v1"),
            ("responses", "openai/responses/simulated", "/v1"),
            ("messages", "anthropic/simulated", ""),
            ("generate", "gemini/gemini-3-pro", ""),
            ("lines", "ollama_chat/simulated", ""),
        ] {
            let provider = Provider::start().await?;
            let params = json!({ "model": model, "api_base": format!("{}{path}", provider.url()), "api_key": KEY,
                "input_cost_per_token": 1e-9, "output_cost_per_token": 2e-9 });
            let body = json!({ "model_name": name, "litellm_params": params, "model_info": { "max_tokens": 4_000 } });
            gateway.operator()?.post("/model/new", &body).await?.expect(200)?;
            providers.push((name, provider));
        }
        let terms = KeyTerms { budget_nano_usd: Some(1_000_000_000_000), ..KeyTerms::default() };
        let key = issue(&gateway, terms).await?.secret;
        Ok(Self { gateway, providers, key })
    }

    /// Every dialect, buffered and streamed, with this reply.
    async fn meets(&self, what: &str, reply: impl Fn() -> Reply) -> Result<()> {
        let client = self.gateway.caller(&self.key)?;
        for (name, provider) in &self.providers {
            for streams in [false, true] {
                provider.next(reply());
                let mut body = chat(name);
                body["stream"] = json!(streams);
                let begun = Instant::now();
                let answer = client.post("/v1/chat/completions", &body).await?;
                let took = begun.elapsed();
                let of = format!("{what}, {name}, streams: {streams}");
                assert!(took < SILENCE + SLACK, "{of}: answered after {took:?}");
                assert!(answer.header("set-cookie").is_none(), "{of}: a cookie of the upstream's");
                assert!(answer.text().len() < 64 * 1024 * 1024, "{of}: {} bytes", answer.text().len());
                if answer.status == 200 && streams {
                    assert!(answer.text().trim_end().ends_with("data: [DONE]"), "{of}: {}", answer.text());
                }
            }
        }
        self.is_quiet(what).await
    }

    /// Nothing is held any more, and no call cost more than it held.
    async fn is_quiet(&self, what: &str) -> Result<()> {
        let metrics = self.gateway.operator()?.get("/metrics").await?.expect(200)?;
        let gauge = |name: &str| {
            let line =
                metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
            line.with_context(|| format!("no metric {name}"))
        };
        assert_eq!(gauge("tallygate_held_nano_usd")?, "0", "{what}");
        assert_eq!(gauge("tallygate_budget_bound_violations_total")?, "0", "{what}");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_waited_for_no_longer_than_is_said() -> Result<()> {
    let ground = Ground::start().await?;
    ground.meets("hangs before its head", Reply::hang).await?;
    ground.meets("hangs after its head", Reply::hang_after_head).await?;
    ground.meets("hangs in its answer", || Reply::answer().then(End::Hang)).await?;
    ground.meets("falls silent before the end", || Reply::answer().then(End::Silence)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_or_is_no_answer_is_a_failure() -> Result<()> {
    let ground = Ground::start().await?;
    ground.meets("resets", Reply::reset).await?;
    ground.meets("resets in its answer", || Reply::answer().then(End::Reset)).await?;
    ground.meets("is cut off", || Reply::answer().then(End::CutOff)).await?;
    ground.meets("is garbage", Reply::garbage).await?;
    ground.meets("turns into garbage", || Reply::answer().then(End::Garbage)).await?;
    ground.meets("fails in its answer", || Reply::answer().then(End::Error(500))).await?;
    ground.meets("is a page", || Reply::raw(200, "text/html", "<html>log in</html>")).await?;
    ground.meets("is empty", || Reply::raw(200, "application/json", "")).await?;
    ground.meets("is null", || Reply::raw(200, "application/json", "null")).await?;
    ground.meets("has a type of its own", || Reply::answer().content_type("application/octet-stream")).await?;
    ground.meets("redirects", || Reply::redirect("http://127.0.0.1:9/")).await?;
    ground.meets("sets a cookie", || Reply::answer().header("set-cookie", "a=b")).await?;
    for status in [204, 400, 401, 403, 404, 408, 409, 413, 418, 429, 500, 502, 503, 504, 529] {
        ground.meets(&format!("says {status}"), || Reply::refuse(status)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_is_not_kept() -> Result<()> {
    let ground = Ground::start().await?;
    ground.meets("is a gzip bomb", || Reply::gzip_bomb(64 * 1024 * 1024)).await?;
    ground.meets("is compressed", || Reply::answer().compressed()).await?;
    ground.meets("is a line without end", || Reply::answer().then(End::EndlessLine)).await?;
    ground.meets("has a hundred thousand events", || Reply::answer().then(End::Flood(100_000))).await?;
    ground.meets("ends twice", || Reply::answer().then(End::DoneTwice)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_that_cannot_be_is_charged_within_what_was_held() -> Result<()> {
    let ground = Ground::start().await?;
    let absurd = |fresh, text| Tokens { fresh, text, ..Tokens::default() };
    ground.meets("tells no usage", || Reply::answer().without_usage()).await?;
    ground.meets("tells less than nothing", || Reply::answer().tokens(absurd(-5, -7))).await?;
    ground.meets("tells the absurd", || Reply::answer().tokens(absurd(i64::MAX, i64::MAX))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_drip_is_an_answer_as_long_as_it_drips() -> Result<()> {
    let ground = Ground::start().await?;
    ground.meets("drips", || Reply::answer().every(Duration::from_millis(100))).await
}
