//! The activity writer: what happened, sealed into this gateway's own chain and appended in batches.
//!
//! Nothing here can be refused, since it has happened. A record waits in the outbox until the log has it, and its journal
//! keeps it over a kill; the writer waits a moment for more, and appends what is there as one batch: a sync for each
//! record would cost more than the request did. While the log is away the queue grows, and when it is full the gateway
//! refuses requests ([`ActivityWriter::has_room`]) before it would lose one.

mod bulk;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tallygate_core::envelope::{Line, MacKey, seal_unsealed};
use tallygate_core::id::WriterId;
use tallygate_core::lease::allot::Policy;
use tallygate_core::port::clock::{Clock, Ids};
use tallygate_core::port::event_log::{AppendError, Batch, EventLog, LogError};
use tallygate_core::stream::{ChainId, Head, Position};
use tokio::sync::watch;

pub(crate) use crate::outbox::Happened;
use crate::outbox::{self, Outbox, Waiting};
pub(crate) use bulk::LogAway;
use bulk::Turns;

/// The most records of one batch, as DESIGN's plan for JetStream messages has it.
const BATCH_MAX: usize = 500;
/// How long a batch may grow in bytes, under a NATS server's default message of 1 MiB.
const BATCH_MAX_BYTES: usize = 768 * 1024;
/// How long a record waits for more, at most, before it is appended.
const LINGER: Duration = Duration::from_millis(20);
/// So many records are sealed before requests have their turn: about 0.1 ms.
const SEALED_IN_A_ROW: usize = 32;
/// How long to wait before the log is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Takes in what happened. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ActivityWriter {
    outbox: Outbox,
    written: watch::Receiver<Position>,
    turns: Turns,
}

/// The task that writes. It ends when the writer is closed and everything is in the log.
pub(crate) struct WriterTask {
    outbox: Outbox,
    log: Arc<dyn EventLog>,
    mac: MacKey,
    head: Head,
    written: watch::Sender<Position>,
}

/// Why the chain of a writer cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log cannot be read.
    #[error("the end of this gateway's activity cannot be read")]
    Log(#[from] LogError),
    /// The journal cannot be opened.
    #[error(transparent)]
    Outbox(#[from] outbox::StartError),
}

/// Opens the chain of a writer, and its outbox in a folder that no other process has.
///
/// # Errors
/// [`OpenError`].
pub(crate) async fn open(
    log: Arc<dyn EventLog>,
    folder: &Path,
    writer: &WriterId,
    mac: MacKey,
    slices: Policy,
    sources: (Arc<dyn Clock>, Arc<dyn Ids>),
) -> Result<(ActivityWriter, WriterTask), OpenError> {
    let head = log.head(&ChainId::writer(writer)).await?;
    let outbox = outbox::open(folder, writer, head.position, slices, sources)?;
    let (sender, receiver) = watch::channel(head.position);
    let task = WriterTask { outbox: outbox.clone(), log, mac, head, written: sender };
    Ok((ActivityWriter { outbox, written: receiver, turns: Turns::default() }, task))
}

impl ActivityWriter {
    /// Takes in something that happened, and tells which position it will get. When this returns it survives the process.
    pub(crate) fn record(&self, happened: Happened) -> Position {
        let position = self.outbox.note(happened);
        self.outbox.write_down();
        position
    }

    /// Where records and holds wait.
    pub(crate) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Whether new requests may be let in.
    pub(crate) fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    /// The position of the newest record, written or not.
    pub(crate) fn promised(&self) -> Position {
        self.outbox.promised()
    }

    /// The chain that it writes.
    pub(crate) fn chain(&self) -> &ChainId {
        self.outbox.chain()
    }

    /// Whose chain it is.
    pub(crate) fn writer(&self) -> WriterId {
        self.outbox.gateway()
    }

    /// How many records are not in the log yet.
    pub(crate) fn waiting(&self) -> usize {
        self.outbox.waiting().0
    }

    /// Waits until everything up to a position is in the log. Add a timeout: while the log is away this waits.
    pub(crate) async fn until_written(&self, position: Position) {
        let _ = self.written.clone().wait_for(|written| *written >= position).await;
    }

    /// Lets the task end once everything is written.
    pub(crate) fn close(&self) {
        self.outbox.close();
    }
}

impl WriterTask {
    /// Writes until the writer is closed.
    ///
    /// # Errors
    /// [`AppendError`] when the chain is not this gateway's any more, or a batch can never be stored. The gateway must
    /// stop then: what happens could not be recorded.
    pub(crate) async fn run(mut self) -> Result<(), AppendError> {
        loop {
            let (waiting, is_closed) = self.outbox.waiting();
            if waiting == 0 && is_closed {
                return Ok(());
            }
            if waiting == 0 {
                self.outbox.arrived().await;
                continue;
            }
            if waiting < BATCH_MAX && !is_closed {
                tokio::time::sleep(LINGER).await;
            }
            let lines = self.seal(self.outbox.take(BATCH_MAX)).await?;
            self.append(lines).await?;
        }
    }

    /// Seals records as the lines that follow the head, each with the end of the chain after it.
    async fn seal(&self, records: Vec<Waiting>) -> Result<Vec<(Line, Head)>, AppendError> {
        let mut head = self.head;
        let mut lines = Vec::with_capacity(records.len());
        for (number, Waiting { position, unsealed, recorded }) in (1..).zip(records) {
            if number % SEALED_IN_A_ROW == 0 {
                tokio::task::yield_now().await;
            }
            if position != head.position.plus(1) {
                let what =
                    format!("a record was promised position {position}, and the chain ends at {}", head.position);
                return Err(AppendError::Invalid(what));
            }
            let sealed = seal_unsealed(&head, unsealed, recorded, &self.mac);
            let (line, next) = sealed.map_err(|error| AppendError::Invalid(error.to_string()))?;
            lines.push((line, next));
            head = next;
        }
        Ok(lines)
    }

    /// Appends lines, in pieces that a transport can carry, and waits out a log that is away.
    async fn append(&mut self, lines: Vec<(Line, Head)>) -> Result<(), AppendError> {
        let mut rest = lines.as_slice();
        while let Some((piece, left)) = rest.split_at_checked(fitting(rest)).filter(|(piece, _)| !piece.is_empty()) {
            let lines = piece.iter().map(|(line, _)| line.clone()).collect();
            let batch = Batch { chain: self.outbox.chain().clone(), after: self.head.position, lines };
            match self.log.append(batch).await {
                Ok(head) => {
                    self.reached(head);
                    rest = left;
                }
                Err(error @ (AppendError::Unavailable(_) | AppendError::Ambiguous(_))) => {
                    tracing::warn!(%error, "activity waits for the log");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                Err(error @ AppendError::Conflict { .. }) => match self.stored_before(rest).await {
                    Some(count) => rest = rest.get(count..).unwrap_or_default(),
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// How many of some lines are in the log already: an earlier process appended them, was killed before it heard of it,
    /// and its append got there only now. None when the chain ends otherwise.
    async fn stored_before(&mut self, lines: &[(Line, Head)]) -> Option<usize> {
        let end = self.log.head(self.outbox.chain()).await.ok()?;
        let at = lines.iter().position(|(_, head)| *head == end)?;
        self.reached(end);
        Some(at + 1)
    }

    fn reached(&mut self, head: Head) {
        self.head = head;
        self.outbox.written(head.position);
        self.written.send_replace(head.position);
    }
}

/// How many of some lines fit into one batch. At least one.
fn fitting(lines: &[(Line, Head)]) -> usize {
    let mut bytes = 0;
    let count = lines.iter().take_while(|(line, _)| {
        bytes += line.bytes().len() + 1;
        bytes <= BATCH_MAX_BYTES
    });
    count.count().max(1).min(lines.len())
}

#[cfg(test)]
mod tests;
