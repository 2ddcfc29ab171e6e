//! Lines of the control log as objects to look at, up to where the views are: what is read of an object then is at least as
//! new as the event.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tallygate_core::digest::Digest;
use tallygate_core::envelope::MacKey;
use tallygate_core::event::Recorded;
use tallygate_core::port::event_log::{EventLog, LogError};
use tallygate_core::stream::{Offset, Position};
use tallygate_core::time::Timestamp;
use tallygate_projections::Snapshot;

use super::target::{Target, Targets};

/// The most lines of one group.
const LINES_MAX: usize = 256;

/// A place in the control log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) offset: Offset,
    pub(super) position: Position,
    /// SHA-256 of the line there: it tells this log from another.
    pub(super) line: Digest,
}

impl Place {
    pub(super) const START: Self = Self { offset: Offset::START, position: Position::START, line: Digest::ZERO };
}

/// What some lines are about.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) targets: BTreeSet<Target>,
    pub(super) end: Place,
    /// When the first event was decided.
    pub(super) at: Option<Timestamp>,
}

/// Reads the lines after a place, a group at most, and none beyond the snapshot. A line that no gateway wrote is passed over.
pub(super) async fn read(
    log: &dyn EventLog,
    mac: &MacKey,
    snapshot: &Snapshot,
    after: Place,
) -> Result<Group, LogError> {
    let (mut targets, mut end, mut at) = (Targets::new(&snapshot.control), after, None);
    for entry in log.read(after.offset, LINES_MAX).await? {
        for line in &entry.lines {
            if end.position >= snapshot.end.position {
                return Ok(Group { targets: targets.found, end, at });
            }
            let position = end.position.plus(1);
            end = Place { offset: entry.offset, position, line: line.hash() };
            let Some(envelope) = line.is_authentic(mac).then(|| line.envelope().ok()).flatten() else { continue };
            at = at.or(Some(envelope.at));
            match Recorded::decode(&envelope) {
                Ok(recorded) => targets.note(&recorded.event, recorded.realm.as_ref()),
                Err(_) => targets.note_unread(&envelope.stream),
            }
        }
    }
    Ok(Group { targets: targets.found, end, at })
}
