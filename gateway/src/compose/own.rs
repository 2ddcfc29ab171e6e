//! What a gateway tells the others of its log as.

use tallygate_core::envelope::MacKey;
use tallygate_core::id::WriterId;
use tallygate_core::time::Timestamp;

use crate::metrics::Metrics;

/// See the module.
pub(super) struct Own<'a> {
    pub(super) gateway: &'a WriterId,
    pub(super) started_at: Timestamp,
    pub(super) mac: &'a MacKey,
    pub(super) metrics: &'a Metrics,
}

impl Own<'_> {
    /// The number of this run: a later one goes before.
    pub(super) fn run(&self) -> u64 {
        u64::try_from(self.started_at.millis()).unwrap_or_default()
    }
}
