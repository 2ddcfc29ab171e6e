//! `GET /health`: how each deployment is, as this gateway knows it from the calls and the active probes that it made. No
//! upstream is called for the answer.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Map, Value, json};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::{Fault, Kind};
use tallygate_core::registry::{Deployment, Model};
use tallygate_core::routing::{Health, Readiness, Steady};
use tallygate_core::time::Timestamp;
use tallygate_projections::Snapshot;

use super::caller::Caller;
use super::models::info::visible;
use super::models::row;
use super::query::Query;
use crate::http::App;
use crate::http::error::ApiError;

/// The moment of the answer, by both clocks.
#[derive(Debug, Clone, Copy)]
struct Now {
    steady: Steady,
    at: Timestamp,
}

/// The deployments of the models that a caller may see, in two lists. `model` names a model, by the upstream's name or the
/// public one, `model_id` a deployment; one that there is not is in no list, as with LiteLLM.
pub(super) async fn health(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/health").await?;
    let query = Query::read(&uri)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let for_operator = matches!(caller, Caller::Operator);
    let clock = &app.pipeline.clock;
    let now = Now { steady: Steady::from_millis(clock.steady_ms()), at: clock.now() };
    let models = visible(&snapshot.control, &caller);
    let all = models.iter().flat_map(|model| model.deployments.iter().map(move |deployment| (&**model, deployment)));
    let rows = all.map(|(model, deployment)| {
        let params = row::shown(deployment, for_operator);
        (model, deployment, params)
    });
    let (mut healthy, mut unhealthy) = (Vec::new(), Vec::new());
    for (model, deployment, params) in wanted(rows.collect(), &query) {
        let (is_well, entry) = entry(&app, &snapshot, (model, deployment, params), for_operator, now);
        if is_well { healthy.push(entry) } else { unhealthy.push(entry) }
    }
    Ok(Json(json!({
        "healthy_count": healthy.len(),
        "unhealthy_count": unhealthy.len(),
        "healthy_endpoints": healthy,
        "unhealthy_endpoints": unhealthy,
    })))
}

/// A deployment, its model, and its parameters as they are shown.
type Row<'m> = (&'m Model, &'m Deployment, Map<String, Value>);

/// Those that are asked for: a name is first that of the upstream's model, then that of the public one.
fn wanted<'m>(mut rows: Vec<Row<'m>>, query: &Query) -> Vec<Row<'m>> {
    if let Some(id) = query.text("model_id") {
        rows.retain(|(_, deployment, _)| deployment.id.as_str() == id);
    }
    if let Some(name) = query.text("model") {
        let by_upstream = |(_, _, params): &Row<'m>| params.get("model").and_then(Value::as_str) == Some(name);
        let found = rows.iter().any(by_upstream);
        rows.retain(|row| if found { by_upstream(row) } else { row.0.name.as_str() == name });
    }
    rows
}

/// Whether a deployment is well, and its entry.
fn entry(app: &App, snapshot: &Snapshot, row: Row<'_>, for_operator: bool, now: Now) -> (bool, Value) {
    let (model, deployment, mut entry) = row;
    entry.insert("model_id".to_owned(), json!(deployment.id));
    entry.insert("model_name".to_owned(), json!(model.name));
    let (error, told) = match app.pipeline.upstreams.target(snapshot, deployment) {
        Ok(target) => {
            let health = target.health().clone();
            (error(&health, now), told(&health, for_operator, now))
        }
        Err(error) if for_operator => (Some(error.message), json!({ "state": "not_callable" })),
        Err(_) => (Some("the deployment cannot be called".to_owned()), json!({ "state": "not_callable" })),
    };
    let is_well = error.is_none();
    if let Some(error) = error {
        entry.insert("error".to_owned(), json!(error));
    }
    entry.insert("tallygate".to_owned(), told);
    (is_well, Value::Object(entry))
}

/// Why a deployment is not well, in words; none if it is.
fn error(health: &Health, now: Now) -> Option<String> {
    if health.is_well(now.steady) {
        return None;
    }
    let words = |kind: Kind| format!("{}: {}", kind.name(), Failure::new(kind));
    let failed = health.seen().failed.map(|failed| words(failed.kind));
    Some(failed.unwrap_or_else(|| "it is left alone for a while".to_owned()))
}

/// What is known of a deployment. How much others use it is for the operator alone.
fn told(health: &Health, for_operator: bool, now: Now) -> Value {
    let (seen, snapshot) = (health.seen(), health.snapshot(now.steady));
    let (state, cools_for_ms) = match snapshot.readiness {
        Readiness::Ready => ("ready", None),
        Readiness::Probe => ("probe", None),
        Readiness::Cooling { until } => ("cooling", Some(until.since(now.steady).as_millis())),
    };
    let last_failure = seen
        .failed
        .map(|failed| json!({ "at": wall(failed.at, now), "kind": failed.kind.name(), "fault": fault(failed.kind) }));
    let mut told = json!({ "state": state, "cools_for_ms": cools_for_ms, "last_failure": last_failure });
    if for_operator {
        let last_probe = seen.probed.map(|probed| {
            let failed = probed.failed.map(Kind::name);
            json!({ "at": wall(probed.at, now), "by": probed.by.name(), "failed": failed })
        });
        told["last_success"] = json!(seen.answered.map(|at| wall(at, now)));
        told["last_probe"] = json!(last_probe);
        told["latency_ms"] = json!(snapshot.latency.map(|latency| latency.as_millis()));
        told["in_flight"] = json!(snapshot.in_flight);
        told["requests_in_minute"] = json!(snapshot.requests_in_minute);
        told["tokens_in_minute"] = json!(snapshot.tokens_in_minute);
    }
    told
}

/// A moment of the steady clock, on the calendar.
fn wall(at: Steady, now: Now) -> Timestamp {
    let ago = i64::try_from(now.steady.since(at).as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.at.millis().saturating_sub(ago))
}

const fn fault(kind: Kind) -> &'static str {
    match kind.fault() {
        Fault::Client => "client",
        Fault::Upstream => "upstream",
        Fault::Gateway => "gateway",
    }
}
