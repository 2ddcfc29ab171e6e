//! The durable door.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use futures_util::StreamExt as _;
use tallygate_adapters::nats::durable_commands::{DurableCommands, Options};
use tallygate_adapters::nats::{Connection, Prefix};
use tallygate_core::port::command_door::{CommandHandler, Outcome, Submission};
use tallygate_tests::nats_server::NatsServer;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::doors::{Recorder, Script};
use crate::fixture::{impatient, run};

const BODY: &str = r#"{"type":"IssueKey","data":{}}"#;

fn quick() -> Options {
    Options {
        ack_wait: Duration::from_secs(1),
        first_delay: Duration::from_millis(50),
        longest_delay: Duration::from_millis(400),
        ..Options::default()
    }
}

async fn start(server: &NatsServer, handler: Arc<dyn CommandHandler>) -> (DurableCommands, Connection) {
    let connection = Connection::connect(impatient(server.url())).await.unwrap();
    (DurableCommands::start(&connection, handler, quick()).await.unwrap(), connection)
}

async fn publisher(server: &NatsServer) -> Context {
    async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

async fn publish(context: &Context, headers: HeaderMap) {
    context.publish_with_headers("tallygate.commands.IssueKey", headers, BODY.into()).await.unwrap().await.unwrap();
}

/// Waits until no command waits or is in hand.
async fn wait_until_done(context: &Context) {
    while context.get_stream("TALLYGATE_COMMANDS").await.unwrap().cached_info().state.messages > 0 {}
}

async fn next(submissions: &mut UnboundedReceiver<Submission>) -> Submission {
    submissions.recv().await.unwrap()
}

#[test]
fn a_command_that_was_sent_while_no_gateway_ran_is_carried_out_at_the_start() {
    run(async {
        let mut server = NatsServer::start().await.unwrap();
        let (handler, mut submissions) = Recorder::accepting();
        let (door, connection) = start(&server, handler.clone()).await;
        door.stop().await;
        drop(connection);
        let context = publisher(&server).await;
        publish(&context, HeaderMap::new()).await;
        server.kill().await.unwrap();
        server.restart().await.unwrap();
        let (_door, _connection) = start(&server, handler).await;
        let submission = next(&mut submissions).await;
        assert_eq!(&*submission.body, BODY.as_bytes());
        assert_eq!(submission.name.as_deref(), Some("IssueKey"));
        wait_until_done(&publisher(&server).await).await;
        assert!(submissions.try_recv().is_err(), "once");
    });
}

#[test]
fn a_command_that_can_be_tried_again_comes_back_the_same_with_a_growing_delay() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let retry = Script::Reply(Outcome::Retry);
        let (handler, mut submissions) =
            Recorder::new(&[retry, Script::Panic, retry, Script::Reply(Outcome::Accepted)]);
        let (_door, _connection) = start(&server, handler).await;
        let context = publisher(&server).await;
        let started = Instant::now();
        publish(&context, HeaderMap::new()).await;
        let first = next(&mut submissions).await;
        for _ in 0..3 {
            assert_eq!(next(&mut submissions).await, first);
        }
        assert!(started.elapsed() >= Duration::from_millis(50 + 100 + 200), "{:?}", started.elapsed());
        wait_until_done(&context).await;
        assert!(submissions.try_recv().is_err());
    });
}

#[test]
fn a_command_whose_gateway_fell_silent_goes_to_another_the_same() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let context = publisher(&server).await;
        // A gateway that dies with the command in hand: its runtime ends, and with it what would say that it works.
        let url = server.url();
        let (hanging, mut seen_by_the_dead) = Recorder::new(&[Script::Hang]);
        let dead = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let seen = runtime.block_on(async {
                let connection = Connection::connect(impatient(url.clone())).await.unwrap();
                let _door = DurableCommands::start(&connection, hanging, quick()).await.unwrap();
                let context = async_nats::jetstream::new(async_nats::connect(url).await.unwrap());
                publish(&context, HeaderMap::new()).await;
                next(&mut seen_by_the_dead).await
            });
            runtime.shutdown_background();
            seen
        });
        let seen = tokio::task::spawn_blocking(|| dead.join().unwrap()).await.unwrap();
        let (handler, mut submissions) = Recorder::accepting();
        let (_door, _connection) = start(&server, handler).await;
        assert_eq!(next(&mut submissions).await, seen);
        wait_until_done(&context).await;
    });
}

#[test]
fn a_command_that_takes_longer_than_the_server_waits_is_not_given_away() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let (handler, mut submissions) = Recorder::new(&[Script::Hang]);
        let (_door, _connection) = start(&server, handler.clone()).await;
        let (_other, _connection) = start(&server, handler).await;
        publish(&publisher(&server).await, HeaderMap::new()).await;
        next(&mut submissions).await;
        let again = tokio::time::timeout(quick().ack_wait * 3, submissions.recv()).await;
        assert!(again.is_err(), "it is still in hand");
    });
}

#[test]
fn refused_and_malformed_commands_are_not_delivered_again() {
    run(async {
        for outcome in [Outcome::Refused, Outcome::Malformed] {
            let server = NatsServer::start().await.unwrap();
            let (handler, mut submissions) = Recorder::new(&[Script::Reply(outcome)]);
            let (_door, _connection) = start(&server, handler).await;
            let context = publisher(&server).await;
            let mut terminated =
                context.client().subscribe("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>").await.unwrap();
            context.client().flush().await.unwrap();
            publish(&context, HeaderMap::new()).await;
            next(&mut submissions).await;
            wait_until_done(&context).await;
            assert!(submissions.try_recv().is_err());
            if outcome == Outcome::Malformed {
                terminated.next().await.expect("an advisory for operators");
            }
        }
    });
}

#[test]
fn a_command_without_an_id_takes_the_message_id_or_one_that_is_never_given_twice() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let (handler, mut submissions) = Recorder::accepting();
        let (door, connection) = start(&server, handler.clone()).await;
        let context = publisher(&server).await;
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", "mine");
        publish(&context, headers).await;
        assert_eq!(next(&mut submissions).await.fallback_id.as_deref(), Some("mine"));
        publish(&context, HeaderMap::new()).await;
        let one = next(&mut submissions).await.fallback_id.unwrap();
        assert!(one.starts_with("TALLYGATE_COMMANDS:") && one.ends_with(":2"), "{one}");
        wait_until_done(&context).await;
        door.stop().await;
        // The stream is made anew, and its sequences begin again.
        context.delete_stream("TALLYGATE_COMMANDS").await.unwrap();
        let _door = DurableCommands::start(&connection, handler, quick()).await.unwrap();
        for _ in 0..2 {
            publish(&context, HeaderMap::new()).await;
            let other = next(&mut submissions).await.fallback_id.unwrap();
            assert_ne!(other, one);
        }
    });
}

#[test]
fn the_answer_goes_where_the_command_asked_for_it_but_never_into_a_log() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let (handler, mut submissions) =
            Recorder::new(&[Script::Reply(Outcome::Accepted), Script::Reply(Outcome::Refused)]);
        let (_door, _connection) = start(&server, handler).await;
        let context = publisher(&server).await;
        let mut answers = context.client().subscribe("billing.>").await.unwrap();
        let mut logs = context.client().subscribe("tallygate.control.>").await.unwrap();
        context.client().flush().await.unwrap();
        for subject in ["billing.answers", "tallygate.control.default.realm-default", "billing.answers"] {
            let mut headers = HeaderMap::new();
            headers.insert("Tallygate-Reply-To", subject);
            publish(&context, headers).await;
            next(&mut submissions).await;
            wait_until_done(&context).await;
        }
        let receipt = answers.next().await.unwrap();
        assert_eq!(&*receipt.payload, br#"{"position":7}"#);
        let error = answers.next().await.unwrap();
        assert_eq!(error.headers.unwrap().get("Nats-Service-Error").unwrap().as_str(), "test.code");
        context.client().publish("tallygate.control.end", "end".into()).await.unwrap();
        assert_eq!(logs.next().await.unwrap().subject.as_str(), "tallygate.control.end");
    });
}

#[test]
fn every_command_is_carried_out_though_the_server_is_killed_in_between() {
    run(async {
        let mut server = NatsServer::start().await.unwrap();
        let (handler, mut submissions) = Recorder::accepting();
        let (_door, _connection) = start(&server, handler).await;
        let mut seen = std::collections::HashSet::new();
        for round in 0..3 {
            let context = publisher(&server).await;
            for number in 0..100 {
                let mut headers = HeaderMap::new();
                headers.insert("Nats-Msg-Id", format!("{round}-{number}"));
                publish(&context, headers).await;
            }
            server.kill().await.unwrap();
            server.restart().await.unwrap();
            while seen.len() < (round + 1) * 100 {
                seen.insert(next(&mut submissions).await.fallback_id.unwrap());
            }
        }
    });
}

#[test]
fn a_queue_that_is_not_a_work_queue_is_refused() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let context = publisher(&server).await;
        let stream = async_nats::jetstream::stream::Config {
            name: "EAST_COMMANDS".to_owned(),
            subjects: vec!["east.commands.>".to_owned()],
            ..Default::default()
        };
        context.create_stream(stream).await.unwrap();
        let options =
            tallygate_adapters::nats::Options { prefix: Prefix::new("east").unwrap(), ..impatient(server.url()) };
        let connection = Connection::connect(options).await.unwrap();
        let (handler, _submissions) = Recorder::accepting();
        let refused = DurableCommands::start(&connection, handler, quick()).await.unwrap_err().to_string();
        assert!(refused.contains("retention = Limits, and must have WorkQueue"), "{refused}");
    });
}
