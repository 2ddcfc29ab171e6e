//! Phase 4: the request has its share of the rate limits and a hold on every budget of its chain, and a deployment to
//! go to.

use std::sync::Arc;

use bytes::Bytes;
use tallygate_adapters::dialect::metering::IMAGE_TOKENS_MAX;
use tallygate_adapters::dialect::openai_chat::{OutputLimit, Request, Rewrite};
use tallygate_core::admission;
use tallygate_core::budget::Budget;
use tallygate_core::limits::Limits as Quotas;
use tallygate_core::money::NanoUsd;
use tallygate_core::price::{Price, ServiceTier};
use tallygate_core::registry::{Deployment, Model};
use tallygate_core::routing::weighted_order;
use tallygate_core::scope::Scope;
use tallygate_core::stream::Position;
use tallygate_projections::{KeyRow, Snapshot};

use super::Pipeline;
use super::received::Received;
use super::refusal;
use super::resolved::Resolved;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::limits::Share;
use crate::spending::{Chain, Held, NotHeld};
use crate::upstreams::Target;

/// The answer that is held for when neither the client nor the deployment says how long it can be, in tokens.
const OUTPUT_TOKENS_DEFAULT: u64 = 16_384;
/// A budget that cannot pay for an answer of this length is used up: shorter ones help nobody.
const OUTPUT_TOKENS_LEAST: u64 = 16;
/// How often the answer's limit is fitted again to what other requests left of a budget.
const FITTING_MAX: usize = 4;

/// A request that may run.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) received: Received,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) caller: KeyRow,
    pub(crate) request: Request,
    pub(crate) model: Arc<Model>,
    /// The selection that led to the model.
    pub(crate) selected: Option<Position>,
    /// Which of the model's deployments.
    pub(crate) deployment_index: usize,
    pub(crate) target: Arc<Target>,
    /// The upstream's body.
    pub(crate) body: Bytes,
    /// The limit of output that the gateway set, in tokens.
    pub(crate) output_limit: Option<u64>,
    /// None once it is settled.
    pub(crate) share: Option<Share>,
    /// None where no budget is in the chain, and once it is settled.
    pub(crate) held: Option<Held>,
}

impl Resolved {
    /// Takes the share, places the hold, and chooses the deployment. It waits only for a budget's slice.
    ///
    /// Cancellation: nothing stays taken or held.
    ///
    /// # Errors
    /// The answer for the client. The refusal is recorded, and nothing stays taken or held.
    pub(crate) async fn admit(self, pipeline: &Pipeline) -> Result<Admitted, ApiError> {
        match self.take(pipeline).await {
            Ok(taken) => Ok(self.with(taken)),
            Err(error) => {
                let (key, model) = (&self.caller.key, self.request.model());
                refusal::record(pipeline, &self.received, Some(key), Some(model), &error);
                Err(error)
            }
        }
    }

    async fn take(&self, pipeline: &Pipeline) -> Result<Taken, ApiError> {
        if !pipeline.activity.has_room() {
            let message = "the activity log is away, and what happens could not be recorded: try again";
            return Err(
                ApiError::new(ErrorCode::LogUnavailable, message).retry_after(std::time::Duration::from_secs(1))
            );
        }
        let deployment_index = self.choose(pipeline);
        let deployment = self.model.deployments.get(deployment_index).ok_or_else(|| self.no_deployment())?;
        admission::permit_deployment(&self.snapshot.control, &self.model, deployment)
            .map_err(|refused| refusal::credential(&refused, &self.model.name))?;
        let target = pipeline.upstreams.target(&self.snapshot, deployment)?;
        let chain = self.budgets()?;
        admission::permit_paying(&self.model, &chain.budgets)
            .map_err(|refused| refusal::distrusted(&refused, &self.model.name))?;
        let share = pipeline
            .limits
            .take(&self.quotas(), self.token_estimate())
            .map_err(|limited| refusal::limited(&limited, &self.caller.key.hash))?;
        let (held, output_limit) = if chain.budgets.is_empty() {
            (None, None)
        } else {
            let (held, limit) = self.hold(pipeline, deployment, &target, &chain).await?;
            (Some(held), limit)
        };
        let body = self.request.rewrite(&Rewrite {
            model: &deployment.upstream_model,
            meter_stream: target.meters_streams,
            output_limit: output_limit.map(|tokens| OutputLimit { tokens, field: target.limit_field }),
        });
        Ok(Taken { deployment_index, target, body, output_limit, share, held })
    }

    fn with(self, taken: Taken) -> Admitted {
        Admitted {
            received: self.received,
            snapshot: self.snapshot,
            caller: self.caller,
            request: self.request,
            model: self.model,
            selected: self.selected,
            deployment_index: taken.deployment_index,
            target: taken.target,
            body: taken.body,
            output_limit: taken.output_limit,
            share: Some(taken.share),
            held: taken.held,
        }
    }

    /// The deployment to go to, by weight.
    fn choose(&self, pipeline: &Pipeline) -> usize {
        let deployments = &self.model.deployments;
        if deployments.len() < 2 {
            return 0;
        }
        let random = pipeline.ids.uuid().as_u64_pair().1;
        let first = weighted_order(deployments, random).first().map(|deployment| &deployment.id);
        deployments.iter().position(|deployment| Some(&deployment.id) == first).unwrap_or_default()
    }

    fn no_deployment(&self) -> ApiError {
        ApiError::new(ErrorCode::NoDeployment, format!("the model `{}` has no deployment", self.model.name))
    }

    /// The key's and its realms' quotas, nearest first.
    fn quotas(&self) -> Vec<(Scope, Quotas)> {
        let key = &self.caller.key;
        let realms = self.snapshot.control.chain(&key.realm);
        std::iter::once((Scope::Key(key.id), key.limits))
            .chain(realms.map(|realm| (Scope::Realm(realm.id.clone()), realm.limits)))
            .collect()
    }

    /// The budgets that the request is paid from.
    fn budgets(&self) -> Result<Chain<'_>, ApiError> {
        let (control, key) = (&self.snapshot.control, &self.caller.key);
        let budgets = admission::budgets(control, key, self.caller.budget.as_deref())
            .map_err(|refused| refusal::unread_budget(&refused))?;
        let budgets = budgets.filter(|budget: &&Budget| !budget.limits.is_empty()).collect();
        Ok(Chain { control, realm: &key.realm, budgets })
    }

    /// What the request takes of a limit of tokens before it is known what it uses.
    fn token_estimate(&self) -> u64 {
        let output = self.request.output_bound(self.request.output_limit().unwrap_or(0));
        self.request.input().estimate().saturating_add(output)
    }

    /// Holds the most that the call can cost. Where the client set no limit of output, the gateway sets one that the
    /// budgets can pay for.
    async fn hold(
        &self,
        pipeline: &Pipeline,
        deployment: &Deployment,
        target: &Target,
        chain: &Chain<'_>,
    ) -> Result<(Held, Option<u64>), ApiError> {
        let price = deployment.price.as_ref().map(|in_force| &in_force.price).ok_or_else(|| self.unpriced())?;
        let prompt = self.prompt_bound(target)?;
        let wanted = self.request.output_limit();
        let longest = deployment.max_output_tokens.unwrap_or_else(|| {
            target.longest_answer.map_or(OUTPUT_TOKENS_DEFAULT, |most| most.min(OUTPUT_TOKENS_DEFAULT))
        });
        let mut tokens = wanted.unwrap_or(longest);
        let tiers = self.tiers();
        for _ in 0..FITTING_MAX {
            if wanted.is_none() {
                let available = pipeline.spending.available(chain).unwrap_or(NanoUsd::MAX);
                tokens = self.affordable((price, tiers), prompt, longest, available);
            }
            let bound = price
                .bound(prompt, self.request.output_bound(tokens), tiers)
                .map_err(|error| ApiError::new(ErrorCode::BudgetExhausted, error.to_string()))?;
            match pipeline.spending.hold(chain, bound, self.received.id, self.received.at).await {
                Ok(held) => return Ok((held, wanted.is_none().then_some(tokens))),
                Err(NotHeld::Exhausted(exhausted)) if wanted.is_some() || tokens <= OUTPUT_TOKENS_LEAST => {
                    return Err(refusal::budget(&exhausted, pipeline.settings.budget_exceeded_status));
                }
                // Another request took what was there in between.
                Err(NotHeld::Exhausted(_)) => {}
                Err(NotHeld::Unavailable(reason)) => return Err(refusal::budget_unavailable(reason)),
            }
        }
        let message = "many requests compete for what is left of a budget: try again";
        Err(ApiError::new(ErrorCode::Overloaded, message).retry_after(std::time::Duration::from_secs(1)))
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
        ServiceTier::reachable(self.request.string_field("service_tier").as_deref())
    }

    fn prompt_bound(&self, target: &Target) -> Result<u64, ApiError> {
        self.request.input().tokens(IMAGE_TOKENS_MAX, target.context_window).ok_or_else(|| {
            let message = "nothing bounds what the attached files can cost, and a budget must hold: set `model_info.max_input_tokens` of the model";
            ApiError::new(ErrorCode::Unpriced, message).param("messages")
        })
    }

    fn unpriced(&self) -> ApiError {
        let message = format!(
            "the model `{}` has no price, and a budget must hold: set `input_cost_per_token` and `output_cost_per_token`",
            self.model.name
        );
        ApiError::new(ErrorCode::Unpriced, message).param("model")
    }
}

struct Taken {
    deployment_index: usize,
    target: Arc<Target>,
    body: Bytes,
    output_limit: Option<u64>,
    share: Share,
    held: Option<Held>,
}
