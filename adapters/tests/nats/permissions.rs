//! What a gateway must be allowed, and what a service that sends commands is kept from.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::context::ContextBuilder;
use tallygate_adapters::event_log::nats::NatsLogs;
use tallygate_adapters::nats::Options;
use tallygate_adapters::nats::durable_commands::{DurableCommands, Options as DurableOptions};
use tallygate_adapters::nats::micro_service::{MicroService, Options as ServiceOptions};
use tallygate_core::port::event_log::EventLog as _;
use tallygate_core::stream::{Log, Offset};
use tallygate_core::testing::chain_writer::ChainWriter;
use tallygate_tests::nats_server::{NatsServer, Release};

use crate::doors::Recorder;
use crate::fixture::{LOGS, all_lines, next_lines, run};

async fn server() -> NatsServer {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nats/permissions.conf");
    NatsServer::start_release(Release::Current, &["--config", config]).await.unwrap()
}

fn url(server: &NatsServer, user: &str) -> String {
    // The passwords are the users' names with a colon behind, so that they must be escaped.
    format!("nats://{user}:{user}%3A@127.0.0.1:{}", server.port())
}

async fn raw_client(server: &NatsServer, user: &str) -> async_nats::Client {
    let options = async_nats::ConnectOptions::with_user_and_password(user.to_owned(), format!("{user}:"));
    options.connect(server.url()).await.unwrap()
}

#[test]
fn a_gateway_needs_no_more_than_the_documented_permissions() {
    run(async {
        let server = server().await;
        let logs = NatsLogs::connect(Options::new(url(&server, "gateway"))).await.unwrap();
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
    });
}

#[test]
fn a_service_that_may_send_commands_can_neither_write_into_a_log_nor_change_a_stream() {
    run(async {
        let server = server().await;
        let logs = NatsLogs::connect(Options::new(url(&server, "gateway"))).await.unwrap();
        let mut writer = ChainWriter::new(Log::Control, "acme");
        logs.control.append(writer.batch(1)).await.unwrap();

        let client = raw_client(&server, "service").await;
        let jetstream = ContextBuilder::new().timeout(Duration::from_millis(300)).build(client.clone());
        for subject in ["tallygate.control.default.realm-acme", "tallygate.activity.acme"] {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Rollup", "all");
            let publish = jetstream.publish_with_headers(subject, headers, "forged".into()).await.unwrap();
            assert!(publish.await.is_err(), "{subject}");
        }
        assert!(jetstream.get_stream("TALLYGATE_CONTROL").await.is_err());
        assert!(jetstream.delete_stream("TALLYGATE_CONTROL").await.is_err());

        // With the rights of a gateway the log can be written to, but not emptied.
        let gateway = raw_client(&server, "gateway").await;
        let jetstream = ContextBuilder::new().timeout(Duration::from_millis(300)).build(gateway);
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
