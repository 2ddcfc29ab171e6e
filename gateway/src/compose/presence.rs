//! The agents of a gateway; known to the other gateways, and theirs to this one, where its log is for several.

use tallygate_adapters::nats::broadcast::Topic;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::StartError;
use super::own::Own;
use crate::agents::exchange::{Exchange, PresenceMetrics};
use crate::agents::{AgentSettings, Company, Hub};
use crate::logs::Logs;

/// A gateway without agents, that begins to hear of those of others. Whoever waits a moment before the first one is let in
/// has heard of them all.
///
/// # Errors
/// When a metric has the name of another: a defect.
pub(super) fn hub(
    settings: AgentSettings,
    logs: &Logs,
    own: &Own<'_>,
    tasks: &mut JoinSet<()>,
    stopped: watch::Receiver<bool>,
) -> Result<Hub, StartError> {
    let broadcast = logs.broadcast(Topic::Agents);
    let company = if broadcast.is_some() { Company::Shared } else { Company::Alone };
    let connected = own.metrics.agents_connected.clone();
    let hub = Hub::new(settings, (own.gateway.clone(), company), stopped, connected);
    if let Some(broadcast) = broadcast {
        let metrics = PresenceMetrics::new(own.metrics.registry())?;
        let (hub, mac, run) = (hub.clone(), own.mac.clone(), own.run());
        tasks.spawn(Exchange { broadcast, mac, hub, run, metrics }.run());
    }
    Ok(hub)
}
