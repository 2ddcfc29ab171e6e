//! Phase 4: the request has its share of the rate limits. What it may cost is held for each attempt.

use std::sync::Arc;
use std::time::Duration;

use tallygate_adapters::dialect::answer_ids::{self, Earlier};
use tallygate_adapters::dialect::client_request::ClientRequest;
use tallygate_core::activity::Tags;
use tallygate_core::admission;
use tallygate_core::control::Control;
use tallygate_core::end_user::EndUser;
use tallygate_core::limits::Limits as Quotas;
use tallygate_core::scope::Scope;
use tallygate_core::tag::Tag;
use tallygate_projections::{KeyRow, Snapshot};

use super::Pipeline;
use super::attempt::Destination;
use super::received::Received;
use super::refusal;
use super::resolved::Resolved;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::limits::Share;

/// A request that may run.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) received: Received,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) caller: KeyRow,
    pub(crate) request: ClientRequest,
    /// Those in whose name it is asked, as far as they are registered.
    pub(crate) end_users: Vec<Arc<EndUser>>,
    /// What it is told apart by.
    pub(crate) tags: Tags,
    /// Those of its tags that have rules.
    pub(crate) ruling: Vec<Arc<Tag>>,
    /// The model that it goes to first.
    pub(crate) to: Destination,
    /// The earlier answer that it goes on from: only the deployment that keeps it can answer.
    pub(crate) earlier: Option<Earlier>,
    /// None once it is settled.
    pub(crate) share: Option<Share>,
}

impl Resolved {
    /// Takes the share.
    ///
    /// # Errors
    /// The answer for the client. The refusal is recorded, and nothing stays taken.
    pub(crate) fn admit(self, pipeline: &Pipeline) -> Result<Box<Admitted>, ApiError> {
        match self.earlier(pipeline).and_then(|earlier| Ok((self.take(pipeline)?, earlier))) {
            // Boxed, since it is handed on from one to the next.
            Ok((share, earlier)) => Ok(Box::new(Admitted {
                received: self.received,
                snapshot: self.snapshot,
                caller: self.caller,
                request: self.request,
                end_users: self.end_users,
                tags: self.tags,
                ruling: self.ruling,
                to: Destination { model: self.model, selected: self.selected },
                earlier,
                share: Some(share),
            })),
            Err(error) => {
                let (key, model) = (&self.caller.key, self.request.model());
                refusal::record(pipeline, &self.received, Some(key), Some(model), &error);
                Err(error)
            }
        }
    }

    /// The earlier answer that the request names. One that this realm was not given leads nowhere, whoever has it.
    fn earlier(&self, pipeline: &Pipeline) -> Result<Option<Earlier>, ApiError> {
        let Some((param, sealed)) = self.request.earlier() else { return Ok(None) };
        let is_kept = |earlier: &Earlier| self.model.deployments.iter().any(|kept| kept.id == earlier.deployment);
        let earlier = answer_ids::open(&pipeline.seal, &self.caller.key.realm, sealed).filter(is_kept);
        let message = "no answer with this id was given to this realm by the model that is asked for: send the conversation \
                       itself, or name the model that answered";
        let unknown = || ApiError::new(ErrorCode::ParameterInvalid, message).param(param);
        earlier.map(Some).ok_or_else(unknown)
    }

    fn take(&self, pipeline: &Pipeline) -> Result<Share, ApiError> {
        if !pipeline.activity.has_room() {
            let message = "the activity log is away, and what happens could not be recorded: try again";
            return Err(ApiError::new(ErrorCode::LogUnavailable, message).retry_after(Duration::from_secs(1)));
        }
        pipeline
            .limits
            .take(&self.quotas(), self.token_estimate())
            .map_err(|limited| refusal::limited(&limited, &self.caller.key.hash))
    }

    /// The quotas of the key's chain, of the end users, and of the tags.
    fn quotas(&self) -> Vec<(Scope, Quotas)> {
        let control = &self.snapshot.control;
        let mut quotas = quotas(control, &self.caller);
        quotas.extend(self.end_users.iter().map(|row| {
            let scope = Scope::EndUser(row.end_user.clone());
            let named = named_rates(control, &scope);
            (scope, row.limits.or(named))
        }));
        quotas.extend(self.ruling.iter().map(|row| {
            let scope = Scope::Tag(row.tag.clone());
            let named = named_rates(control, &scope);
            (scope, row.limits.or(named))
        }));
        quotas
    }

    /// What the request takes of a limit of tokens before it is known what it uses.
    fn token_estimate(&self) -> u64 {
        let output = self.request.output_bound(self.request.output_limit().unwrap_or(0));
        self.request.input().estimate().saturating_add(output)
    }
}

impl Admitted {
    /// Records that the request is refused after all, and hands the answer back.
    pub(super) fn refuse(&self, pipeline: &Pipeline, error: ApiError) -> ApiError {
        let (key, model) = (&self.caller.key, self.request.model());
        refusal::record(pipeline, &self.received, Some(key), Some(model), &error);
        error
    }
}

/// A key's, its user's and its realms' quotas, nearest first.
pub(crate) fn quotas(control: &Control, caller: &KeyRow) -> Vec<(Scope, Quotas)> {
    let key = &caller.key;
    let of_key = caller.budget.as_ref().map(|budget| budget.rates).unwrap_or_default();
    let user = admission::user_of(control, key).map(|user| (Scope::User(user.id.clone()), user.limits));
    let realms = control.chain(&key.realm).map(|realm| (Scope::Realm(realm.id.clone()), realm.limits));
    let above = user.into_iter().chain(realms).map(|(scope, limits)| {
        let named = named_rates(control, &scope);
        (scope, limits.or(named))
    });
    std::iter::once((Scope::Key(key.id), key.limits.or(of_key))).chain(above).collect()
}

/// The rate limits that come with the named budget of a scope. Where no budget has a name, none is looked up.
fn named_rates(control: &Control, scope: &Scope) -> Quotas {
    if control.named_budgets.is_empty() {
        return Quotas::default();
    }
    control.budget(scope).map(|budget| budget.rates).unwrap_or_default()
}
