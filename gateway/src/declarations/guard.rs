//! What is declared in a file is changed in the file: a command of anybody else's that would change it is refused, and told
//! where it is declared.

use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::command::Command;
use tallygate_core::control::Control;
use tallygate_core::id::{DeploymentId, ModelId};
use tallygate_core::scope::Scope;

use super::{Declarations, InForce};

impl Declarations {
    /// Why a command is refused, in words; none if it changes nothing that this gateway's file declares.
    pub(crate) fn refusal(&self, state: &Control, actor: &Actor, command: &Command) -> Option<String> {
        let in_force = self.in_force.load();
        let file = in_force.file.as_ref().filter(|_| !in_force.shares && actor.kind != ActorKind::Configuration)?;
        let (what, line) = in_force.touched(state, command)?;
        Some(format!(
            "{what} is declared in line {line} of `{}`: change it there, or set `general_settings.store_model_in_db: true` in that file",
            file.id
        ))
    }
}

impl InForce {
    /// What of the file a command would change, and its line.
    fn touched(&self, state: &Control, command: &Command) -> Option<(String, usize)> {
        match command {
            Command::Together(together) => together.commands().find_map(|command| self.touched(state, command)),
            Command::ReviseDeployment(data) => self.deployment(&data.deployment),
            Command::RemoveDeployment(data) => self.deployment(&data.deployment),
            Command::RevisePrice(data) if self.deployments.get(&data.deployment)?.has_price => {
                self.deployment(&data.deployment)
            }
            Command::RetireModel(data) => self.model(state, data.model),
            Command::SetRouting(data) => self.model(state, data.model),
            Command::SetBudget(data) if data.scope == Scope::Gateway => {
                Some(("the gateway's budget".to_owned(), self.budget?))
            }
            _ => None,
        }
    }

    fn deployment(&self, id: &DeploymentId) -> Option<(String, usize)> {
        Some((format!("the deployment `{id}`"), self.deployments.get(id)?.line))
    }

    fn model(&self, state: &Control, id: ModelId) -> Option<(String, usize)> {
        let model = state.models.get(&id)?;
        let mut lines = model.deployments.iter().filter_map(|deployment| self.deployments.get(&deployment.id));
        Some((format!("the model `{}`", model.name), lines.next()?.line))
    }
}
