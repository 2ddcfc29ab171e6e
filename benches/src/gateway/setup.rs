//! Tells a gateway what to serve, through its HTTP API alone: the default realm with limits and a budget, one priced model
//! with one deployment, and one key with limits and a budget. All are so high that nothing is refused, and all are
//! checked for every request.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Uri};
use serde_json::{Value, json};

use crate::chat::UPSTREAM_MODEL;
use crate::client::{Connection, headers, refusal};
use crate::messages;

/// The key of the gateway's operator. It guards a process on loopback that holds no secret and lives for minutes.
pub(crate) const MASTER_KEY: &str = "sk-bench-master-key-of-a-throwaway-gateway";

const REALM_LIMITS: &str = include_str!("../../setup/realm-limits.json");
const REALM_BUDGET: &str = include_str!("../../setup/realm-budget.json");
const MODEL: &str = include_str!("../../setup/model.json");
const KEY: &str = include_str!("../../setup/key.json");
/// Realms within one another, the outermost first.
const REALMS: [&str; 3] = ["bench-company", "bench-division", "bench-team"];
/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;

/// Which budgets the requests of the key are paid from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budgets {
    /// The key's and its realm's: what the bench `gateway` measures.
    Usual,
    /// None, in the innermost of three realms.
    None,
    /// The key's, those of three realms within one another, and the gateway's.
    FiveLevels,
}

/// Sets a gateway up before `upstream`, and returns the key to call it with. There are two models: one whose upstream speaks
/// chat completions, which everything but translation is measured with, and one of messages.
///
/// # Errors
/// When it refuses, or answers what cannot be understood.
pub(crate) async fn run(gateway: SocketAddr, upstream: SocketAddr, budgets: Budgets) -> anyhow::Result<String> {
    for command in commands(budgets) {
        post(gateway, "/api/commands", command).await?;
    }
    for model in models(upstream)? {
        post(gateway, "/model/new", model.to_string()).await?;
    }
    let answer: Value = serde_json::from_slice(&post(gateway, "/key/generate", key(budgets)?.to_string()).await?)?;
    let key = answer.get("key").and_then(Value::as_str).context("/key/generate answered no key")?;
    Ok(key.to_owned())
}

/// Realms and budgets. Limits of rates are the key's in every case, and the default realm's in the usual one.
fn commands(budgets: Budgets) -> Vec<String> {
    if budgets == Budgets::Usual {
        return vec![REALM_LIMITS.to_owned(), REALM_BUDGET.to_owned()];
    }
    let realm = |(parent, realm): (Option<&str>, &str)| {
        let data = json!({ "realm": realm, "models": "all", "parent": parent });
        json!({ "id": format!("{realm}-register"), "type": "RegisterRealm", "data": data }).to_string()
    };
    let parents = [None, Some(REALMS[0]), Some(REALMS[1])];
    let realms = parents.into_iter().zip(REALMS).map(realm);
    if budgets == Budgets::None {
        return realms.collect();
    }
    let budget = |scope: String| {
        let limits = json!([{ "period": { "months": 1 }, "limit_nano_usd": 1_000_000_000_000_000_u64 }]);
        let data = json!({ "scope": scope, "limits": limits });
        json!({ "id": format!("{scope}-budget"), "type": "SetBudget", "data": data }).to_string()
    };
    let scopes = REALMS.map(|realm| format!("realm:{realm}")).into_iter().chain(["gateway".to_owned()]);
    realms.chain(scopes.map(budget)).collect()
}

fn key(budgets: Budgets) -> anyhow::Result<Value> {
    let mut key: Value = serde_json::from_str(KEY).context("key.json")?;
    let fields = key.as_object_mut().context("key.json")?;
    if budgets != Budgets::Usual {
        fields.insert("team_id".to_owned(), json!(REALMS[2]));
    }
    if budgets == Budgets::None {
        fields.retain(|name, _| !["max_budget", "budget_duration"].contains(&name.as_str()));
    }
    Ok(key)
}

fn models(upstream: SocketAddr) -> anyhow::Result<[Value; 2]> {
    let base = format!("http://{upstream}/v1");
    let mut chat: Value = serde_json::from_str(MODEL).context("model.json")?;
    set(&mut chat, "/litellm_params", "api_base", json!(base))?;
    let mut messages = chat.clone();
    set(&mut messages, "", "model_name", json!(messages::MODEL))?;
    set(&mut messages, "/litellm_params", "model", json!(format!("anthropic/{UPSTREAM_MODEL}")))?;
    Ok([chat, messages])
}

fn set(model: &mut Value, within: &str, name: &str, value: Value) -> anyhow::Result<()> {
    let fields = model.pointer_mut(within).and_then(Value::as_object_mut).context("model.json")?;
    fields.insert(name.to_owned(), value);
    Ok(())
}

/// That a gateway is ready for requests.
///
/// # Errors
/// When it is not.
pub(crate) async fn is_ready(gateway: SocketAddr) -> anyhow::Result<()> {
    call(gateway, Method::GET, "/health/readiness", String::new()).await.map(|_| ())
}

async fn post(gateway: SocketAddr, path: &'static str, body: String) -> anyhow::Result<Bytes> {
    call(gateway, Method::POST, path, body).await
}

async fn call(gateway: SocketAddr, method: Method, path: &'static str, body: String) -> anyhow::Result<Bytes> {
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_static(path);
    *request.headers_mut() = headers(gateway, MASTER_KEY)?;
    let exchange = async {
        let response = Connection::open(gateway).await?.send(request).await?;
        if !response.status().is_success() {
            bail!(refusal(response).await);
        }
        let body = Limited::new(response.into_body(), ANSWER_LIMIT_BYTES).collect().await;
        body.map(|body| body.to_bytes()).map_err(|error| anyhow::anyhow!(error))
    };
    tokio::time::timeout(CALL_TIMEOUT, exchange).await.context("timed out").flatten().context(path)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tallygate_core::command::{Command, Request};
    use tallygate_core::id::RealmId;

    use super::{Budgets, KEY, REALM_BUDGET, REALM_LIMITS, commands, key, models};
    use crate::chat::{MODEL, UPSTREAM_MODEL};
    use crate::messages;

    #[test]
    fn the_realm_is_set_up_by_commands_that_exist() {
        let Command::ReviseRealm(limits) = Request::parse(REALM_LIMITS.as_bytes()).unwrap().command else { panic!() };
        assert_eq!(limits.realm, RealmId::default_realm());
        let Command::SetBudget(budget) = Request::parse(REALM_BUDGET.as_bytes()).unwrap().command else { panic!() };
        assert_eq!(budget.scope.to_string(), format!("realm:{}", RealmId::default_realm()));
        assert_eq!(budget.limits.len(), 1);
    }

    #[test]
    fn five_budgets_are_set_by_commands_that_exist_and_none_without() {
        let parsed = |budgets| -> Vec<Command> {
            let parse = |command: String| Request::parse(command.as_bytes()).unwrap().command;
            commands(budgets).into_iter().map(parse).collect()
        };
        let budgets = |commands: &[Command]| commands.iter().filter(|one| matches!(one, Command::SetBudget(_))).count();
        assert_eq!((budgets(&parsed(Budgets::FiveLevels)), budgets(&parsed(Budgets::None))), (4, 0));
        assert_eq!((parsed(Budgets::FiveLevels).len(), parsed(Budgets::None).len()), (7, 3));
        assert!(key(Budgets::FiveLevels).unwrap().get("max_budget").is_some());
        assert!(key(Budgets::None).unwrap().get("max_budget").is_none());
    }

    #[test]
    fn the_key_may_call_the_models_that_the_load_asks_for() {
        let models = models("127.0.0.1:9".parse().unwrap()).unwrap();
        for model in &models {
            assert_eq!(model["litellm_params"]["api_base"], "http://127.0.0.1:9/v1");
            assert!(model["litellm_params"]["model"].as_str().unwrap().ends_with(UPSTREAM_MODEL));
        }
        let key: Value = serde_json::from_str(KEY).unwrap();
        assert_eq!(key["models"], serde_json::json!([MODEL, messages::MODEL]));
        assert_eq!(models.each_ref().map(|model| &model["model_name"]), [MODEL, messages::MODEL]);
    }
}
