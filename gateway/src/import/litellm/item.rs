//! One object of LiteLLM's, and what makes it here.

use serde_json::{Value, json};
use tallygate_core::budget::CarrySpend;
use tallygate_core::command::{Command, Together};
use tallygate_core::digest::Digest;
use tallygate_core::key::IssueKey;
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
    /// What it spent in all.
    spent: NanoUsd,
}

/// Something without a budget, and what it spent: only the history tells it.
#[derive(Debug)]
pub(super) struct Unbudgeted {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// How the history knows it.
    pub(super) whose: String,
    pub(super) spent: NanoUsd,
}

impl Item {
    pub(super) fn new(kind: Kind, name: &str, commands: Vec<Command>) -> Self {
        let (spend, user, uncounted, spent) = (None, None, None, NanoUsd::ZERO);
        Self { kind, name: name.to_owned(), commands, spend, user, uncounted, spent }
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

    /// Says what it spent, and tells what of it counts in no window here.
    pub(super) fn spent(self, spent: NanoUsd, report: &mut Report) -> Self {
        if let Some(why) = self.uncounted {
            report.left(self.kind, &self.name, &format!("the {spent} dollars that it spent: {why}"));
        }
        Self { spent, ..self }
    }

    /// What it spent, if no budget counts it.
    pub(super) fn unbudgeted(&self) -> Option<Unbudgeted> {
        let is_budget = |command: &Command| matches!(command, Command::SetBudget(_) | Command::AttachBudget(_));
        if self.spent == NanoUsd::ZERO || self.commands.iter().any(is_budget) {
            return None;
        }
        let whose = self.key().map_or_else(|| self.name.clone(), |issue| issue.hash.to_string());
        Some(Unbudgeted { kind: self.kind, name: self.name.clone(), whose, spent: self.spent })
    }

    /// The key that it makes.
    pub(super) fn key(&self) -> Option<&IssueKey> {
        self.commands.iter().find_map(|command| match command {
            Command::IssueKey(issue) => Some(issue),
            _ => None,
        })
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
