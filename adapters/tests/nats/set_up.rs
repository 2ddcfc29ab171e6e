//! What is created, what is verified, and what is refused at the start.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use tallygate_adapters::event_log::nats::NatsLogs;
use tallygate_adapters::nats::options::Setup;
use tallygate_adapters::nats::{Options, Prefix, Replicas};
use tallygate_core::port::event_log::{EventLog as _, LogError};
use tallygate_core::stream::Log;
use tallygate_core::testing::chain_writer::ChainWriter;
use tallygate_tests::nats_server::{NatsServer, Release};

use crate::fixture::run;

async fn admin(server: &NatsServer) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

fn misconfigured(answer: Result<NatsLogs, LogError>) -> String {
    match answer {
        Err(LogError::Misconfigured(what)) => what,
        other => panic!("it was to be refused, and the answer is {other:?}"),
    }
}

#[test]
fn streams_are_created_once_and_found_again() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let mut writer = ChainWriter::new(Log::Control, "acme");
        let logs = NatsLogs::connect(Options::new(server.url())).await.unwrap();
        logs.control.append(writer.batch(2)).await.unwrap();
        let again =
            NatsLogs::connect(Options { setup: Setup::VerifyOnly, ..Options::new(server.url()) }).await.unwrap();
        assert_eq!(again.control.head(&writer.chain()).await.unwrap(), writer.head());
        for (name, subjects) in [
            ("TALLYGATE_CONTROL", "tallygate.control.*.*"),
            ("TALLYGATE_LEASE", "tallygate.lease.*.*"),
            ("TALLYGATE_ACTIVITY", "tallygate.activity.*"),
        ] {
            let stream = admin(&server).await.get_stream(name).await.unwrap();
            let config = &stream.cached_info().config;
            assert_eq!(config.subjects, [subjects]);
            assert!(config.deny_delete && config.deny_purge && config.allow_atomic_publish && !config.allow_rollup);
            assert_eq!((config.storage, config.num_replicas), (StorageType::File, 1));
            assert!(stream.purge().await.is_err(), "{name} cannot be purged");
        }
        let control = admin(&server).await.get_stream("TALLYGATE_CONTROL").await.unwrap();
        assert!(control.delete_message(1).await.is_err(), "an event cannot be deleted");
    });
}

#[test]
fn two_prefixes_are_two_installations_on_one_server() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        for name in ["east", "west"] {
            let prefix = Prefix::new(name).unwrap();
            let logs = NatsLogs::connect(Options { prefix, ..Options::new(server.url()) }).await.unwrap();
            let mut writer = ChainWriter::new(Log::Control, name);
            assert_eq!(logs.control.append(writer.batch(1)).await.unwrap(), writer.head());
            assert_eq!(logs.control.stream_name(), format!("{}_CONTROL", name.to_uppercase()));
        }
    });
}

#[test]
fn a_stream_that_breaks_the_contract_is_refused_with_field_found_and_expected() {
    type Change = fn(&mut Config);
    let wrong: [(&str, &str, &str, Change); 12] = [
        ("max_age", "600 s", "unlimited", |config| config.max_age = Duration::from_mins(10)),
        ("max_msgs", "10", "unlimited", |config| config.max_messages = 10),
        ("max_bytes", "4096", "unlimited", |config| config.max_bytes = 4096),
        ("max_msgs_per_subject", "1", "unlimited", |config| config.max_messages_per_subject = 1),
        ("storage", "Memory", "File", |config| config.storage = StorageType::Memory),
        ("retention", "WorkQueue", "Limits", |config| config.retention = RetentionPolicy::WorkQueue),
        ("discard", "Old", "New", |config| config.discard = DiscardPolicy::Old),
        ("deny_delete", "false", "true", |config| config.deny_delete = false),
        ("deny_purge", "false", "true", |config| config.deny_purge = false),
        ("allow_atomic", "false", "true", |config| config.allow_atomic_publish = false),
        ("allow_direct", "false", "true", |config| config.allow_direct = false),
        ("subjects", "tallygate.control.>", "tallygate.control.*.*", |config| {
            config.subjects = vec!["tallygate.control.>".to_owned()];
        }),
    ];
    run(async {
        let server = NatsServer::start().await.unwrap();
        NatsLogs::connect(Options::new(server.url())).await.unwrap();
        let admin = admin(&server).await;
        let good = admin.get_stream("TALLYGATE_CONTROL").await.unwrap().cached_info().config.clone();
        for (field, found, expected, change) in wrong {
            admin.delete_stream("TALLYGATE_CONTROL").await.unwrap();
            let mut config = Config { metadata: std::collections::HashMap::new(), ..good.clone() };
            change(&mut config);
            admin.create_stream(config).await.unwrap();
            let refused = misconfigured(NatsLogs::connect(Options::new(server.url())).await);
            assert!(refused.contains("TALLYGATE_CONTROL") && refused.contains(&format!(" {field} = ")), "{refused}");
            assert!(refused.contains(found) && refused.contains(expected), "{refused}");
        }
    });
}

#[test]
fn a_stream_that_begins_late_is_damaged() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        NatsLogs::connect(Options::new(server.url())).await.unwrap();
        let admin = admin(&server).await;
        let good = admin.get_stream("TALLYGATE_LEASE").await.unwrap().cached_info().config.clone();
        admin.delete_stream("TALLYGATE_LEASE").await.unwrap();
        let late = Config { first_sequence: Some(5), metadata: std::collections::HashMap::new(), ..good };
        admin.create_stream(late).await.unwrap();
        let refused = NatsLogs::connect(Options::new(server.url())).await;
        assert!(
            matches!(&refused, Err(LogError::Damaged { place, .. }) if place.contains("TALLYGATE_LEASE")),
            "{refused:?}"
        );
    });
}

#[test]
fn a_server_that_is_too_old_is_refused_before_anything_is_created() {
    run(async {
        let server = NatsServer::start_release(Release::TooOld, &[]).await.unwrap();
        let refused = misconfigured(NatsLogs::connect(Options::new(server.url())).await);
        assert!(refused.contains("2.12.6") && refused.contains("2.12.7 or newer"), "{refused}");
        assert!(admin(&server).await.get_stream("TALLYGATE_CONTROL").await.is_err());
    });
}

#[test]
fn a_server_that_takes_only_short_messages_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("short.conf");
        std::fs::write(&config, "max_payload: 65536\n").unwrap();
        let server =
            NatsServer::start_release(Release::Current, &["--config", config.to_str().unwrap()]).await.unwrap();
        let refused = misconfigured(NatsLogs::connect(Options::new(server.url())).await);
        assert!(refused.contains("max_payload = 65536"), "{refused}");
    });
}

#[test]
fn who_only_verifies_creates_nothing() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let options = Options { setup: Setup::VerifyOnly, ..Options::new(server.url()) };
        let refused = misconfigured(NatsLogs::connect(options).await);
        assert!(refused.contains("there is no stream TALLYGATE_CONTROL"), "{refused}");
        assert!(admin(&server).await.get_stream("TALLYGATE_CONTROL").await.is_err());
    });
}

#[test]
fn a_single_server_keeps_no_three_copies() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let options = Options { replicas: Replicas::Exactly(3), ..Options::new(server.url()) };
        let refused = misconfigured(NatsLogs::connect(options).await);
        assert!(refused.contains("3 copies"), "{refused}");
    });
}

#[test]
fn servers_that_are_not_named_by_urls_are_refused_without_showing_them() {
    run(async {
        for servers in ["", "nats://a:secret@[", "nats://localhost:4222,,"] {
            let refused = misconfigured(NatsLogs::connect(Options::new(servers)).await);
            assert!(refused.contains("nats://host:4222") && !refused.contains("secret"), "{refused}");
        }
    });
}

#[test]
fn without_jetstream_the_log_is_unavailable() {
    run(async {
        let server = NatsServer::start_without_jetstream().await.unwrap();
        let refused = NatsLogs::connect(crate::fixture::impatient(server.url())).await;
        assert!(matches!(refused, Err(LogError::Unavailable(_))), "{refused:?}");
    });
}

#[test]
fn without_a_server_the_log_is_unavailable() {
    run(async {
        let mut server = NatsServer::start().await.unwrap();
        server.kill().await.unwrap();
        let refused = NatsLogs::connect(Options::new(server.url())).await;
        assert!(matches!(refused, Err(LogError::Unavailable(_))), "{refused:?}");
    });
}
