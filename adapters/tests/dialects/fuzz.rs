//! Every parser, on any bytes: arbitrary ones, and those of the goldens with some of them changed, cut out or doubled.

use bytes::Bytes;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert, prop_oneof, proptest};
use tallygate_adapters::dialect::ALL;
use tallygate_adapters::dialect::bridge::{self, Bridge};
use tallygate_adapters::dialect::passage::Passage as _;
use tallygate_adapters::dialect::target::{Abilities, Target};
use tallygate_adapters::dialect::wire::PathSays;
use tallygate_core::port::provider::failure::Said;

use super::scene::{Case, cases};

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Set(usize, u8),
    Cut(usize, usize),
    Double(usize, usize),
    Put(usize, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let words = [
        "null",
        "{}",
        "[]",
        "\"\"",
        "-1",
        "1e999",
        "18446744073709551616",
        "\"\\ud800\"",
        "{\"a\":",
        "]",
        "}",
        "\n\n",
        "data: ",
        "[DONE]",
        "true",
        "\u{FEFF}",
        "\u{0}",
    ];
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<usize>(), 1..40_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (any::<usize>(), 1..200_usize).prop_map(|(at, length)| Change::Double(at, length)),
        (any::<usize>(), prop::sample::select(words.to_vec())).prop_map(|(at, word)| Change::Put(at, word)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let place = |at: usize| at % (bytes.len() + 1);
        match change {
            Change::Set(at, byte) => {
                let at = place(*at);
                if let Some(found) = bytes.get_mut(at) {
                    *found = *byte;
                }
            }
            Change::Cut(at, length) => {
                let at = place(*at);
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Change::Double(at, length) => {
                let at = place(*at);
                let part = bytes[at..(at + length).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            Change::Put(at, word) => {
                let at = place(*at);
                bytes.splice(at..at, word.bytes());
            }
        }
    }
    bytes
}

pub(super) fn input(kind: &'static str) -> impl Strategy<Value = (Case, Vec<u8>)> {
    let of_kind: Vec<Case> = cases().0.into_iter().filter(|case| case.kind == kind).collect();
    let one = prop::sample::select(of_kind);
    let any_bytes = prop::collection::vec(any::<u8>(), 0..300).boxed();
    let changes = prop::collection::vec(change(), 0..6);
    (one, changes, any_bytes, 0..8_u8).prop_map(|(case, changes, noise, pick)| {
        let bytes = if pick == 0 { noise } else { changed(case.input.clone(), &changes) };
        (case, bytes)
    })
}

/// How much longer an output can be than its input: each event has a head and a frame of its own.
const fn most(input: usize) -> usize {
    20_000 + input * 400
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_request_is_translated_or_refused((case, body) in input("requests"), drop_params in any::<bool>()) {
        let abilities = Abilities::default();
        let target = Target {
            model: "m", output_max_tokens: Some(8_000), output_cap_tokens: None, drop_params, also_drop: &[],
            abilities: &abilities,
        };
        if let Ok(request) = case.of().read_request(&body, &case.path_says()) {
            for dialect in ALL {
                if let Ok(written) = dialect.write_request(&request, &target) {
                    prop_assert!(written.body.len() <= most(body.len()));
                    let text = std::str::from_utf8(&written.body).unwrap();
                    prop_assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{}", text);
                    prop_assert!(written.output_limit.is_none_or(|limit| limit <= 8_000));
                }
            }
        }
        let _read = case.of().read_request(&body, &PathSays::default());
    }

    #[test]
    fn any_answer_is_translated_or_a_failure((case, body) in input("answers")) {
        let (asked, written) = case.exchange();
        for client in ALL {
            if let Ok((answer, ..)) = bridge::whole(case.of(), client, &written, &asked, &body) {
                prop_assert!(answer.len() <= most(body.len()));
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&answer).is_ok());
            }
        }
    }

    #[test]
    fn any_stream_ends((case, body) in input("streams"), cuts in prop::collection::vec(any::<usize>(), 0..6)) {
        let (asked, written) = case.exchange();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at % (body.len() + 1)).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        for client in ALL {
            let mut bridge = Bridge::new(case.of(), client, &written, &asked);
            let (mut out, mut has_ended) = (0, false);
            for pair in cuts.windows(2) {
                let step = bridge.push(Bytes::copy_from_slice(&body[pair[0]..pair[1]]));
                out += step.forward.len();
                prop_assert!(!has_ended || (step.forward.is_empty() && step.end.is_none()));
                has_ended |= step.end.is_some();
            }
            let step = bridge.finish();
            prop_assert!(has_ended != step.end.is_some());
            prop_assert!(out + step.forward.len() <= most(body.len()));
            let metered = bridge.metered();
            prop_assert!(metered.usage.reasoning_tokens <= metered.usage.output_tokens);
        }
    }

    #[test]
    fn any_error_becomes_an_error((case, body) in input("errors"), status in 300..600_u16) {
        let said = Said { status, content_type: None, request_id: None, body: body.into() };
        let failure = case.of().read_error(said, None);
        for client in ALL {
            let problem = tallygate_adapters::dialect::problems::of_failure(&failure);
            let answer = client.write_problem(&problem, "r");
            prop_assert!((400..600).contains(&answer.status));
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok());
        }
    }
}
