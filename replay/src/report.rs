//! What was found, for people or as JSON.

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

/// What an audit found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Lines for people.
    pub(crate) text: Vec<String>,
    /// The same for programs.
    pub(crate) json: Value,
    /// What is wrong, if anything: the last line.
    pub(crate) wrong: Option<String>,
}

impl Report {
    /// Prints the report, and makes the exit status of it.
    pub(crate) fn print(self, as_json: bool) -> ExitCode {
        let mut out = std::io::stdout().lock();
        if as_json {
            let mut value = self.json;
            value["wrong"] = json!(self.wrong);
            let _ = writeln!(out, "{value}");
        } else {
            for line in &self.text {
                let _ = writeln!(out, "{line}");
            }
            if let Some(wrong) = &self.wrong {
                let _ = writeln!(out, "WRONG: {wrong}");
            }
        }
        if self.wrong.is_some() { ExitCode::from(1) } else { ExitCode::SUCCESS }
    }
}

/// Prints why nothing could be audited, with all causes.
pub(crate) fn asked_wrongly(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tallygate-replay: {error:#}");
    ExitCode::from(2)
}
