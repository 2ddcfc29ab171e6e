//! LiteLLM's `proxy_config.yaml`: what it declares, and what in it is wrong or has no effect here. Every finding names a line
//! and a key, and all of them are found at once.
//!
//! What is read is data: no command is made here, and nothing is looked up but variables.

mod keys;
mod reference;
mod models;
mod settings;

pub use models::ModelEntry;
pub use settings::{FileRouting, Settings};

use crate::yaml::{self, Entry, Node, Value};

/// What a file says.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    /// The deployments that it declares, in order.
    pub models: Vec<ModelEntry>,
    /// What else of it has an effect.
    pub settings: Settings,
    /// What is wrong with it, and what has no effect, by line.
    pub findings: Vec<Finding>,
}

/// Something that whoever wrote the file should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// The key, from the top: `general_settings.otel`.
    pub key: String,
    /// Whether the file can be used all the same.
    pub severity: Severity,
    /// What is the matter. It repeats no value: that may be a secret.
    pub message: String,
}

/// Whether a file can be used in spite of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It can: something has no effect.
    Warning,
    /// It cannot: what is declared would be another thing than what is meant.
    Error,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = if self.severity == Severity::Error { "error" } else { "warning" };
        let Self { line, key, message, .. } = self;
        if key.is_empty() {
            write!(f, "line {line}: {severity}: {message}")
        } else {
            write!(f, "line {line}: {severity}: `{key}` {message}")
        }
    }
}

impl Finding {
    /// A finding that makes the file unusable.
    pub fn error(line: usize, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { line, key: key.into(), severity: Severity::Error, message: message.into() }
    }

    /// A finding that leaves the file usable.
    pub fn warning(line: usize, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { line, key: key.into(), severity: Severity::Warning, message: message.into() }
    }
}

impl ConfigFile {
    /// Reads a file's text. `variable` tells a variable of the environment, which `os.environ/NAME` stands for.
    #[must_use]
    pub fn read(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut file = Self::default();
        match yaml::parse(text) {
            Ok(root) => file.read_root(root, variable),
            Err(error) => file.findings.push(Finding::error(error.line, "", error.why)),
        }
        file.findings.sort_by_key(|finding| finding.line);
        file
    }

    /// Whether it can be used.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }

    fn read_root(&mut self, mut root: Node, variable: &dyn Fn(&str) -> Option<String>) {
        let findings = &mut self.findings;
        match &root.value {
            Value::Null => return,
            Value::Map(_) => {}
            _ => return findings.push(Finding::error(root.line, "", "the file is no map of sections")),
        }
        keys::check(&root, findings);
        self.settings.environment = settings::environment(root.get(keys::ENVIRONMENT), variable, findings);
        let own = &self.settings.environment;
        let variable = |name: &str| match own.iter().find(|(own, _)| own == name) {
            Some((_, value)) => Some(value.clone()),
            None => variable(name),
        };
        if let Value::Map(entries) = &mut root.value {
            for entry in entries.iter_mut().filter(|entry| entry.key != keys::ENVIRONMENT) {
                resolve(entry, &variable, findings);
            }
        }
        settings::read(&mut self.settings, &root, findings);
        let drops = self.settings.drop_params;
        self.models = models::read(root.get(keys::MODELS), drops, findings);
    }
}

fn resolve(entry: &mut Entry, variable: &dyn Fn(&str) -> Option<String>, findings: &mut Vec<Finding>) {
    if entry.key == keys::MODELS {
        models::resolve(&mut entry.node, variable, findings);
    } else {
        reference::resolve(&mut entry.node, &entry.key, variable, findings);
    }
}

#[cfg(test)]
mod tests;
