//! Which messages an append takes.

use bytes::{BufMut as _, Bytes, BytesMut};
use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::{AppendError, Batch};
use tallygate_core::stream::{Head, Log};

use super::layout::Layout;

/// The most lines in one message of the activity log.
const MESSAGE_MAX_LINES: usize = 500;
/// The most bytes of all lines of one append: an atomic batch is held in the server's memory until it is complete.
const APPEND_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Room for the headers and subjects of a message, in bytes: two ids of 256 bytes, encoded, in the subject's filter, and
/// a few numbers and uuids.
pub(super) const HEADERS_MAX_BYTES: usize = 4 * 1024;

/// The messages of one append, in order.
pub(super) struct Plan {
    pub(super) messages: Vec<Outgoing>,
    /// What matches the subjects of the chain.
    pub(super) filter: String,
    /// Where the chain ends once they are stored.
    pub(super) head: Head,
}

/// A message to publish.
pub(super) struct Outgoing {
    pub(super) subject: String,
    /// The id of its first event.
    pub(super) id: String,
    pub(super) payload: Bytes,
}

impl Plan {
    /// Checks a batch, and packs its lines into messages of at most `max_payload` bytes with their headers.
    ///
    /// # Errors
    /// [`AppendError::Invalid`], as [`Batch::check`] says, and for what the server does not take.
    pub(super) fn new(layout: &Layout, batch: &Batch, max_payload: usize) -> Result<Self, AppendError> {
        let head = batch.check(layout.log)?;
        let invalid = |what: String| Err(AppendError::Invalid(what));
        let Some(filter) = layout.chain_filter(&batch.chain) else {
            return invalid(format!("the {} log has no chain `{}`", layout.log, batch.chain));
        };
        let bytes: usize = batch.lines.iter().map(|line| line.bytes().len()).sum();
        if bytes > APPEND_MAX_BYTES {
            return invalid(format!("it has {bytes} bytes, {APPEND_MAX_BYTES} at most"));
        }
        let room = max_payload.saturating_sub(HEADERS_MAX_BYTES);
        let mut messages: Vec<Packing<'_>> = Vec::new();
        for (index, line) in batch.lines.iter().enumerate() {
            let length = line.bytes().len();
            if length > room {
                return invalid(format!("line {index} has {length} bytes, and the server takes {room}"));
            }
            match messages.last_mut() {
                Some(message) if message.takes(layout.log, length, room) => message.push(line),
                _ => match address(layout, line) {
                    Some((subject, id)) => messages.push(Packing::new(subject, id, line)),
                    None => return invalid(format!("line {index} is not of the {} log", layout.log)),
                },
            }
        }
        Ok(Self { messages: messages.into_iter().map(Packing::finish).collect(), filter, head })
    }
}

/// The subject of a line, and the id of its event.
fn address(layout: &Layout, line: &Line) -> Option<(String, String)> {
    let envelope = line.envelope().ok()?;
    Some((layout.subject(&envelope)?, envelope.id.to_string()))
}

/// A message while lines are put into it.
struct Packing<'a> {
    subject: String,
    id: String,
    lines: Vec<&'a Line>,
    bytes: usize,
}

impl<'a> Packing<'a> {
    fn new(subject: String, id: String, line: &'a Line) -> Self {
        Self { subject, id, lines: vec![line], bytes: line.bytes().len() }
    }

    const fn takes(&self, log: Log, length: usize, room: usize) -> bool {
        matches!(log, Log::Activity) && self.lines.len() < MESSAGE_MAX_LINES && self.bytes + 1 + length <= room
    }

    fn push(&mut self, line: &'a Line) {
        self.bytes += 1 + line.bytes().len();
        self.lines.push(line);
    }

    fn finish(self) -> Outgoing {
        let payload = if let [line] = self.lines.as_slice() {
            line.bytes().clone()
        } else {
            let mut payload = BytesMut::with_capacity(self.bytes);
            for (index, line) in self.lines.iter().enumerate() {
                if index > 0 {
                    payload.put_u8(b'\n');
                }
                payload.put_slice(line.bytes());
            }
            payload.freeze()
        };
        Outgoing { subject: self.subject, id: self.id, payload }
    }
}

#[cfg(test)]
mod tests {
    use super::{APPEND_MAX_BYTES, HEADERS_MAX_BYTES, MESSAGE_MAX_LINES, Plan};
    use crate::event_log::nats::layout::Layout;
    use crate::nats::prefix::Prefix;
    use tallygate_core::envelope::{LINE_MAX_BYTES, PARTS_MAX};
    use tallygate_core::port::event_log::{AppendError, Batch};
    use tallygate_core::stream::Log;
    use tallygate_core::testing::chain_writer::ChainWriter;

    const MAX_PAYLOAD: usize = 1024 * 1024;

    fn plan(log: Log, batch: &Batch) -> Result<Plan, AppendError> {
        Plan::new(&Layout::new(&Prefix::default(), log), batch, MAX_PAYLOAD)
    }

    /// One batch of lines of these lengths.
    fn batch_of(log: Log, lengths: &[usize]) -> Batch {
        let mut writer = ChainWriter::new(log, "acme");
        let after = writer.head().position;
        let lines = lengths.iter().flat_map(|length| writer.line_of_bytes(*length).lines).collect();
        Batch { chain: writer.chain(), after, lines }
    }

    #[test]
    fn a_line_of_control_or_lease_is_a_message() {
        for log in [Log::Control, Log::Lease] {
            let plan = plan(log, &ChainWriter::new(log, "acme").batch(3)).unwrap();
            assert_eq!(plan.messages.len(), 3);
        }
    }

    #[test]
    fn lines_of_activity_share_a_message_up_to_its_limit_of_lines() {
        for (lines, messages) in [(1, 1), (MESSAGE_MAX_LINES, 1), (MESSAGE_MAX_LINES + 1, 2), (PARTS_MAX, 2)] {
            let plan = plan(Log::Activity, &ChainWriter::new(Log::Activity, "acme").batch(lines)).unwrap();
            assert_eq!(plan.messages.len(), messages, "{lines} lines");
        }
    }

    #[test]
    fn lines_of_activity_share_a_message_up_to_the_limit_of_bytes() {
        let room = MAX_PAYLOAD - HEADERS_MAX_BYTES;
        let first = room / 2;
        let fits = batch_of(Log::Activity, &[first, room - first - 1]);
        let plan_of_fits = plan(Log::Activity, &fits).unwrap();
        assert_eq!(plan_of_fits.messages.len(), 1);
        assert_eq!(plan_of_fits.messages[0].payload.len(), room);
        let too_long = batch_of(Log::Activity, &[first, room - first]);
        assert_eq!(plan(Log::Activity, &too_long).unwrap().messages.len(), 2);
    }

    #[test]
    fn an_append_of_more_bytes_than_a_server_holds_for_one_batch_is_invalid() {
        let lines = APPEND_MAX_BYTES / LINE_MAX_BYTES;
        assert!(plan(Log::Control, &batch_of(Log::Control, &vec![LINE_MAX_BYTES; lines])).is_ok());
        let over = plan(Log::Control, &batch_of(Log::Control, &vec![LINE_MAX_BYTES; lines + 1]));
        assert!(matches!(over, Err(AppendError::Invalid(_))));
    }

    #[test]
    fn a_line_that_the_server_does_not_take_is_invalid() {
        let batch = batch_of(Log::Control, &[2_000]);
        let layout = Layout::new(&Prefix::default(), Log::Control);
        assert!(Plan::new(&layout, &batch, 2_000 + HEADERS_MAX_BYTES).is_ok());
        let refused = Plan::new(&layout, &batch, 1_999 + HEADERS_MAX_BYTES);
        assert!(matches!(refused, Err(AppendError::Invalid(_))));
    }
}
