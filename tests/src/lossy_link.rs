//! A TCP link on loopback that fails as told: it loses what the server says, or it is down.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// Everything passes.
    Whole,
    /// What clients say passes; what the server says is lost.
    Mute,
    /// What the server says passes; what clients say is lost.
    Deaf,
    /// Connections are cut and not taken.
    Down,
}

#[derive(Debug, Clone, Copy)]
struct State {
    condition: Condition,
    /// Grows whenever connections are to be cut.
    epoch: u64,
    /// How much was lost in this condition.
    lost_bytes: usize,
}

/// A link to one server. It ends when this is dropped.
#[derive(Debug)]
pub struct LossyLink {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    listener: JoinHandle<()>,
}

impl LossyLink {
    /// A link that begins whole, to a server on loopback.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to(server: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = State { condition: Condition::Whole, epoch: 0, lost_bytes: 0 };
        let state = Arc::new(watch::Sender::new(state));
        let listener = tokio::spawn(listen(listener, server, Arc::clone(&state)));
        Ok(Self { address, state, listener })
    }

    /// The URL for clients of a nats-server.
    #[must_use]
    pub fn nats_url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// From now on what the server says is lost, though it still hears everything.
    pub fn lose_answers(&self) {
        self.be(Condition::Mute, false);
    }

    /// From now on the server hears nothing, though connections stay.
    pub fn lose_requests(&self) {
        self.be(Condition::Deaf, false);
    }

    /// Waits until bytes were lost since the link was last told how to be.
    pub async fn wait_until_something_is_lost(&self) {
        // The sender lives as long as the link, so this cannot fail.
        let _ = self.state.subscribe().wait_for(|state| state.lost_bytes > 0).await;
    }

    /// Cuts every connection and takes no new one.
    pub fn go_down(&self) {
        self.be(Condition::Down, true);
    }

    /// Cuts every connection; new ones work. (What was lost cannot be mended: the byte stream has a hole.)
    pub fn recover(&self) {
        self.be(Condition::Whole, true);
    }

    fn be(&self, condition: Condition, is_cut: bool) {
        self.state.send_modify(|state| {
            *state = State { condition, epoch: state.epoch + u64::from(is_cut), lost_bytes: 0 };
        });
    }
}

impl Drop for LossyLink {
    fn drop(&mut self) {
        self.listener.abort();
        self.go_down();
    }
}

async fn listen(listener: TcpListener, server: u16, state: Arc<watch::Sender<State>>) {
    while let Ok((client, _)) = listener.accept().await {
        let State { condition, epoch, .. } = *state.borrow();
        if condition == Condition::Down {
            continue;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { continue };
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        tokio::spawn(carry(client, server, Arc::clone(&state), epoch));
    }
}

async fn carry(client: TcpStream, server: TcpStream, state: Arc<watch::Sender<State>>, epoch: u64) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut changes = state.subscribe();
    tokio::select! {
        () = copy(from_client, to_server, &state, Condition::Deaf) => {}
        () = copy(from_server, to_client, &state, Condition::Mute) => {}
        _ = changes.wait_for(|state| state.epoch != epoch) => {}
    }
}

/// Carries bytes from one side to the other, and loses them in one condition.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &watch::Sender<State>, lossy: Condition) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let is_lost = state.send_if_modified(|state| {
            let is_lost = state.condition == lossy;
            state.lost_bytes += if is_lost { count } else { 0 };
            is_lost
        });
        if !is_lost && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
