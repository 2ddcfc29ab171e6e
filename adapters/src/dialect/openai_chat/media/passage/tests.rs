use super::Tap;
use crate::dialect::metering::InputBound;
use crate::dialect::openai_chat::Operation;
use crate::dialect::openai_chat::media::Asked;
use crate::dialect::passage::Passage as _;
use bytes::Bytes;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

const EVENTS: &str = "text/event-stream; charset=utf-8";

fn tap(operation: Operation, content_type: &str) -> Tap {
    let input = InputBound { text_bytes: 40, ..InputBound::default() };
    let asked = Asked { operation, count: 1, input, spoken_bytes: 30, file_bytes: 0, wants_text: false };
    Tap::new(asked, Some(content_type))
}

/// Everything that comes out, and how it ends.
fn pass(tap: &mut Tap, pieces: &[&[u8]]) -> (Vec<u8>, Result<(), Failure>) {
    let mut out = Vec::new();
    for piece in pieces {
        let step = tap.push(Bytes::copy_from_slice(piece));
        out.extend_from_slice(&step.forward);
        if let Some(end) = step.end {
            return (out, end);
        }
    }
    let step = tap.finish();
    out.extend_from_slice(&step.forward);
    (out, step.end.unwrap())
}

#[test]
fn sound_passes_as_it_is_and_is_estimated_by_its_text() {
    let mut tap = tap(Operation::Speech, "audio/mpeg");
    let (out, end) = pass(&mut tap, &[b"ID3\x00", b"data: {\"error\":1}\n\n", b"\xff"]);
    assert_eq!((out.as_slice(), end.is_ok()), (b"ID3\x00data: {\"error\":1}\n\n\xff".as_slice(), true));
    let metered = tap.metered();
    assert_eq!((metered.usage.audio_output_tokens, metered.usage.input_tokens, metered.estimated), (45, 10, true));
    assert!(tap.keep_alive().is_none());
}

#[test]
fn no_sound_at_all_is_a_failure_that_another_upstream_may_mend() {
    let mut tap = tap(Operation::Speech, "audio/mpeg");
    assert_eq!(pass(&mut tap, &[b""]).1.unwrap_err().kind, Kind::Protocol);
    assert_eq!(tap.events(), 0);
}

#[test]
fn events_pass_byte_for_byte_and_their_usage_is_told() {
    let mut tap = tap(Operation::Images, EVENTS);
    let stream = b"event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"AAAA\"}\n\n\
        : a comment\n\nevent: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"usage\":{\"input_tokens\":9,\"output_tokens\":272}}\n\n";
    let (out, end) = pass(&mut tap, &[stream]);
    assert_eq!((out.as_slice(), end.is_ok()), (stream.as_slice(), true));
    let metered = tap.metered();
    assert_eq!((metered.usage.image_output_tokens, metered.usage.input_tokens, metered.estimated), (272, 9, false));
}

#[test]
fn events_without_their_last_one_were_cut_off_and_an_error_is_one() {
    let delta = b"data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hello\"}\n\n";
    let mut cut = tap(Operation::Transcriptions, EVENTS);
    assert_eq!(pass(&mut cut, &[delta]).1.unwrap_err().kind, Kind::Reset);
    assert_eq!(cut.metered().usage.output_tokens, 2);
    let mut failed = tap(Operation::Transcriptions, EVENTS);
    let (out, end) = pass(&mut failed, &[delta, b"data: {\"type\":\"error\",\"error\":{\"message\":\"no\"}}\n\n"]);
    assert_eq!((out.as_slice(), end.is_err()), (delta.as_slice(), true));
    let mut garbage = tap(Operation::Transcriptions, EVENTS);
    assert_eq!(pass(&mut garbage, &[b"data: <html>\n\n"]).1.unwrap_err().kind, Kind::Protocol);
}

#[test]
fn a_whole_answer_where_a_stream_was_asked_for_passes_once_it_is_whole() {
    let body = b"{\"text\":\"Hello\",\"usage\":{\"type\":\"duration\",\"seconds\":2}}";
    let mut whole = tap(Operation::Transcriptions, "application/json");
    let (out, end) = pass(&mut whole, &[&body[..9], &body[9..]]);
    assert_eq!((out.as_slice(), end.is_ok()), (body.as_slice(), true));
    assert_eq!(whole.metered().usage.audio_input_tokens, 20);
    let mut failed = tap(Operation::Speech, "application/json");
    let (out, end) = pass(&mut failed, &[b"{\"error\":{\"message\":\"no\"}}"]);
    assert!(out.is_empty() && end.is_err() && failed.events() == 0);
}

proptest! {
    #[test]
    fn no_bytes_cut_anywhere_make_it_panic_or_add_anything(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(),
        kind in 0_usize..3,
    ) {
        let content_type = ["audio/mpeg", EVENTS, "application/json"][kind];
        let cut = cut.index(bytes.len() + 1);
        let mut tap = tap(Operation::Speech, content_type);
        let (out, end) = pass(&mut tap, &[&bytes[..cut], &bytes[cut..]]);
        prop_assert!(out.len() <= bytes.len() + 2);
        if kind == 0 && end.is_ok() {
            prop_assert_eq!(out, bytes);
        }
    }
}
