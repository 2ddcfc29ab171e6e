//! Reading many messages with one request (`DIRECT.GET` with a batch), and what was read as entries.

use async_nats::{HeaderMap, Message, StatusCode};
use futures_util::StreamExt as _;
use serde::Serialize;
use tallygate_core::port::event_log::{Entry, LogError};
use tallygate_core::stream::Offset;
use tokio::time::timeout;

use super::stored::Stored;
use super::{NatsLog, UnexpectedAnswer};
use crate::nats::connection::ConnectionLost;

/// The most messages of one page.
const PAGE_MAX_MESSAGES: usize = 1_000;
/// About the most bytes of one page.
const PAGE_MAX_BYTES: usize = 8 * 1024 * 1024;
/// How often a page is asked for when the connection is lost meanwhile.
const PAGE_TRIES: usize = 3;

#[derive(Serialize)]
struct DirectGet<'a> {
    seq: u64,
    batch: usize,
    max_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
}

impl NatsLog {
    /// Up to `limit` entries after an offset; none only at the end of the log.
    pub(super) async fn entries_after(&self, after: Offset, limit: usize) -> Result<Vec<Entry>, LogError> {
        let mut page = self.page(after.get() + 1, None, limit).await?;
        if page.is_empty() {
            // A copy that lags behind may have answered. Only the leader knows the end.
            let end = self.last_sequence().await?;
            if end < after.get() {
                return Err(self.damaged(end, format!("it ends here, and {after} was read before")));
            }
            if end > after.get() {
                page.push(self.message_at(after.get() + 1).await?);
            }
        }
        let mut entries = Vec::with_capacity(page.len());
        for (stored, expected) in page.into_iter().zip(after.get() + 1..) {
            if stored.sequence != expected {
                // Lost on its way, or gone from the stream: the leader knows, and tells of damage if it is gone.
                entries.push(self.message_at(expected).await?.into_entry(self.layout().log));
                break;
            }
            entries.push(stored.into_entry(self.layout().log));
        }
        Ok(entries)
    }

    /// Up to `limit` messages from a sequence on, of all subjects or those that a filter matches. Whoever answers may lag
    /// behind: the end of the page is not the end of the log.
    pub(super) async fn page(&self, from: u64, filter: Option<&str>, limit: usize) -> Result<Vec<Stored>, LogError> {
        for _ in 1..PAGE_TRIES {
            if let Some(page) = self.page_on_this_connection(from, filter, limit).await? {
                return Ok(page);
            }
            self.ready().await?;
        }
        let page = self.page_on_this_connection(from, filter, limit).await?;
        page.ok_or_else(|| LogError::Unavailable(ConnectionLost.into()))
    }

    /// A page; nothing when the connection was lost in the middle.
    async fn page_on_this_connection(
        &self,
        from: u64,
        filter: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<Stored>>, LogError> {
        let request = DirectGet {
            seq: from,
            batch: limit.min(PAGE_MAX_MESSAGES),
            max_bytes: PAGE_MAX_BYTES,
            next_by_subj: filter,
        };
        let payload = serde_json::to_vec(&request).map_err(|error| LogError::Unavailable(error.into()))?;
        let client = self.connection().client();
        let mut changes = self.connection().changes();
        let inbox = client.new_inbox();
        // The subscription ends when it is dropped, so an abandoned page leaves nothing behind.
        let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| LogError::Unavailable(error.into()))?;
        client
            .publish_with_reply(format!("$JS.API.DIRECT.GET.{}", self.stream_name()), inbox, payload.into())
            .await
            .map_err(|error| LogError::Unavailable(error.into()))?;
        let mut page = Vec::new();
        loop {
            let answer = tokio::select! {
                biased;
                answer = timeout(self.connection().options().request_timeout, answers.next()) => answer,
                _ = changes.changed() => return Ok(None),
            };
            let message = match answer {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(None),
                Err(elapsed) => return Err(LogError::Unavailable(elapsed.into())),
            };
            match message.status {
                None | Some(StatusCode::OK) => page.push(stored(message)?),
                // 204 is the end of the batch; 404 is one without messages.
                Some(status) if matches!(status.as_u16(), 204 | 404) => return Ok(Some(page)),
                Some(status) => {
                    let said = message.description.as_deref().unwrap_or_default();
                    return Err(LogError::Unavailable(UnexpectedAnswer::boxed(format!("{status} {said}"))));
                }
            }
        }
    }

    /// The message at a sequence, from the leader.
    pub(super) async fn message_at(&self, sequence: u64) -> Result<Stored, LogError> {
        use async_nats::jetstream::stream::RawMessageErrorKind;
        let stream = self.stream().await?;
        match stream.get_raw_message(sequence).await {
            Ok(message) => Ok(Stored { sequence: message.sequence, payload: message.payload }),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                Err(self.damaged(sequence, "there is no such message, though later ones exist"))
            }
            Err(error) => Err(LogError::Unavailable(error.into())),
        }
    }

    /// A handle to the stream; asks the server nothing.
    pub(super) async fn stream(&self) -> Result<async_nats::jetstream::stream::Stream<()>, LogError> {
        let stream = self.connection().context().get_stream_no_info(self.stream_name()).await;
        stream.map_err(|error| LogError::Unavailable(error.into()))
    }
}

fn stored(message: Message) -> Result<Stored, LogError> {
    let sequence = message
        .headers
        .as_ref()
        .and_then(sequence)
        .ok_or_else(|| LogError::Unavailable(UnexpectedAnswer::boxed("a message without its sequence")))?;
    Ok(Stored { sequence, payload: message.payload })
}

/// The place in the stream. The last such header is the server's: a publisher may have set one of the same name.
fn sequence(headers: &HeaderMap) -> Option<u64> {
    headers.get_last(async_nats::header::NATS_SEQUENCE)?.as_str().parse().ok()
}
