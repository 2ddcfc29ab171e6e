//! Whether what NATS servers acknowledge is on their disks, as far as they say.

use tallygate_adapters::nats::Connection;
use tallygate_adapters::nats::server_survey::{ServerReport, survey};
use tallygate_core::port::event_log::LogError;
use tallygate_core::stream::Log;

use crate::compose::StartError;
use crate::config::NatsSync;

/// Asks the servers, and says or refuses what must not be.
///
/// # Errors
/// [`StartError`] when syncing is required, and a server does not sync or does not say.
pub(super) async fn check(connection: &Connection, policy: NatsSync) -> Result<(), StartError> {
    if policy == NatsSync::Trust {
        return Ok(());
    }
    let Some(doubt) = doubt(&survey(connection).await) else { return Ok(()) };
    if policy == NatsSync::Require {
        return Err(StartError::Log(Log::Control, LogError::Misconfigured(doubt)));
    }
    tracing::warn!("{doubt}");
    Ok(())
}

/// What is not known to be right; none when every server syncs.
fn doubt(servers: &[ServerReport]) -> Option<String> {
    if servers.is_empty() {
        return Some(
            "the NATS servers do not say whether they have `sync_interval: always`, without which a power cut takes what \
             they acknowledged: let this account ask, as docs/nats.md shows, or set TALLYGATE_NATS_SYNC=trust"
                .to_owned(),
        );
    }
    let lazy: Vec<&str> = servers.iter().filter(|server| !server.syncs_always).map(|server| &*server.name).collect();
    if lazy.is_empty() {
        tracing::info!(servers = servers.len(), "every NATS server syncs before it acknowledges");
        return None;
    }
    Some(format!(
        "NATS servers without `sync_interval: always` acknowledge before their disks have the data, and a power cut takes \
         it: {}",
        lazy.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use tallygate_adapters::nats::server_survey::ServerReport;

    use super::doubt;

    fn server(name: &str, syncs_always: bool) -> ServerReport {
        ServerReport { name: name.to_owned(), syncs_always }
    }

    #[test]
    fn only_servers_that_all_say_that_they_sync_are_beyond_doubt() {
        assert_eq!(doubt(&[server("a", true), server("b", true)]), None);
        assert!(doubt(&[server("a", true), server("b", false)]).unwrap().ends_with("takes it: b"));
        assert!(doubt(&[]).unwrap().contains("TALLYGATE_NATS_SYNC=trust"));
    }
}
