//! Opening the outbox: what an earlier process left in its journal is read, and goes on from here.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tallygate_adapters::outbox::{Found, Outbox as Files, OutboxError, this_boot};
use tallygate_core::id::WriterId;
use tallygate_core::journal::{Circumstances, Encoder, Journal as Read, Recovery};
use tallygate_core::lease::SliceLedger;
use tallygate_core::lease::allot::Policy;
use tallygate_core::port::clock::{Clock, Ids};
use tallygate_core::stream::{ChainId, Position, StreamId};
use tokio::sync::Notify;

use super::journal::Journal;
use super::leases::Leases;
use super::records::{Records, Waiting};
use super::written::Turn;
use super::{Desk, Outbox, Shared};
use crate::sabotage::Sabotage;

/// So many of the requests that ran when a process ended are told one by one.
const OPEN_TOLD_MAX: usize = 100;

/// Why the outbox cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the journal cannot be opened")]
pub struct StartError(#[from] OutboxError);

/// Opens the outbox of a gateway whose data folder is this process's alone: every earlier process has ended. `log_end` is
/// where its chain of the activity log ends.
///
/// # Errors
/// [`StartError`]. Nothing was changed then that the next start needs.
pub(crate) fn open(
    folder: &Path,
    writer: &WriterId,
    log_end: Position,
    slices: Policy,
    (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>),
) -> Result<Outbox, StartError> {
    let (files, mut found) = Files::open(folder)?;
    if Sabotage::ForgetOutbox.is_done() {
        found.clear();
    }
    let host = this_boot();
    let read = Read::read(writer, found.iter().map(|found| found.bytes.as_slice()));
    let recovery = Recovery::of(&read, Circumstances { host: &host, is_alone: true, activity: log_end });
    tell(&read, &recovery);
    let run = read.runs.keys().next_back().map_or(1, |last| last.saturating_add(1));
    let mut encoder = Encoder::begin(writer, run, &host);
    let mut records = Records::after(log_end);
    for (position, unsealed) in recovery.activity {
        // It is in this run's journal from here on.
        encoder.happened(position, &unsealed);
        records.push(Waiting { position, unsealed, recorded: None });
    }
    let mut journal = Journal::begin(encoder, files, found.iter().map(|Found { file, .. }| *file).collect())?;
    if recovery.memory.is_empty() {
        journal.forget_earlier();
    }
    let leases = Leases::after(recovery.memory);
    let ledger = SliceLedger::new(writer.clone(), slices);
    Ok(Outbox(Arc::new(Shared {
        desk: Mutex::new(Desk { ledger, journal, records, leases, turn: Turn::default(), is_short: false }),
        arrived: Notify::new(),
        urgent: Notify::new(),
        changed: Notify::new(),
        clock,
        ids,
        stream: StreamId::gateway(writer),
        chain: ChainId::writer(writer),
    })))
}

fn tell(read: &Read, recovery: &Recovery) {
    if !recovery.activity.is_empty() {
        tracing::warn!(
            records = recovery.activity.len(),
            "what an earlier process recorded goes to the activity log now"
        );
    }
    if !recovery.open.is_empty() {
        tracing::warn!(
            requests = recovery.open.len(),
            "requests ran when the process ended: what they held is in suspense"
        );
    }
    for hold in recovery.open.iter().take(OPEN_TOLD_MAX) {
        tracing::warn!(request = %hold.request, held_usd = %hold.amount, "this request ran when the process ended");
    }
    if recovery.unusable > 0 {
        tracing::error!(records = recovery.unusable, "records of activity in the journal follow a gap and are lost");
    }
    if read.strange > 0 {
        tracing::error!(segments = read.strange, "segments of the journal are another gateway's, or cannot be read");
    }
}
