//! The sample configuration of a server: what a gateway may is enough, and what a service may is no more than commands.

use std::path::Path;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::context::ContextBuilder;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tallygate_adapters::event_log::nats::NatsLogs;
use tallygate_adapters::nats::Options;
use tallygate_adapters::nats::broadcast::{Broadcast, Topic};
use tallygate_adapters::nats::durable_commands::{DurableCommands, Options as DurableOptions};
use tallygate_adapters::nats::micro_service::{MicroService, Options as ServiceOptions};
use tallygate_adapters::nats::server_survey::{ServerReport, survey};
use tallygate_core::port::event_log::EventLog as _;
use tallygate_core::stream::{Log, Offset};
use tallygate_core::testing::chain_writer::ChainWriter;
use tallygate_tests::nats_server::NatsServer;

use crate::doors::Recorder;
use crate::fixture::{LOGS, all_lines, next_lines, run};

/// What the documentation tells operators to run, byte for byte.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/nats/nats-server.conf");
/// The users' names with a colon behind, so that they must be escaped in a URL.
const PASSWORDS: [(&str, &str); 3] = [
    ("TALLYGATE_NATS_GATEWAY_PASSWORD", "\"gateway:\""),
    ("TALLYGATE_NATS_SERVICE_PASSWORD", "\"service:\""),
    ("TALLYGATE_NATS_ADMIN_PASSWORD", "\"admin:\""),
];

async fn server() -> NatsServer {
    NatsServer::start_configured(Path::new(SAMPLE), &PASSWORDS).await.unwrap()
}

fn url(server: &NatsServer, user: &str) -> String {
    format!("nats://{user}:{user}%3A@127.0.0.1:{}", server.port())
}

async fn gateway(server: &NatsServer) -> NatsLogs {
    NatsLogs::connect(Options::new(url(server, "gateway"))).await.unwrap()
}

async fn raw_client(server: &NatsServer, user: &str) -> async_nats::Client {
    let options = async_nats::ConnectOptions::with_user_and_password(user.to_owned(), format!("{user}:"));
    options.connect(server.url()).await.unwrap()
}

#[test]
fn a_gateway_needs_no_more_than_the_documented_permissions() {
    run(async {
        let server = server().await;
        let logs = gateway(&server).await;
        for kind in LOGS {
            let log = logs.of(kind);
            let mut writer = ChainWriter::new(kind, "acme");
            let batch = writer.command(3);
            log.append(batch.clone()).await.unwrap();
            log.append(batch.clone()).await.unwrap();
            assert_eq!(log.head(&writer.chain()).await.unwrap(), writer.head());
            assert_eq!(all_lines(&**log).await, batch.lines);
            assert_eq!(next_lines(&mut log.tail(Offset::START), 3).await, batch.lines);
        }
        let (handler, mut submissions) = Recorder::accepting();
        let options = ServiceOptions { version: "0.1.0".to_owned(), commands: Vec::new(), concurrency: 4 };
        let _service = MicroService::start(&logs.connection, handler.clone(), options).await.unwrap();
        let _door = DurableCommands::start(&logs.connection, handler, DurableOptions::default()).await.unwrap();

        let client = raw_client(&server, "service").await;
        while client.request("tallygate.command.IssueKey", "{}".into()).await.is_err() {}
        assert_eq!(submissions.recv().await.unwrap().fallback_id, None);
        let jetstream = async_nats::jetstream::new(client);
        jetstream.publish("tallygate.commands.IssueKey", "{}".into()).await.unwrap().await.unwrap();
        assert!(submissions.recv().await.unwrap().fallback_id.is_some());

        for topic in [Topic::Heads, Topic::Rates, Topic::Agents] {
            let broadcast = Broadcast::new(logs.connection.clone(), topic);
            let mut heard = broadcast.listen().await.unwrap();
            broadcast.send(Bytes::from_static(b"a word")).await;
            assert_eq!(heard.next().await.unwrap(), "a word");
        }
    });
}

#[test]
fn a_gateway_is_told_whether_the_servers_sync_and_who_may_not_ask_knows_nothing() {
    run(async {
        let sample = server().await;
        let reports = survey(&gateway(&sample).await.connection).await;
        assert_eq!(reports, [ServerReport { name: "tallygate-1".to_owned(), syncs_always: true }]);
        // A server as it comes: no account may ask its system account.
        let plain = NatsServer::start().await.unwrap();
        let logs = NatsLogs::connect(Options::new(plain.url())).await.unwrap();
        assert_eq!(survey(&logs.connection).await, []);
    });
}

#[test]
fn a_service_can_neither_write_nor_read_a_log_nor_change_a_stream() {
    run(async {
        let server = server().await;
        let logs = gateway(&server).await;
        let client = raw_client(&server, "service").await;
        let mut overheard = client.subscribe("tallygate.>").await.unwrap();
        for kind in LOGS {
            let (log, mut writer) = (logs.of(kind), ChainWriter::new(kind, "acme"));
            log.append(writer.batch(1)).await.unwrap();
            let jetstream = ContextBuilder::new().timeout(Duration::from_millis(200)).build(client.clone());
            let subject = match kind {
                Log::Control => "tallygate.control.default.realm-acme",
                Log::Lease => "tallygate.lease.default.budget-acme",
                Log::Activity => "tallygate.activity.acme",
            };
            let publish = jetstream.publish(subject, "forged".into()).await.unwrap();
            assert!(publish.await.is_err(), "{subject}");
            let stream = log.stream_name();
            assert!(jetstream.get_stream(stream).await.is_err());
            assert!(jetstream.delete_stream(stream).await.is_err());
            for (api, body) in [
                ("STREAM.PURGE", ""),
                ("STREAM.MSG.GET", r#"{"seq":1}"#),
                ("STREAM.MSG.DELETE", r#"{"seq":1}"#),
                ("DIRECT.GET", r#"{"seq":1}"#),
                ("CONSUMER.CREATE", r#"{"config":{"deliver_policy":"all"}}"#),
                ("STREAM.SNAPSHOT", r#"{"deliver_subject":"_INBOX.x"}"#),
                ("STREAM.UPDATE", r#"{"max_msgs":1}"#),
            ] {
                let subject = format!("$JS.API.{api}.{stream}");
                let answer = tokio::time::timeout(Duration::from_millis(200), client.request(subject, body.into()));
                assert!(!matches!(answer.await, Ok(Ok(_))), "{api} of {stream}");
            }
            assert_eq!(log.head(&writer.chain()).await.unwrap(), writer.head());
        }
        for topic in [Topic::Heads, Topic::Rates, Topic::Agents] {
            Broadcast::new(logs.connection.clone(), topic).send(Bytes::from_static(b"a word")).await;
        }
        logs.connection.ready(Duration::ZERO).await.unwrap();
        assert!(
            overheard.next().now_or_never().flatten().is_none(),
            "a service overhears no event and no word of gateways"
        );
    });
}

#[test]
fn with_the_rights_of_a_gateway_a_log_can_be_written_to_and_not_emptied() {
    run(async {
        let server = server().await;
        let logs = gateway(&server).await;
        let mut writer = ChainWriter::new(Log::Control, "acme");
        logs.control.append(writer.batch(1)).await.unwrap();
        let client = raw_client(&server, "gateway").await;
        let jetstream = ContextBuilder::new().timeout(Duration::from_millis(300)).build(client);
        let control = jetstream.get_stream("TALLYGATE_CONTROL").await.unwrap();
        assert!(control.purge().await.is_err());
        assert!(control.delete_message(1).await.is_err());
        assert!(jetstream.delete_stream("TALLYGATE_CONTROL").await.is_err());
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Rollup", "all");
        let rollup = jetstream.publish_with_headers("tallygate.control.default.x", headers, "".into()).await.unwrap();
        assert!(rollup.await.is_err(), "a rollup would empty the log");
        assert_eq!(logs.control.head(&writer.chain()).await.unwrap(), writer.head());
    });
}
