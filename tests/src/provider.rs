//! Simulated providers: a real HTTP/1.1 server on loopback that speaks, by path, the format of every vendor.
//!
//! It checks a request as strictly as the vendor does and refuses in the vendor's words, so that a bad translation fails
//! a test. What it answers follows from the conversation, as with a real model (`scenario`), unless a [`Reply`] of the
//! queue says otherwise. It keeps every request as it came.

mod route;
mod refusal;
mod part;
mod seen;
mod scenario;
mod format;
mod openai_chat;
mod openai_responses;
mod anthropic_messages;
mod gemini_generate;
mod ollama_chat;
mod media;
mod form;
mod gzip;
mod reply;
mod respond;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::accept::accept;
use crate::process::PATIENCE;
use crate::upstream::{Recorded, Wire};

pub use reply::{End, Reply};
pub use scenario::{REASONING, Tokens};

/// The key that every simulated vendor accepts; any other is refused.
pub const KEY: &str = "sk-of-the-simulated-provider";

/// A wire format of conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// OpenAI's chat completions, which Azure and many others speak too.
    OpenaiChat,
    /// OpenAI's Responses.
    OpenaiResponses,
    /// Anthropic's Messages.
    AnthropicMessages,
    /// Google's `generateContent`.
    GeminiGenerate,
    /// Ollama's chat.
    OllamaChat,
}

/// A running provider. It closes, with all connections, when this is dropped.
#[derive(Debug)]
pub struct Provider {
    address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

/// What requests and the test share.
#[derive(Debug)]
struct State {
    plan: Mutex<Plan>,
    arrived: watch::Sender<usize>,
    abandoned: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Plan {
    queue: VecDeque<Reply>,
    recorded: Vec<Recorded>,
    /// What was refused for its form, in words: what a test shows when something failed.
    complaints: Vec<String>,
    /// The items of stored Responses, by id.
    stored: BTreeMap<String, Vec<Value>>,
}

impl State {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request; gives how it is to be answered and its number, from 1.
    fn record(&self, request: Recorded) -> (Reply, usize) {
        let mut plan = self.plan();
        let reply = plan.queue.pop_front().unwrap_or_default();
        plan.recorded.push(request);
        self.arrived.send_modify(|count| *count += 1);
        (reply, plan.recorded.len())
    }

    fn note_abandoned(&self) {
        self.abandoned.send_modify(|count| *count += 1);
    }
}

impl Provider {
    /// Starts on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be taken.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port")?;
        let address = listener.local_addr()?;
        let (arrived, abandoned) = (watch::Sender::new(0), watch::Sender::new(0));
        let state = Arc::new(State { plan: Mutex::default(), arrived, abandoned });
        let of_connection = Arc::clone(&state);
        let server = tokio::spawn(accept(listener, move |socket| converse(socket, Arc::clone(&of_connection))));
        Ok(Self { address, state, server })
    }

    /// `http://127.0.0.1:PORT`: the base URL of every vendor but OpenAI, whose is `/v1` below it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request is answered so. Replies queue up.
    pub fn next(&self, reply: Reply) {
        self.state.plan().queue.push_back(reply);
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.plan().recorded.clone()
    }

    /// What was refused for its form, as `PATH: why`, oldest first.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.state.plan().complaints.clone()
    }

    /// Waits until this many requests have come in all, and gives them.
    ///
    /// # Errors
    /// When they do not come within [`PATIENCE`].
    pub async fn wait_for_requests(&self, count: usize) -> Result<Vec<Recorded>> {
        reaches(&self.state.arrived, count, "requests").await?;
        Ok(self.requests())
    }

    /// Waits until this many streams in all were hung up on before their end.
    ///
    /// # Errors
    /// When they are not within [`PATIENCE`].
    pub async fn wait_for_abandoned(&self, count: usize) -> Result<()> {
        reaches(&self.state.abandoned, count, "abandoned streams").await
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn reaches(counter: &watch::Sender<usize>, count: usize, what: &str) -> Result<()> {
    let mut seen = counter.subscribe();
    let reached = timeout(PATIENCE, seen.wait_for(|seen| *seen >= count)).await.map(|reached| reached.is_ok());
    anyhow::ensure!(reached == Ok(true), "the provider saw {} {what}, {count} were awaited", *counter.borrow());
    Ok(())
}

async fn converse(socket: TcpStream, state: Arc<State>) {
    // Without it every small chunk waits for the acknowledgement of the one before.
    let _ = socket.set_nodelay(true);
    let wire = Wire::new(socket);
    let fate = wire.fate();
    let service = service_fn(|request| respond::respond(request, Arc::clone(&state), fate.clone()));
    // A connection that the caller or a reply breaks is what the test is about, not an error of the server.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(wire), service).await;
}
