//! Phase 6: the request has ended, and this is what it used. The hold and the share are closed once, and the fact goes
//! to the activity log, whatever happened.

use std::sync::Arc;

use tallygate_adapters::dialect::answer_ids::Sealer;
use tallygate_adapters::dialect::exchange::{Exchange, Told};
use tallygate_adapters::dialect::metering::Metered;
use tallygate_core::activity::{Event, Outcome, RequestSettled};
use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::money::NanoUsd;
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Sent;
use tallygate_core::price::{Class, Unpriced};
use tallygate_core::registry::Deployment;
use tallygate_core::routing::{self as route, Considered, End as Ended, How, Route};
use tallygate_core::stream::Position;
use tallygate_core::usage::Usage;

use super::Pipeline;
use super::admitted::Admitted;
use super::attempt::{Attempt, Destination};
use super::called::answer_to;
use super::clientless::{Clientless, HasLeft};
use super::ended::{Before, End, Summary};
use super::routed::routing;
use super::told;
use super::violated::{self, Amounts};
use super::wishes;
use crate::activity::Happened;
use crate::http::error::ApiError;
use crate::outbox::Outbox;
use crate::sabotage::Sabotage;
use crate::spending::Held;

/// The longest id of a provider that is kept, in bytes.
const PROVIDER_ID_MAX_BYTES: usize = 256;

/// A request that runs. Dropped before it is settled, it is settled as one whose client went away.
pub(crate) struct Settling {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) admitted: Box<Admitted>,
    /// The attempt that runs, or the last one that did.
    pub(super) attempt: Box<Attempt>,
    /// The failed attempts before it.
    pub(super) before: Before,
    /// Whether its client has left, where it goes on then.
    pub(super) has_left: HasLeft,
    is_settled: bool,
    first_byte_ms: Option<u64>,
    /// What is known to be used so far.
    metered: Option<Metered>,
}

impl Settling {
    /// Boxed: it is handed on many times, and futures that hold it are moved.
    pub(super) fn new(pipeline: Arc<Pipeline>, admitted: Box<Admitted>, attempt: Box<Attempt>) -> Box<Self> {
        Box::new(Self {
            pipeline,
            admitted,
            attempt,
            before: Before::default(),
            has_left: HasLeft::default(),
            is_settled: false,
            first_byte_ms: None,
            metered: None,
        })
    }

    /// Where what happens is written down.
    pub(super) fn outbox(&self) -> Outbox {
        self.pipeline.activity.outbox().clone()
    }

    /// Whether its stream is read on when the client leaves: budgets are charged what the provider bills.
    pub(super) fn is_read_on(&self) -> bool {
        self.attempt.held.is_some() && self.pipeline.clientless.reads_streams()
    }

    /// Whether the client wants a stream.
    pub(super) fn streams(&self) -> bool {
        self.admitted.request.streams()
    }

    /// Requests that go on without their client.
    pub(super) fn clientless(&self) -> Arc<Clientless> {
        Arc::clone(&self.pipeline.clientless)
    }

    /// How the upstream's answer finds back to the client.
    pub(super) const fn exchange(&self) -> &Exchange {
        &self.attempt.outgoing.exchange
    }

    /// What the answer says of itself.
    pub(super) fn told_of(&self) -> Told {
        let at_s = self.admitted.received.at.millis() / 1_000;
        let deployment = self.deployment().filter(|_| self.exchange().is_kept());
        let sealer = deployment.map(|deployment| Sealer {
            key: self.pipeline.seal.clone(),
            realm: self.admitted.caller.key.realm.clone(),
            deployment: deployment.id.clone(),
        });
        Told { request: self.admitted.received.id, at_s: u64::try_from(at_s).unwrap_or_default(), sealer }
    }

    /// The model's public name.
    pub(super) fn model(&self) -> &str {
        self.attempt.to.model.name.as_str()
    }

    /// The first byte of the answer is here.
    pub(super) fn first_byte(&mut self) {
        self.first_byte_ms = Some(self.elapsed_ms());
        if let Some(running) = &self.attempt.running {
            running.answered();
        }
    }

    /// Notes what is used so far, for an end that knows nothing better.
    pub(super) const fn metered(&mut self, metered: Metered) {
        self.metered = Some(metered);
    }

    /// Ends the request. The client may be told once that is [written down](crate::outbox::Outbox::written_down).
    pub(super) fn settle(mut self: Box<Self>, end: End) -> Summary {
        let now_ms = self.elapsed_ms();
        let summary = self.summary_at(now_ms);
        Summary { cost: self.close(end, now_ms), ..summary }
    }

    /// Ends the request. When this returns, that survives the process.
    pub(super) fn settle_now(mut self: Box<Self>, end: End) {
        let now_ms = self.elapsed_ms();
        self.close(end, now_ms);
        self.pipeline.activity.outbox().write_down();
    }

    /// What the client is told of a failure.
    pub(super) fn answer_to(&self, failure: &Failure) -> ApiError {
        let secret = self.attempt.target.credential.as_ref().map(|credential| &credential.secret);
        answer_to(failure, self.model(), secret)
    }

    /// Ends a request whose upstream failed before the client got anything, and words the answer.
    pub(super) fn fail(self: Box<Self>, failure: &Failure) -> ApiError {
        tracing::warn!(request = %self.admitted.received.id, model = self.model(), %failure, "an upstream failed");
        let error = self.answer_to(failure).route(&self.before.route);
        let status = self.admitted.received.status_of(&error);
        let end = self.failed(failure, status);
        self.settle_now(end);
        error
    }

    /// How the attempt that failed counts. One that was settled already used nothing more.
    fn failed(&self, failure: &Failure, status: u16) -> End {
        let is_billed = failure.sent() == Sent::Unknown && !self.before.is_settled;
        self.unfinished(Outcome::Failed, status, is_billed)
    }

    /// An end without an answer, with what is known to be used.
    fn unfinished(&self, outcome: Outcome, status: u16, is_billed: bool) -> End {
        let nothing = Metered { usage: Usage::default(), estimated: false };
        let metered = if is_billed { self.metered.unwrap_or_else(|| self.estimate()) } else { nothing };
        End { outcome, status, metered, provider_request: None, is_billed }
    }

    /// Ends an attempt that another one follows. What it held is free again where it certainly was not billed; else it is
    /// settled for itself, since no later attempt may pay for it.
    pub(super) fn end_attempt(&mut self, failure: &Failure) {
        if std::mem::replace(&mut self.before.is_settled, true) {
            return;
        }
        if failure.sent() == Sent::NotBilled {
            self.attempt.held = None;
        } else {
            let status = failure.said.as_ref().map_or(502, |said| said.status);
            self.before.is_settled = false;
            let end = self.failed(failure, status);
            self.before.is_settled = true;
            self.post(end, self.elapsed_ms());
        }
        (self.metered, self.first_byte_ms) = (None, None);
    }

    /// Whether the request itself asked for less patience than its deployment wants, and that was over: it says nothing of the
    /// deployment, which others wait for.
    fn has_given_up_early(&self, failure: &Failure) -> bool {
        let own = self.attempt.target.waits.of(self.streams());
        failure.kind.is_timeout() && wishes::timeouts(&self.admitted.request, own) != own
    }

    /// Notes how the attempt that runs has ended, for its deployment and for the route.
    pub(super) fn note_failed(&mut self, failure: &Failure) {
        if let Some(running) = self.attempt.running.take() {
            let how = if self.has_given_up_early(failure) { How::Abandoned } else { How::failed(failure) };
            running.end(how, 0);
        }
        let Some(id) = self.attempt.deployment().map(|deployment| deployment.id.clone()) else { return };
        let ms = self.elapsed_ms().saturating_sub(self.before.until_ms);
        self.before.until_ms = self.elapsed_ms();
        let model = self.attempt.to.model.name.clone();
        self.before.route.push(route::Attempt::failed(id, model, failure, ms));
    }

    /// What response headers tell while the request runs.
    pub(super) fn summary(&mut self) -> Summary {
        self.summary_at(self.elapsed_ms())
    }

    /// The same, at a moment of the request.
    fn summary_at(&mut self, now_ms: u64) -> Summary {
        Summary {
            request: self.admitted.received.id,
            deployment: self.deployment().map(|deployment| deployment.id.clone()),
            model: self.attempt.to.model.name.clone(),
            position: self.admitted.snapshot.position().get(),
            cost: None,
            unpriced: self.unpriced(),
            duration_ms: now_ms,
            output_limit: self.attempt.output_limit,
            dropped: self.attempt.outgoing.dropped.join(","),
            route: self.route(Outcome::Succeeded, now_ms),
            retries: self.before.retries,
            hops: self.before.hops,
            left: self.admitted.share.as_mut().map(|share| std::mem::take(&mut share.left)).unwrap_or_default(),
        }
    }

    fn deployment(&self) -> Option<&Deployment> {
        self.attempt.deployment()
    }

    /// The attempts so far, of which the one that runs ends so and now. How one failed was noted before.
    fn route(&self, outcome: Outcome, now_ms: u64) -> Route {
        let mut route = self.before.route.clone();
        let ended = match outcome {
            Outcome::Succeeded => Ended::OK,
            Outcome::Disconnected if !self.before.is_settled => Ended::LEFT,
            Outcome::Disconnected | Outcome::Failed => return route,
        };
        if let Some(deployment) = self.deployment() {
            let (deployment, model) = (deployment.id.clone(), self.attempt.to.model.name.clone());
            let ms = now_ms.saturating_sub(self.before.until_ms);
            route.push(route::Attempt { deployment, model, ended, status: None, ms });
        }
        route
    }

    /// What the model had to choose from; none where there was no choice.
    fn candidates(&self) -> Option<Box<Considered>> {
        let Attempt { ranked, to: Destination { model, .. }, .. } = &*self.attempt;
        let name = |index: usize| model.deployments.get(index).map(|deployment| &deployment.id);
        let strategy = routing(&self.pipeline, model).strategy;
        (ranked.len() > 1).then(|| Box::new(Considered::of(strategy, ranked, name)))
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
    fn close(&mut self, end: End, now_ms: u64) -> Option<NanoUsd> {
        if std::mem::replace(&mut self.is_settled, true) {
            return None;
        }
        if end.outcome == Outcome::Disconnected && Sabotage::ForgetDisconnected.is_done() {
            std::mem::forget(self.attempt.held.take());
            return None;
        }
        let tokens = end.metered.usage.total_tokens();
        if let Some(share) = self.admitted.share.take() {
            share.settle(tokens);
        }
        if let Some(running) = self.attempt.running.take() {
            let how = match end.outcome {
                Outcome::Succeeded => How::Succeeded,
                // A failure was noted before.
                Outcome::Failed | Outcome::Disconnected => How::Abandoned,
            };
            running.end(how, tokens);
        }
        self.post(end, now_ms)
    }

    /// Closes the attempt's hold and records what it used.
    fn post(&mut self, mut end: End, now_ms: u64) -> Option<NanoUsd> {
        let in_force = self.deployment().and_then(|deployment| deployment.price.as_ref());
        if end.is_billed && in_force.is_some_and(|in_force| in_force.price.has(Class::Request)) {
            end.metered.usage.requests = 1;
        }
        // A usage too absurd to price costs what was held for it: the most that was thought possible.
        let cost = in_force.map(|in_force| in_force.price.cost(&end.metered.usage).unwrap_or(NanoUsd::MAX));
        let held = self.attempt.held.take();
        // An estimate counts no more than was held: the upstream was told that limit and bills within it, however much it
        // sent.
        let cost = match (cost, &held) {
            (Some(cost), Some(held)) if cost == NanoUsd::MAX || end.metered.estimated => Some(cost.min(held.amount())),
            (cost, _) => cost,
        };
        self.record(end, cost, held, now_ms);
        cost
    }

    /// The events that let the request run: its key, its model, and the selection that led to that.
    fn causes(&self) -> Vec<Position> {
        let Destination { model, selected } = &self.attempt.to;
        let decided = [self.admitted.caller.key.trail.changed.position, model.trail.changed.position];
        decided.into_iter().filter(|position| *position > Position::START).chain(*selected).collect()
    }

    /// Closes the hold and records the fact, in one step.
    fn record(&self, end: End, cost: Option<NanoUsd>, mut held: Option<Held>, now_ms: u64) {
        let (Admitted { received, caller, request, .. }, model) = (&*self.admitted, &self.attempt.to.model);
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
            end_user: received.end_user.as_deref().map(|user| user.chars().take(256).collect()),
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
            duration_ms: now_ms,
            route: if self.before.route.is_empty() {
                Route::default()
            } else {
                self.route(end.outcome, now_ms).recorded()
            },
            candidates: self.candidates(),
            tags: self.admitted.tags.clone(),
        };
        self.pipeline.metrics.settled(&settled);
        let settled = Arc::new(settled);
        if let Some(report) = &received.report {
            report.note(&settled);
        }
        let happened = Happened {
            realm: Some(key.realm.clone()),
            actor: Actor { kind: ActorKind::Key, id: key.id.to_string() },
            cause: self.causes(),
            event: Event::RequestSettled(settled),
        };
        let Some(held) = held else {
            self.pipeline.activity.outbox().note(happened);
            return;
        };
        let amount = held.amount();
        let cost = cost.unwrap_or_default();
        let outbox = self.pipeline.activity.outbox();
        let over = if is_unknown { outbox.suspend(held, cost, happened) } else { outbox.settle(held, cost, happened) };
        told::tell(&self.pipeline, &self.admitted, &self.attempt.watched);
        if over.is_some() {
            violated::report(&self.pipeline, (&self.admitted, model), deployment, Amounts { held: amount, cost });
        }
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        // 499: the status that servers log for a client that went away.
        let end = self.unfinished(Outcome::Disconnected, 499, !self.before.is_settled);
        self.close(end, self.elapsed_ms());
        self.pipeline.activity.outbox().write_down();
    }
}
