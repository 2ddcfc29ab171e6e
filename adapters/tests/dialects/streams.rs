//! What holds for every stream, wherever it is cut.

use super::scene::{Case, cases};
use tallygate_adapters::dialect::{ALL, of_name};

fn streams() -> Vec<Case> {
    cases().0.into_iter().filter(|case| case.kind == "streams").collect()
}

#[test]
fn a_stream_that_comes_byte_by_byte_is_the_same() {
    for case in streams() {
        for client in ALL {
            let bytes: Vec<&[u8]> = case.input.chunks(1).collect();
            assert_eq!(case.stream(client, &bytes), case.to(client), "{} to {}", case.title(), client.name());
        }
    }
}

#[test]
fn a_stream_that_is_cut_anywhere_ends_with_an_error_or_whole() {
    let client = of_name("openai_chat").unwrap();
    for case in streams() {
        let whole = case.to(client);
        let is_whole = whole.contains("=== ok");
        // Nothing but the end of the stream may be missing where it is taken for whole.
        let said = |text: &str| text.matches("\"delta\"").count();
        for end in 0..case.input.len() {
            let cut = case.stream(client, &[&case.input[..end]]);
            let is_taken_for_whole = cut.rsplit_once("=== ").unwrap().1.starts_with("ok");
            let is_right = is_whole && said(&cut) == said(&whole);
            assert!(!is_taken_for_whole || is_right, "{} at {end}", case.title());
        }
    }
}
