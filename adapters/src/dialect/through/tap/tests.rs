use std::sync::Arc;

use super::{HELD_BYTES_MAX, Tap};
use crate::dialect::of_name;
use crate::dialect::passage::Passage;
use crate::dialect::wire::Asked;
use bytes::Bytes;
use tallygate_core::conversation::{Cause, Problem, Request};
use tallygate_core::port::provider::failure::Kind;

const ANTHROPIC: &str = "anthropic_messages";
const RESPONSES: &str = "openai_responses";
const GEMINI: &str = "gemini_generate";
const OLLAMA: &str = "ollama_chat";

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"up\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n";
const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const ERROR: &str =
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n";

fn asked(public_model: Option<&str>) -> Asked {
    Asked {
        id: "0199".to_owned(),
        created_s: 1,
        public_model: public_model.map(str::to_owned),
        sealer: None,
        input_estimate_tokens: 7,
        request: Arc::new(Request::default()),
    }
}

fn tap(dialect: &str) -> Tap {
    Tap::new(of_name(dialect).unwrap(), &asked(None))
}

/// What passes of a stream that comes in one piece, and how it ends.
fn passed(tap: &mut Tap, stream: &str) -> (String, Result<(), Kind>) {
    let first = tap.push(Bytes::copy_from_slice(stream.as_bytes()));
    let mut out = first.forward.to_vec();
    let end = first.end.unwrap_or_else(|| {
        let last = tap.finish();
        out.extend_from_slice(&last.forward);
        last.end.unwrap()
    });
    (String::from_utf8(out).unwrap(), end.map_err(|failure| failure.kind))
}

#[test]
fn frames_that_came_whole_are_handed_out_without_a_copy() {
    let piece = Bytes::from(format!("{START}: a comment\n\nid: 1\nevent: ping\ndata: {{\"type\":\"ping\"}}\n\n{STOP}"));
    let mut tap = tap(ANTHROPIC);
    let step = tap.push(piece.clone());
    assert_eq!((&step.forward, step.forward.as_ptr()), (&piece, piece.as_ptr()));
    assert!(matches!(step.end, Some(Ok(()))));
    assert_eq!(tap.metered().usage.input_tokens, 9);
}

#[test]
fn nothing_follows_the_end() {
    let mut tap = tap(ANTHROPIC);
    let (out, end) = passed(&mut tap, &format!("{START}{STOP}: more\n\n{START}"));
    assert_eq!((out, end), (format!("{START}{STOP}"), Ok(())));
    let step = tap.push(Bytes::from_static(b": more\n\n"));
    assert!(step.forward.is_empty() && step.end.is_none());
    assert!(tap.finish().end.is_none());
}

#[test]
fn an_error_before_the_answer_passes_nothing_on() {
    let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n: wait\n\n";
    let mut tap = tap(ANTHROPIC);
    assert_eq!(passed(&mut tap, &format!("{ping}{ERROR}")), (String::new(), Err(Kind::Overloaded)));
    assert_eq!(tap.events(), 0);
    // With an answer behind them they are not lost.
    let stream = format!("{ping}{START}{STOP}");
    assert_eq!(passed(&mut self::tap(ANTHROPIC), &stream), (stream.clone(), Ok(())));
}

#[test]
fn what_is_held_before_the_answer_has_a_limit() {
    let comment = format!(": {}\n\n", "x".repeat(1_000));
    let mut tap = tap(ANTHROPIC);
    let mut forwarded = 0;
    for pushed in 1..200 {
        forwarded += tap.push(Bytes::copy_from_slice(comment.as_bytes())).forward.len();
        assert!(pushed * comment.len() - forwarded <= HELD_BYTES_MAX);
        assert!(tap.reading.held.len() <= HELD_BYTES_MAX);
    }
    assert!(forwarded > HELD_BYTES_MAX);
}

#[test]
fn an_error_in_the_middle_is_not_passed_on_but_what_came_before_it_is() {
    let mut tap = tap(ANTHROPIC);
    assert_eq!(passed(&mut tap, &format!("{START}{ERROR}{STOP}")), (START.to_owned(), Err(Kind::Overloaded)));
    let last = String::from_utf8(tap.failed(&Problem::new(Cause::Overloaded, "m")).unwrap().to_vec()).unwrap();
    assert!(last.starts_with("event: error\ndata: {\"type\":\"error\","), "{last}");
}

#[test]
fn a_stream_that_is_cut_ends_with_a_failure() {
    let mut tap = tap(ANTHROPIC);
    assert_eq!(passed(&mut tap, &format!("{START}event: message_stop\nda")), (START.to_owned(), Err(Kind::Reset)));
    // The blank line at the end may be missing; it is added.
    for cut in 1..=2 {
        let stream = format!("{START}{STOP}");
        let cut = &stream[..stream.len() - cut];
        assert_eq!(passed(&mut self::tap(ANTHROPIC), cut), (stream.clone(), Ok(())));
    }
}

#[test]
fn what_is_not_known_yet_passes_once_the_answer_has_begun() {
    for (dialect, first, unknown) in [
        (ANTHROPIC, START, "event: n\ndata: {\"type\":\"new_event\",\"x\":[1]}\n\n"),
        (ANTHROPIC, START, "data: {\"type\":\"content_block_start\",\"content_block\":{\"kind\":\"new\"}}\n\n"),
        (ANTHROPIC, START, "data: {\"kind\":\"no type at all\"}\n\n"),
        (
            RESPONSES,
            "data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n",
            "data: {\"type\":\"response.new.delta\",\"delta\":{}}\n\n",
        ),
        (
            GEMINI,
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\n",
            "data: {\"newField\":{},\"candidates\":[{\"content\":{\"parts\":[{\"newPart\":{}}]}}]}\n\n",
        ),
        (OLLAMA, "{\"message\":{\"content\":\"a\"},\"done\":false}\n", "{\"new\":1}\n"),
    ] {
        let mut tap = tap(dialect);
        let step = tap.push(Bytes::from(format!("{first}{unknown}")));
        assert!(step.end.is_none(), "{unknown}");
        assert_eq!(step.forward, format!("{first}{unknown}"));
    }
    // What is no JSON is no event of any time.
    let mut broken = tap(ANTHROPIC);
    assert_eq!(passed(&mut broken, &format!("{START}data: hello\n\n")), (START.to_owned(), Err(Kind::Protocol)));
    // Before the answer has begun, what cannot be read is a failure: another upstream may do better.
    let mut other = tap(ANTHROPIC);
    let (out, end) = passed(&mut other, "data: {\"object\":\"chat.completion.chunk\"}\n\n");
    assert_eq!((out, end, other.events()), (String::new(), Err(Kind::Protocol), 0));
}

#[test]
fn a_body_in_place_of_a_stream_becomes_events_or_a_failure() {
    let answer = "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":\"STOP\"}]\n}";
    let expected =
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":\"STOP\"}] }\n\n";
    assert_eq!(passed(&mut tap(GEMINI), answer), (expected.to_owned(), Ok(())));
    let list = format!("[{answer},\n{answer}]");
    assert_eq!(passed(&mut tap(GEMINI), &list), (format!("{expected}{expected}"), Ok(())));
    let (out, end) = passed(&mut tap(ANTHROPIC), "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}");
    assert_eq!((out, end), (String::new(), Err(Kind::Overloaded)));
}

#[test]
fn a_public_model_takes_the_place_of_the_upstreams() {
    let dialect = of_name(ANTHROPIC).unwrap();
    let expected = START.replace("\"up\"", "\"public\"");
    let mut tap = Tap::new(dialect, &asked(Some("public")));
    assert_eq!(passed(&mut tap, &format!("{START}{STOP}")), (format!("{expected}{STOP}"), Ok(())));
    // In data of several lines too.
    let lines = START.replace("\"message\":", "\ndata: \"message\":");
    let mut tap = Tap::new(dialect, &asked(Some("public")));
    let (out, _) = passed(&mut tap, &format!("{lines}{STOP}"));
    assert_eq!(out, format!("{}{STOP}", expected.replace("\"message\":", " \"message\":")));
}

#[test]
fn no_frame_is_longer_than_the_limit() {
    let mut tap = Tap::with_limit(of_name(ANTHROPIC).unwrap(), &asked(None), 300);
    assert_eq!(tap.push(Bytes::from_static(START.as_bytes())).forward, START);
    let end = (0..100).find_map(|_| tap.push(Bytes::from_static(b"data: xxxxxxxxxxxxx")).end);
    assert_eq!(end.unwrap().unwrap_err().kind, Kind::TooLarge);
}

#[test]
fn an_idle_connection_is_kept_open_by_what_a_client_takes() {
    let mut tap = tap(ANTHROPIC);
    assert_eq!(tap.keep_alive(), None);
    tap.push(Bytes::from_static(START.as_bytes()));
    assert_eq!(tap.keep_alive().unwrap(), ": ping\n\n");
    assert_eq!(self::tap(OLLAMA).keep_alive(), None);
}
