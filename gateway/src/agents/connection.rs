//! One connection of an agent, from its token to its end.
//!
//! Nothing is queued for an agent: whenever it can take a message it gets the newest configuration, if that is another than
//! it has. So one that is slow misses what was so in between, and never what is so now.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use tallygate_core::agent::TokenHash;
use tallygate_core::id::{AgentId, ConnectionId};
use tallygate_core::stream::Position;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::goodbye::Goodbye;
use super::message::{Envelope, Heard};
use super::pace::Pace;
use super::recorded::Recorder;
use super::seat::Seat;
use super::told::told;
use super::{Progress, ToldAt};
use crate::http::App;

/// The longest message of an agent, in bytes.
pub(crate) const MESSAGE_MAX_BYTES: usize = 16 * 1024;
/// How long a connection may take to say whose it is.
const AUTHENTICATION_MAX: Duration = Duration::from_secs(10);
/// How long an agent may take to take a message.
const SEND_MAX: Duration = Duration::from_secs(10);
/// The least time between two looks at the views for one agent: many changes at once are one to it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Who connects.
#[derive(Debug)]
pub(crate) struct Comer {
    /// The token's hash, where it came with the request.
    pub(crate) token: Option<TokenHash>,
    /// Where this agent reaches the gateway.
    pub(crate) base_url: String,
}

/// Serves a connection to its end.
///
/// Cancellation: the connection breaks off.
pub(crate) async fn serve(app: App, mut socket: WebSocket, comer: Comer) {
    let mut agent = None;
    let goodbye = run(&app, &mut socket, comer, &mut agent).await;
    end(&app, socket, agent.as_ref(), goodbye).await;
}

async fn run(app: &App, socket: &mut WebSocket, comer: Comer, known: &mut Option<AgentId>) -> Goodbye {
    let token = match comer.token {
        Some(token) => token,
        None => match ask_for_token(app, socket).await {
            Ok(token) => token,
            Err(goodbye) => return goodbye,
        },
    };
    let snapshot = app.pipeline.views.control.snapshot();
    let Some(agent) = snapshot.control.agent_tokens.get(&token).map(|id| AgentId::clone(id)) else {
        return Goodbye::Unknown;
    };
    *known = Some(agent.clone());
    let Some(seat) = app.agents.enter(agent.clone(), app.pipeline.clock.now()) else { return Goodbye::Full };
    let recorder = seat.is_recorded.then(|| {
        let id = ConnectionId::new(app.pipeline.ids.uuid());
        Recorder::connected(app.pipeline.activity.clone(), agent.clone(), id)
    });
    let (base_url, heard_at) = (comer.base_url, Instant::now());
    let connection = Connection { app, socket, agent, token, base_url, seat, recorder: recorder.as_ref(), heard_at };
    let goodbye = match connection.converse().await {
        Ok(never) => match never {},
        Err(goodbye) => goodbye,
    };
    if let Some(recorder) = recorder {
        recorder.disconnected(goodbye);
    }
    goodbye
}

/// The token of a connection that came without one: its first message, within a while.
async fn ask_for_token(app: &App, socket: &mut WebSocket) -> Result<TokenHash, Goodbye> {
    let _place = app.agents.strangers().try_acquire().map_err(|_| Goodbye::Full)?;
    let mut stop = app.agents.stop();
    let first = timeout(AUTHENTICATION_MAX, async {
        loop {
            match socket.recv().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_))) => return Err(Goodbye::Malformed),
                Some(Ok(Message::Close(_))) | None => return Err(Goodbye::Gone),
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
    });
    let text = tokio::select! {
        text = first => text.map_err(|_| Goodbye::Idle)??,
        () = stopped(&mut stop) => return Err(Goodbye::Stopping),
    };
    let heard: Heard = serde_json::from_str(&text).map_err(|_| Goodbye::Malformed)?;
    let token = heard.token.filter(|_| heard.kind == "auth").ok_or(Goodbye::Unknown)?;
    Ok(TokenHash::of_token(token.expose()))
}

struct Connection<'c> {
    app: &'c App,
    socket: &'c mut WebSocket,
    agent: AgentId,
    token: TokenHash,
    base_url: String,
    seat: Seat,
    recorder: Option<&'c Recorder>,
    heard_at: Instant,
}

impl Connection<'_> {
    /// Tells and listens until a reason to end.
    async fn converse(mut self) -> Result<std::convert::Infallible, Goodbye> {
        let idle_max = self.app.agents.settings().idle_max;
        let (mut ping, mut pace) = (pings(idle_max), Pace::new(Instant::now()));
        let mut stop = self.app.agents.stop();
        let mut checked = self.look().await?;
        let mut looked_at = Instant::now();
        loop {
            tokio::select! {
                heard = self.socket.recv() => {
                    self.heard_at = Instant::now();
                    if pace.is_exceeded(self.heard_at) {
                        return Err(Goodbye::Flood);
                    }
                    self.hear(heard)?;
                }
                () = moved(self.app, checked, looked_at + LOOK_EVERY) => {
                    checked = self.look().await?;
                    looked_at = Instant::now();
                }
                _ = ping.tick() => {
                    if self.heard_at.elapsed() >= idle_max {
                        return Err(Goodbye::Idle);
                    }
                    self.send(Message::Ping(bytes::Bytes::new())).await?;
                    // Keys expire without an event.
                    checked = self.look().await?;
                }
                _ = &mut self.seat.replaced => return Err(Goodbye::Replaced),
                () = stopped(&mut stop) => return Err(Goodbye::Stopping),
            }
        }
    }

    /// Looks at the views, and tells the agent if it is to use something else than it was told.
    async fn look(&mut self) -> Result<Position, Goodbye> {
        let snapshot = self.app.pipeline.views.control.snapshot();
        let agent = snapshot.control.agents.get(&self.agent);
        let agent = agent.filter(|agent| agent.removed.is_none() && agent.token == self.token);
        let agent = agent.ok_or(Goodbye::TokenEnded)?;
        let told = told(&self.app.pipeline, &snapshot.control, agent, &self.base_url);
        let checked = snapshot.end.position;
        let before = self.seat.progress();
        if before.fingerprint != Some(told.fingerprint) {
            let (message, at) = (self.app.pipeline.ids.uuid().to_string(), self.app.pipeline.clock.now());
            let envelope = Envelope { id: &message, agent: Some(&self.agent), at };
            let text = envelope.configuration(&told, checked);
            let fingerprint = Some(told.fingerprint);
            let told = Some(ToldAt { message, position: checked, at });
            // Before it is sent: whoever has it finds it noted.
            self.seat.looked(Progress { checked: before.checked, told, fingerprint, acknowledged_at: None });
            self.send(Message::Text(text.into())).await?;
        }
        self.seat.looked(Progress { checked, ..self.seat.progress() });
        Ok(checked)
    }

    fn hear(&self, heard: Option<Result<Message, axum::Error>>) -> Result<(), Goodbye> {
        match heard {
            Some(Ok(Message::Text(text))) => self.read(&text),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Binary(_))) => Err(Goodbye::Malformed),
            Some(Ok(Message::Close(_))) | None => Err(Goodbye::Gone),
            Some(Err(error)) => Err(broken(&error)),
        }
    }

    /// Notes that the agent uses what it was told last. What it says of anything older is passed over.
    fn read(&self, text: &str) -> Result<(), Goodbye> {
        let heard: Heard = serde_json::from_str(text).map_err(|_| Goodbye::Malformed)?;
        if heard.kind != "ack" {
            return Ok(());
        }
        let names = |told: &ToldAt| {
            heard.message_id.as_ref().is_some_and(|message| *message == told.message)
                || heard.position.is_some_and(|position| position >= told.position.get())
        };
        let acknowledged = self.seat.acknowledge(names, self.app.pipeline.clock.now());
        if let (Some(recorder), Some(position)) = (self.recorder, acknowledged) {
            recorder.acknowledged(position);
        }
        Ok(())
    }

    async fn send(&mut self, message: Message) -> Result<(), Goodbye> {
        match timeout(SEND_MAX, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Goodbye::Gone),
            Err(_) => Err(Goodbye::Slow),
        }
    }
}

fn pings(idle_max: Duration) -> Interval {
    let every = (idle_max / 3).max(Duration::from_millis(100));
    let mut pings = interval_at(Instant::now() + every, every);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings
}

/// Done when the views have moved on, and not before a moment. Never, where nobody follows the log any more.
async fn moved(app: &App, checked: Position, not_before: Instant) {
    if app.pipeline.views.control.wait_for(checked.plus(1)).await.is_err() {
        std::future::pending::<()>().await;
    }
    sleep_until(not_before).await;
}

/// Waits until the gateway is to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A message that was too long is told; anything else has broken the connection.
fn broken(error: &axum::Error) -> Goodbye {
    if error.to_string().contains("too long") { Goodbye::TooLong } else { Goodbye::Gone }
}

/// Tells the agent why it ends, if it still listens.
async fn end(app: &App, mut socket: WebSocket, agent: Option<&AgentId>, goodbye: Goodbye) {
    let (Some((word, message)), Some(frame)) = (goodbye.message(), goodbye.frame()) else { return };
    let id = app.pipeline.ids.uuid().to_string();
    let text = Envelope { id: &id, agent, at: app.pipeline.clock.now() }.error(word, message);
    let told = async {
        if socket.send(Message::Text(text.into())).await.is_ok()
            && socket.send(Message::Close(Some(frame))).await.is_ok()
        {
            // The agent's own close ends it; without waiting for that the last message might be lost.
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    let _ = timeout(Duration::from_secs(1), told).await;
}
