//! The request-and-reply door.

use std::sync::Arc;
use std::time::Duration;

use async_nats::service::{NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE};
use async_nats::{Client, HeaderMap};
use futures_util::StreamExt as _;
use tallygate_adapters::nats::Connection;
use tallygate_adapters::nats::micro_service::{MicroService, Options};
use tallygate_core::actor::ActorKind;
use tallygate_core::port::command_door::{CommandHandler, Outcome};
use tallygate_tests::nats_server::NatsServer;

use crate::doors::{Recorder, Script};
use crate::fixture::{impatient, run};

fn options() -> Options {
    Options { version: "0.1.0".to_owned(), commands: vec!["IssueKey".to_owned()], concurrency: 8 }
}

async fn start(server: &NatsServer, handler: Arc<dyn CommandHandler>) -> (MicroService, Client) {
    let connection = Connection::connect(impatient(server.url())).await.unwrap();
    let service = MicroService::start(&connection, handler, options()).await.unwrap();
    (service, async_nats::connect(server.url()).await.unwrap())
}

/// A request as soon as somebody listens: a subscription takes effect a moment after it was made.
async fn request(client: &Client, subject: &str, headers: HeaderMap, body: &'static str) -> async_nats::Message {
    loop {
        match client.request_with_headers(subject.to_owned(), headers.clone(), body.into()).await {
            Err(error) if error.kind() == async_nats::RequestErrorKind::NoResponders => {}
            answer => return answer.unwrap(),
        }
    }
}

#[test]
fn a_command_is_handed_over_as_it_came_and_its_receipt_goes_back() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let (handler, mut submissions) = Recorder::accepting();
        let (_service, client) = start(&server, handler).await;
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", "command-1");
        let answer = request(&client, "tallygate.command.IssueKey", headers, r#"{"type":"IssueKey"}"#).await;
        assert_eq!(&*answer.payload, br#"{"position":7}"#);
        assert!(answer.headers.is_none_or(|headers| headers.get(NATS_SERVICE_ERROR).is_none()));
        let submission = submissions.recv().await.unwrap();
        assert_eq!(submission.name.as_deref(), Some("IssueKey"));
        assert_eq!(submission.fallback_id.as_deref(), Some("command-1"));
        assert_eq!(&*submission.body, br#"{"type":"IssueKey"}"#);
        assert_eq!(submission.actor.kind, ActorKind::Service);
    });
}

#[test]
fn a_failure_has_its_body_and_the_headers_of_a_service_error() {
    run(async {
        for (script, code, number) in [
            (Script::Reply(Outcome::Refused), "test.code", "409"),
            (Script::Reply(Outcome::Malformed), "test.code", "400"),
            (Script::Reply(Outcome::Retry), "test.code", "503"),
            (Script::Panic, "internal", "503"),
        ] {
            let server = NatsServer::start().await.unwrap();
            let (handler, _submissions) = Recorder::new(&[script]);
            let (_service, client) = start(&server, handler).await;
            let answer = request(&client, "tallygate.command.IssueKey", HeaderMap::new(), "{}").await;
            let headers = answer.headers.expect("headers");
            assert_eq!(headers.get(NATS_SERVICE_ERROR).unwrap().as_str(), code);
            assert_eq!(headers.get(NATS_SERVICE_ERROR_CODE).unwrap().as_str(), number);
            assert!(answer.payload.starts_with(b"{\"error\":"), "{:?}", answer.payload);
        }
    });
}

#[test]
fn the_service_can_be_discovered() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let (handler, _submissions) = Recorder::accepting();
        let (_service, client) = start(&server, handler).await;
        let pong = request(&client, "$SRV.PING", HeaderMap::new(), "").await;
        let pong: serde_json::Value = serde_json::from_slice(&pong.payload).unwrap();
        assert_eq!((&pong["name"], &pong["version"]), (&"tallygate".into(), &"0.1.0".into()));
        let info = request(&client, "$SRV.INFO.tallygate", HeaderMap::new(), "").await;
        let info: serde_json::Value = serde_json::from_slice(&info.payload).unwrap();
        assert_eq!(info["endpoints"][0]["name"], "command");
        assert_eq!(info["endpoints"][0]["subject"], "tallygate.command.*");
        assert_eq!(info["metadata"]["commands"], "IssueKey");
    });
}

#[test]
fn each_command_goes_to_one_of_two_gateways() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let (handler, mut submissions) = Recorder::accepting();
        let (_one, client) = start(&server, handler.clone()).await;
        let (_other, _) = start(&server, handler).await;
        for _ in 0..50 {
            request(&client, "tallygate.command.IssueKey", HeaderMap::new(), "{}").await;
        }
        let mut count = 0;
        while submissions.try_recv().is_ok() {
            count += 1;
        }
        assert_eq!(count, 50);
    });
}

#[test]
fn a_command_that_wants_its_answer_in_a_log_is_dropped() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let (handler, mut submissions) = Recorder::accepting();
        let (_service, client) = start(&server, handler).await;
        let mut log = client.subscribe("tallygate.control.>").await.unwrap();
        request(&client, "tallygate.command.First", HeaderMap::new(), "{}").await;
        client
            .publish_with_reply("tallygate.command.Evil", "tallygate.control.default.realm-default", "{}".into())
            .await
            .unwrap();
        request(&client, "tallygate.command.Last", HeaderMap::new(), "{}").await;
        assert_eq!(submissions.recv().await.unwrap().name.as_deref(), Some("First"));
        assert_eq!(submissions.recv().await.unwrap().name.as_deref(), Some("Last"));
        client.publish("tallygate.control.end", "end".into()).await.unwrap();
        assert_eq!(log.next().await.unwrap().subject.as_str(), "tallygate.control.end");
    });
}

#[test]
fn the_service_is_there_again_after_the_server_was_restarted() {
    run(async {
        let mut server = NatsServer::start().await.unwrap();
        let (handler, mut submissions) = Recorder::accepting();
        let (service, _) = start(&server, handler).await;
        server.kill().await.unwrap();
        server.restart().await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        request(&client, "tallygate.command.IssueKey", HeaderMap::new(), "{}").await;
        submissions.recv().await.unwrap();
        tokio::time::timeout(Duration::from_secs(20), service.stop()).await.expect("an idle service stops at once");
        let gone = client.request("tallygate.command.IssueKey", "{}".into()).await;
        assert!(gone.is_err());
    });
}
