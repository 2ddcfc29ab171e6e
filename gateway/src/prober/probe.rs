//! One probe of one deployment.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::json;
use tallygate_adapters::dialect::client_request::ClientRequest;
use tallygate_adapters::dialect::exchange::{OutputBound, Told};
use tallygate_adapters::dialect::openai_chat::Operation;
use tallygate_core::activity::{DeploymentProbed, Event};
use tallygate_core::actor::Actor;
use tallygate_core::admission;
use tallygate_core::id::RequestId;
use tallygate_core::port::provider::failure::{Kind, Sent};
use tallygate_core::port::provider::{AnswerForm, Body, Call, Failure, Timeouts};
use tallygate_core::registry::Deployment;
use tallygate_core::routing::{End, How, ProbeBy, SeenProbe, Steady};
use tallygate_core::usage::Usage;

use super::plan::Due;
use crate::activity::Happened;
use crate::pipeline::Pipeline;
use crate::pipeline::running::{Entry, Running};
use crate::upstreams::Target;

/// The longest answer that is read, in bytes.
const ANSWER_MAX_BYTES: usize = 1024 * 1024;
/// The longest answer that is asked for, in tokens: the least that every model takes.
const OUTPUT_TOKENS: u64 = 16;

/// Asks a deployment whether it is well, unless it cools or cannot be called at all. What it says goes to its health.
///
/// Cancellation: says nothing of the deployment.
pub(super) async fn probe(pipeline: &Arc<Pipeline>, due: &Due) {
    let (snapshot, Some(deployment)) = (pipeline.views.control.snapshot(), due.deployment()) else { return };
    if admission::permit_deployment(&snapshot.control, &due.model, deployment).is_err() {
        return;
    }
    let Ok(target) = pipeline.upstreams.target(&snapshot, deployment) else { return };
    let Some(running) = Running::begin(&target, pipeline, &due.model, Entry::UnlessCooling) else { return };
    let (began, operation) = (Instant::now(), operation(pipeline, deployment));
    let (by, asked) = match operation.filter(|_| due.by == ProbeBy::Call) {
        Some(operation) => (ProbeBy::Call, by_call(pipeline, due, &target, operation).await),
        None => (ProbeBy::List, by_list(due, &target).await.map(|()| Usage::default())),
    };
    match &asked {
        Ok(usage) if by == ProbeBy::Call => {
            running.answered();
            running.end(How::Succeeded, usage.total_tokens());
        }
        // That a list comes says too little to end a cooldown.
        Ok(_) => running.end(How::Abandoned, 0),
        Err(failure) => running.end(failed(failure, by), 0),
    }
    let failed_with = asked.as_ref().err().map(|failure| failure.kind);
    let at = Steady::from_millis(pipeline.clock.steady_ms());
    target.health().probed(SeenProbe { at, by, failed: failed_with });
    pipeline.metrics.probes.ended(by, failed_with.is_none());
    if let Err(failure) = &asked {
        tracing::warn!(deployment = %deployment.id, by = by.name(), %failure, "a probe of a deployment failed");
    }
    if by == ProbeBy::Call {
        record(pipeline, due, deployment, (&asked, began));
    }
}

/// What a failed probe says of its deployment.
fn failed(failure: &Failure, by: ProbeBy) -> How {
    let Failure { kind, retry_after, .. } = *failure;
    match by {
        ProbeBy::Call => How::Failed { kind, retry_after },
        ProbeBy::List if by.counts(kind) => How::Unlisted { kind, retry_after },
        ProbeBy::List => How::Abandoned,
    }
}

/// What the model of a deployment is called for; none where a call would cost more than some tokens.
fn operation(pipeline: &Pipeline, deployment: &Deployment) -> Option<Operation> {
    let info = deployment.info.to_value();
    let told = info.get("mode").and_then(serde_json::Value::as_str);
    let known = pipeline.upstreams.known(deployment).map(|known| known.mode.as_str());
    match told.or(known).unwrap_or("chat") {
        "chat" | "responses" | "completion" => Some(Operation::Chat),
        "embedding" => Some(Operation::Embeddings),
        _ => None,
    }
}

async fn by_list(due: &Due, target: &Target) -> Result<(), Failure> {
    let path = target.speaks.dialects.first().map_or("/models", |dialect| dialect.models_path());
    let call = Call {
        path: path.into(),
        body: None,
        content_type: None,
        headers: target.headers.clone(),
        answer: AnswerForm::Buffered { limit_bytes: ANSWER_MAX_BYTES },
        timeouts: timeouts(due, target),
    };
    match target.upstream.call(call).await {
        // A list that is longer than anybody reads is one.
        Ok(_) | Err(Failure { kind: Kind::TooLarge, .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

async fn by_call(pipeline: &Pipeline, due: &Due, target: &Target, operation: Operation) -> Result<Usage, Failure> {
    let name = due.model.name.as_str();
    let asked = match operation {
        Operation::Embeddings => json!({ "model": name, "input": "ping" }),
        _ => json!({ "model": name, "messages": [{ "role": "user", "content": "ping" }] }),
    };
    let unasked = |error: &dyn std::fmt::Display| {
        Failure::new(Kind::InvalidRequest).caused_by(format!("no probe can be written for the model: {error}"))
    };
    let request = ClientRequest::by_fields(operation, Bytes::from(asked.to_string()), None);
    let request = request.map_err(|error| unasked(&error))?;
    let draft = request.toward(&target.speaks).map_err(|error| unasked(&error))?;
    let set = request.takes_output_limit().then_some(OUTPUT_TOKENS);
    let outgoing = draft.write(&target.model, &target.speaks, OutputBound { set, held: set }, None);
    let outgoing = outgoing.map_err(|error| unasked(&error))?;
    let exchange = outgoing.exchange;
    let call = Call {
        path: outgoing.path,
        body: Some(outgoing.body),
        content_type: outgoing.content_type,
        headers: target.headers.clone(),
        answer: AnswerForm::Buffered { limit_bytes: ANSWER_MAX_BYTES },
        timeouts: timeouts(due, target),
    };
    let answer = target.upstream.call(call).await.map_err(|failure| exchange.failure(failure))?;
    let Body::Whole(bytes) = answer.body else { return Err(Failure::new(Kind::Protocol)) };
    let at_s = u64::try_from(pipeline.clock.now().millis() / 1_000).unwrap_or_default();
    let told = Told { request: RequestId::new(pipeline.ids.uuid()), at_s, sealer: None };
    Ok(exchange.answer(&told, answer.status, &bytes)?.metered.usage)
}

fn timeouts(due: &Due, target: &Target) -> Timeouts {
    let each = due.timeout;
    let connect = target.waits.of(false).connect.min(each);
    Timeouts { connect, first_byte: each, idle: each, total: Some(each) }
}

/// Records a call that was, or may have been, billed. No key and no budget is charged.
fn record(pipeline: &Pipeline, due: &Due, deployment: &Deployment, (asked, began): (&Result<Usage, Failure>, Instant)) {
    let (ended, usage) = match asked {
        Ok(usage) => (End::OK, *usage),
        Err(failure) if failure.sent() == Sent::Unknown => (End::failed(failure.kind), Usage::default()),
        Err(_) => return,
    };
    let in_force = deployment.price.as_ref();
    let cost_nano_usd = in_force.and_then(|in_force| in_force.price.cost(&usage).ok());
    pipeline.metrics.probes.used(&usage, cost_nano_usd);
    if !pipeline.activity.has_room() {
        return;
    }
    let probed = DeploymentProbed {
        model: due.model.name.clone(),
        deployment: deployment.id.clone(),
        vendor: deployment.vendor.clone(),
        upstream_model: deployment.upstream_model.clone(),
        ended,
        usage,
        price: in_force.map(|in_force| in_force.position),
        cost_nano_usd,
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    pipeline.activity.record(Happened {
        realm: Some(due.model.realm.clone()),
        actor: Actor::gateway(pipeline.activity.writer().as_str()),
        cause: probed.price.into_iter().collect(),
        event: Event::DeploymentProbed(probed),
    });
}
