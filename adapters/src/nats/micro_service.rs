//! The request-and-reply door: a NATS micro service that answers on `tallygate.command.<name>`.
//!
//! `nats micro ls` shows it, `nats request tallygate.command.IssueKey '{…}'` uses it. Each request goes to one of the
//! gateways. The answer is the receipt or the error as JSON; an error has the headers `Nats-Service-Error` (its code) and
//! `Nats-Service-Error-Code` (400 malformed, 409 refused, 503 send it again). A command without an `id` takes the
//! message's `Nats-Msg-Id`.

use std::collections::HashMap;
use std::sync::Arc;

use async_nats::service::endpoint::Endpoint;
use async_nats::service::{Request, Service, ServiceExt as _};
use futures_util::StreamExt as _;
use tallygate_core::port::command_door::{CommandHandler, Submission};
use tallygate_core::port::event_log::BoxError;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::connection::Connection;
use super::{door, reply_subject};

/// How the service presents itself, and how much it takes at once.
#[derive(Debug, Clone)]
pub struct Options {
    /// The version of the gateway: three numbers with dots, as `CARGO_PKG_VERSION` has them.
    pub version: String,
    /// The names of the commands, for people who look at the service's metadata. Others are handed over all the same.
    pub commands: Vec<String>,
    /// The most commands in hand at once. Those beyond it wait in the connection.
    pub concurrency: usize,
}

/// Why the service could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the NATS service cannot be started")]
pub struct StartError(#[source] BoxError);

/// The running service. Dropping it leaves it running until the connection ends; [`MicroService::stop`] ends it in order.
#[derive(Debug)]
pub struct MicroService {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl MicroService {
    /// Starts to take commands. It goes on by itself when the connection is lost and comes back.
    ///
    /// # Errors
    /// [`StartError`] when the version is none, or the connection is closed.
    pub async fn start(
        connection: &Connection,
        handler: Arc<dyn CommandHandler>,
        options: Options,
    ) -> Result<Self, StartError> {
        let prefix = &connection.options().prefix;
        let service = connection
            .client()
            .service_builder()
            .description("Takes the commands of a Tallygate gateway")
            .metadata(HashMap::from([("commands".to_owned(), options.commands.join(" "))]))
            .start(prefix.as_str(), &options.version)
            .await
            .map_err(StartError)?;
        let endpoint =
            service.endpoint_builder().name("command").add(prefix.subject("command.*")).await.map_err(StartError)?;
        let (stop, stopped) = watch::channel(false);
        let door = Door { connection: connection.clone(), handler };
        let task = tokio::spawn(serve(door, service, endpoint, options.concurrency.max(1), stopped));
        Ok(Self { stop, task })
    }

    /// Takes no more commands, and waits for the answers to those in hand.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.task.await;
    }
}

#[derive(Clone)]
struct Door {
    connection: Connection,
    handler: Arc<dyn CommandHandler>,
}

async fn serve(
    door: Door,
    service: Service,
    mut endpoint: Endpoint,
    concurrency: usize,
    mut stopped: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(concurrency));
    let mut answering = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let request = tokio::select! {
            biased;
            // A sender that was dropped only means that nobody will ever stop the service.
            Ok(_) = stopped.wait_for(|stopped| *stopped) => break,
            request = endpoint.next() => request,
        };
        let Some(request) = request else { break };
        let door = door.clone();
        answering.spawn(async move {
            door.answer(request).await;
            drop(place);
        });
        while answering.try_join_next().is_some() {}
    }
    let _ = service.stop().await;
    drop(endpoint);
    while answering.join_next().await.is_some() {}
}

impl Door {
    async fn answer(&self, request: Request) {
        let prefix = &self.connection.options().prefix;
        let message = &request.message;
        if let Some(reply) = &message.reply
            && !reply_subject::is_allowed(prefix, reply)
        {
            tracing::warn!(subject = %message.subject, %reply, "a command wants its answer where none may go; dropped");
            return;
        }
        let submission = Submission {
            actor: door::actor(),
            name: message.subject.rsplit('.').next().map(str::to_owned),
            fallback_id: door::message_id(message.headers.as_ref()),
            body: message.payload.clone(),
        };
        let reply = door::call(&self.handler, submission).await;
        let headers = door::reply_headers(&reply);
        if let Err(error) = request.respond_with_headers(Ok(reply.body), headers).await {
            tracing::debug!(%error, "nobody hears the answer to a command");
        }
    }
}
