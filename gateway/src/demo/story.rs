//! What the demo shows, step by step.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tallygate_core::envelope::MacKey;
use tallygate_core::key::KeyHash;
use tallygate_core::port::provider::Provider;
use tallygate_core::secret::Secret;
use tallygate_core::stream::{ChainId, Head, Log, Offset};

use super::client::{Client, Refused};
use super::{DemoError, say};
use crate::compose::Running;
use crate::random;

/// The models of the demo: public name, and price of a million tokens in and out, in pico-dollars a token.
const MODELS: [(&str, u64, u64); 2] = [("demo/small", 150_000, 600_000), ("demo/large", 2_500_000, 10_000_000)];
/// How many lines of the log are shown.
const LINES_SHOWN: usize = 6;
/// The budget of the demo's key: enough for a few short answers.
const BUDGET_NANO_USD: i64 = 9_000_000;

/// Tells the story.
pub(super) async fn tell(running: &Running, provider: &dyn Provider, upstream: SocketAddr) -> Result<(), DemoError> {
    let gateway = format!("http://{}", running.address).parse()?;
    let operator = Client { provider, gateway, key: running.master_key.clone() };

    say("\n1. two models, served by a simulated provider on loopback");
    register_models(&operator, upstream).await?;

    say("\n2. a virtual key with a budget of $0.009; its secret is shown once, the log has its SHA-256");
    let key = issue_key(&operator).await?;
    let caller = operator.with_key(key.clone());

    say("\n3. the slot `current` leads to demo/small; a chat completion streams through the gateway");
    select(&operator, "demo/small").await?;
    say(&format!("   → {}", answered(caller.stream(&question("current")).await?)?));

    say("\n4. the operator swaps the model; the very next request sees it, nothing restarts");
    select(&operator, "demo/large").await?;
    say(&format!("   → {}", answered(caller.stream(&question("current")).await?)?));

    say("\n5. the key spends its budget; the request that could overshoot is refused before it is sent");
    exhaust(&caller).await?;

    say("\n6. every change is an event in the log; these are the last ones");
    show_log(running).await?;

    farewell(running, &key);
    Ok(())
}

fn question(model: &str) -> Value {
    json!({ "model": model, "stream": true, "max_tokens": 64, "messages": [{ "role": "user", "content": "Who are you?" }] })
}

fn answered<T>(outcome: Result<T, Refused>) -> Result<T, DemoError> {
    outcome.map_err(|refused| DemoError::Unexpected(format!("status {}: {}", refused.status, refused.body)))
}

/// Sends a command. That all is so already, from an earlier run, is as good.
async fn command(operator: &Client<'_>, kind: &str, data: Value) -> Result<Option<Value>, DemoError> {
    let id = uuid::Uuid::now_v7();
    match operator.post("/api/commands", &json!({ "id": id, "type": kind, "data": data })).await? {
        Ok(receipt) => Ok(Some(receipt)),
        Err(refused) if refused.status == 409 => Ok(None),
        Err(refused) => Err(DemoError::Unexpected(format!("{kind}: {}", refused.body))),
    }
}

async fn register_models(operator: &Client<'_>, upstream: SocketAddr) -> Result<(), DemoError> {
    for (index, (name, input, output)) in (1_u128..).zip(MODELS) {
        let id = uuid::Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 + index);
        let base_url = format!("http://{upstream}/v1");
        let deployment = format!("demo-{index}");
        let registered = command(
            operator,
            "RegisterModel",
            json!({ "model": id, "name": name, "deployments": [{
                "id": deployment,
                "vendor": "openai-compatible",
                "upstream_model": name,
                "base_url": base_url,
                "max_output_tokens": 4_096,
                "price": {
                    "input_pico_usd": input,
                    "output_pico_usd": output,
                    "cached_input_pico_usd": null,
                    "cache_write_pico_usd": null,
                },
            }]}),
        )
        .await?;
        match registered {
            Some(receipt) => say(&format!("   {name}: registered at position {}", receipt["position"])),
            // The simulated provider listens on another port in every run.
            None => {
                let moved = json!({ "model": id, "deployment": deployment, "base_url": base_url });
                command(operator, "ReviseDeployment", moved).await?;
                say(&format!("   {name}: known from an earlier run, now at {base_url}"));
            }
        }
    }
    Ok(())
}

async fn issue_key(operator: &Client<'_>) -> Result<Secret, DemoError> {
    let secret = random::key();
    let id = uuid::Uuid::now_v7();
    let issue = json!({
        "key": id,
        "hash": KeyHash::of_secret(&secret),
        "shown": random::shown(&secret),
        "models": { "only": ["demo/*"] },
        "limits": { "requests_per_minute": 600, "tokens_per_minute": null, "parallel_requests": 10 },
    });
    let budget = json!({
        "scope": format!("key:{id}"),
        "limits": [{ "period": "total", "limit_nano_usd": BUDGET_NANO_USD }],
    });
    let together = json!([{ "type": "IssueKey", "data": issue }, { "type": "SetBudget", "data": budget }]);
    let receipt = command(operator, "Together", together).await?;
    let position = receipt.map(|receipt| receipt["position"].clone()).unwrap_or_default();
    say(&format!("   {secret}, issued at position {position}"));
    Ok(Secret::new(secret))
}

async fn select(operator: &Client<'_>, model: &str) -> Result<(), DemoError> {
    let receipt = command(operator, "SelectModel", json!({ "scope": "gateway", "model": model })).await?;
    match receipt {
        Some(receipt) => say(&format!("   current = {model} since position {}", receipt["position"])),
        None => say(&format!("   current = {model}, as before")),
    }
    Ok(())
}

async fn exhaust(caller: &Client<'_>) -> Result<(), DemoError> {
    for paid in 0..1_000 {
        if let Err(refused) = caller.stream(&question("demo/large")).await? {
            let error = &refused.body["error"];
            say(&format!("   after {paid} more answers: {} {}", refused.status, error["tallygate"]["code"]));
            say(&format!("   {}", error["message"].as_str().unwrap_or_default()));
            return Ok(());
        }
    }
    Err(DemoError::Unexpected("the budget was never exhausted".to_owned()))
}

async fn show_log(running: &Running) -> Result<(), DemoError> {
    let (lines, head) = verified(running).await?;
    for line in lines.iter().rev().take(LINES_SHOWN).rev() {
        say(&format!("   {line}"));
    }
    say(&format!(
        "   the chain of {} events is whole: each line holds the SHA-256 of the one before, head {}",
        head.position, head.hash
    ));
    Ok(())
}

/// Reads the control log from its first line and checks every one.
async fn verified(running: &Running) -> Result<(Vec<String>, Head), DemoError> {
    let (log, mac): (_, &MacKey) = running.control_log();
    let (mut head, mut offset, mut shown) = (Head::EMPTY, Offset::START, Vec::new());
    loop {
        let entries = log.read(offset, 1_000).await?;
        let Some(last) = entries.last() else { return Ok((shown, head)) };
        offset = last.offset;
        for line in entries.iter().flat_map(|entry| &entry.lines) {
            let (envelope, next) = line
                .check(Log::Control, &ChainId::control(), &head, Some(mac))
                .map_err(|fault| DemoError::Unexpected(format!("position {}: {fault}", head.position.plus(1))))?;
            shown.push(format!("{} {} {} by {}", envelope.position, envelope.at, envelope.kind, envelope.actor.id));
            head = next;
        }
    }
}

fn farewell(running: &Running, key: &Secret) {
    let address = running.address;
    let master = running.master_key.expose();
    say(&format!(
        "
The gateway keeps serving at http://{address} until you press Ctrl-C. Try:

  curl http://{address}/v1/chat/completions -H 'Authorization: Bearer {master}' \\
    -d '{{\"model\": \"current\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'

  curl -i http://{address}/v1/chat/completions -H 'Authorization: Bearer {}' \\
    -d '{{\"model\": \"demo/large\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'

  curl http://{address}/api/commands -H 'Authorization: Bearer {master}' \\
    -d '{{\"id\": \"my-first-command\", \"type\": \"SelectModel\", \"data\": {{\"scope\": \"gateway\", \"model\": \"demo/small\"}}}}'
",
        key.expose()
    ));
}
