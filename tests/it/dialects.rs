//! Every client dialect to every upstream dialect through a gateway, spoken by real client libraries on one side and
//! understood by strict providers on the other. What works is the table in `docs/dialects.md`, which this writes.
//!
//! With `TALLYGATE_WRITE_DOCS=1` in the environment the table is written anew; else it must be as it is written.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::provider::{Dialect, KEY, Provider};
use tokio::task::JoinSet;

use crate::scene::{KeyTerms, issue};
use crate::sdk::{Outcome, SDKS, Sdk};

/// What every cell of the table is of.
const PARTS: [&str; 7] = ["chat", "stream", "tools", "tools-streamed", "images", "reasoning", "schema"];
const HEADS: [&str; 7] =
    ["buffered", "streamed", "tools", "tools, streamed", "images", "reasoning, and tools after it", "JSON schema"];

const DOCUMENT: &str = "docs/dialects.md";
const BEGIN: &str = "<!-- begin: what works, written by tests/it/dialects.rs -->\n";
const END: &str = "<!-- end -->\n";
const WRITE: &str = "TALLYGATE_WRITE_DOCS";

/// An upstream as it is registered: the model of `litellm_params`, and what of the address goes with it.
#[derive(Debug, Clone, Copy)]
struct Target {
    name: &'static str,
    /// The public name. Google's clients have it in a path, so it has no slash.
    model: &'static str,
    upstream: &'static str,
    path: &'static str,
    dialect: Dialect,
}

const TARGETS: [Target; 6] = [
    Target {
        name: "OpenAI chat",
        model: "by-openai",
        upstream: "openai/simulated",
        path: "/v1",
        dialect: Dialect::OpenaiChat,
    },
    Target {
        name: "OpenAI Responses",
        model: "by-responses",
        upstream: "openai/responses/simulated",
        path: "/v1",
        dialect: Dialect::OpenaiResponses,
    },
    Target { name: "Azure", model: "by-azure", upstream: "azure/simulated", path: "", dialect: Dialect::OpenaiChat },
    Target {
        name: "Anthropic",
        model: "by-anthropic",
        upstream: "anthropic/simulated",
        path: "",
        dialect: Dialect::AnthropicMessages,
    },
    Target {
        name: "Gemini",
        model: "by-gemini",
        upstream: "gemini/gemini-3-pro",
        path: "",
        dialect: Dialect::GeminiGenerate,
    },
    Target {
        name: "Ollama",
        model: "by-ollama",
        upstream: "ollama_chat/simulated",
        path: "",
        dialect: Dialect::OllamaChat,
    },
];

/// A gateway with every target behind it, each a provider of its own, and a key without limits.
struct Bench {
    gateway: Gateway,
    providers: Vec<Provider>,
    key: String,
}

/// One client against one target.
struct Row {
    client: &'static str,
    target: &'static str,
    outcomes: Vec<Outcome>,
}

impl Bench {
    async fn start() -> Result<Self> {
        let gateway = Setup::new().start().await?;
        let operator = gateway.operator()?;
        let mut providers = Vec::new();
        for target in TARGETS {
            let provider = Provider::start().await?;
            let params = json!({
                "model": target.upstream, "api_base": format!("{}{}", provider.url(), target.path), "api_key": KEY,
                "api_version": "2024-10-21", "input_cost_per_token": 1e-9, "output_cost_per_token": 2e-9,
            });
            // The limit is what Anthropic is asked for where the client names none.
            let info = json!({ "max_tokens": 4_000 });
            let body = json!({ "model_name": target.model, "litellm_params": params, "model_info": info });
            operator.post("/model/new", &body).await?.expect(200).with_context(|| target.name)?;
            providers.push(provider);
        }
        let key = issue(&gateway, KeyTerms::default()).await?.secret;
        Ok(Self { gateway, providers, key })
    }

    /// One client against one target. What failed is followed by what the provider has to say of it.
    async fn row(&self, sdk: &Sdk, at: usize, parts: &[&str]) -> Result<Row> {
        let (target, provider) = (&TARGETS[at], &self.providers[at]);
        let before = provider.complaints().len();
        let outcomes = sdk.run(self.gateway.url(), &self.key, target.model, parts).await?;
        let complaints = provider.complaints();
        for outcome in outcomes.iter().filter(|outcome| outcome.failure.is_some()) {
            eprintln!("{} to {}: {outcome:?}", sdk.name, target.name);
        }
        complaints[before..].iter().for_each(|complaint| eprintln!("  {} refused {complaint}", target.name));
        Ok(Row { client: sdk.name, target: target.name, outcomes })
    }
}

/// The clients that stand for their dialects, each against every target; the clients side by side.
async fn matrix() -> Result<Vec<Row>> {
    let bench = Arc::new(Bench::start().await?);
    let mut running = JoinSet::new();
    for (order, sdk) in SDKS[..5].iter().copied().enumerate() {
        let bench = Arc::clone(&bench);
        running.spawn(async move {
            let mut rows = Vec::new();
            for at in 0..TARGETS.len() {
                rows.push(bench.row(&sdk, at, &PARTS).await?);
            }
            anyhow::Ok((order, rows))
        });
    }
    let mut found = Vec::new();
    while let Some(rows) = running.join_next().await {
        found.push(rows??);
    }
    found.sort_by_key(|(order, _)| *order);
    Ok(found.into_iter().flat_map(|(_, rows)| rows).collect())
}

/// The rows as they stand in the document.
fn table(rows: &[Row]) -> String {
    let mut text = format!("| client | upstream | {} |\n|---|---|{}\n", HEADS.join(" | "), "---|".repeat(HEADS.len()));
    for row in rows {
        let works = |outcome: &Outcome| if outcome.failure.is_none() { "yes" } else { "no" };
        let cells: Vec<&str> = row.outcomes.iter().map(works).collect();
        text.push_str(&format!("| {} | {} | {} |\n", row.client, row.target, cells.join(" | ")));
    }
    text
}

/// The document with this table between its marks.
fn with_table(document: &str, table: &str) -> Result<String> {
    let (before, rest) = document.split_once(BEGIN).context("no mark where the table begins")?;
    let (_, after) = rest.split_once(END).context("no mark where the table ends")?;
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

fn document() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(DOCUMENT)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_in_the_documents_is_what_clients_get() -> Result<()> {
    let written = std::fs::read_to_string(document())?;
    let fresh = with_table(&written, &table(&matrix().await?))?;
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(document(), &fresh)?;
        return Ok(());
    }
    for (written, fresh) in written.lines().zip(fresh.lines()) {
        assert_eq!(written, fresh, "{DOCUMENT} says otherwise; {WRITE}=1 writes it anew");
    }
    assert_eq!(written, fresh, "{DOCUMENT} says otherwise; {WRITE}=1 writes it anew");
    Ok(())
}

/// What the table leaves out: the other clients, and what a client can do where both sides speak its dialect.
#[tokio::test(flavor = "multi_thread")]
async fn every_client_is_served_in_its_own_dialect_through_the_gateway() -> Result<()> {
    let bench = Bench::start().await?;
    for sdk in SDKS {
        let at = TARGETS.iter().position(|target| target.dialect == sdk.dialect).context("no target")?;
        let row = bench.row(&sdk, at, &sdk.parts()).await?;
        let failed: Vec<&Outcome> = row.outcomes.iter().filter(|outcome| outcome.failure.is_some()).collect();
        assert!(failed.is_empty(), "{} to {}: {failed:#?}", row.client, row.target);
    }
    Ok(())
}

/// Who has embeddings has them in the usual form, so every client reaches them; who has none says so.
#[tokio::test(flavor = "multi_thread")]
async fn embeddings_are_translated_for_clients_of_other_dialects() -> Result<()> {
    let bench = Bench::start().await?;
    let asks = |sdk: &&Sdk| ["google-genai", "ollama"].contains(&sdk.name);
    for sdk in SDKS.iter().filter(asks) {
        for at in TARGETS.iter().enumerate().filter(|(_, target)| target.dialect == Dialect::OpenaiChat) {
            let row = bench.row(sdk, at.0, &["embed"]).await?;
            assert_eq!(row.outcomes[0].failure, None, "{} to {}", row.client, row.target);
        }
    }
    let client = bench.gateway.caller(&bench.key)?;
    let one = json!({ "content": { "parts": [{ "text": "a" }] }, "outputDimensionality": 3 });
    let answer = client.post("/v1beta/models/by-openai:embedContent", &one).await?.expect(200)?;
    assert_eq!(answer.json()?, json!({ "embedding": { "values": [0.5, -0.25, 1.0] } }));
    let seen = bench.providers[0].requests().pop().context("nothing was sent")?.json()?;
    assert_eq!(seen, json!({ "model": "simulated", "input": ["a"], "dimensions": 3 }));
    for (model, path) in [("by-azure", "/openai/deployments/simulated/embeddings"), ("by-ollama", "/api/embeddings")] {
        let old = json!({ "model": model, "prompt": "a" });
        let answer = client.post("/api/embeddings", &old).await?.expect(200)?;
        assert_eq!(answer.json()?, json!({ "embedding": [0.5, -0.25, 1.0] }), "{model}");
        let at = TARGETS.iter().position(|target| target.model == model).context("no target")?;
        assert!(bench.providers[at].requests().pop().context("nothing was sent")?.path.starts_with(path), "{model}");
    }
    let refused = client.post("/v1beta/models/by-anthropic:embedContent", &one).await?.expect(400)?;
    assert_eq!(
        (refused.at("/error/status")?, refused.header("x-tallygate-error")),
        (json!("INVALID_ARGUMENT"), Some("parameter_unsupported"))
    );
    let task = json!({ "content": { "parts": [{ "text": "a" }] }, "taskType": "RETRIEVAL_QUERY" });
    let refused = client.post("/v1beta/models/by-openai:embedContent", &task).await?.expect(400)?;
    assert!(refused.text().contains("taskType"), "{}", refused.text());
    client.post("/v1beta/models/by-gemini:embedContent", &task).await?.expect(200)?;
    Ok(())
}

/// To the provider all tenants are one: what one of them was answered, another must not go on from.
#[tokio::test]
async fn a_response_is_gone_on_from_in_its_realm_alone() -> Result<()> {
    let bench = Bench::start().await?;
    let (client, upstream) = (bench.gateway.caller(&bench.key)?, &bench.providers[1]);
    let first =
        client.post("/v1/responses", &json!({ "model": "by-responses", "input": "One." })).await?.expect(200)?;
    let sealed = first.at("/id")?;
    let next = |earlier: &Value, streams: bool| json!({ "model": "by-responses", "input": "Two.", "previous_response_id": earlier, "stream": streams });
    let second = client.post("/v1/responses", &next(&sealed, false)).await?.expect(200)?;
    let sent: Value = serde_json::from_slice(&upstream.requests().pop().context("nothing was sent")?.body)?;
    let own = sent["previous_response_id"].as_str().context("no earlier answer")?;
    assert!(own.starts_with("resp_") && sealed != own && !first.text().contains(own), "the id is sealed");
    let streamed = client.post("/v1/responses", &next(&second.at("/id")?, true)).await?.expect(200)?;
    let text = streamed.text();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let ids: Vec<Value> = events.filter_map(|event| Some(event.get("response")?["id"].clone())).collect();
    assert!(ids.len() >= 2 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    client.post("/v1/responses", &next(&ids[0], false)).await?.expect(200)?;
    let count = upstream.requests().len();
    let operator = bench.gateway.operator()?;
    let elsewhere =
        json!({ "id": "elsewhere", "type": "RegisterRealm", "data": { "realm": "elsewhere", "models": "all" } });
    operator.post("/api/commands", &elsewhere).await?.expect(200)?;
    let other = operator.post("/key/generate", &json!({ "team_id": "elsewhere" })).await?.expect(200)?.at("/key")?;
    let other = bench.gateway.caller(other.as_str().context("no key")?)?;
    for (caller, earlier) in [(&other, &sealed), (&client, &json!(own)), (&client, &json!("resp_1"))] {
        let refused = caller.post("/v1/responses", &next(earlier, false)).await?.expect(400)?;
        assert_eq!(refused.at("/error/param")?, "previous_response_id");
    }
    let translated = json!({ "model": "by-anthropic", "input": "Two.", "previous_response_id": sealed });
    assert_eq!(
        client.post("/v1/responses", &translated).await?.expect(400)?.at("/error/param")?,
        "previous_response_id"
    );
    assert_eq!(upstream.requests().len(), count);
    Ok(())
}

#[tokio::test]
async fn moderations_pass_where_the_vendor_has_them_and_are_refused_elsewhere() -> Result<()> {
    let bench = Bench::start().await?;
    let client = bench.gateway.caller(&bench.key)?;
    for input in [json!("a"), json!(["a", "b"])] {
        let answer =
            client.post("/v1/moderations", &json!({ "model": "by-openai", "input": input })).await?.expect(200)?;
        assert_eq!(answer.at("/results/0/flagged")?, false);
    }
    let answer =
        client.post("/v1/moderations", &json!({ "model": "by-anthropic", "input": "a" })).await?.expect(400)?;
    assert_eq!(answer.header("x-tallygate-error"), Some("parameter_unsupported"));
    client.post("/v1/moderations", &json!({ "model": "by-openai", "input": [] })).await?.expect(400)?;
    Ok(())
}

#[tokio::test]
async fn a_legacy_completion_is_answered_by_every_upstream() -> Result<()> {
    let bench = Bench::start().await?;
    let client = bench.gateway.caller(&bench.key)?;
    let mut body = json!({ "prompt": "Say three words.", "max_tokens": 100 });
    for target in TARGETS {
        body["model"] = json!(target.model);
        body["stream"] = json!(false);
        let answer = client.post("/v1/completions", &body).await?.expect(200).context(target.name)?;
        assert_eq!(answer.at("/choices/0/text")?, "You said: Say three words.", "{}", target.name);
        assert_eq!(answer.at("/object")?, "text_completion");
        body["stream"] = json!(true);
        let events = client.stream("/v1/completions", &body).await?.rest().await?;
        let said: String = events.iter().filter_map(|event| event.pointer("/choices/0/text")?.as_str()).collect();
        assert_eq!(said, "You said: Say three words.", "{}", target.name);
    }
    Ok(())
}

#[test]
fn a_table_replaces_the_one_before_and_nothing_else() {
    let rows = [Row {
        client: "c",
        target: "t",
        outcomes: vec![
            Outcome { part: "chat".to_owned(), failure: None },
            Outcome { part: "stream".to_owned(), failure: Some("why".to_owned()) },
        ],
    }];
    let table = table(&rows);
    assert!(table.ends_with("| c | t | yes | no |\n"), "{table}");
    let document = format!("before\n{BEGIN}old\n{END}after\n");
    assert_eq!(with_table(&document, &table).unwrap(), format!("before\n{BEGIN}{table}{END}after\n"));
    assert!(with_table("no marks", &table).is_err());
}
