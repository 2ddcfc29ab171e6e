//! Cuts an upstream's stream into the JSON texts that it is made of: events of `text/event-stream`, lines, or one body
//! where a stream was expected. Memory is one frame.
//!
//! The bytes of all frames together are the bytes that came in, but for what stands before the first one: white space and
//! a byte order mark.

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memchr;
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

use crate::provider::sse::{EVENT_MAX_BYTES, Event, Scanner};

/// How a dialect frames its streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events. A body of JSON may come in their place, with an error mostly.
    Events,
    /// A JSON text a line.
    Lines,
}

/// One frame, or what lies between frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its bytes as they came in, with what ends it.
    pub raw: &'a [u8],
    /// Its JSON text; none for comments, blank lines and the like.
    pub data: Option<&'a [u8]>,
    /// Whether it is a body that came where a stream was expected.
    pub is_body: bool,
}

/// Cuts one stream.
#[derive(Debug)]
pub struct Frames {
    form: Form,
    /// The frame that has not ended yet.
    carry: BytesMut,
    limit_bytes: usize,
}

#[derive(Debug)]
enum Form {
    /// Nothing but white space came.
    Unknown,
    Events(Scanner),
    Lines,
    Body,
}

impl Frames {
    /// For a framing.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self::with_limit(framing, EVENT_MAX_BYTES)
    }

    /// With another limit for one frame, in bytes.
    #[must_use]
    pub fn with_limit(framing: Framing, limit_bytes: usize) -> Self {
        let form = if framing == Framing::Lines { Form::Lines } else { Form::Unknown };
        Self { form, carry: BytesMut::new(), limit_bytes }
    }

    /// Takes a piece of the stream, and hands out the JSON text of every frame that is whole now.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] for a frame beyond the limit, or what `take` says. Nothing may be pushed then.
    pub fn push(&mut self, piece: Bytes, mut take: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        self.push_raw(piece, |frame| frame.data.map_or(Ok(()), &mut take))
    }

    /// Takes the end of the stream, and hands out the JSON text that is left: of a frame without its end, or the whole
    /// body. What was cut off in its middle is left out: whether that matters depends on what came before.
    ///
    /// # Errors
    /// What `take` says.
    pub fn finish(&mut self, mut take: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        self.finish_raw(|frame| frame.data.map_or(Ok(()), &mut take))
    }

    /// Like [`Frames::push`], with the bytes of each frame and what lies between. A frame that came whole within the
    /// piece is a part of its memory.
    ///
    /// # Errors
    /// As [`Frames::push`].
    pub fn push_raw(
        &mut self,
        mut piece: Bytes,
        mut take: impl FnMut(Frame<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if matches!(self.form, Form::Unknown) {
            piece.advance(piece.len() - piece.trim_ascii_start().len());
            match piece.first() {
                None => return Ok(()),
                Some(b'{' | b'[') => self.form = Form::Body,
                Some(_) => self.form = Form::Events(Scanner::new(self.limit_bytes)),
            }
        }
        match &mut self.form {
            Form::Events(scanner) => {
                scanner.push(piece);
                loop {
                    let event = scanner.next_event().map_err(|error| Failure::new(Kind::TooLarge).caused_by(error))?;
                    let Some(event) = event else { return Ok(()) };
                    take_event(&event, &mut take)?;
                }
            }
            Form::Lines => self.lines(piece, take),
            Form::Body | Form::Unknown => self.keep(&piece),
        }
    }

    /// Like [`Frames::finish`], with the bytes of the frame. They lack what ends it.
    ///
    /// # Errors
    /// What `take` says.
    pub fn finish_raw(&mut self, mut take: impl FnMut(Frame<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
        if let Form::Events(scanner) = &mut self.form {
            let event = scanner.finish();
            let data = event.as_ref().and_then(Event::data);
            let is_whole = data.is_some_and(|data| is_whole(data.trim_ascii()));
            return event.filter(|_| is_whole).map_or(Ok(()), |event| take_event(&event, take));
        }
        let left = self.carry.split().freeze();
        let data = left.trim_ascii();
        if !is_whole(data) {
            return Ok(());
        }
        take(Frame { raw: &left, data: Some(data), is_body: matches!(self.form, Form::Body) })
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), Failure> {
        if self.carry.len() + piece.len() > self.limit_bytes {
            return Err(Failure::new(Kind::TooLarge));
        }
        self.carry.extend_from_slice(piece);
        Ok(())
    }

    fn lines(
        &mut self,
        mut piece: Bytes,
        mut take: impl FnMut(Frame<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        while let Some(end) = memchr(b'\n', &piece) {
            let line = piece.split_to(end + 1);
            if self.carry.len() + line.len() > self.limit_bytes {
                return Err(Failure::new(Kind::TooLarge));
            }
            let whole = if self.carry.is_empty() {
                line
            } else {
                self.carry.extend_from_slice(&line);
                self.carry.split().freeze()
            };
            let data = whole.trim_ascii();
            take(Frame { raw: &whole, data: (!data.is_empty()).then_some(data), is_body: false })?;
        }
        self.keep(&piece)
    }
}

fn take_event(event: &Event, mut take: impl FnMut(Frame<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    let data = event.data();
    // Some servers keep a connection open by events with nothing in them.
    let data = data.as_deref().map(<[u8]>::trim_ascii).filter(|data| !data.is_empty());
    take(Frame { raw: event.without_mark(), data, is_body: false })
}

/// Whether a frame without its end is all there.
fn is_whole(data: &[u8]) -> bool {
    data == b"[DONE]" || serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Frames, Framing};
    use bytes::Bytes;
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
    use tallygate_core::port::provider::Failure;
    use tallygate_core::port::provider::failure::Kind;

    fn cut(framing: Framing, pieces: &[&[u8]], limit_bytes: usize) -> (Vec<String>, Option<Kind>) {
        let mut frames = Frames::with_limit(framing, limit_bytes);
        let mut out = Vec::new();
        let mut take = |frame: &[u8]| {
            out.push(String::from_utf8_lossy(frame).into_owned());
            Ok(())
        };
        let result: Result<(), Failure> = pieces
            .iter()
            .try_for_each(|piece| frames.push(Bytes::copy_from_slice(piece), &mut take))
            .and_then(|()| frames.finish(&mut take));
        (out, result.err().map(|failure| failure.kind))
    }

    #[test]
    fn events_lines_and_bodies_become_frames() {
        let events = b"\xEF\xBB\xBF: hi\r\n\r\nevent: a\r\ndata: {\"a\":1}\r\n\r\n\n\ndata:[DONE]";
        assert_eq!(cut(Framing::Events, &[events], 99), (vec![r#"{"a":1}"#.to_owned(), "[DONE]".to_owned()], None));
        let lines = b"\n{\"a\":1}\r\n\n{\"b\":2}";
        assert_eq!(cut(Framing::Lines, &[lines], 99), (vec![r#"{"a":1}"#.to_owned(), r#"{"b":2}"#.to_owned()], None));
        assert_eq!(cut(Framing::Events, &[b" \n", b"[{\"a\":", b"1}]"], 99).0, [r#"[{"a":1}]"#]);
    }

    #[test]
    fn a_frame_that_is_cut_off_is_left_out() {
        assert_eq!(cut(Framing::Events, &[b"data: {\"a\":"], 99), (vec![], None));
        assert_eq!(cut(Framing::Lines, &[b"{\"a\":1}\n{\"b"], 99), (vec![r#"{"a":1}"#.to_owned()], None));
        assert_eq!(cut(Framing::Events, &[b"{\"error\":"], 99), (vec![], None));
    }

    #[test]
    fn no_frame_is_longer_than_the_limit() {
        for (framing, start) in [(Framing::Events, "data: "), (Framing::Lines, ""), (Framing::Events, "{")] {
            let mut frames = Frames::with_limit(framing, 1_000);
            frames.push(start.into(), |_| Ok(())).unwrap();
            let error = (0..200).find_map(|_| frames.push("0123456789".into(), |_| Ok(())).err());
            assert_eq!(error.unwrap().kind, Kind::TooLarge);
        }
    }

    proptest! {
        #[test]
        fn where_a_stream_is_cut_changes_nothing(cuts in prop::collection::vec(0..90_usize, 0..8), lines in any::<bool>()) {
            let (framing, stream): (_, &[u8]) = if lines {
                (Framing::Lines, b"{\"a\":\"\xC3\xA4\"}\n\n{\"b\":2}\r\n{\"c\":3}\n")
            } else {
                (Framing::Events, b": c\n\nevent: x\ndata: {\"a\":\"\xC3\xA4\"}\n\ndata: {\ndata: }\n\ndata: [DONE]\n\n")
            };
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            prop_assert_eq!(cut(framing, &pieces, 99), cut(framing, &[stream], 99));
        }

        #[test]
        fn no_bytes_make_it_panic_or_keep_more_than_its_limit(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..64), lines in any::<bool>()
        ) {
            let framing = if lines { Framing::Lines } else { Framing::Events };
            let mut frames = Frames::with_limit(framing, 256);
            let mut longest = 0;
            for piece in pieces {
                if frames.push(piece.into(), |frame| { longest = longest.max(frame.len()); Ok(()) }).is_err() {
                    break;
                }
                prop_assert!(frames.carry.len() <= 256);
            }
            prop_assert!(longest <= 256);
        }
    }
}
