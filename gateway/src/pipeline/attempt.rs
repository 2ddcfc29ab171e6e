//! One attempt: a deployment that a request goes to, with a hold on every budget of its chain.
//!
//! Each attempt holds for itself, since each may be billed. What is held here ends with the attempt, whatever becomes of the
//! request.

use std::sync::Arc;
use std::time::Duration;

use tallygate_adapters::dialect::exchange::{Outgoing, OutputBound};
use tallygate_adapters::dialect::metering::{IMAGE_TOKENS_MAX, InputBound};
use tallygate_core::admission::{self, Payers};
use tallygate_core::budget::Budget;
use tallygate_core::journal::record::PARTS_MAX;
use tallygate_core::money::NanoUsd;
use tallygate_core::price::{Price, ServiceTier};
use tallygate_core::registry::{Deployment, Model};
use tallygate_core::routing::Ranked;
use tallygate_core::stream::Position;

use super::Pipeline;
use super::admitted::Admitted;
use super::refusal;
use super::running::{Entry, Running};
use super::told::{self, Watched};
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::spending::{Chain, Held, NotHeld};
use crate::upstreams::Target;

/// The answer that is held for when neither the client nor the deployment says how long it can be, in tokens.
const OUTPUT_TOKENS_DEFAULT: u64 = 16_384;
/// A budget that cannot pay for an answer of this length is used up: shorter ones help nobody.
const OUTPUT_TOKENS_LEAST: u64 = 16;
/// How often the answer's limit is fitted again to what other requests left of a budget.
const FITTING_MAX: usize = 4;

/// A model that a request may go to.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) model: Arc<Model>,
    /// The selection that led to the model.
    pub(crate) selected: Option<Position>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) to: Destination,
    /// Which of the model's deployments.
    pub(crate) deployment_index: usize,
    pub(crate) target: Arc<Target>,
    /// What the upstream is sent, and how its answer finds back.
    pub(crate) outgoing: Outgoing,
    /// The limit of output that the gateway set, in tokens.
    pub(crate) output_limit: Option<u64>,
    /// None where no budget is in the chain, and once it is settled.
    pub(crate) held: Option<Held>,
    /// Its place at the deployment; none before it begins, and once it has ended.
    pub(crate) running: Option<Running>,
    /// The order of the model's deployments that it was chosen by; empty where there was no choice.
    pub(crate) ranked: Vec<Ranked>,
    /// The soft limits of its budgets.
    pub(crate) watched: Vec<Watched>,
}

impl Attempt {
    /// The deployment that it goes to.
    pub(super) fn deployment(&self) -> Option<&Deployment> {
        self.to.model.deployments.get(self.deployment_index)
    }

    /// Takes its place at the deployment. None if the deployment is not to be called after all: what was held is free again.
    pub(super) fn begin(mut self: Box<Self>, pipeline: &Pipeline, entry: Entry) -> Option<Box<Self>> {
        self.running = Some(Running::begin(&self.target, pipeline, &self.to.model, entry)?);
        Some(self)
    }

    /// The same, chosen by an order.
    pub(super) fn chosen_by(mut self: Box<Self>, ranked: Vec<Ranked>) -> Box<Self> {
        self.ranked = ranked;
        self
    }
}

impl Admitted {
    /// Makes an attempt ready: places its hold, and writes what the upstream is sent. It waits only for a budget's slice. It
    /// has no place at its deployment yet.
    ///
    /// Cancellation: nothing stays held.
    ///
    /// # Errors
    /// The answer for the client. Nothing is recorded, and nothing stays held.
    pub(super) async fn attempt(
        &self,
        pipeline: &Pipeline,
        to: &Destination,
        deployment_index: usize,
    ) -> Result<Box<Attempt>, ApiError> {
        let model = &to.model;
        let deployment = model.deployments.get(deployment_index).ok_or_else(|| no_deployment(model))?;
        admission::permit_deployment(&self.snapshot.control, model, deployment)
            .map_err(|refused| refusal::credential(&refused, &model.name))?;
        let target = pipeline.upstreams.target(&self.snapshot, deployment)?;
        let draft = self.request.toward(&target.speaks).map_err(|rejection| refusal::rejection(&rejection))?;
        let chain = self.budgets(model)?;
        admission::permit_paying(model, &chain.budgets)
            .map_err(|refused| refusal::distrusted(&refused, &model.name))?;
        let (held, bound) = if chain.budgets.is_empty() {
            (None, OutputBound::default())
        } else {
            let (held, bound) = self.hold(pipeline, (model, deployment), (&target, draft.input()), &chain).await?;
            (Some(held), bound)
        };
        let earlier = self.earlier.as_ref().map(|earlier| earlier.id.as_str());
        let outgoing = draft.write(&target.model, &target.speaks, bound, earlier);
        let outgoing = outgoing.map_err(|rejection| refusal::rejection(&rejection))?;
        if let Some(Err(unavailable)) = held.as_ref().map(Held::check) {
            return Err(refusal::budget_unavailable(unavailable.into()));
        }
        // Boxed, since it is handed on from one to the next.
        Ok(Box::new(Attempt {
            to: to.clone(),
            deployment_index,
            target,
            outgoing,
            output_limit: bound.set,
            held,
            running: None,
            ranked: Vec::new(),
            watched: told::watched(&chain.budgets),
        }))
    }

    /// The budgets that a call of a model is paid from.
    pub(super) fn budgets<'a>(&'a self, model: &'a Model) -> Result<Chain<'a>, ApiError> {
        let (control, key) = (&self.snapshot.control, &self.caller.key);
        let of_key = self.caller.budget.as_deref();
        let payers = Payers { key, of_key, end_users: &self.end_users, tags: &self.ruling, model: &model.name };
        let budgets = admission::budgets(control, &payers).map_err(|refused| refusal::unread_budget(&refused))?;
        let budgets: Vec<&Budget> = budgets.filter(|budget: &&Budget| !budget.limits.is_empty()).collect();
        let accounts: usize = budgets.iter().map(|budget| budget.limits.len()).sum();
        if accounts > PARTS_MAX {
            return Err(too_many_budgets(accounts));
        }
        Ok(Chain { control, realm: &key.realm, budgets })
    }

    /// Holds the most that the call can cost. Where the client set no limit of output, the gateway sets one that the
    /// budgets can pay for.
    async fn hold(
        &self,
        pipeline: &Pipeline,
        (model, deployment): (&Model, &Deployment),
        (target, input): (&Target, &InputBound),
        chain: &Chain<'_>,
    ) -> Result<(Held, OutputBound), ApiError> {
        let price = deployment.price.as_ref().map(|in_force| &in_force.price).ok_or_else(|| unpriced(model))?;
        let prompt = prompt_bound(input, target)?;
        let wanted = self.request.output_limit();
        let longest = deployment.max_output_tokens.unwrap_or_else(|| {
            let of_model =
                || target.longest_answer.map_or(OUTPUT_TOKENS_DEFAULT, |most| most.min(OUTPUT_TOKENS_DEFAULT));
            self.request.longest_answer().unwrap_or_else(of_model)
        });
        // Where nothing limits an answer, all that it may be is held, or the call is refused.
        let is_fitted = wanted.is_none() && self.request.takes_output_limit();
        let mut tokens = wanted.unwrap_or(longest);
        let tiers = self.tiers();
        for _ in 0..FITTING_MAX {
            if is_fitted {
                let available = pipeline.spending.available(chain).unwrap_or(NanoUsd::MAX);
                tokens = self.affordable((price, tiers), prompt, longest, available);
            }
            let bound = price
                .bound(prompt, self.request.output_bound(tokens), tiers)
                .map_err(|error| ApiError::new(ErrorCode::BudgetExhausted, error.to_string()))?;
            match pipeline.spending.hold(chain, bound, self.received.id, self.received.at).await {
                Ok(held) => {
                    return Ok((held, OutputBound { set: is_fitted.then_some(tokens), held: Some(tokens) }));
                }
                Err(NotHeld::Exhausted(exhausted)) if !is_fitted || tokens <= OUTPUT_TOKENS_LEAST => {
                    return Err(refusal::budget(&exhausted, pipeline.settings.budget_exceeded_status));
                }
                // Another request took what was there in between.
                Err(NotHeld::Exhausted(_)) => {}
                Err(NotHeld::Unavailable(reason)) => return Err(refusal::budget_unavailable(reason)),
            }
        }
        let message = "many requests compete for what is left of a budget: try again";
        Err(ApiError::new(ErrorCode::Overloaded, message).retry_after(Duration::from_secs(1)))
    }

    /// The longest answer that an amount pays for, after the prompt.
    fn affordable(
        &self,
        (price, tiers): (&Price, &[ServiceTier]),
        prompt: u64,
        longest: u64,
        available: NanoUsd,
    ) -> u64 {
        let fits = |tokens: u64| {
            price.bound(prompt, self.request.output_bound(tokens), tiers).is_ok_and(|bound| bound <= available)
        };
        if fits(longest) {
            return longest;
        }
        let (mut low, mut high) = (OUTPUT_TOKENS_LEAST, longest.max(OUTPUT_TOKENS_LEAST));
        while low + 1 < high {
            let middle = low.midpoint(high);
            if fits(middle) { low = middle } else { high = middle }
        }
        low
    }

    /// The service tiers that the answer may come in.
    fn tiers(&self) -> &'static [ServiceTier] {
        ServiceTier::reachable(self.request.service_tier().as_deref())
    }
}

fn prompt_bound(input: &InputBound, target: &Target) -> Result<u64, ApiError> {
    input.tokens(IMAGE_TOKENS_MAX, target.context_window).ok_or_else(|| {
        let message = "nothing bounds what the attached files can cost, and a budget must hold: set `model_info.max_input_tokens` of the model";
        ApiError::new(ErrorCode::Unpriced, message).param("messages")
    })
}

fn unpriced(model: &Model) -> ApiError {
    let message = format!(
        "the model `{}` has no price, and a budget must hold: set `input_cost_per_token` and `output_cost_per_token`",
        model.name
    );
    ApiError::new(ErrorCode::Unpriced, message).param("model")
}

/// A hold of more accounts than the journal has room for would be lost when the process is.
fn too_many_budgets(accounts: usize) -> ApiError {
    let message = format!(
        "{accounts} limits of budgets would pay for this request, and {PARTS_MAX} can: send fewer tags, or give fewer of \
         them budgets"
    );
    ApiError::new(ErrorCode::ParameterInvalid, message).param("tags")
}

fn no_deployment(model: &Model) -> ApiError {
    ApiError::new(ErrorCode::NoDeployment, format!("the model `{}` has no deployment", model.name))
}
