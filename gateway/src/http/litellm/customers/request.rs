//! The fields that an end user is made or changed with.

use tallygate_core::end_user::{EndUser, EndUserRef, RegisterEndUser, ReviseEndUser};
use tallygate_core::id::{InvalidId, RealmId};
use tallygate_core::limits::{Limits, LimitsPatch};
use tallygate_core::patch::Patch;

use crate::http::error::ApiError;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::keys::budget::BudgetRequest;
use crate::http::litellm::unsupported::refuse;

/// What would change who may do what, or what it costs, and is not built yet.
const UNSUPPORTED: [&str; 6] =
    ["allowed_model_region", "budget_reset_at", "default_model", "model_max_budget", "object_permission", "spend"];

/// What a request says about an end user.
#[derive(Debug)]
pub(super) struct CustomerRequest {
    alias: Patch<String>,
    limits: LimitsPatch,
    /// Whether they are to be blocked, if that is said.
    pub(super) blocked: Option<bool>,
    pub(super) budget: BudgetRequest,
}

impl CustomerRequest {
    /// Reads the fields.
    ///
    /// # Errors
    /// 422 for another type, 400 for a value that is not acceptable or not supported.
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        refuse(fields, &UNSUPPORTED)?;
        Ok(Self {
            alias: fields.id("alias", Ok::<_, InvalidId>)?,
            limits: LimitsPatch {
                requests_per_minute: fields.count("rpm_limit")?,
                tokens_per_minute: fields.count("tpm_limit")?,
                parallel_requests: fields.count("max_parallel_requests")?,
            },
            blocked: fields.flag("blocked")?.into_value(),
            budget: BudgetRequest::read(fields)?,
        })
    }

    /// The command for a new end user.
    pub(super) fn register(&self, whom: &EndUserRef) -> RegisterEndUser {
        let EndUserRef { realm, id: end_user } = whom.clone();
        let mut limits = Limits::default();
        self.limits.apply(&mut limits);
        RegisterEndUser { end_user, realm, alias: self.alias.clone().into_value(), limits }
    }

    /// The command for a change of an end user. Only fields that are there change, and null is as if it were not there, as
    /// in LiteLLM.
    pub(super) fn revise(&self, current: &EndUser) -> ReviseEndUser {
        let alias = self.alias.clone().into_value().map_or(Patch::Keep, Patch::Set);
        ReviseEndUser { alias, limits: self.limits.clone(), ..ReviseEndUser::nothing(current.end_user.clone()) }
    }
}

/// The team that a request names, which end users can be registered for: `team_id`, or `organization_id`. LiteLLM has
/// none: its end users are those of the whole gateway.
///
/// # Errors
/// 422 for another type, 400 for what is no id.
pub(super) fn team(fields: &Fields<'_>) -> Result<Option<RealmId>, ApiError> {
    match fields.id("team_id", RealmId::new)? {
        Patch::Set(team) => Ok(Some(team)),
        Patch::Keep | Patch::Clear => Ok(fields.id("organization_id", RealmId::new)?.into_value()),
    }
}
