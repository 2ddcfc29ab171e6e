//! Publishing the messages of an append with the sequence they must follow, and reading the server's answer.

use async_nats::HeaderMap;
use async_nats::header::{
    NATS_EXPECTED_LAST_SEQUENCE, NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_EXPECTED_STREAM, NATS_MESSAGE_ID,
};
use async_nats::jetstream::ErrorCode;
use serde::Deserialize;
use tallygate_core::port::event_log::BoxError;
use tallygate_core::stream::Log;
use uuid::Uuid;

use super::plan::{Outgoing, Plan};
use super::{NatsLog, UnexpectedAnswer};
use crate::nats::connection::RequestFailure;

const EXPECTED_LAST_SUBJECT_SEQUENCE_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";
const REQUIRED_API_LEVEL: &str = "Nats-Required-Api-Level";
/// The level of JetStream's API that has atomic batches.
const ATOMIC_API_LEVEL: &str = "2";
const BATCH_ID: &str = "Nats-Batch-Id";
const BATCH_SEQUENCE: &str = "Nats-Batch-Sequence";
const BATCH_COMMIT: &str = "Nats-Batch-Commit";

/// What became of an attempt to publish.
pub(super) enum Outcome {
    /// All is stored; the last message has this sequence.
    Stored {
        /// The sequence of the last message.
        last: u64,
    },
    /// Nothing is stored by this attempt: the chain does not end where it was expected, or the server has seen these
    /// event ids before. An earlier attempt may be the cause.
    Stale,
    /// Nothing is stored, and this attempt will store nothing.
    Failed(BoxError),
    /// Nobody knows.
    Unknown(BoxError),
}

/// The server's answer to a publish.
#[derive(Deserialize)]
struct Ack {
    #[serde(default)]
    stream: String,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    #[serde(default)]
    batch: Option<String>,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    error: Option<async_nats::jetstream::Error>,
}

/// The stream does not say what the append expected of it.
#[derive(Debug, thiserror::Error)]
#[error("JetStream refused the append")]
struct Refused(#[source] async_nats::jetstream::Error);

impl NatsLog {
    /// Publishes all messages or none, if the chain's last message has the sequence `expected`.
    pub(super) async fn publish(&self, plan: &Plan, expected: u64) -> Outcome {
        match plan.messages.as_slice() {
            [] => Outcome::Failed(UnexpectedAnswer::boxed("an append without messages")),
            [message] => {
                let headers = self.expecting(plan, expected, self.headers(message));
                self.send(plan, expected, None, headers, message).await
            }
            [first, between @ .., last] => self.publish_batch(plan, expected, first, between, last).await,
        }
    }

    async fn publish_batch(
        &self,
        plan: &Plan,
        expected: u64,
        first: &Outgoing,
        between: &[Outgoing],
        last: &Outgoing,
    ) -> Outcome {
        let id = Uuid::now_v7().to_string();
        let staged = |message: &Outgoing, sequence: usize| {
            let mut headers = self.headers(message);
            headers.insert(BATCH_ID, id.as_str());
            headers.insert(BATCH_SEQUENCE, sequence.to_string());
            headers
        };
        let mut headers = self.expecting(plan, expected, staged(first, 1));
        headers.insert(REQUIRED_API_LEVEL, ATOMIC_API_LEVEL);
        if let Err(error) = self.stage(headers, first).await {
            return Outcome::Failed(error);
        }
        for (message, sequence) in between.iter().zip(2..) {
            // What was staged is thrown away by the server: the batch is never committed.
            if let Err(error) = self.stage(staged(message, sequence), message).await {
                return Outcome::Failed(error);
            }
        }
        let mut headers = staged(last, plan.messages.len());
        headers.insert(BATCH_COMMIT, "1");
        self.send(plan, expected, Some(&id), headers, last).await
    }

    /// Hands a message of a batch to the server, which answers only to the last one.
    async fn stage(&self, headers: HeaderMap, message: &Outgoing) -> Result<(), BoxError> {
        let client = self.connection().client();
        Ok(client.publish_with_headers(message.subject.clone(), headers, message.payload.clone()).await?)
    }

    async fn send(
        &self,
        plan: &Plan,
        expected: u64,
        batch: Option<&str>,
        headers: HeaderMap,
        message: &Outgoing,
    ) -> Outcome {
        let answer = self.connection().request(message.subject.clone(), headers, message.payload.clone()).await;
        match answer {
            Err(RequestFailure::Undelivered(error)) => Outcome::Failed(error),
            Err(RequestFailure::Unanswered(error)) => Outcome::Unknown(error),
            Ok(answer) => match serde_json::from_slice(&answer.payload) {
                Ok(ack) => self.judge(plan, expected, batch, ack),
                Err(error) => Outcome::Unknown(error.into()),
            },
        }
    }

    fn judge(&self, plan: &Plan, expected: u64, batch: Option<&str>, ack: Ack) -> Outcome {
        if let Some(error) = ack.error {
            return match error.error_code() {
                ErrorCode::STREAM_WRONG_LAST_SEQUENCE
                | ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT
                | ErrorCode::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE => Outcome::Stale,
                // Trouble inside the server: one copy may have stored what another could not.
                _ if error.code() >= 500 => Outcome::Unknown(Refused(error).into()),
                _ => Outcome::Failed(Refused(error).into()),
            };
        }
        if ack.duplicate {
            return Outcome::Stale;
        }
        let count = plan.messages.len() as u64;
        let is_whole = batch.is_none_or(|id| ack.batch.as_deref() == Some(id) && ack.count == count);
        let is_in_place = match self.layout().log {
            Log::Control => ack.seq == expected + count,
            Log::Lease | Log::Activity => ack.seq > expected,
        };
        if ack.stream == self.stream_name() && is_whole && is_in_place {
            return Outcome::Stored { last: ack.seq };
        }
        // The server did not do what it was asked: it may not know the headers. What it did must be looked at.
        Outcome::Unknown(UnexpectedAnswer::boxed(format!(
            "stored in {} at {}, {} of {count} messages, after {expected} was expected",
            ack.stream, ack.seq, ack.count
        )))
    }

    fn headers(&self, message: &Outgoing) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_STREAM, self.stream_name());
        headers.insert(NATS_MESSAGE_ID, message.id.as_str());
        headers
    }

    fn expecting(&self, plan: &Plan, expected: u64, mut headers: HeaderMap) -> HeaderMap {
        match self.layout().log {
            Log::Control => headers.insert(NATS_EXPECTED_LAST_SEQUENCE, expected.to_string()),
            Log::Lease | Log::Activity => {
                headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
                headers.insert(EXPECTED_LAST_SUBJECT_SEQUENCE_SUBJECT, plan.filter.as_str());
            }
        }
        headers
    }
}
