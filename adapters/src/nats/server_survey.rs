//! What the JetStream servers say of themselves: how many they are, and whether each syncs before it acknowledges.
//!
//! A stream's configuration does not tell. The servers' report does (`$SYS.REQ.SERVER.PING.JSZ`), where the system account
//! lets this one ask: `docs/nats/nats-server.conf` has it so. Who may not ask knows nothing, and that is an answer too.

use std::time::Duration;

use async_nats::StatusCode;
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;

const SUBJECT: &str = "$SYS.REQ.SERVER.PING.JSZ";
/// How long the first answer may take; who may not ask waits for it in vain.
const FIRST_ANSWER: Duration = Duration::from_secs(1);
/// How long after an answer another one may come.
const NEXT_ANSWER: Duration = Duration::from_millis(250);
/// The most servers that are listened to.
const SERVERS_MAX: usize = 64;

/// A JetStream server, as it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReport {
    /// Its name.
    pub name: String,
    /// Whether it has `sync_interval: always`: what it acknowledges is on its disk.
    pub syncs_always: bool,
}

#[derive(Deserialize)]
struct Answer {
    server: Server,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Server {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    config: Config,
}

#[derive(Deserialize, Default)]
struct Config {
    #[serde(default)]
    sync_always: bool,
}

/// Asks all servers. None when nobody answers: this account may not ask, or the connection is down. A server that is down
/// or slow is missing. Takes at most a few seconds.
pub async fn survey(connection: &Connection) -> Vec<ServerReport> {
    let client = connection.client();
    let inbox = client.new_inbox();
    let Ok(mut answers) = client.subscribe(inbox.clone()).await else { return Vec::new() };
    if client.publish_with_reply(SUBJECT, inbox, bytes::Bytes::new()).await.is_err() {
        return Vec::new();
    }
    let mut servers = Vec::new();
    let mut until = Instant::now() + FIRST_ANSWER;
    while servers.len() < SERVERS_MAX
        && let Ok(Some(message)) = timeout_at(until, answers.next()).await
    {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            break;
        }
        servers.extend(report(&message.payload));
        until = Instant::now() + NEXT_ANSWER;
    }
    servers
}

/// What one server says; none for one without JetStream.
fn report(payload: &[u8]) -> Option<ServerReport> {
    let Answer { server, data } = serde_json::from_slice(payload).ok()?;
    let data = data.filter(|data| !data.disabled)?;
    Some(ServerReport { name: server.name, syncs_always: data.config.sync_always })
}

#[cfg(test)]
mod tests {
    use super::{ServerReport, report};

    #[test]
    fn a_server_that_says_nothing_of_syncing_does_not_sync() {
        let said =
            |config: &str| report(format!(r#"{{"server":{{"name":"n"}},"data":{{"config":{config}}}}}"#).as_bytes());
        let server = |syncs_always| Some(ServerReport { name: "n".to_owned(), syncs_always });
        assert_eq!(said(r#"{"sync_interval":120000000000,"sync_always":true}"#), server(true));
        assert_eq!(said(r#"{"sync_interval":120000000000}"#), server(false));
        assert_eq!(said("{}"), server(false));
    }

    #[test]
    fn a_server_without_jetstream_and_an_error_are_no_report() {
        assert_eq!(report(br#"{"server":{"name":"n"},"data":{"disabled":true,"config":{}}}"#), None);
        assert_eq!(report(br#"{"server":{"name":"n"},"error":{"code":500}}"#), None);
        assert_eq!(report(b"no json"), None);
    }
}
