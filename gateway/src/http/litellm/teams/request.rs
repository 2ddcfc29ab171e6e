//! The fields that a team or an organization is made or changed with.

use serde_json::{Map, Value, json};
pub(in crate::http::litellm) use tallygate_adapters::litellm::ORGANIZATION;
use tallygate_adapters::litellm::model_list;
use tallygate_core::command::Command;
use tallygate_core::control::Control;
use tallygate_core::grant::ReplaceGrants;
use tallygate_core::id::{InvalidId, RealmId};
use tallygate_core::json::Json;
use tallygate_core::limits::{Limits, LimitsPatch};
use tallygate_core::model_pattern::Allowed;
use tallygate_core::patch::Patch;
use tallygate_core::realm::{Realm, RegisterRealm, ResumeRealm, ReviseRealm, SuspendRealm};
use tallygate_core::scope::Scope;
use tallygate_core::time::Timestamp;

use crate::http::error::ApiError;
use crate::http::litellm::attached;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::keys::budget::BudgetRequest;
use crate::http::litellm::unsupported::{not_supported, refuse};

/// What would change who may do what, or what it costs, and is not built yet.
const UNSUPPORTED: [&str; 25] = [
    "access_group_ids",
    "allowed_passthrough_routes",
    "allowed_vector_store_indexes",
    "budget_limits",
    "default_team_member_models",
    "disable_global_guardrails",
    "enforced_params",
    "guardrails",
    "mcp_rpm_limit",
    "model_aliases",
    "model_max_budget",
    "model_rpm_limit",
    "model_tpm_limit",
    "object_permission",
    "policies",
    "prompts",
    "router_settings",
    "rpm_limit_type",
    "team_member_budget",
    "team_member_budget_duration",
    "team_member_key_duration",
    "team_member_permissions",
    "team_member_rpm_limit",
    "team_member_tpm_limit",
    "tpm_limit_type",
];

/// What a realm is made as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::litellm) enum Kind {
    Team,
    Organization,
}

/// What a request says about a team or an organization.
#[derive(Debug)]
pub(in crate::http::litellm) struct RealmRequest {
    kind: Kind,
    name: Patch<String>,
    models: Patch<Allowed>,
    limits: LimitsPatch,
    blocked: Patch<bool>,
    metadata: Patch<Map<String, Value>>,
    tags: Patch<Vec<String>>,
    budget: BudgetRequest,
}

impl RealmRequest {
    /// Reads the fields.
    ///
    /// # Errors
    /// 422 for another type, 400 for a value that is not acceptable or not supported.
    pub(in crate::http::litellm) fn read(fields: &Fields<'_>, kind: Kind) -> Result<Self, ApiError> {
        refuse(fields, &UNSUPPORTED)?;
        let alias = match kind {
            Kind::Team => "team_alias",
            Kind::Organization => "organization_alias",
        };
        let invalid = |error: InvalidId| fields.refused("models", &error.to_string());
        let metadata = fields.object("metadata")?;
        if matches!(&metadata, Patch::Set(metadata) if metadata.contains_key(ORGANIZATION)) {
            return Err(not_supported(&format!("metadata.{ORGANIZATION}")));
        }
        Ok(Self {
            kind,
            name: fields.id(alias, Ok::<_, InvalidId>)?,
            models: fields.texts("models")?.try_map(|names| model_list::allowed(&names)).map_err(invalid)?,
            limits: LimitsPatch {
                requests_per_minute: fields.count("rpm_limit")?,
                tokens_per_minute: fields.count("tpm_limit")?,
                parallel_requests: fields.count("max_parallel_requests")?,
            },
            blocked: fields.flag("blocked")?,
            metadata,
            tags: fields.texts("tags")?,
            budget: BudgetRequest::read(fields)?,
        })
    }

    /// The commands for a new realm. `models: []`, and no models, are all that its parent may call.
    ///
    /// # Errors
    /// 400 for what cannot be.
    pub(in crate::http::litellm) fn register(
        &self,
        realm: RealmId,
        parent: Option<RealmId>,
        now: Timestamp,
    ) -> Result<Vec<Command>, ApiError> {
        let mut limits = Limits::default();
        self.limits.apply(&mut limits);
        let metadata = self.metadata(&Json::empty())?.into_value().unwrap_or_default();
        let models = Some(self.models.clone().into_value().unwrap_or(Allowed::All));
        let name = self.name.clone().into_value();
        let register = RegisterRealm { realm: realm.clone(), name, parent, models, limits, metadata };
        let mut commands: Vec<Command> = vec![register.into()];
        commands.extend(self.budget.commands(Scope::Realm(realm.clone()), None, now)?);
        if self.blocked == Patch::Set(true) {
            commands.push(SuspendRealm { realm }.into());
        }
        Ok(commands)
    }

    /// The commands that make a realm what a request says. Only fields that are there change.
    ///
    /// # Errors
    /// 400 for what cannot be.
    pub(in crate::http::litellm) fn revise(
        &self,
        control: &Control,
        realm: &Realm,
        now: Timestamp,
    ) -> Result<Vec<Command>, ApiError> {
        let id = realm.id.clone();
        let metadata = self.metadata(&realm.metadata)?;
        let revise = ReviseRealm { realm: id.clone(), name: self.name.clone(), limits: self.limits.clone(), metadata };
        let mut commands = Vec::new();
        // What says nothing asks for no right either: whoever may change the models alone need not name the rest.
        if !revise.name.is_keep() || !revise.limits.is_keep() || !revise.metadata.is_keep() {
            commands.push(revise.into());
        }
        if let Patch::Set(models) = &self.models {
            commands.push(ReplaceGrants { realm: id.clone(), models: models.clone() }.into());
        }
        let scope = Scope::Realm(id.clone());
        commands.extend(self.budget.commands(scope.clone(), control.budget(&scope), now)?);
        match (&self.blocked, realm.suspended.is_some()) {
            (Patch::Set(true), false) => commands.push(SuspendRealm { realm: id }.into()),
            (Patch::Set(false) | Patch::Clear, true) => commands.push(ResumeRealm { realm: id }.into()),
            _ => {}
        }
        Ok(commands)
    }

    /// The metadata that are to be, with what says that it is an organization.
    fn metadata(&self, current: &Json) -> Result<Patch<Json>, ApiError> {
        let marked = match (self.kind, &self.metadata) {
            (Kind::Team, metadata) => metadata.clone(),
            (Kind::Organization, Patch::Keep) if is_organization(current) => Patch::Keep,
            (Kind::Organization, metadata) => {
                let mut marked = metadata.clone().into_value().unwrap_or_default();
                marked.insert(ORGANIZATION.to_owned(), json!(true));
                Patch::Set(marked)
            }
        };
        attached::patched(&marked, &self.tags, current)
    }
}

/// Whether a realm was made as an organization.
pub(in crate::http::litellm) fn is_organization(metadata: &Json) -> bool {
    metadata.to_value().get(ORGANIZATION) == Some(&json!(true))
}
