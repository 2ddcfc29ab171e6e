use super::{PriceMap, Severity};
use proptest::prelude::proptest;
use tallygate_core::money::PicoUsd;
use tallygate_core::price::{Class, ServiceTier};

fn map(entries: &str) -> PriceMap {
    PriceMap::parse(&format!("{{{entries}}}")).unwrap()
}

/// The findings of a chat model with these fields, as people read them, and whether it has a price.
fn linted(fields: &str) -> (Vec<String>, bool) {
    let map = map(&format!(r#""m":{{"litellm_provider":"v","mode":"chat",{fields}}}"#));
    let entry = map.iter().next().unwrap();
    (entry.findings.iter().map(ToString::to_string).collect(), entry.price.is_some())
}

#[test]
fn prices_are_read_from_their_digits() {
    let map = map(r#""sample_spec":{"input_cost_per_token":0},
        "gpt-5":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":1.25e-06,"output_cost_per_token":0.00001,
        "cache_read_input_token_cost":1.25e-7,"input_cost_per_token_above_200k_tokens":2.5e-06,"input_cost_per_token_flex":6.25e-07,
        "max_input_tokens":272000,"supports_vision":true,"input_cost_per_audio_token":null}"#);
    let entry = map.find(&["openai"], "gpt-5").unwrap();
    assert!(entry.findings.is_empty(), "{:?}", entry.findings);
    let price = entry.price.as_ref().unwrap();
    let pico = |tier, prompt, class| price.rates_for(tier, prompt).of(class);
    assert_eq!(pico(ServiceTier::Standard, 1, Class::CachedInput), PicoUsd::new(125_000));
    assert_eq!(pico(ServiceTier::Standard, 200_001, Class::Input), PicoUsd::new(2_500_000));
    assert_eq!(pico(ServiceTier::Flex, 1, Class::Input), PicoUsd::new(625_000));
    assert_eq!(map.iter().count(), 1, "the specimen is no model");
}

#[test]
fn a_price_that_is_none_is_an_error_of_its_entry_and_of_no_other() {
    for (value, why) in [
        ("-1e-6", "-1e-6 is negative"),
        ("\"1e-6\"", "is no number"),
        ("true", "is no number"),
        ("3.0000000000000004e-06", "has more than 12 decimal places"),
        ("1", "is absurd"),
        ("1e300", "out of range"),
    ] {
        let (findings, priced) = linted(&format!(r#""input_cost_per_token":{value},"output_cost_per_token":1e-6"#));
        assert!(
            findings.iter().any(|finding| finding.starts_with("error: input_cost_per_token") && finding.contains(why)),
            "{value}: {findings:?}"
        );
        assert!(!priced, "{value}");
    }
    let both = map(
        r#""a":{"litellm_provider":"v","input_cost_per_token":-1},"b":{"litellm_provider":"v","input_cost_per_token":1e-6,"output_cost_per_token":1e-6},"c":7"#,
    );
    let usable: Vec<bool> = both.iter().map(|entry| entry.price.is_some()).collect();
    assert_eq!(usable, [false, true, false]);
}

#[test]
fn what_stands_twice_is_an_error() {
    let (findings, priced) =
        linted(r#""input_cost_per_token":1e-6,"output_cost_per_token":1e-6,"input_cost_per_token":1e-6"#);
    assert_eq!((findings, priced), (vec!["error: input_cost_per_token: it stands twice".to_owned()], false));
    let twice = map(
        r#""m":{"litellm_provider":"v","input_cost_per_token":1e-6,"output_cost_per_token":1e-6},"m":{"litellm_provider":"v"}"#,
    );
    let entry = twice.iter().next().unwrap();
    assert!(entry.price.is_none() && entry.findings[0].severity == Severity::Error);
    // Two names of one price: an error only where they differ.
    let cached = |other: &str| {
        linted(&format!(
            r#""input_cost_per_token":1e-6,"output_cost_per_token":1e-6,"cache_read_input_token_cost":1e-7,"input_cost_per_token_cache_hit":{other}"#
        ))
    };
    assert!(cached("1e-7").1 && !cached("2e-7").1);
}

#[test]
fn what_is_missing_is_never_taken_for_free() {
    for fields in
        [r#""input_cost_per_token":1e-6"#, r#""output_cost_per_token":1e-6"#, r#""cache_read_input_token_cost":1e-6"#]
    {
        let (findings, priced) = linted(fields);
        assert!(!priced && findings.iter().any(|finding| finding.starts_with("error")), "{fields}: {findings:?}");
    }
    assert_eq!(linted(r#""max_tokens":1"#), (vec![], false), "without any price it is unpriced");
    let embedding = map(r#""m":{"litellm_provider":"v","mode":"embedding","input_cost_per_token":1e-6}"#);
    assert!(embedding.iter().next().unwrap().price.is_some());
}

#[test]
fn what_is_strange_or_not_counted_is_a_warning() {
    let base = r#""input_cost_per_token":2e-6,"output_cost_per_token":4e-6,"#;
    for (fields, warning) in [
        (r#""cache_read_input_token_cost":3e-6"#, "warning: cache_read_input_token_cost: dearer than input"),
        (r#""cache_creation_input_token_cost":1e-6"#, "warning: cache_creation_input_token_cost: cheaper than input"),
        (
            r#""cache_creation_input_token_cost":5e-6,"cache_creation_input_token_cost_above_1hr":4e-6"#,
            "warning: cache_creation_input_token_cost_above_1hr: cheaper than five minutes in the cache",
        ),
        (
            r#""input_cost_per_token_batches":3e-6"#,
            "warning: input_cost_per_token_batches: dearer than in the standard tier",
        ),
        (
            r#""output_cost_per_token_above_200k_tokens":3e-6"#,
            "warning: output_cost_per_token_above_200k_tokens: cheaper than for short prompts",
        ),
        (
            r#""output_cost_per_second":0.1"#,
            "warning: output_cost_per_second: its unit is not counted: nothing is charged for it",
        ),
        (
            r#""regional_processing_uplift_multiplier_eu":1.1"#,
            "warning: regional_processing_uplift_multiplier_eu: multipliers are not applied",
        ),
    ] {
        assert_eq!(linted(&format!("{base}{fields}")), (vec![warning.to_owned()], true), "{fields}");
    }
    assert_eq!(linted(&format!(r#"{base}"output_cost_per_second":0,"input_cost_per_query":null"#)), (vec![], true));
}

#[test]
fn a_model_is_found_by_its_vendor_and_by_no_other() {
    let entry = r#"{"litellm_provider":"acme","input_cost_per_token":1e-6,"output_cost_per_token":1e-6}"#;
    let map = map(&format!(r#""m":{entry},"acme/n":{entry},"other/m":{}"#, entry.replace("acme", "other")));
    let found = |names: &[&'static str], model: &str| map.find(names, model).map(|entry| entry.name.clone());
    assert_eq!(found(&["acme"], "m").as_deref(), Some("m"));
    assert_eq!(found(&["acme"], "n").as_deref(), Some("acme/n"));
    assert_eq!(found(&["x", "other"], "m").as_deref(), Some("other/m"));
    assert_eq!(found(&["x"], "m"), None);
    assert_eq!(found(&["acme"], "x"), None);
}

#[test]
fn what_is_no_map_is_refused() {
    for text in ["", "[]", "7", r#"{"a":{}"#, "null"] {
        assert!(PriceMap::parse(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,60}", number in "[-+0-9.eE]{0,12}") {
        let _ = PriceMap::parse(&text);
        let _ = PriceMap::parse(&format!(r#"{{"m":{{"input_cost_per_token":{number}}}}}"#));
    }
}
