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

use crate::client::{Connection, headers, refusal};

/// The key of the gateway's operator. It guards a process on loopback that holds no secret and lives for minutes.
pub(crate) const MASTER_KEY: &str = "sk-bench-master-key-of-a-throwaway-gateway";

const REALM_LIMITS: &str = include_str!("../../setup/realm-limits.json");
const REALM_BUDGET: &str = include_str!("../../setup/realm-budget.json");
const MODEL: &str = include_str!("../../setup/model.json");
const KEY: &str = include_str!("../../setup/key.json");
/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;

/// Sets a gateway up before `upstream`, and returns the key to call it with.
///
/// # Errors
/// When it refuses, or answers what cannot be understood.
pub(crate) async fn run(gateway: SocketAddr, upstream: SocketAddr) -> anyhow::Result<String> {
    for command in [REALM_LIMITS, REALM_BUDGET] {
        post(gateway, "/api/commands", command.to_owned()).await?;
    }
    post(gateway, "/model/new", model(upstream)?.to_string()).await?;
    let answer: Value = serde_json::from_slice(&post(gateway, "/key/generate", KEY.to_owned()).await?)?;
    let key = answer.get("key").and_then(Value::as_str).context("/key/generate answered no key")?;
    Ok(key.to_owned())
}

fn model(upstream: SocketAddr) -> anyhow::Result<Value> {
    let mut model: Value = serde_json::from_str(MODEL).context("model.json")?;
    let deployment = model.get_mut("litellm_params").and_then(Value::as_object_mut).context("model.json")?;
    deployment.insert("api_base".to_owned(), json!(format!("http://{upstream}/v1")));
    Ok(model)
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

    use super::{KEY, REALM_BUDGET, REALM_LIMITS, model};
    use crate::chat::{MODEL, UPSTREAM_MODEL};

    #[test]
    fn the_realm_is_set_up_by_commands_that_exist() {
        let Command::ReviseRealm(limits) = Request::parse(REALM_LIMITS.as_bytes()).unwrap().command else { panic!() };
        assert_eq!(limits.realm, RealmId::default_realm());
        let Command::SetBudget(budget) = Request::parse(REALM_BUDGET.as_bytes()).unwrap().command else { panic!() };
        assert_eq!(budget.scope.to_string(), format!("realm:{}", RealmId::default_realm()));
        assert_eq!(budget.limits.len(), 1);
    }

    #[test]
    fn the_key_may_call_the_model_that_the_load_asks_for() {
        let model = model("127.0.0.1:9".parse().unwrap()).unwrap();
        assert_eq!(model["model_name"], MODEL);
        assert_eq!(model["litellm_params"]["api_base"], "http://127.0.0.1:9/v1");
        assert!(model["litellm_params"]["model"].as_str().unwrap().ends_with(UPSTREAM_MODEL));
        let key: Value = serde_json::from_str(KEY).unwrap();
        assert_eq!(key["models"], serde_json::json!([MODEL]));
    }
}
