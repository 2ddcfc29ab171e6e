//! A simulated upstream: a real HTTP/1.1 server on loopback that speaks the OpenAI dialect, and misbehaves when told to.
//!
//! What it answers is decided in this order: the next [`Reply`] of the queue, else the one set for the request's model,
//! else a plain answer. It keeps every request as it came.

mod bill;
mod embeddings;
mod chat;
mod gate;
mod recorded;
mod reply;
mod respond;
mod wire;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::accept::accept;
use crate::process::PATIENCE;
use bill::Bill;

pub use chat::Usage;
pub use gate::Gate;
pub use recorded::Recorded;
pub use reply::{Reply, StreamEnd};
pub(crate) use wire::{Fate, Wire};

/// A running upstream. It closes, with all connections, when this is dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

/// What requests and the test share.
#[derive(Debug)]
struct State {
    plan: Mutex<Plan>,
    bill: Bill,
    arrived: watch::Sender<usize>,
    abandoned: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Plan {
    queue: VecDeque<Reply>,
    by_model: BTreeMap<String, Reply>,
    recorded: Vec<Recorded>,
    is_forgetful: bool,
}

impl State {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request, and says how it is to be answered.
    fn record(&self, request: Recorded) -> Reply {
        let mut plan = self.plan();
        let model = request.model();
        let reply = plan.queue.pop_front().or_else(|| plan.by_model.get(&model?).cloned()).unwrap_or_default();
        if !plan.is_forgetful {
            plan.recorded.push(request);
        }
        self.arrived.send_modify(|count| *count += 1);
        reply
    }

    fn note_abandoned(&self) {
        self.abandoned.send_modify(|count| *count += 1);
    }
}

impl Upstream {
    /// Starts on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be taken.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port")?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            plan: Mutex::default(),
            bill: Bill::default(),
            arrived: watch::Sender::new(0),
            abandoned: watch::Sender::new(0),
        });
        let of_connection = Arc::clone(&state);
        let server = tokio::spawn(accept(listener, move |socket| converse(socket, Arc::clone(&of_connection))));
        Ok(Self { address, state, server })
    }

    /// The base URL that a deployment is registered with: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The next request is answered so, whatever its model. Replies queue up.
    pub fn next(&self, reply: Reply) {
        self.state.plan().queue.push_back(reply);
    }

    /// Forgets the replies that queued up.
    pub fn nothing_next(&self) {
        self.state.plan().queue.clear();
    }

    /// Every request for this model (the upstream's name of it) is answered so, when the queue is empty.
    pub fn on_model(&self, model: &str, reply: Reply) {
        self.state.plan().by_model.insert(model.to_owned(), reply);
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.plan().recorded.clone()
    }

    /// From now on requests are counted and not kept: for loads.
    pub fn forget_requests(&self) {
        self.state.plan().is_forgetful = true;
    }

    /// How many requests have come in all: what a provider would bill.
    #[must_use]
    pub fn request_count(&self) -> usize {
        *self.state.arrived.borrow()
    }

    /// What a provider would bill by now for each request that named its end user (`user`), in tokens of its answer; and
    /// begins a new bill. Whole answers are billed as they report, streams by what was sent of them, a chunk a token; or
    /// as the reply says ([`Reply::billed`]).
    pub fn take_bill(&self) -> BTreeMap<String, u64> {
        self.state.bill.take()
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

    /// A base URL at which every connection is refused.
    ///
    /// # Errors
    /// When no port can be taken.
    pub async fn refusing_url() -> Result<String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port")?;
        Ok(format!("http://{}/v1", listener.local_addr()?))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn reaches(counter: &watch::Sender<usize>, count: usize, what: &str) -> Result<()> {
    let mut seen = counter.subscribe();
    let reached = timeout(PATIENCE, seen.wait_for(|seen| *seen >= count)).await.map(|reached| reached.is_ok());
    anyhow::ensure!(reached == Ok(true), "the upstream saw {} {what}, {count} were awaited", *counter.borrow());
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
