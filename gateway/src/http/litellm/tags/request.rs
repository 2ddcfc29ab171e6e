//! The fields that a tag is made or changed with.

use tallygate_adapters::litellm::model_list;
use tallygate_core::control::Control;
use tallygate_core::id::{InvalidId, RealmId};
use tallygate_core::limits::{Limits, LimitsPatch};
use tallygate_core::model_pattern::Allowed;
use tallygate_core::patch::Patch;
use tallygate_core::tag::{RegisterTag, ReviseTag, TagRef};

use crate::http::error::ApiError;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::keys::budget::BudgetRequest;
use crate::http::litellm::unsupported::refuse;

/// What would change who may do what, or what it costs, and is not built yet.
const UNSUPPORTED: [&str; 3] = ["budget_reset_at", "model_max_budget", "spend"];

/// What a request says about a tag.
#[derive(Debug)]
pub(super) struct TagRequest {
    description: Patch<String>,
    models: Patch<Allowed>,
    limits: LimitsPatch,
    pub(super) budget: BudgetRequest,
}

impl TagRequest {
    /// Reads the fields. Models are named by their names, or by the id of one of their deployments, as in LiteLLM.
    ///
    /// # Errors
    /// 422 for another type, 400 for a value that is not acceptable or not supported.
    pub(super) fn read(fields: &Fields<'_>, control: &Control) -> Result<Self, ApiError> {
        refuse(fields, &UNSUPPORTED)?;
        let names = |ids: &[String]| ids.iter().map(|id| name_of(control, id)).collect::<Vec<_>>();
        let invalid = |error: InvalidId| fields.refused("models", &error.to_string());
        let models = fields.texts("models")?.try_map(|ids| model_list::allowed(&names(&ids))).map_err(invalid)?;
        Ok(Self {
            description: fields.id("description", Ok::<_, InvalidId>)?,
            models,
            limits: LimitsPatch {
                requests_per_minute: fields.count("rpm_limit")?,
                tokens_per_minute: fields.count("tpm_limit")?,
                parallel_requests: fields.count("max_parallel_requests")?,
            },
            budget: BudgetRequest::read(fields)?,
        })
    }

    /// The command for a new tag. `models: []`, and no models, are all, as in LiteLLM.
    pub(super) fn register(&self, which: &TagRef) -> RegisterTag {
        let TagRef { realm, name: tag } = which.clone();
        let mut limits = Limits::default();
        self.limits.apply(&mut limits);
        let models = self.models.clone().into_value().unwrap_or(Allowed::All);
        RegisterTag { tag, realm, description: self.description.clone().into_value(), models, limits }
    }

    /// The command for a change of a tag. Only fields that are there change.
    pub(super) fn revise(&self, which: TagRef) -> ReviseTag {
        ReviseTag {
            description: self.description.clone(),
            models: self.models.clone(),
            limits: self.limits.clone(),
            ..ReviseTag::nothing(which)
        }
    }
}

/// The name of the model that a deployment's id stands for; else the text itself.
fn name_of(control: &Control, id: &str) -> String {
    let model = control.deployments.get(id).and_then(|model| control.models.get(model.as_ref()));
    let served = model.filter(|model| model.retired.is_none());
    served.map_or_else(|| id.to_owned(), |model| model.name.to_string())
}

/// The team that a request names, which a tag can be registered for: LiteLLM has none, its tags are those of the whole
/// gateway.
///
/// # Errors
/// 422 for another type, 400 for what is no id.
pub(super) fn team(fields: &Fields<'_>) -> Result<Option<RealmId>, ApiError> {
    Ok(fields.id("team_id", RealmId::new)?.into_value())
}
