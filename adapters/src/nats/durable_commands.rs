//! The durable door: a work queue of commands that are carried out though no gateway ran when they were sent.
//!
//! A message to `tallygate.commands.<name>` waits in the stream `TALLYGATE_COMMANDS` until a gateway has it. Its body is
//! that of `POST /api/commands`. A command without an `id` takes the message's `Nats-Msg-Id`, or else
//! `<stream>:<when the stream was created, in nanoseconds>:<sequence>`, which is the same at every delivery and is never
//! given twice. What was accepted or refused is acknowledged, and the server confirms it; what is malformed is ended;
//! what can be tried again is given back with a growing delay, for ever. A header `Tallygate-Reply-To` names a subject
//! for the final answer, which may come more than once. Commands are carried out side by side, in no order.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::message::AckKind;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, Message};
use futures_util::{FutureExt as _, StreamExt as _};
use tallygate_core::port::command_door::{CommandHandler, Outcome, Reply, Submission};
use tallygate_core::port::event_log::BoxError;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval_at, sleep};

use super::connection::Connection;
use super::stream_setup::{self, SetupError};
use super::{door, reply_subject};

/// The name of the stream, behind the prefix.
const STREAM: &str = "commands";
/// The name of the consumer that all gateways share.
const CONSUMER: &str = "gateways";
/// The most commands that wait. Beyond it a publisher gets an error.
const WAITING_MAX: i64 = 1_000_000;
/// How long the server remembers message ids.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);
/// The header that names the subject for the answer.
const REPLY_TO: &str = "Tallygate-Reply-To";
const HEARTBEAT: Duration = Duration::from_secs(2);
const PULL_EXPIRES: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

/// How much is taken at once, and how patiently.
#[derive(Debug, Clone)]
pub struct Options {
    /// The most commands in hand at once, in this gateway. 32.
    pub concurrency: usize,
    /// How long the server waits for a gateway that says nothing before it gives a command to another. 30 s. A gateway
    /// that works on a command says so every third of it.
    pub ack_wait: Duration,
    /// The delay before a command that can be tried again comes back. It doubles each time. 1 s.
    pub first_delay: Duration,
    /// The longest such delay. 60 s.
    pub longest_delay: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 32,
            ack_wait: Duration::from_secs(30),
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_mins(1),
        }
    }
}

/// The running door. Dropping it leaves it running until the connection ends; [`DurableCommands::stop`] ends it in order.
#[derive(Debug)]
pub struct DurableCommands {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl DurableCommands {
    /// Creates or verifies the stream, and starts to take commands. It goes on by itself when the connection is lost and
    /// comes back.
    ///
    /// # Errors
    /// [`SetupError`] when the stream cannot be used.
    pub async fn start(
        connection: &Connection,
        handler: Arc<dyn CommandHandler>,
        options: Options,
    ) -> Result<Self, SetupError> {
        stream_setup::ensure(connection, stream_config(connection)).await?;
        let (stop, stopped) = watch::channel(false);
        let door = Door { connection: connection.clone(), handler, options };
        let task = tokio::spawn(serve(door, stopped));
        Ok(Self { stop, task })
    }

    /// Takes no more commands, and waits for those in hand.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.task.await;
    }
}

fn stream_config(connection: &Connection) -> Config {
    let prefix = &connection.options().prefix;
    Config {
        name: prefix.stream(STREAM),
        description: Some("Commands that wait for a Tallygate gateway".to_owned()),
        subjects: vec![prefix.subject("commands.>")],
        storage: StorageType::File,
        retention: RetentionPolicy::WorkQueue,
        max_messages: WAITING_MAX,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        discard: DiscardPolicy::New,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        ..Config::default()
    }
}

#[derive(Clone)]
struct Door {
    connection: Connection,
    handler: Arc<dyn CommandHandler>,
    options: Options,
}

/// Where commands come from, until the connection is lost.
struct Source {
    messages: pull::Stream,
    changes: watch::Receiver<u64>,
    /// What ids made from sequences begin with.
    id_prefix: Arc<str>,
}

async fn serve(door: Door, mut stopped: watch::Receiver<bool>) {
    let mut working = JoinSet::new();
    let mut source = None;
    tokio::select! {
        // A sender that was dropped only means that nobody will ever stop the door.
        Ok(_) = stopped.wait_for(|stopped| *stopped) => {}
        () = take(&door, &mut source, &mut working) => {}
    }
    // What was delivered and not begun goes to another gateway now, not when `ack_wait` is over.
    while let Some(Some(Ok(message))) = source.as_mut().and_then(|source| source.messages.next().now_or_never()) {
        let _ = message.ack_with(AckKind::Nak(None)).await;
    }
    drop(source);
    while working.join_next().await.is_some() {}
}

/// Takes commands for ever.
async fn take(door: &Door, source: &mut Option<Source>, working: &mut JoinSet<()>) {
    let places = Arc::new(Semaphore::new(door.options.concurrency.max(1)));
    loop {
        match door.open().await {
            Ok(opened) => door.take_from(source.insert(opened), &places, working).await,
            Err(error) => tracing::debug!(%error, "the queue of commands cannot be read now"),
        }
        sleep(PAUSE).await;
    }
}

impl Door {
    async fn open(&self) -> Result<Source, BoxError> {
        let changes = self.connection.changes();
        self.connection.ready(HEARTBEAT).await?;
        let stream = self.connection.context().get_stream(self.connection.options().prefix.stream(STREAM)).await?;
        let info = stream.cached_info();
        let id_prefix = format!("{}:{}", info.config.name, info.created.unix_timestamp_nanos()).into();
        let config = pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.options.ack_wait,
            max_deliver: -1,
            ..pull::Config::default()
        };
        let messages = stream
            .create_consumer(config)
            .await?
            .stream()
            .max_messages_per_batch(self.options.concurrency.max(1))
            .heartbeat(HEARTBEAT)
            .expires(PULL_EXPIRES)
            .messages()
            .await?;
        Ok(Source { messages, changes, id_prefix })
    }

    /// Takes commands until the source is lost.
    async fn take_from(&self, source: &mut Source, places: &Arc<Semaphore>, working: &mut JoinSet<()>) {
        loop {
            let Ok(place) = Arc::clone(places).acquire_owned().await else { return };
            let message = tokio::select! {
                biased;
                _ = source.changes.changed() => return,
                message = source.messages.next() => message,
            };
            let Some(Ok(message)) = message else { return };
            let (door, id_prefix) = (self.clone(), Arc::clone(&source.id_prefix));
            working.spawn(async move {
                if let Err(error) = door.carry_out(&message, &id_prefix).await {
                    // The server gives the command to a gateway again; its id keeps it from being carried out twice.
                    tracing::warn!(subject = %message.subject, %error, "a durable command was not acknowledged");
                }
                drop(place);
            });
            while working.try_join_next().is_some() {}
        }
    }

    async fn carry_out(&self, message: &Message, id_prefix: &str) -> Result<(), BoxError> {
        let info = message.info()?;
        let commands = self.connection.options().prefix.subject("commands.");
        let submission = Submission {
            actor: door::actor(),
            name: message.subject.strip_prefix(&commands).map(str::to_owned),
            fallback_id: door::message_id(message.headers.as_ref())
                .or_else(|| Some(format!("{id_prefix}:{}", info.stream_sequence))),
            body: message.payload.clone(),
        };
        let reply = self.call(message, submission).await;
        if reply.outcome != Outcome::Retry {
            self.answer(message.headers.as_ref(), &reply).await;
        }
        match reply.outcome {
            Outcome::Accepted | Outcome::Refused => message.double_ack().await,
            Outcome::Malformed => message.double_ack_with(AckKind::Term).await,
            Outcome::Retry => message.ack_with(AckKind::Nak(Some(self.delay(info.delivered)))).await,
        }
    }

    /// Calls the handler, and tells the server now and then that the command is worked on.
    async fn call(&self, message: &jetstream::Message, submission: Submission) -> Reply {
        let call = door::call(&self.handler, submission);
        tokio::pin!(call);
        let third = (self.options.ack_wait / 3).max(PAUSE);
        let mut ticks = interval_at(tokio::time::Instant::now() + third, third);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                reply = &mut call => return reply,
                _ = ticks.tick() => {
                    if let Err(error) = message.ack_with(AckKind::Progress).await {
                        tracing::debug!(%error, "the server was not told that a command is worked on");
                    }
                }
            }
        }
    }

    /// Sends the answer where the command asked for it, if it may go there.
    async fn answer(&self, headers: Option<&HeaderMap>, reply: &Reply) {
        let Some(subject) = headers.and_then(|headers| headers.get(REPLY_TO)) else { return };
        if !reply_subject::is_allowed(&self.connection.options().prefix, subject.as_str()) {
            tracing::warn!(%subject, "a command wants its answer where none may go; not answered");
            return;
        }
        let sent = self
            .connection
            .client()
            .publish_with_headers(subject.as_str().to_owned(), door::reply_headers(reply), reply.body.clone())
            .await;
        if let Err(error) = sent {
            tracing::warn!(%subject, %error, "the answer to a durable command was not sent");
        }
    }

    fn delay(&self, delivered: i64) -> Duration {
        let doublings = u32::try_from(delivered.saturating_sub(1)).unwrap_or(0).min(16);
        self.options.first_delay.saturating_mul(1 << doublings).min(self.options.longest_delay)
    }
}
