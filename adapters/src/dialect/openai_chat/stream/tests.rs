use super::{Step, Tap};
use crate::dialect::metering::Metered;
use crate::dialect::openai_chat::{Operation, Request};
use bytes::Bytes;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;
use tallygate_core::usage::Usage;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../../../golden/openai_chat/stream/", $name, ".sse")).as_slice()
    };
}

fn request(asks_for_usage: bool) -> Request {
    let body = format!(
        r#"{{"model":"m","messages":[{{}}],"stream":true,"stream_options":{{"include_usage":{asks_for_usage}}}}}"#
    );
    Request::parse(Operation::Chat, Bytes::from(body), None).unwrap()
}

#[derive(Debug)]
struct Run {
    forwarded: Vec<u8>,
    end: Option<Result<(), Failure>>,
    metered: Metered,
    events: u64,
}

impl Run {
    fn take(&mut self, step: Step) {
        self.forwarded.extend_from_slice(&step.forward);
        assert!(self.end.is_none() || (step.end.is_none() && step.forward.is_empty()), "nothing comes after the end");
        self.end = self.end.take().or(step.end);
    }

    fn kind(&self) -> Option<Kind> {
        self.end.as_ref().and_then(|end| end.as_ref().err()).map(|failure| failure.kind)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.forwarded).into_owned()
    }
}

fn run(mut tap: Tap, pieces: impl IntoIterator<Item = Bytes>) -> Run {
    let mut run = Run { forwarded: Vec::new(), end: None, metered: tap.metered(), events: 0 };
    for piece in pieces {
        run.take(tap.push(piece));
    }
    run.take(tap.finish());
    run.metered = tap.metered();
    run.events = tap.events();
    run
}

fn whole(asks_for_usage: bool, stream: &[u8]) -> Run {
    run(Tap::new(&request(asks_for_usage), None), [Bytes::copy_from_slice(stream)])
}

/// Runs a stream whole, cut in two at every byte, and byte by byte; the outcome must be the same.
fn check(public_model: Option<&str>, asks_for_usage: bool, stream: &[u8], expected: &[u8]) -> Run {
    let request = request(asks_for_usage);
    let tap = || Tap::new(&request, public_model);
    let first = run(tap(), [Bytes::copy_from_slice(stream)]);
    assert_eq!(first.text(), String::from_utf8_lossy(expected));
    let cuts =
        (0..=stream.len()).map(|at| vec![Bytes::copy_from_slice(&stream[..at]), Bytes::copy_from_slice(&stream[at..])]);
    let bytes = stream.iter().map(|byte| Bytes::copy_from_slice(&[*byte])).collect();
    for (index, pieces) in cuts.chain([bytes]).enumerate() {
        let other = run(tap(), pieces);
        assert_eq!(other.text(), first.text(), "cut {index}");
        assert_eq!(
            (other.kind(), other.metered, other.events),
            (first.kind(), first.metered, first.events),
            "cut {index}"
        );
    }
    first
}

fn told(input: u64, cached: u64, output: u64, reasoning: u64) -> Metered {
    let usage = Usage {
        input_tokens: input,
        cached_input_tokens: cached,
        output_tokens: output,
        reasoning_tokens: reasoning,
        ..Usage::default()
    };
    Metered { usage, estimated: false }
}

#[test]
fn usage_is_metered_and_shown_to_those_who_asked() {
    let unasked = check(None, false, golden!("text.in"), golden!("text.out"));
    assert_eq!((unasked.metered, unasked.events), (told(5, 4, 12, 2), 4));
    assert!(matches!(unasked.end, Some(Ok(()))));
    let asked = check(None, true, golden!("text.in"), golden!("text_asked.out"));
    assert_eq!(asked.metered, unasked.metered);
}

#[test]
fn careless_streams_pass_and_get_their_end() {
    let run = check(None, false, golden!("careless.in"), golden!("careless.out"));
    assert_eq!(run.metered, told(50, 0, 7, 0));
    assert!(matches!(run.end, Some(Ok(()))));
}

#[test]
fn ids_of_events_and_data_on_several_lines_are_taken_out() {
    let run = check(None, false, golden!("identified.in"), golden!("identified.out"));
    assert!(matches!(run.end, Some(Ok(()))));
}

#[test]
fn the_model_is_renamed_in_every_event_when_asked_for() {
    check(Some("current"), false, golden!("text.in"), golden!("renamed.out"));
}

#[test]
fn an_error_within_a_stream_ends_it_and_is_not_forwarded() {
    let run = check(None, false, golden!("error.in"), golden!("error.out"));
    assert_eq!(run.kind(), Some(Kind::ServerError));
    assert!(run.metered.estimated && run.metered.usage.output_tokens == 1, "three bytes came");
}

#[test]
fn a_stream_that_is_cut_is_no_success_wherever_it_is_cut() {
    let stream = golden!("text.in");
    let finish = String::from_utf8_lossy(stream).find("\"finish_reason\":\"stop\"").unwrap();
    // From here on the answer is known to be finished, even if the event that says so lacks its end.
    let finished = finish + String::from_utf8_lossy(&stream[finish..]).find("\n\n").unwrap();
    for at in 0..stream.len() {
        let run = whole(false, &stream[..at]);
        match (at < finished, run.kind()) {
            (true, Some(Kind::Reset)) => {}
            (false, None) => assert!(run.text().ends_with("data: [DONE]\n\n"), "cut at {at}"),
            (_, kind) => panic!("cut at {at} of {finished}: {kind:?}"),
        }
        assert!(!run.text().contains("prompt_tokens"));
    }
}

#[test]
fn a_disconnect_is_metered_by_what_passed() {
    let mut tap = Tap::new(&request(false), None);
    let text = "x".repeat(400);
    let event = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let step = tap.push(Bytes::from(event.clone()));
    assert_eq!(step.forward, event.as_bytes());
    let metered = tap.metered();
    assert!(metered.estimated);
    assert_eq!((metered.usage.output_tokens, metered.usage.input_tokens), (100, 21));
}

#[test]
fn what_arrives_whole_is_forwarded_without_a_copy() {
    let stream = Bytes::from_static(golden!("text.in"));
    let mut tap = Tap::new(&request(true), None);
    let two = stream.windows(2).enumerate().filter(|(_, pair)| *pair == b"\n\n").nth(1).unwrap().0 + 2;
    let step = tap.push(stream.slice(..two + 10));
    assert_eq!((step.forward.as_ptr(), step.forward.len()), (stream.as_ptr(), two));
}

#[test]
fn a_json_body_in_place_of_a_stream_is_an_error_and_its_own_one_if_it_tells() {
    for (body, kind) in [
        (r#"{"error":{"code":429,"message":"m"}}"#, Kind::RateLimited),
        (r#" {"error":{"message":"m"}}"#, Kind::ServerError),
        (r#"[{"error":{"code":503}}]"#, Kind::Overloaded),
        (r#"{"choices":[{"message":{"content":"a"}}]}"#, Kind::Protocol),
        ("{", Kind::Protocol),
    ] {
        let run = check(None, false, body.as_bytes(), b"");
        assert_eq!(run.kind(), Some(kind), "{body}");
        assert_eq!(run.events, 0);
    }
    let endless =
        std::iter::once(Bytes::from_static(b"{")).chain(std::iter::repeat_n(Bytes::from(vec![b'x'; 65_536]), 64));
    let long = run(Tap::new(&request(false), None), endless.take(20));
    assert_eq!(long.kind(), Some(Kind::TooLarge));
}

#[test]
fn garbage_ends_a_stream() {
    for garbage in ["data: hello\n\n", "data: {\"usage\":{]}\n\n", "data: 5\n\n", "data: \n\n"] {
        assert_eq!(whole(false, garbage.as_bytes()).kind(), Some(Kind::Protocol), "{garbage}");
    }
    for silence in ["", "\n\n\n", ": ping\n\n", "<html></html>"] {
        assert_eq!(whole(false, silence.as_bytes()).kind(), Some(Kind::Reset), "{silence}");
    }
}

#[test]
fn an_endless_line_is_cut_off() {
    let endless = std::iter::repeat_n(Bytes::from(vec![b'd'; 1 << 20]), 9);
    let mut tap = Tap::new(&request(false), None);
    let end = endless.map(|piece| tap.push(piece)).find_map(|step| step.end);
    assert_eq!(end.unwrap().unwrap_err().kind, Kind::TooLarge);
}

#[test]
fn nothing_follows_the_end() {
    let run = whole(
        false,
        b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\ndata: [DONE]\n\ndata: garbage\n\n",
    );
    assert_eq!(run.text().matches("[DONE]").count(), 1);
    assert!(matches!(run.end, Some(Ok(()))));
}

#[test]
fn the_last_usage_counts_and_nonsense_does_not() {
    let usage =
        |usage: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"abcd\"}}}}],\"usage\":{usage}}}\n\n");
    let stream = [
        usage(r#"{"prompt_tokens":5,"completion_tokens":1}"#),
        usage(r#"{"prompt_tokens":5,"completion_tokens":2}"#),
        usage(r#"{"prompt_tokens":1e300,"completion_tokens":-4}"#),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat();
    assert_eq!(whole(false, stream.as_bytes()).metered, told(5, 0, 2, 0));
    let stream = usage(r#"{"prompt_tokens":1e300,"completion_tokens":-4}"#) + "data: [DONE]\n\n";
    let nonsense = whole(false, stream.as_bytes()).metered;
    assert!(nonsense.estimated && nonsense.usage.output_tokens == 1);
}

#[test]
fn a_million_tiny_events_take_bounded_memory() {
    let event = Bytes::from_static(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n");
    let mut tap = Tap::new(&request(false), None);
    for _ in 0..1_000_000 {
        assert_eq!(tap.push(event.clone()).forward.len(), event.len());
    }
    assert_eq!((tap.events(), tap.metered().usage.output_tokens), (1_000_000, 250_000));
}

proptest! {
    #[test]
    fn no_stream_makes_the_tap_panic_and_any_split_gives_the_same(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "data: ", "{\"choices\":[{\"delta\":{\"content\":\"ab\"}}]}", "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
                "[DONE]", "\n\n", "\n", "\"usage\":", "\"error\":{}", "id: 1\n", ": c", "{", "}",
            ]),
            0..20,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let stream = parts.concat().into_bytes();
        let at_once = whole(false, &stream);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        ends.sort_unstable();
        let mut start = 0;
        let mut pieces = Vec::new();
        for end in ends.into_iter().chain([stream.len()]) {
            pieces.push(Bytes::copy_from_slice(&stream[start..end]));
            start = end;
        }
        let split = run(Tap::new(&request(false), None), pieces);
        prop_assert_eq!(split.text(), at_once.text());
        prop_assert_eq!((split.kind(), split.metered, split.events), (at_once.kind(), at_once.metered, at_once.events));
        prop_assert!(at_once.end.is_some());
    }
}
