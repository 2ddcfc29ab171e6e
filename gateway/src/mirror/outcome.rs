//! What became of one object, and why it may have to be tried again.

use tallygate_adapters::litellm::mirror::proxy::Trouble;
use tallygate_projections::StoreError;

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The proxy has it as it is here.
    InStep,
    /// It is not there, or blocked there: for good, until an event changes it.
    NotMirrored(String),
}

/// Why an object is to be tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stuck {
    /// The proxy.
    #[error(transparent)]
    Proxy(#[from] Trouble),
    /// Our own views.
    #[error("the views cannot be read")]
    Views(#[from] StoreError),
    /// Our own log.
    #[error("the log cannot be read: {0}")]
    Log(String),
}

impl Outcome {
    /// In step, or blocked there for these rules.
    pub(super) fn blocked_for(unsaid: &[String]) -> Self {
        if unsaid.is_empty() {
            return Self::InStep;
        }
        Self::NotMirrored(format!("it is blocked there, since LiteLLM has no field for this: {}", unsaid.join("; ")))
    }

    /// Not made, for these rules.
    pub(super) fn not_made_for(unsaid: &[String]) -> Self {
        Self::NotMirrored(format!("it is not made there, since LiteLLM has no field for this: {}", unsaid.join("; ")))
    }
}
