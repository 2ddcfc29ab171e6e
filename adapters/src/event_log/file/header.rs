//! Reads the front of a line without parsing the rest: log, position and stream, in the one spelling that `seal` writes.
//!
//! It is several times as fast as a parser and is only an optimisation: what is spelled otherwise is parsed whole.

use std::borrow::Cow;

use memchr::memchr2;
use tallygate_core::envelope::{Fault, Line};
use tallygate_core::stream::{ChainId, Log, Position, StreamId};

/// What the front of a line says. Nothing in it is checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub(super) log: Cow<'a, str>,
    pub(super) position: Position,
    stream: Cow<'a, str>,
}

impl<'a> Header<'a> {
    /// Reads a line's header.
    pub(super) fn of(line: &'a Line) -> Result<Self, Fault> {
        if let Some(header) = spelled_as_sealed(line.bytes()) {
            return Ok(header);
        }
        let envelope = line.envelope()?;
        Ok(Self {
            log: Cow::Borrowed(envelope.log.name()),
            position: envelope.position,
            stream: Cow::Owned(envelope.stream.as_str().to_owned()),
        })
    }

    /// The name of the chain that the line belongs to in a log.
    pub(super) fn chain(&self, log: Log) -> &str {
        match log {
            Log::Control => Log::Control.name(),
            Log::Lease | Log::Activity => &self.stream,
        }
    }
}

/// The chain of a line, parsed whole.
pub(super) fn chain_of(log: Log, line: &Line) -> Result<ChainId, Fault> {
    let stream: StreamId = line.envelope()?.stream;
    Ok(ChainId::of(log, &stream))
}

fn spelled_as_sealed(line: &[u8]) -> Option<Header<'_>> {
    let (_, rest) = string(line.strip_prefix(b"{\"id\":")?)?;
    let (_, rest) = string(rest.strip_prefix(b",\"type\":")?)?;
    let (_, rest) = number(rest.strip_prefix(b",\"schema\":")?)?;
    let (log, rest) = string(rest.strip_prefix(b",\"log\":")?)?;
    let (position, rest) = number(rest.strip_prefix(b",\"position\":")?)?;
    let rest = rest.strip_prefix(b",\"realm\":")?;
    let rest = match rest.strip_prefix(b"null") {
        Some(rest) => rest,
        None => string(rest)?.1,
    };
    let (stream, _) = string(rest.strip_prefix(b",\"stream\":")?)?;
    Some(Header { log: Cow::Borrowed(log), position: Position::new(position), stream: Cow::Borrowed(stream) })
}

/// A string without escapes.
fn string(text: &[u8]) -> Option<(&str, &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let end = memchr2(b'"', b'\\', text)?;
    if text[end] == b'\\' {
        return None;
    }
    Some((std::str::from_utf8(&text[..end]).ok()?, &text[end + 1..]))
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::{Header, spelled_as_sealed};
    use bytes::Bytes;
    use tallygate_core::envelope::Line;
    use tallygate_core::stream::{Log, Position};
    use tallygate_core::testing::chain_writer::ChainWriter;

    fn line(log: Log, name: &str) -> Line {
        ChainWriter::new(log, name).batch(1).lines.remove(0)
    }

    #[test]
    fn a_sealed_line_is_read_without_the_parser() {
        let line = line(Log::Activity, "模型 *.>");
        let header = spelled_as_sealed(line.bytes()).unwrap();
        assert_eq!((&*header.log, header.position), ("activity", Position::new(1)));
        assert_eq!(header.chain(Log::Activity), "gateway-模型 *.>");
        assert_eq!(header.chain(Log::Control), "control");
    }

    #[test]
    fn a_line_spelled_otherwise_is_parsed() {
        let escaped = line(Log::Lease, "a\"b\\c");
        assert_eq!(spelled_as_sealed(escaped.bytes()), None);
        assert_eq!(Header::of(&escaped).unwrap().chain(Log::Lease), "budget-a\"b\\c");
        let text = String::from_utf8(line(Log::Lease, "acme").bytes().to_vec()).unwrap();
        let spaced = Line::from_bytes(Bytes::from(text.replacen(':', ": ", 1)));
        assert_eq!(spelled_as_sealed(spaced.bytes()), None);
        assert_eq!(Header::of(&spaced).unwrap().chain(Log::Lease), "budget-acme");
    }

    #[test]
    fn no_cut_of_a_line_makes_it_panic() {
        let bytes = line(Log::Control, "acme").bytes().clone();
        for end in 0..bytes.len() {
            assert!(
                Header::of(&Line::from_bytes(bytes.slice(..end))).is_ok() == spelled_as_sealed(&bytes[..end]).is_some()
            );
        }
    }
}
