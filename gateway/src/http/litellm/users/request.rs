//! The fields that a user is made or changed with.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tallygate_adapters::litellm::model_list;
use tallygate_adapters::litellm::role_name;
use tallygate_core::id::{InvalidId, RealmId, UserId};
use tallygate_core::json::Json;
use tallygate_core::limits::{Limits, LimitsPatch};
use tallygate_core::model_pattern::Allowed;
use tallygate_core::patch::Patch;
use tallygate_core::user::{RegisterUser, ReviseUser, Role, User};

use crate::http::error::ApiError;
use crate::http::litellm::attached;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::keys::budget::BudgetRequest;
use crate::http::litellm::unsupported::refuse;

/// What would change who may do what, or what it costs, and is not built yet. What a key has too is refused there.
const UNSUPPORTED: [&str; 6] =
    ["allowed_cache_controls", "model_max_budget", "object_permission", "organizations", "password", "sso_user_id"];

/// What a request says about a user.
#[derive(Debug)]
pub(super) struct UserRequest {
    alias: Patch<String>,
    email: Patch<String>,
    role: Patch<Role>,
    models: Patch<Allowed>,
    limits: LimitsPatch,
    metadata: Patch<Map<String, Value>>,
    pub(super) teams: Vec<RealmId>,
    pub(super) budget: BudgetRequest,
}

impl UserRequest {
    /// Reads the fields.
    ///
    /// # Errors
    /// 422 for another type, 400 for a value that is not acceptable or not supported.
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        refuse(fields, &UNSUPPORTED)?;
        let invalid = |error: InvalidId| fields.refused("models", &error.to_string());
        Ok(Self {
            alias: fields.id("user_alias", Ok::<_, InvalidId>)?,
            email: fields.id("user_email", Ok::<_, InvalidId>)?,
            role: role(fields)?,
            models: fields.texts("models")?.try_map(|names| model_list::allowed(&names)).map_err(invalid)?,
            limits: LimitsPatch {
                requests_per_minute: fields.count("rpm_limit")?,
                tokens_per_minute: fields.count("tpm_limit")?,
                parallel_requests: fields.count("max_parallel_requests")?,
            },
            metadata: fields.object("metadata")?,
            teams: teams(fields)?,
            budget: BudgetRequest::read(fields)?,
        })
    }

    /// The command for a new user, who is a member of the teams that are named.
    ///
    /// # Errors
    /// 400 if their metadata are too large.
    pub(super) fn register(&self, user: UserId, realm: Option<RealmId>) -> Result<RegisterUser, ApiError> {
        let mut limits = Limits::default();
        self.limits.apply(&mut limits);
        let memberships: BTreeMap<RealmId, Role> = self.teams.iter().map(|team| (team.clone(), Role::Member)).collect();
        Ok(RegisterUser {
            user,
            realm,
            alias: self.alias.clone().into_value(),
            email: self.email.clone().into_value(),
            role: self.role.clone().into_value().unwrap_or_default(),
            models: self.models.clone().into_value().unwrap_or(Allowed::All),
            limits,
            memberships,
            metadata: attached::patched(&self.metadata, &Patch::Keep, &Json::empty())?.into_value().unwrap_or_default(),
        })
    }

    /// The command for a change of a user. Only fields that are there change; `models: null` is as it is.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub(super) fn revise(&self, current: &User) -> Result<ReviseUser, ApiError> {
        let models = match &self.models {
            Patch::Set(models) => Patch::Set(models.clone()),
            Patch::Keep | Patch::Clear => Patch::Keep,
        };
        Ok(ReviseUser {
            user: current.id.clone(),
            alias: self.alias.clone(),
            email: self.email.clone(),
            role: self.role.clone(),
            models,
            limits: self.limits.clone(),
            metadata: attached::patched(&self.metadata, &Patch::Keep, &current.metadata)?,
        })
    }
}

fn role(fields: &Fields<'_>) -> Result<Patch<Role>, ApiError> {
    match fields.text("user_role")? {
        Patch::Set(name) if name.is_empty() => Ok(Patch::Keep),
        Patch::Set(name) => {
            let message = "`user_role` is one of proxy_admin, proxy_admin_viewer, admin, org_admin, internal_user, internal_user_viewer";
            role_name::of_user(&name).map(Patch::Set).ok_or_else(|| fields.refused("user_role", message))
        }
        Patch::Clear | Patch::Keep => Ok(Patch::Keep),
    }
}

/// Teams by their ids; LiteLLM takes objects with more about the membership too.
fn teams(fields: &Fields<'_>) -> Result<Vec<RealmId>, ApiError> {
    let wrong = || fields.wrong("teams", "list_type", "Input should be a valid list of team ids");
    let Value::Array(teams) = fields.value("teams")? else {
        return if fields.value("teams")?.is_null() { Ok(Vec::new()) } else { Err(wrong()) };
    };
    let id = |team: &Value| {
        let id = team.as_str().or_else(|| team.get("team_id").and_then(Value::as_str)).ok_or_else(wrong)?;
        RealmId::new(id).map_err(|error| fields.refused("teams", &error.to_string()))
    };
    teams.iter().map(id).collect()
}
