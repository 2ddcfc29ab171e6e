//! Waiting for a follower to come to a place.

use tokio::sync::watch;

use crate::follow::Health;

/// The follower has ended, and the place will never be reached.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the views are followed no more")]
pub struct Ended(
    /// How it ended.
    pub Health,
);

/// Waits until a published value is what is wanted.
pub(crate) async fn wait_until<T>(
    mut value: watch::Receiver<T>,
    mut health: watch::Receiver<Health>,
    wanted: impl Fn(&T) -> bool,
) -> Result<(), Ended> {
    let last = value.clone();
    let ended = async {
        // The sender is gone only with the views themselves.
        health.wait_for(Health::has_ended).await.map_or(Health::Closed, |health| health.clone())
    };
    tokio::select! {
        biased;
        Ok(_) = value.wait_for(|value| wanted(value)) => Ok(()),
        // The last group is published before the end is.
        ended = ended => if wanted(&last.borrow()) { Ok(()) } else { Err(Ended(ended)) },
    }
}
