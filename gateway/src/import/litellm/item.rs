//! One object of LiteLLM's, and what makes it here.

use serde_json::{Value, json};
use tallygate_core::budget::CarrySpend;
use tallygate_core::command::{Command, Together};
use tallygate_core::digest::Digest;
use tallygate_core::money::NanoUsd;

use super::report::{Kind, Report};
use crate::http::litellm::keys::imported::budget::ImportedBudget;

/// See the module.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    /// What it is called in the report. Never a secret.
    pub(super) name: String,
    pub(super) commands: Vec<Command>,
    /// What was spent of its budget in the open window.
    pub(super) spend: Option<CarrySpend>,
    /// Whose it is.
    pub(super) user: Option<String>,
    uncounted: Option<&'static str>,
}

impl Item {
    pub(super) fn new(kind: Kind, name: &str, commands: Vec<Command>) -> Self {
        Self { kind, name: name.to_owned(), commands, spend: None, user: None, uncounted: None }
    }

    /// Gives it its budget.
    pub(super) fn with(mut self, budget: ImportedBudget) -> Self {
        let ImportedBudget { commands, spend, uncounted } = budget;
        self.commands.extend(commands);
        Self { spend, uncounted, ..self }
    }

    /// Says whose it is.
    pub(super) fn whose(self, user: Option<&str>) -> Self {
        Self { user: user.map(str::to_owned), ..self }
    }

    /// Tells what of its spending counts nowhere here.
    pub(super) fn tell(&self, spent: NanoUsd, report: &mut Report) {
        let has_budget =
            self.commands.iter().any(|command| matches!(command, Command::SetBudget(_) | Command::AttachBudget(_)));
        match self.uncounted {
            Some(why) => report.left(self.kind, &self.name, &format!("the {spent} dollars that it spent: {why}")),
            None if spent > NanoUsd::ZERO && !has_budget => {
                let why = format!("the {spent} dollars that it spent: without a budget it begins with nothing");
                report.left(self.kind, &self.name, &why);
            }
            None => {}
        }
    }

    /// What is sent to make it, with what it spent: all or nothing. The id follows from what it says: sent again, it is
    /// carried out once.
    pub(super) fn request(&self) -> Value {
        let spend = self.spend.clone().map(Command::from);
        request(self.commands.iter().cloned().chain(spend).collect())
    }

    /// What it spent, by itself: for what is there already.
    pub(super) fn only_spend(&self) -> Option<Self> {
        let spend = self.spend.clone()?;
        let name = format!("of {} {}: {} dollars", self.kind.name(), self.name, spend.spent_nano_usd);
        Some(Self::new(Kind::Spend, &name, vec![spend.into()]))
    }
}

fn request(commands: Vec<Command>) -> Value {
    let together = Command::from(Together::new(commands));
    let mut request = json!(together);
    request["id"] = json!(format!("import-litellm-{}", Digest::of(request.to_string().as_bytes())));
    request
}
