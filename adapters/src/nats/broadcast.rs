//! What gateways tell one another, at once and to whoever listens: nothing is kept, and nothing is promised to arrive.
//!
//! It is for what can be said again in a moment. A message does not prove its sender: what it holds must.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tallygate_core::port::BoxStream;
use tallygate_core::port::event_log::BoxError;

use super::connection::Connection;

/// What gateways tell one another of. Services may neither publish nor read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Where the control log is.
    Heads,
    /// How much is asked of rate limits.
    Rates,
    /// Which agents are connected to whom.
    Agents,
}

impl Topic {
    /// The subject, behind the prefix.
    const fn subject(self) -> &'static str {
        match self {
            Self::Heads => "heads",
            Self::Rates => "rates",
            Self::Agents => "agents",
        }
    }
}

/// Messages to and from all gateways of one installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Broadcast {
    connection: Connection,
    topic: Topic,
}

impl Broadcast {
    /// On a connection.
    #[must_use]
    pub const fn new(connection: Connection, topic: Topic) -> Self {
        Self { connection, topic }
    }

    /// Tells all gateways that listen now, this one too. While the connection is down nothing is sent.
    pub async fn send(&self, message: Bytes) {
        if !self.connection.is_up() {
            return;
        }
        let subject = self.connection.options().prefix.subject(self.topic.subject());
        // Whoever misses it hears the next one.
        let _ = self.connection.client().publish(subject, message).await;
    }

    /// What is said from now on. It goes on when the connection is lost and comes back.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn listen(&self) -> Result<BoxStream<'static, Bytes>, BoxError> {
        let subject = self.connection.options().prefix.subject(self.topic.subject());
        let messages = self.connection.client().subscribe(subject).await?;
        Ok(Box::pin(stream::unfold(messages, |mut messages| async {
            let message = messages.next().await?;
            Some((message.payload, messages))
        })))
    }
}
