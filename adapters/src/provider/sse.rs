//! Server-sent events: cuts a stream of bytes into events, without copying what arrives whole.
//!
//! Tolerant, as upstreams are careless: lines may end with CR LF, LF or CR; comments, blank keep-alives and a byte order
//! mark are let through; data may take several lines. An event has a limit, so a stream without line ends cannot fill
//! the memory. The bytes of all events together are the bytes that came in.

use std::borrow::Cow;

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::{memchr, memchr2};

/// The longest event, in bytes, unless a scanner is made with another limit. Images come in events of about 2 MB.
pub const EVENT_MAX_BYTES: usize = 8 * 1024 * 1024;

/// An event was longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {limit_bytes} bytes")]
pub struct TooLong {
    /// The limit.
    pub limit_bytes: usize,
}

/// One event, with the blank line that ends it; or what lies between events, such as comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its bytes, as they came in.
    pub raw: Bytes,
}

/// Cuts a stream into events. Feed it with [`Scanner::push`], then take with [`Scanner::next_event`] until there is none.
#[derive(Debug)]
pub struct Scanner {
    /// The beginning of an event that has not ended yet, from earlier pieces.
    carry: BytesMut,
    /// What was pushed and not looked at yet.
    piece: Bytes,
    limit_bytes: usize,
    line: Line,
}

/// Where the scanner is within a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// At its beginning: another line end is a blank line, and ends the event.
    Start,
    /// At its beginning, after a CR: a line feed belongs to that CR.
    StartAfterCr,
    /// In it.
    Within,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new(EVENT_MAX_BYTES)
    }
}

impl Scanner {
    /// A scanner with a limit for one event, in bytes.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self { carry: BytesMut::new(), piece: Bytes::new(), limit_bytes, line: Line::Start }
    }

    /// Takes the next piece of the stream. Everything from the one before must have been taken out.
    pub fn push(&mut self, piece: Bytes) {
        if self.piece.is_empty() {
            self.piece = piece;
        } else {
            // Only a caller that stopped half-way comes here.
            self.piece = [std::mem::take(&mut self.piece), piece].concat().into();
        }
    }

    /// The next whole event, if there is one.
    ///
    /// # Errors
    /// [`TooLong`]. The scanner is of no use then.
    pub fn next_event(&mut self) -> Result<Option<Event>, TooLong> {
        let end = self.find_end();
        let length = self.carry.len() + end.unwrap_or(self.piece.len());
        if length > self.limit_bytes {
            return Err(TooLong { limit_bytes: self.limit_bytes });
        }
        let Some(end) = end else {
            self.carry.extend_from_slice(&self.piece);
            self.piece.clear();
            return Ok(None);
        };
        let last = self.piece.split_to(end);
        if self.carry.is_empty() {
            return Ok(Some(Event { raw: last }));
        }
        self.carry.extend_from_slice(&last);
        Ok(Some(Event { raw: self.carry.split().freeze() }))
    }

    /// What is left when the stream has ended: an event without the blank line at its end, if anything.
    #[must_use]
    pub fn finish(&mut self) -> Option<Event> {
        self.carry.extend_from_slice(&self.piece);
        self.piece.clear();
        let raw = self.carry.split().freeze();
        if raw.is_empty() { None } else { Some(Event { raw }) }
    }

    /// Where the current event ends in the piece, behind its blank line. Remembers where it stopped if it does not.
    fn find_end(&mut self) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = self.piece.get(at) {
            match (self.line, byte) {
                (Line::StartAfterCr, b'\n') => self.line = Line::Start,
                (Line::Start, b'\n') => return Some(at + 1),
                (Line::Start | Line::StartAfterCr, b'\r') => {
                    self.line = Line::Start;
                    // The line feed of this CR belongs here, if it has come already. If it comes with the next piece it
                    // is a blank line of its own, which means nothing.
                    let pair = usize::from(self.piece.get(at + 1) == Some(&b'\n'));
                    return Some(at + 1 + pair);
                }
                (Line::Start | Line::StartAfterCr, _) => self.line = Line::Within,
                (Line::Within, _) => {
                    let rest = self.piece.get(at..).unwrap_or_default();
                    let found = memchr2(b'\n', b'\r', rest)?;
                    self.line = if rest.get(found) == Some(&b'\r') { Line::StartAfterCr } else { Line::Start };
                    at += found;
                }
            }
            at += 1;
        }
        None
    }
}

impl Event {
    /// The data, its lines joined by line feeds; none for comments and blank lines.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        let mut data: Option<Cow<'_, [u8]>> = None;
        for (name, value) in self.fields() {
            if name != b"data" {
                continue;
            }
            match &mut data {
                None => data = Some(Cow::Borrowed(value)),
                Some(data) => {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            }
        }
        data
    }

    /// The value of a field, such as `event` or `id`: the last one counts.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields().filter(|(found, _)| *found == name.as_bytes()).last().map(|(_, value)| value)
    }

    /// Whether there is nothing in it but comments and blank lines.
    #[must_use]
    pub fn is_comment(&self) -> bool {
        self.fields().next().is_none()
    }

    /// Its bytes without the byte order mark that a stream may begin with: many clients take it for a part of the first
    /// field's name.
    #[must_use]
    pub fn without_mark(&self) -> &[u8] {
        self.raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.raw)
    }

    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        Fields { rest: self.without_mark() }
    }
}

struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = memchr2(b'\n', b'\r', self.rest).unwrap_or(self.rest.len());
            let (line, mut rest) = self.rest.split_at(end);
            if !rest.is_empty() {
                rest.advance(1);
            }
            self.rest = rest;
            match memchr(b':', line) {
                Some(0) => {}
                None if line.is_empty() => {}
                None => return Some((line, b"")),
                Some(colon) => {
                    let value = line.get(colon + 1..).unwrap_or_default();
                    let value = value.strip_prefix(b" ").unwrap_or(value);
                    return Some((line.get(..colon).unwrap_or_default(), value));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Scanner, TooLong};
    use bytes::Bytes;
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    /// All events of a stream that comes in these pieces, and the first error.
    fn events(limit: usize, pieces: impl IntoIterator<Item = Vec<u8>>) -> (Vec<Event>, Option<TooLong>) {
        let mut scanner = Scanner::new(limit);
        let mut events = Vec::new();
        for piece in pieces {
            scanner.push(Bytes::from(piece));
            loop {
                match scanner.next_event() {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) => break,
                    Err(error) => return (events, Some(error)),
                }
            }
        }
        events.extend(scanner.finish());
        (events, None)
    }

    fn data(events: &[Event]) -> Vec<String> {
        events.iter().filter_map(Event::data).map(|data| String::from_utf8_lossy(&data).into_owned()).collect()
    }

    fn whole(stream: &str) -> Vec<String> {
        data(&events(1_000, [stream.as_bytes().to_vec()]).0)
    }

    #[test]
    fn careless_streams_are_understood() {
        for (stream, expected) in [
            ("data: a\n\ndata: b\n\n", vec!["a", "b"]),
            ("data: a\r\n\r\ndata: b\r\n\r\n", vec!["a", "b"]),
            ("data: a\r\rdata: b\r\r", vec!["a", "b"]),
            (": ping\n\ndata:a\n\n\n\n\ndata:  b\n\n", vec!["a", " b"]),
            ("\u{FEFF}data: a\n\n", vec!["a"]),
            ("data: a\ndata: b\ndata\n\n", vec!["a\nb\n"]),
            ("event: x\nid: 1\nretry: 5\ndata: a\n\n", vec!["a"]),
            ("data: a", vec!["a"]),
            ("data: a\n", vec!["a"]),
            ("database: no\nDATA: no\n data: no\n\n", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(whole(stream), expected, "{stream:?}");
        }
        let event = &events(100, [b"event: a\nevent: b\nid\n\n".to_vec()]).0[0];
        assert_eq!(
            (event.field("event"), event.field("id"), event.field("data")),
            (Some(&b"b"[..]), Some(&b""[..]), None)
        );
    }

    #[test]
    fn an_event_that_arrives_whole_is_not_copied() {
        let piece = Bytes::from_static(b"data: a\n\ndata: b\n\n");
        let mut scanner = Scanner::default();
        scanner.push(piece.clone());
        let first = scanner.next_event().unwrap().unwrap();
        assert_eq!(first.raw.as_ptr(), piece.as_ptr());
    }

    #[test]
    fn an_event_may_be_as_long_as_the_limit_and_no_longer() {
        let stream = |text: usize| format!("data: {}\n\n", "x".repeat(text)).into_bytes();
        assert_eq!(events(100, [stream(92)]).1, None);
        assert_eq!(events(100, [stream(93)]).1, Some(TooLong { limit_bytes: 100 }));
        let endless = std::iter::repeat_with(|| vec![b'x'; 7]).take(1_000_000);
        assert_eq!(events(1_000, endless).1, Some(TooLong { limit_bytes: 1_000 }));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(
            parts in prop::collection::vec(prop::sample::select(vec!["data: x", "data:y", "\n", "\n\n", "\r", "\r\n", ":", "event: e", "\u{FEFF}", "z", "data"]), 0..30),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            limit in 10_usize..60,
        ) {
            let stream = parts.concat().into_bytes();
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            ends.sort_unstable();
            let mut pieces = Vec::new();
            let mut start = 0;
            for end in ends.into_iter().chain([stream.len()]) {
                pieces.push(stream[start..end].to_vec());
                start = end;
            }
            let (split, split_error) = events(1_000, pieces.clone());
            let (at_once, error) = events(1_000, [stream.clone()]);
            prop_assert_eq!(split_error, error);
            prop_assert_eq!(data(&split), data(&at_once));
            let bytes: Vec<u8> = split.iter().flat_map(|event| event.raw.to_vec()).collect();
            prop_assert_eq!(bytes, stream.clone());
            // With a limit the same holds, but for the line feed of a CR that comes late.
            if !stream.contains(&b'\r') {
                prop_assert_eq!(events(limit, pieces).1, events(limit, [stream]).1);
            }
        }
    }
}
