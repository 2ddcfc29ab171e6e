//! A message as it lies in the stream, and the lines in it.

use bytes::Bytes;
use memchr::memchr_iter;
use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::Entry;
use tallygate_core::stream::{ChainId, Log, Offset, Position};

/// A message of a stream.
pub(super) struct Stored {
    /// Its place in the stream, from 1.
    pub(super) sequence: u64,
    /// Its bytes.
    pub(super) payload: Bytes,
}

impl Stored {
    /// The lines of the message. In control and lease that is one, whatever its bytes are.
    pub(super) fn lines(&self, log: Log) -> Vec<Line> {
        match log {
            Log::Control | Log::Lease => vec![Line::from_bytes(self.payload.clone())],
            Log::Activity => {
                let mut lines = Vec::new();
                let mut start = 0;
                for end in memchr_iter(b'\n', &self.payload).chain([self.payload.len()]) {
                    lines.push(Line::from_bytes(self.payload.slice(start..end)));
                    start = end + 1;
                }
                lines
            }
        }
    }

    /// The message as readers get it.
    pub(super) fn into_entry(self, log: Log) -> Entry {
        Entry { offset: Offset::new(self.sequence), lines: self.lines(log) }
    }
}

/// The position that a line says, if it belongs to the chain.
pub(super) fn said_position(line: &Line, log: Log, chain: &ChainId) -> Option<Position> {
    let envelope = line.envelope().ok()?;
    let belongs = envelope.log == log && ChainId::of(log, &envelope.stream) == *chain;
    belongs.then_some(envelope.position)
}

#[cfg(test)]
mod tests {
    use super::Stored;
    use bytes::Bytes;
    use tallygate_core::stream::Log;

    fn lines(log: Log, payload: &'static str) -> Vec<String> {
        let stored = Stored { sequence: 1, payload: Bytes::from_static(payload.as_bytes()) };
        stored.lines(log).iter().map(|line| String::from_utf8(line.bytes().to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_message_of_activity_holds_lines_with_line_feeds_between() {
        assert_eq!(lines(Log::Activity, "a\nb"), ["a", "b"]);
        assert_eq!(lines(Log::Activity, "a"), ["a"]);
        assert_eq!(lines(Log::Activity, ""), [""]);
        assert_eq!(lines(Log::Activity, "a\n\n"), ["a", "", ""]);
    }

    #[test]
    fn a_message_of_control_or_lease_is_one_line_whatever_it_holds() {
        assert_eq!(lines(Log::Control, "a\nb"), ["a\nb"]);
        assert_eq!(lines(Log::Lease, ""), [""]);
    }
}
