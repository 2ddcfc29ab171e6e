//! The rate limits of a gateway; divided with the other gateways, where its log is for several.

use std::sync::Arc;
use std::time::Duration;

use tallygate_adapters::nats::broadcast::Topic;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::StartError;
use super::own::Own;
use crate::limits::Limits;
use crate::limits::exchange::{Exchange, RateMetrics, Rates};
use crate::logs::Logs;

/// How long a start waits for the other gateways to tell what they have of the limits.
const GREETING_MAX: Duration = Duration::from_secs(1);

/// The limits. On a log for several gateways it returns once the others have told what they have, or after a second.
///
/// # Errors
/// When a metric has the name of another: a defect.
pub(super) async fn limits(
    logs: &Logs,
    own: Own<'_>,
    tasks: &mut JoinSet<()>,
    stopped: watch::Receiver<bool>,
) -> Result<(Arc<Limits>, Option<Rates>), StartError> {
    let Some(broadcast) = logs.broadcast(Topic::Rates) else { return Ok((Arc::new(Limits::new(None)), None)) };
    let limits = Arc::new(Limits::new(Some(own.gateway.clone())));
    let rates = Rates::new(Arc::clone(&limits), own.gateway.clone(), own.run());
    let (ready, mut is_ready) = watch::channel(false);
    let (mac, metrics) = (own.mac.clone(), RateMetrics::new(own.metrics.registry())?);
    tasks.spawn(Exchange { broadcast, mac, rates: rates.clone(), metrics, ready, stopped }.run());
    if tokio::time::timeout(GREETING_MAX, is_ready.wait_for(|ready| *ready)).await.is_err() {
        tracing::warn!("this gateway does not hear its own word of rate limits: it may have them for itself alone");
    }
    Ok((limits, Some(rates)))
}
