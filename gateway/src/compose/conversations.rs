//! Conversations with agents: recalled at a start, and kept from then on.

use std::sync::Arc;

use tallygate_adapters::secret::SealedVault;
use tallygate_core::port::clock::Clock;

use super::{Spine, StartError};
use crate::a2a::keeping::{Keeper, Keeping};
use crate::agents::Hub;

/// Recalls what was said to agents that are still there, and keeps what is said from now on; none where conversations are in
/// memory alone.
///
/// # Errors
/// [`StartError::Rows`], and [`StartError::Conversations`] where what is kept makes its reader panic.
pub(super) async fn keep(
    spine: &Spine,
    agents: &Hub,
    (vault, clock): (Arc<SealedVault>, &Arc<dyn Clock>),
) -> Result<Option<Keeper>, StartError> {
    if !agents.settings().keeps_conversations {
        return Ok(None);
    }
    let keeping = Keeping { conversations: Arc::clone(agents.conversations()), vault, clock: Arc::clone(clock) };
    let (snapshot, dir) = (spine.views.control.snapshot(), spine.data.path("conversations"));
    let begin = move || keeping.begin(&dir, |agent| snapshot.control.agents.get(agent).is_some());
    let begun = tokio::task::spawn_blocking(begin).await.map_err(|_| StartError::Conversations)?;
    Ok(Some(begun?))
}
