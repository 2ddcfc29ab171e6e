//! The way between two sides of one dialect, over every golden: what passes is byte for byte what came, and what it used
//! is what the canonical way counts.

use bytes::Bytes;
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};
use tallygate_adapters::dialect::bridge::{self, Bridge};
use tallygate_adapters::dialect::metering::Metered;
use tallygate_adapters::dialect::passage::{Passage, Step};
use tallygate_adapters::dialect::through::{self, Change, Tap};
use tallygate_adapters::dialect::wire::Asked;
use tallygate_core::conversation::Request;
use tallygate_core::port::provider::failure::Kind;

use super::fuzz::input;
use super::scene::{Case, cases};

/// `openai_chat` has a way of its own.
fn goes_through(case: &Case) -> bool {
    case.dialect != "openai_chat"
}

fn of_kind(kind: &str) -> Vec<Case> {
    let found: Vec<Case> = cases().0.into_iter().filter(|case| case.kind == kind && goes_through(case)).collect();
    assert!(found.len() >= 20, "{kind}");
    found
}

/// What comes out of a passage: the bytes, how it ends, and what it used.
#[derive(Debug, PartialEq)]
struct Out {
    bytes: Vec<u8>,
    end: Result<(), Kind>,
    metered: Metered,
    events: u64,
}

fn passed(mut passage: impl Passage, pieces: &[&[u8]]) -> Out {
    let mut bytes = Vec::new();
    let mut end = None;
    let mut take = |step: Step, end: &mut Option<Result<(), Kind>>| {
        assert!(end.is_none() || (step.forward.is_empty() && step.end.is_none()), "something follows the end");
        bytes.extend_from_slice(&step.forward);
        *end = end.take().or(step.end.map(|end| end.map_err(|failure| failure.kind)));
    };
    for piece in pieces {
        take(passage.push(Bytes::copy_from_slice(piece)), &mut end);
    }
    take(passage.finish(), &mut end);
    Out { bytes, end: end.unwrap(), metered: passage.metered(), events: passage.events() }
}

fn through(case: &Case, pieces: &[&[u8]]) -> Out {
    passed(Tap::new(case.of(), &case.exchange().0), pieces)
}

fn canonical(case: &Case, pieces: &[&[u8]]) -> Out {
    let (asked, written) = case.exchange();
    passed(Bridge::new(case.of(), case.of(), &written, &asked), pieces)
}

/// Whether this is the stream as it came, up to the end of its answer.
fn is_as_it_came(case: &Case, stream: &[u8], out: &[u8]) -> bool {
    // White space before the first event means nothing; blank lines between lines are kept.
    let of_events = case.dialect != "ollama_chat";
    let stream = if of_events { stream.trim_ascii_start() } else { stream };
    // A last event without its line ends gets them.
    stream.starts_with(out) || out.starts_with(stream) && matches!(&out[stream.len()..], b"\n" | b"\n\n")
}

/// Whether the golden is a body in place of a stream.
fn is_body(case: &Case) -> bool {
    case.dialect != "ollama_chat" && matches!(case.input.trim_ascii_start().first(), Some(b'[' | b'{'))
}

#[test]
fn a_request_that_is_read_goes_on_as_it_came_but_for_its_model() {
    for case in of_kind("requests") {
        let change = Change { model: "public-model", output_limit: None, earlier: None };
        let sent = through::request(case.of(), &Bytes::from(case.input.clone()), &change);
        if case.name == "forbidden" {
            assert_eq!(sent.unwrap_err().code(), "parameter_not_allowed", "{}", case.title());
            continue;
        }
        let sent = sent.unwrap();
        let names_model = serde_json::from_slice::<serde_json::Value>(&case.input).unwrap().get("model").is_some();
        if case.path_says().model.is_none() || !names_model {
            assert_eq!(sent, case.input, "{}", case.title());
        } else {
            // The path names the model, so the body need not.
            let told = r#""model":"public-model","#;
            let without = String::from_utf8(case.input.clone()).unwrap().replacen(told, "", 1);
            assert_eq!(sent, without, "{}", case.title());
        }
    }
}

#[test]
fn a_limit_changes_nothing_but_the_limit() {
    let mut compared = 0;
    for case in of_kind("requests") {
        let change = Change { model: "public-model", output_limit: Some(54_321), earlier: None };
        let Ok(limited) = through::request(case.of(), &Bytes::from(case.input.clone()), &change) else { continue };
        let read = |body: &[u8]| case.of().read_request(body, &case.path_says());
        let Ok(before) = read(&case.input) else { continue };
        let after = read(&limited).unwrap();
        assert_eq!(after.max_output_tokens, Some(54_321), "{}", case.title());
        let same = Request { max_output_tokens: before.max_output_tokens, ..after };
        assert_eq!(before, same, "{}", case.title());
        compared += 1;
    }
    assert!(compared >= 50, "{compared}");
}

#[test]
fn an_answer_goes_back_as_it_came_and_is_metered_as_the_canonical_way_does() {
    for case in of_kind("answers") {
        let (asked, written) = case.exchange();
        let body = Bytes::from(case.input.clone());
        let found = through::answer(case.of(), &body, &asked);
        match bridge::whole(case.of(), case.of(), &written, &asked, &case.input) {
            Ok((_, meter, response)) => {
                let found = found.unwrap();
                assert_eq!((&found.body, found.body.as_ptr()), (&body, body.as_ptr()));
                assert_eq!(found.metered, meter.metered(asked.input_estimate_tokens), "{}", case.title());
                assert_eq!((found.id, found.model), (response.id, response.model));
                let asked = Asked { public_model: Some("public".to_owned()), ..asked };
                let renamed = through::answer(case.of(), &body, &asked).unwrap();
                assert_eq!(
                    case.of().read_answer(&renamed.body, "s").unwrap().choices,
                    case.of().read_answer(&body, "s").unwrap().choices
                );
            }
            Err(failure) => assert_eq!(found.unwrap_err().kind, failure.kind, "{}", case.title()),
        }
    }
}

#[test]
fn a_stream_goes_back_as_it_came_and_is_metered_as_the_canonical_way_does() {
    for case in of_kind("streams") {
        let out = through(&case, &[&case.input]);
        let expected = canonical(&case, &[&case.input]);
        assert_eq!((&out.end, out.metered), (&expected.end, expected.metered), "{}", case.title());
        assert!(is_body(&case) || is_as_it_came(&case, &case.input, &out.bytes), "{}", case.title());
        if out.end.is_ok() {
            // All of it: nothing that the reader takes note of is missing.
            assert_eq!(canonical(&case, &[&out.bytes]).bytes, expected.bytes, "{}", case.title());
        }
    }
}

#[test]
fn where_a_stream_is_cut_into_pieces_changes_nothing() {
    for case in of_kind("streams") {
        let whole = through(&case, &[&case.input]);
        let bytes: Vec<&[u8]> = case.input.chunks(1).collect();
        assert_eq!(through(&case, &bytes), whole, "{} byte by byte", case.title());
        for at in 0..=case.input.len() {
            let (before, after) = case.input.split_at(at);
            assert_eq!(through(&case, &[before, after]), whole, "{} at {at}", case.title());
        }
    }
}

#[test]
fn a_stream_that_is_cut_off_is_a_failure_and_what_came_of_it_has_passed() {
    for case in of_kind("streams") {
        let whole = through(&case, &[&case.input]);
        for at in 0..case.input.len() {
            let cut = through(&case, &[&case.input[..at]]);
            let is_taken_for_whole = cut.end.is_ok();
            assert!(!is_taken_for_whole || cut.events == whole.events, "{} at {at}", case.title());
            assert!(is_body(&case) || is_as_it_came(&case, &case.input[..at], &cut.bytes), "{} at {at}", case.title());
            let expected = canonical(&case, &[&case.input[..at]]);
            assert_eq!((cut.end, cut.metered), (expected.end, expected.metered), "{} at {at}", case.title());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_stream_ends_and_grows_by_nothing(
        (case, body) in input("streams"), cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at % (body.len() + 1)).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
        let out = through(&case, &pieces);
        prop_assert!(out.bytes.len() <= body.len() + 16 + 8 * body.iter().filter(|byte| **byte == b',').count());
        prop_assert_eq!(&through(&case, &[&body]).metered, &out.metered);
    }

    #[test]
    fn any_answer_passes_or_is_a_failure((case, body) in input("answers")) {
        let (asked, _) = case.exchange();
        let body = Bytes::from(body);
        if let Ok(answered) = through::answer(case.of(), &body, &asked) {
            prop_assert_eq!(answered.body, body);
        }
    }

    #[test]
    fn any_request_passes_with_its_changes_or_is_refused((case, body) in input("requests"), limit in 1..9_u64) {
        let change = Change { model: "m", output_limit: Some(limit), earlier: None };
        let body = Bytes::from(body);
        if let Ok(sent) = through::request(case.of(), &body, &change) {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&sent).is_ok());
            prop_assert!(sent.len() <= body.len() + 200);
            // What was sent once is sent the same again.
            prop_assert_eq!(through::request(case.of(), &sent, &change).unwrap(), sent);
        }
    }
}
