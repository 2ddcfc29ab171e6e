//! `POST /api/route/explain`: where a request would go, and why. Nothing is sent, held or recorded.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tallygate_adapters::dialect::client_request::ClientRequest;
use tallygate_adapters::dialect::openai_chat::Operation;
use tallygate_core::activity::Endpoint;
use tallygate_core::admission;
use tallygate_core::digest::Digest;
use tallygate_core::key::{Key, KeyHash};
use tallygate_core::registry::Model;
use tallygate_core::routing::{Ranked, Readiness, Steady};
use tallygate_projections::{KeyRow, Snapshot};

use super::App;
use super::body;
use super::error::ApiError;
use super::error_code::ErrorCode;
use crate::pipeline::received::Received;
use crate::pipeline::refusal;
use crate::pipeline::routed::{self, Wanted};
use crate::pipeline::tags;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Whose request it would be, by its secret or its SHA-256: for the holder of the master key.
    key: Option<String>,
    /// The body of a chat, in the usual form.
    request: Box<RawValue>,
}

/// See the module. A key may ask for itself, the holder of the master key for any.
pub(super) async fn explain(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    let received = Received::new(&app.pipeline, Endpoint::Chat, &headers);
    let caller = received.authenticate(&app.pipeline, &headers).await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let asked: Asked = serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::new(ErrorCode::BodyInvalid, format!("the body is not acceptable: {error}")))?;
    let request = ClientRequest::by_fields(Operation::Chat, asked.request.get().to_owned().into(), None)
        .map_err(|error| refusal::request(&error))?;
    let row = subject(&app, &caller.caller, asked.key.as_deref())?;
    let snapshot = &caller.snapshot;
    let permit = admission::resolve(&snapshot.control, &row.key, request.model())
        .map_err(|refused| refusal::model(&refused, request.model(), Endpoint::Chat))?;
    let wanted = routed::wanted(&app.pipeline, &permit.model, &request);
    let tags = tags::own(caller.received.tags.clone(), &request);
    let ranked = routed::ranked(&app.pipeline, snapshot, &permit.model, &tags)?;
    Ok(Json(json!({
        "requested_model": request.model(),
        "model": permit.model.name,
        "selected_at": permit.selected,
        "strategy": wanted.routing.strategy,
        "retries": wanted.routing.retries,
        "fallbacks": fallbacks(snapshot, &row.key, &wanted),
        "candidates": candidates(&app, snapshot, &permit.model, &ranked),
        "position": snapshot.position(),
    })))
}

/// Whose request it would be.
fn subject(app: &App, caller: &KeyRow, key: Option<&str>) -> Result<KeyRow, ApiError> {
    let Some(key) = key else { return Ok(caller.clone()) };
    if caller.key.id != app.pipeline.master.row().key.id {
        let message = "only the holder of the master key may ask for another key";
        return Err(ApiError::new(ErrorCode::AdminOnly, message).param("key"));
    }
    let hash = Digest::from_hex(key.as_bytes()).map_or_else(|_| KeyHash::of_secret(key), KeyHash::new);
    let row = app.pipeline.views.control.key_by_hash(&hash).map_err(|error| refusal::views(&error))?;
    row.ok_or_else(|| ApiError::new(ErrorCode::ParameterInvalid, "there is no such key").param("key"))
}

/// The models to go to when this one has failed, and whether the key may call each.
fn fallbacks(snapshot: &Snapshot, key: &Key, wanted: &Wanted) -> Value {
    let routing = &wanted.routing;
    let of = |names: &[tallygate_core::id::ModelName]| -> Vec<Value> {
        let row = |name| json!({ "model": name, "allowed": admission::resolve(&snapshot.control, key, name).is_ok() });
        names.iter().map(row).collect()
    };
    json!({
        "general": of(wanted.fallbacks.as_deref().unwrap_or(&routing.fallbacks)),
        "context_window": of(&routing.context_window_fallbacks),
        "content_policy": of(&routing.content_policy_fallbacks),
    })
}

/// The deployments in the order in which they would be tried.
fn candidates(app: &App, snapshot: &Snapshot, model: &Model, ranked: &[Ranked]) -> Vec<Value> {
    let now = Steady::from_millis(app.pipeline.clock.steady_ms());
    let row = |ranked: &Ranked| {
        let deployment = model.deployments.get(ranked.index)?;
        let target = app.pipeline.upstreams.target(snapshot, deployment).ok();
        let health = target.as_ref().map(|target| target.health().snapshot(now));
        let (ready, cools_ms) = match ranked.readiness {
            Readiness::Ready => ("ready", None),
            Readiness::Probe => ("probe", None),
            Readiness::Cooling { until } => ("cooling", Some(until.since(now).as_millis())),
        };
        Some(json!({
            "deployment": deployment.id,
            "vendor": deployment.vendor,
            "upstream_model": deployment.upstream_model,
            "callable": target.is_some(),
            "weight": deployment.weight,
            "score": ranked.score,
            "readiness": ready,
            "cools_for_ms": cools_ms,
            "minute_used_up": ranked.used_up,
            "in_flight": health.map(|health| health.in_flight),
            "latency_ms": health.and_then(|health| health.latency).map(|latency| latency.as_millis()),
            "requests_in_minute": health.map(|health| health.requests_in_minute),
            "tokens_in_minute": health.map(|health| health.tokens_in_minute),
        }))
    };
    ranked.iter().filter_map(row).collect()
}
