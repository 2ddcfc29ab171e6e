//! What a request came to, for whoever within the gateway asked it: the facts that are recorded of it, as they are recorded.
//!
//! An answer that streams says nothing of its cost, and its headers are gone before that is known.

use std::sync::{Arc, Mutex, PoisonError};

use tallygate_core::activity::RequestSettled;
use tallygate_core::id::ModelName;
use tallygate_core::money::NanoUsd;
use tallygate_core::usage::Usage;

/// See the module. All clones are the same report. It has a row for each attempt that was settled for itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report(Arc<Mutex<Vec<Arc<RequestSettled>>>>);

/// What a request came to.
#[derive(Debug)]
pub(crate) struct CameTo {
    /// The model that was called last.
    pub(crate) model: ModelName,
    /// What that call used.
    pub(crate) usage: Usage,
    pub(crate) estimated: bool,
    /// What all attempts cost; none where one of them had no price.
    pub(crate) cost: Option<NanoUsd>,
    /// When the first piece of the answer was there, in milliseconds of the request.
    pub(crate) first_piece_ms: Option<u64>,
    /// How long the whole took.
    pub(crate) latency_ms: u64,
}

impl Report {
    pub(super) fn note(&self, settled: &Arc<RequestSettled>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(settled));
    }

    /// What is recorded by now; none before anything is. It is whole once the answer has come to its end.
    pub(crate) fn read(&self) -> Option<CameTo> {
        let settled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = settled.last()?;
        let cost = settled.iter().try_fold(NanoUsd::ZERO, |sum, settled| sum.plus(settled.cost_nano_usd?).ok());
        Some(CameTo {
            model: last.model.clone(),
            usage: last.usage,
            estimated: last.estimated,
            cost,
            first_piece_ms: last.first_byte_ms,
            latency_ms: last.duration_ms,
        })
    }
}
