//! Phase 6: the request has ended, and this is what it used. The hold and the share are closed once, and the fact goes
//! to the activity log, whatever happened.

use std::sync::Arc;

use tallygate_adapters::dialect::metering::Metered;
use tallygate_adapters::dialect::openai_chat::Request;
use tallygate_core::activity::{Event, Outcome, RequestSettled};
use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::id::RequestId;
use tallygate_core::money::NanoUsd;
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Sent;
use tallygate_core::price::{Class, Unpriced};
use tallygate_core::registry::Deployment;
use tallygate_core::routing::Route;
use tallygate_core::stream::Position;
use tallygate_core::usage::Usage;

use super::Pipeline;
use super::admitted::Admitted;
use super::called::answer_to;
use super::clientless::Clientless;
use super::violated::{self, Amounts};
use crate::activity::Happened;
use crate::http::error::ApiError;
use crate::limits::Left;
use crate::outbox::Outbox;
use crate::sabotage::Sabotage;
use crate::spending::Held;

/// The longest id of a provider that is kept, in bytes.
const PROVIDER_ID_MAX_BYTES: usize = 256;

/// A request that runs. Dropped before it is settled, it is settled as one whose client went away.
pub(crate) struct Settling {
    pipeline: Arc<Pipeline>,
    admitted: Admitted,
    is_settled: bool,
    first_byte_ms: Option<u64>,
    /// What is known to be used so far.
    metered: Option<Metered>,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) struct End {
    outcome: Outcome,
    status: u16,
    metered: Metered,
    provider_request: Option<String>,
    /// Whether the provider bills the call, so that it costs a fee where its price has one.
    is_billed: bool,
}

/// What response headers tell of a request.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) request: RequestId,
    pub(crate) deployment: String,
    pub(crate) model: String,
    pub(crate) position: u64,
    /// None while it is not known, and where the deployment has no price.
    pub(crate) cost: Option<NanoUsd>,
    /// Why there will be no cost.
    pub(crate) unpriced: Option<Unpriced>,
    pub(crate) duration_ms: u64,
    pub(crate) output_limit: Option<u64>,
    pub(crate) left: Vec<Left>,
}

impl End {
    /// A whole answer.
    pub(super) const fn answered(status: u16, metered: Metered, provider_request: Option<String>) -> Self {
        Self { outcome: Outcome::Succeeded, status, metered, provider_request, is_billed: true }
    }

    /// A stream.
    pub(super) const fn streamed(outcome: Outcome, metered: Metered) -> Self {
        Self { outcome, status: 200, metered, provider_request: None, is_billed: true }
    }
}

impl Settling {
    pub(super) const fn new(pipeline: Arc<Pipeline>, admitted: Admitted) -> Self {
        Self { pipeline, admitted, is_settled: false, first_byte_ms: None, metered: None }
    }

    /// Where what happens is written down.
    pub(super) fn outbox(&self) -> Outbox {
        self.pipeline.activity.outbox().clone()
    }

    /// Whether its stream is read on when the client leaves: budgets are charged what the provider bills.
    pub(super) fn is_read_on(&self) -> bool {
        self.admitted.held.is_some() && self.pipeline.clientless.reads_streams()
    }

    /// Requests that go on without their client.
    pub(super) fn clientless(&self) -> Arc<Clientless> {
        Arc::clone(&self.pipeline.clientless)
    }

    /// The client's request.
    pub(super) const fn request(&self) -> &Request {
        &self.admitted.request
    }

    /// The model's public name.
    pub(super) fn model(&self) -> &str {
        self.admitted.model.name.as_str()
    }

    /// The first byte of the answer is here.
    pub(super) fn first_byte(&mut self) {
        self.first_byte_ms = Some(self.elapsed_ms());
    }

    /// Notes what is used so far, for an end that knows nothing better.
    pub(super) const fn metered(&mut self, metered: Metered) {
        self.metered = Some(metered);
    }

    /// Ends the request. The client may be told once that is [written down](crate::outbox::Outbox::written_down).
    pub(super) fn settle(mut self, end: End) -> Summary {
        let summary = self.summary();
        Summary { cost: self.close(end), ..summary }
    }

    /// Ends the request. When this returns, that survives the process.
    pub(super) fn settle_now(mut self, end: End) {
        self.close(end);
        self.pipeline.activity.outbox().write_down();
    }

    /// What the client is told of a failure.
    pub(super) fn answer_to(&self, failure: &Failure) -> ApiError {
        let secret = self.admitted.target.credential.as_ref().map(|credential| &credential.secret);
        answer_to(failure, self.model(), secret)
    }

    /// Ends a request whose upstream failed before the client got anything, and words the answer.
    pub(super) fn fail(self, failure: &Failure) -> ApiError {
        tracing::warn!(request = %self.admitted.received.id, model = self.model(), %failure, "an upstream failed");
        let error = self.answer_to(failure);
        let metered = match failure.sent() {
            Sent::NotBilled => Metered { usage: Usage::default(), estimated: false },
            Sent::Unknown => self.metered.unwrap_or_else(|| self.estimate()),
        };
        let (status, is_billed) = (error.status, !matches!(failure.sent(), Sent::NotBilled));
        self.settle_now(End { outcome: Outcome::Failed, status, metered, provider_request: None, is_billed });
        error
    }

    /// What response headers tell while the request runs.
    pub(super) fn summary(&mut self) -> Summary {
        Summary {
            request: self.admitted.received.id,
            deployment: self.deployment().map(|deployment| deployment.id.to_string()).unwrap_or_default(),
            model: self.model().to_owned(),
            position: self.admitted.snapshot.position().get(),
            cost: None,
            unpriced: self.unpriced(),
            duration_ms: self.elapsed_ms(),
            output_limit: self.admitted.output_limit,
            left: self.admitted.share.as_mut().map(|share| std::mem::take(&mut share.left)).unwrap_or_default(),
        }
    }

    fn deployment(&self) -> Option<&Deployment> {
        self.admitted.model.deployments.get(self.admitted.deployment_index)
    }

    /// Why there is no cost.
    fn unpriced(&self) -> Option<Unpriced> {
        self.deployment().filter(|deployment| deployment.price.is_none()).map(|_| Unpriced::NoPrice)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.admitted.received.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What the prompt alone uses: all that is known of a call that nobody told about.
    fn estimate(&self) -> Metered {
        let usage = Usage { input_tokens: self.admitted.request.input().estimate(), ..Usage::default() };
        Metered { usage, estimated: true }
    }

    /// Closes hold and share and records the fact: once.
    fn close(&mut self, mut end: End) -> Option<NanoUsd> {
        if std::mem::replace(&mut self.is_settled, true) {
            return None;
        }
        if end.outcome == Outcome::Disconnected && Sabotage::ForgetDisconnected.is_done() {
            std::mem::forget(self.admitted.held.take());
            return None;
        }
        let in_force = self.deployment().and_then(|deployment| deployment.price.as_ref());
        if end.is_billed && in_force.is_some_and(|in_force| in_force.price.has(Class::Request)) {
            end.metered.usage.requests = 1;
        }
        // A usage too absurd to price costs what was held for it: the most that was thought possible.
        let cost = in_force.map(|in_force| in_force.price.cost(&end.metered.usage).unwrap_or(NanoUsd::MAX));
        let held = self.admitted.held.take();
        // An estimate counts no more than was held: the upstream was told that limit and bills within it, however much it
        // sent.
        let cost = match (cost, &held) {
            (Some(cost), Some(held)) if cost == NanoUsd::MAX || end.metered.estimated => Some(cost.min(held.amount())),
            (cost, _) => cost,
        };
        if let Some(share) = self.admitted.share.take() {
            share.settle(end.metered.usage.total_tokens());
        }
        self.record(end, cost, held);
        cost
    }

    /// The events that let the request run: its key, its model, and the selection that led to that.
    fn causes(&self) -> Vec<Position> {
        let Admitted { caller, model, selected, .. } = &self.admitted;
        let decided = [caller.key.trail.changed.position, model.trail.changed.position];
        decided.into_iter().filter(|position| *position > Position::START).chain(*selected).collect()
    }

    /// Closes the hold and records the fact, in one step.
    fn record(&self, end: End, cost: Option<NanoUsd>, mut held: Option<Held>) {
        let Admitted { received, caller, request, model, .. } = &self.admitted;
        let Some(deployment) = self.deployment() else { return };
        // A call that was cut off cost something between what was seen of it and what it held.
        let is_unknown = end.metered.estimated && end.outcome != Outcome::Succeeded;
        let charged = held.as_mut().map(Held::take_charged).unwrap_or_default();
        let key = &caller.key;
        let settled = RequestSettled {
            request: received.id,
            provider_request: end.provider_request.filter(|id| id.len() <= PROVIDER_ID_MAX_BYTES),
            endpoint: received.endpoint,
            key: key.id,
            user: key.user.clone(),
            end_user: request.string_field("user").map(|user| user.chars().take(256).collect()),
            requested_model: request.model().clone(),
            model: model.name.clone(),
            deployment: deployment.id.clone(),
            vendor: deployment.vendor.clone(),
            upstream_model: deployment.upstream_model.clone(),
            outcome: end.outcome,
            status: end.status,
            streamed: request.streams(),
            usage: end.metered.usage,
            estimated: end.metered.estimated,
            price: deployment.price.as_ref().map(|in_force| in_force.position),
            cost_nano_usd: cost,
            unpriced: self.unpriced(),
            charged,
            started_at: received.at,
            first_byte_ms: self.first_byte_ms,
            duration_ms: self.elapsed_ms(),
            route: Route::default(),
        };
        self.pipeline.metrics.settled(&settled);
        let happened = Happened {
            realm: Some(key.realm.clone()),
            actor: Actor { kind: ActorKind::Key, id: key.id.to_string() },
            cause: self.causes(),
            event: Event::RequestSettled(Arc::new(settled)),
        };
        let Some(held) = held else {
            self.pipeline.activity.outbox().note(happened);
            return;
        };
        let amount = held.amount();
        let cost = cost.unwrap_or_default();
        let outbox = self.pipeline.activity.outbox();
        let over = if is_unknown { outbox.suspend(held, cost, happened) } else { outbox.settle(held, cost, happened) };
        if over.is_some() {
            violated::report(&self.pipeline, &self.admitted, deployment, Amounts { held: amount, cost });
        }
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let metered = self.metered.unwrap_or_else(|| self.estimate());
        // 499: the status that servers log for a client that went away.
        let outcome = Outcome::Disconnected;
        self.close(End { outcome, status: 499, metered, provider_request: None, is_billed: true });
        self.pipeline.activity.outbox().write_down();
    }
}
