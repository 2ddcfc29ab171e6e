//! Where a request goes: the order of a model's deployments, and what is done when one of them has failed.
//!
//! What is decided is decided in [`tallygate_core::routing`]; here it is asked, and done. Each model that a request falls
//! back to is resolved as if it had been asked for, and each attempt holds for itself.

use std::sync::Arc;

use tallygate_adapters::dialect::client_request::ClientRequest;
use tallygate_core::activity::Tags;
use tallygate_core::admission;
use tallygate_core::id::ModelName;
use tallygate_core::port::provider::Failure;
use tallygate_core::registry::Model;
use tallygate_core::routing::{
    Ask, Attempts, Candidate, Failed, Next, Ranked, Readiness, Routing, Snapshot as HealthNow, Steady, Why, rank,
};
use tallygate_core::scope::Scope;

use tallygate_projections::Snapshot;

use super::Pipeline;
use super::admitted::Admitted;
use super::attempt::{Attempt, Destination};
use super::running::Entry;
use super::settled::Settling;
use super::wishes;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::upstreams::Target;

/// How often a request is led to another model since a budget cannot pay.
const DOWNGRADES_MAX: usize = 4;

impl Admitted {
    /// Makes the first attempt ready.
    ///
    /// Cancellation: nothing stays held.
    ///
    /// # Errors
    /// The answer for the client. The refusal is recorded.
    pub(super) async fn first(&self, pipeline: &Pipeline) -> Result<Box<Attempt>, ApiError> {
        let error = match self.best(pipeline, &self.to).await {
            Ok(attempt) => return Ok(attempt),
            Err(error) => error,
        };
        // Boxed, so that requests that are paid for stay small.
        Box::pin(self.downgraded(pipeline, error)).await.map_err(|error| self.refuse(pipeline, error))
    }

    /// An attempt at the model that requests go to which a budget cannot pay for, and so on, if there is one that the key may
    /// call. No model is gone to twice.
    ///
    /// # Errors
    /// The refusal, of the model that was asked for.
    async fn downgraded(&self, pipeline: &Pipeline, error: ApiError) -> Result<Box<Attempt>, ApiError> {
        let (mut to, mut refused) = (self.to.clone(), error.clone());
        let mut tried = vec![to.model.id];
        while tried.len() <= DOWNGRADES_MAX {
            let Some(next) = self.downgrade_of(&to, &refused) else { break };
            if tried.contains(&next.model.id) {
                break;
            }
            tried.push(next.model.id);
            refused = match self.best(pipeline, &next).await {
                Ok(attempt) => return Ok(attempt),
                Err(refused) => refused,
            };
            to = next;
        }
        Err(error)
    }

    /// Where a request goes that the budget which refused it cannot pay for.
    fn downgrade_of(&self, to: &Destination, refused: &ApiError) -> Option<Destination> {
        if refused.code != ErrorCode::BudgetExhausted.as_str() {
            return None;
        }
        let scope: Scope = refused.scope()?.parse().ok()?;
        let chain = self.budgets(&to.model).ok()?;
        let budget = chain.budgets.iter().find(|budget| budget.scope == scope)?;
        self.permitted(budget.terms.downgrade_to.as_ref()?)
    }

    /// Makes an attempt ready at the best deployment that can be called; where the request goes on from an earlier answer, at
    /// the one that keeps it.
    async fn best(&self, pipeline: &Pipeline, to: &Destination) -> Result<Box<Attempt>, ApiError> {
        if let Some(earlier) = &self.earlier {
            let kept = to.model.deployments.iter().position(|deployment| deployment.id == earlier.deployment);
            return Box::pin(self.only(pipeline, to, kept.unwrap_or(usize::MAX))).await;
        }
        if to.model.deployments.len() < 2 {
            return self.only(pipeline, to, 0).await;
        }
        // Boxed, so that requests with one way to go stay small.
        Box::pin(self.best_of(pipeline, to)).await
    }

    /// At a deployment that is called whatever its health: there is no other one.
    async fn only(&self, pipeline: &Pipeline, to: &Destination, index: usize) -> Result<Box<Attempt>, ApiError> {
        let attempt = self.attempt(pipeline, to, index).await?;
        attempt.begin(pipeline, Entry::Anyway).ok_or_else(|| none_callable(to))
    }

    /// The first that can be called. One that another request was faster to probe is passed over; if all were, the first of
    /// them is called all the same.
    async fn best_of(&self, pipeline: &Pipeline, to: &Destination) -> Result<Box<Attempt>, ApiError> {
        let (mut unusable, mut overtaken) = (None, None);
        let ranked = self.ranked(pipeline, &to.model)?;
        for candidate in &ranked {
            match self.attempt(pipeline, to, candidate.index).await {
                Err(error) if error.code == ErrorCode::DeploymentUnusable.as_str() => unusable = Some(error),
                Err(error) => return Err(error),
                Ok(attempt) => match attempt.begin(pipeline, Entry::of(candidate.readiness)) {
                    Some(attempt) => return Ok(attempt.chosen_by(ranked)),
                    None => overtaken = overtaken.or(Some(candidate.index)),
                },
            }
        }
        match overtaken {
            Some(index) => Ok(self.only(pipeline, to, index).await?.chosen_by(ranked)),
            None => Err(unusable.unwrap_or_else(|| none_callable(to))),
        }
    }

    fn ranked(&self, pipeline: &Pipeline, model: &Model) -> Result<Vec<Ranked>, ApiError> {
        let mut ranked = ranked(pipeline, &self.snapshot, model, &self.received.tags)?;
        if let Some(earlier) = &self.earlier {
            let keeps = |index: usize| model.deployments.get(index).is_some_and(|kept| kept.id == earlier.deployment);
            ranked.retain(|candidate| keeps(candidate.index));
        }
        Ok(ranked)
    }

    /// A model that the request falls back to, if its key may call it.
    fn permitted(&self, name: &ModelName) -> Option<Destination> {
        let context = self.received.context.as_ref();
        let permit = admission::resolve_within(&self.snapshot.control, &self.caller.key, context, name).ok()?;
        admission::permit_tagged(&self.ruling, &permit.model.name).ok()?;
        Some(Destination { model: permit.model, selected: permit.selected })
    }
}

fn none_callable(to: &Destination) -> ApiError {
    let message = format!("no deployment of the model `{}` can be called", to.model.name);
    ApiError::new(ErrorCode::NoDeployment, message)
}

/// The order in which a model's deployments are tried for a request with these tags of its own.
///
/// # Errors
/// None of them is for this request.
pub(crate) fn ranked(
    pipeline: &Pipeline,
    snapshot: &Snapshot,
    model: &Model,
    tags: &Tags,
) -> Result<Vec<Ranked>, ApiError> {
    let now = Steady::from_millis(pipeline.clock.steady_ms());
    let target = |deployment| pipeline.upstreams.target(snapshot, deployment).ok();
    let targets: Vec<Option<Arc<Target>>> = model.deployments.iter().map(target).collect();
    let of_each = model.deployments.iter().zip(&targets);
    let candidates: Vec<Candidate<'_>> =
        of_each.map(|(deployment, target)| candidate(deployment.weight, target.as_deref(), now)).collect();
    let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
    let random = pipeline.ids.uuid().as_u64_pair().1;
    let ask = Ask { strategy: routing(pipeline, model).strategy, tags: &tags, random };
    rank(&ask, &candidates).map_err(|none| ApiError::new(ErrorCode::NoDeployment, none.to_string()))
}

/// One of the decisions of [`Attempts`].
type Decide = fn(&mut Attempts, &Failed, &[Ranked], u64) -> Next;

/// The routing of a model, with what a request wants otherwise.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) routing: Routing,
    /// The request's own fallbacks, in place of the model's general ones.
    pub(crate) fallbacks: Option<Vec<ModelName>>,
}

/// See [`Wanted`].
pub(crate) fn wanted(pipeline: &Pipeline, model: &Model, request: &ClientRequest) -> Wanted {
    let mut routing = routing(pipeline, model).clone();
    routing.retries = wishes::retries(request).unwrap_or(routing.retries);
    Wanted { routing, fallbacks: wishes::fallbacks(request) }
}

/// A deployment as routing sees it. One that cannot be called at all comes last.
fn candidate(weight: u32, target: Option<&Target>, now: Steady) -> Candidate<'_> {
    let Some(target) = target else {
        let readiness = Readiness::Cooling { until: now };
        let health = HealthNow { readiness, in_flight: 0, latency: None, requests_in_minute: 0, tokens_in_minute: 0 };
        return Candidate {
            weight,
            order: u32::MAX,
            price_per_1k: None,
            limits: Default::default(),
            tags: &[],
            health,
        };
    };
    let health = target.health().snapshot(now);
    let fit = &target.fit;
    Candidate { weight, order: fit.order, price_per_1k: fit.price_per_1k, limits: fit.limits, tags: &fit.tags, health }
}

/// How the requests for a model are routed.
pub(super) fn routing<'a>(pipeline: &'a Pipeline, model: &'a Model) -> &'a Routing {
    model.routing.as_deref().unwrap_or(&pipeline.settings.routing)
}

impl Settling {
    /// Goes on after a failure, before the client got anything: at another deployment, at the same one, or at another
    /// model. For a client that has left nothing new is begun, unless that is the policy.
    ///
    /// # Errors
    /// The answer for the client, when there is nothing left to try. The request is settled.
    pub(super) async fn again(mut self: Box<Self>, failure: Failure) -> Result<Box<Self>, ApiError> {
        self.note_failed(&failure);
        let (mut next, mut entry) = self.next(&failure, Attempts::failed);
        loop {
            match next {
                Next::GiveUp { .. } => return Err(self.fail(&failure)),
                Next::Again { .. } | Next::Fallback { .. } if self.is_abandoned() => return Err(self.fail(&failure)),
                Next::Again { index, after } => {
                    self.end_attempt(&failure);
                    if !after.is_zero() {
                        tokio::time::sleep(after).await;
                    }
                    if self.is_abandoned() {
                        return Err(self.fail(&failure));
                    }
                    let to = self.attempt.to.clone();
                    let made = self.admitted.attempt(&self.pipeline, &to, index).await;
                    match made.map(|attempt| attempt.begin(&self.pipeline, entry)) {
                        Ok(Some(attempt)) => {
                            self.before.retries += 1;
                            let ranked = std::mem::take(&mut self.attempt.ranked);
                            return Ok(self.with(attempt.chosen_by(ranked)));
                        }
                        Ok(None) => (next, entry) = self.next(&failure, Attempts::overtaken),
                        Err(error) => {
                            tracing::warn!(code = error.code, "a failed request cannot be tried again");
                            return Err(self.fail(&failure));
                        }
                    }
                }
                Next::Fallback { model } => {
                    self.end_attempt(&failure);
                    next = match self.fall_back(&model).await {
                        Some(attempt) => {
                            self.before.hops += 1;
                            return Ok(self.with(attempt));
                        }
                        None => self.refused(),
                    };
                }
            }
        }
    }

    fn with(mut self: Box<Self>, attempt: Box<Attempt>) -> Box<Self> {
        self.attempt = attempt;
        self.before.again();
        self
    }

    /// What to do after a failure, with what routing knows now, and how the deployment is entered that it leads to.
    fn next(&mut self, failure: &Failure, decide: Decide) -> (Next, Entry) {
        let model = Arc::clone(&self.attempt.to.model);
        let ranked = self.admitted.ranked(&self.pipeline, &model).unwrap_or_default();
        let failed = Failed {
            index: self.attempt.deployment_index,
            kind: failure.kind,
            retry_after: failure.retry_after,
            started: false,
            // What the request itself says goes before.
            retries: self
                .attempt
                .target
                .waits
                .max_retries
                .filter(|_| wishes::retries(&self.admitted.request).is_none()),
        };
        let random = self.pipeline.ids.uuid().as_u64_pair().1;
        let next = decide(self.attempts(), &failed, &ranked, random);
        let of = |index| ranked.iter().find(|ranked| ranked.index == index).map(|ranked| Entry::of(ranked.readiness));
        let entry = match next {
            Next::Again { index, .. } if ranked.len() > 1 => of(index),
            Next::Again { .. } | Next::Fallback { .. } | Next::GiveUp { .. } => None,
        };
        (next, entry.unwrap_or(Entry::Anyway))
    }

    /// Whether nobody waits for an answer any more, so that no new attempt is to be made.
    fn is_abandoned(&self) -> bool {
        !self.pipeline.settings.retries_abandoned && self.has_left.is_so()
    }

    /// The model that was fallen back to may not be called: the next one, or the end.
    fn refused(&mut self) -> Next {
        self.before.attempts.as_mut().map_or(Next::GiveUp { why: Why::NoneLeft }, |attempts| attempts.refused())
    }

    /// An attempt at another model, if there may be one.
    async fn fall_back(&mut self, name: &ModelName) -> Option<Box<Attempt>> {
        let to = self.admitted.permitted(name)?;
        let attempt = self.admitted.best(&self.pipeline, &to).await;
        let attempt =
            attempt.inspect_err(|error| tracing::warn!(code = error.code, "a fallback cannot be called")).ok()?;
        let wanted = wanted(&self.pipeline, &to.model, &self.admitted.request);
        self.attempts().arrived(&wanted.routing);
        Some(attempt)
    }

    fn attempts(&mut self) -> &mut Attempts {
        let (pipeline, request, model) = (&self.pipeline, &self.admitted.request, &self.admitted.to.model);
        self.before.attempts.get_or_insert_with(|| {
            let wanted = wanted(pipeline, model, request);
            let attempts = Attempts::on(model.name.clone(), &wanted.routing);
            Box::new(match wanted.fallbacks {
                Some(fallbacks) => attempts.with_fallbacks(fallbacks),
                None => attempts,
            })
        })
    }
}
