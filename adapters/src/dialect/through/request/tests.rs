use super::{Change, request};
use crate::dialect::rejection::Reason;
use crate::dialect::wire::PathSays;
use crate::dialect::{ALL, of_name};
use bytes::Bytes;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::{Just, Strategy};

/// What becomes of a body on the way to `upstream-model`; or the code and the field of the refusal.
fn sent(dialect: &str, body: &str, output_limit: Option<u64>) -> Result<String, (&'static str, String)> {
    let change = Change { model: "upstream-model", output_limit, earlier: None };
    request(of_name(dialect).unwrap(), &Bytes::copy_from_slice(body.as_bytes()), &change)
        .map(|body| String::from_utf8(body.to_vec()).unwrap())
        .map_err(|rejection| (rejection.code(), rejection.param))
}

const ANTHROPIC: &str = "anthropic_messages";
const RESPONSES: &str = "openai_responses";
const GEMINI: &str = "gemini_generate";
const OLLAMA: &str = "ollama_chat";

#[test]
fn only_the_model_the_limit_and_fields_for_the_gateway_change() {
    for (dialect, limit, body, expected) in [
        (
            ANTHROPIC,
            None,
            r#" { "new_one":{"a":[1.50]}, "model" : "m","max_tokens":1e1 ,"messages":[]}"#,
            r#" { "new_one":{"a":[1.50]}, "model" : "upstream-model","max_tokens":1e1 ,"messages":[]}"#,
        ),
        (
            ANTHROPIC,
            Some(64),
            r#"{"tags":[1],"model":"upstream-model","litellm_x":1,"max_tokens":100,"num_retries":3}"#,
            r#"{"model":"upstream-model","max_tokens":64}"#,
        ),
        (
            RESPONSES,
            Some(64),
            r#"{"model":"m","input":"max_output_tokens"}"#,
            r#"{"model":"upstream-model","input":"max_output_tokens","max_output_tokens":64}"#,
        ),
        (
            RESPONSES,
            Some(64),
            r#"{"model":"m","max_output_tokens":null,"cache":{}}"#,
            r#"{"model":"upstream-model","max_output_tokens":64}"#,
        ),
        (
            OLLAMA,
            Some(64),
            r#"{"model":"m","options":{ }}"#,
            r#"{"model":"upstream-model","options":{"num_predict":64 }}"#,
        ),
        (RESPONSES, None, r#"{"input":"x","tags":[]}"#, r#"{"input":"x","model":"upstream-model"}"#),
    ] {
        assert_eq!(sent(dialect, body, limit).as_deref(), Ok(expected), "{body}");
    }
}

#[test]
fn a_limit_within_settings_is_found_in_either_spelling() {
    for (body, expected) in [
        (r#"{"contents":[]}"#, r#"{"contents":[],"generationConfig":{"maxOutputTokens":64}}"#),
        (r#"{"generationConfig":null,"contents":[]}"#, r#"{"generationConfig":{"maxOutputTokens":64},"contents":[]}"#),
        (r#"{"generationConfig":{}}"#, r#"{"generationConfig":{"maxOutputTokens":64}}"#),
        (r#"{"generationConfig":{"topK":1}}"#, r#"{"generationConfig":{"maxOutputTokens":64,"topK":1}}"#),
        (
            r#"{"generation_config":{"top_k":1, "max_output_tokens": 9000 }}"#,
            r#"{"generation_config":{"top_k":1, "max_output_tokens": 64 }}"#,
        ),
        (
            r#"{"generation_config":{"maxOutputTokens":1},"generationConfig":{"max_output_tokens":2,"maxOutputTokens":3}}"#,
            r#"{"generation_config":{"maxOutputTokens":64},"generationConfig":{"max_output_tokens":64,"maxOutputTokens":64}}"#,
        ),
    ] {
        assert_eq!(sent(GEMINI, body, Some(64)).as_deref(), Ok(expected), "{body}");
    }
    assert_eq!(
        sent(GEMINI, r#"{"generationConfig":5}"#, Some(64)),
        Err(("invalid_type", "generationConfig".to_owned()))
    );
}

#[test]
fn a_model_in_the_path_is_not_said_in_the_body() {
    assert_eq!(sent(GEMINI, r#"{"model":"m","contents":[]}"#, None).as_deref(), Ok(r#"{"contents":[]}"#));
    let alone = sent(GEMINI, r#"{"model":"m"}"#, Some(64));
    assert_eq!(alone.as_deref(), Ok(r#"{"generationConfig":{"maxOutputTokens":64}}"#));
}

#[test]
fn a_body_that_needs_no_change_is_not_copied() {
    let body = Bytes::from_static(br#"{"model":"m","max_tokens":64}"#);
    let change = Change { model: "m", output_limit: Some(64), earlier: None };
    let same = request(of_name(ANTHROPIC).unwrap(), &body, &change).unwrap();
    assert_eq!(same.as_ptr(), body.as_ptr());
}

#[test]
fn a_body_that_two_readers_could_read_differently_is_refused() {
    for (dialect, body, refused) in [
        (ANTHROPIC, r#"{"model":"m","MODEL":"other"}"#, ("invalid_value", "model")),
        (ANTHROPIC, r#"{"model":"m","\u017Ftream":true}"#, ("invalid_value", "stream")),
        (ANTHROPIC, r#"{"model":"m","top_k":1,"Top_K":2}"#, ("duplicate_parameter", "")),
        (RESPONSES, r#"{"model":"m","Max_Output_Tokens":9}"#, ("invalid_value", "max_output_tokens")),
        (OLLAMA, r#"{"model":"m","options":{"Num_Predict":9}}"#, ("invalid_value", "num_predict")),
        (OLLAMA, r#"{"model":"m","Options":{}}"#, ("invalid_value", "options")),
        (GEMINI, r#"{"GenerationConfig":{}}"#, ("invalid_value", "generationConfig")),
        (GEMINI, r#"{"generationConfig":{"MAX_output_tokens":9}}"#, ("invalid_value", "maxOutputTokens")),
    ] {
        assert_eq!(sent(dialect, body, Some(64)), Err((refused.0, refused.1.to_owned())), "{body}");
    }
}

#[test]
fn fields_that_choose_upstream_key_or_price_are_refused_by_the_reader_and_here() {
    for name in ["api_base", "API_Key", "extra_headers", "aws_access_key_id", "input_cost_per_token"] {
        for (dialect, prompt) in [
            (ANTHROPIC, r#""max_tokens":9,"messages":[{"role":"user","content":"x"}]"#),
            (RESPONSES, r#""input":"x""#),
            (GEMINI, r#""contents":[{"parts":[{"text":"x"}]}]"#),
            (OLLAMA, r#""messages":[{"role":"user","content":"x"}]"#),
        ] {
            let body = format!(r#"{{"model":"m",{prompt},"{name}":"x"}}"#);
            let read = of_name(dialect).unwrap().read_request(body.as_bytes(), &PathSays::default());
            assert_eq!(read.unwrap_err().reason, Reason::NotAllowed, "{dialect} {name}");
            assert_eq!(sent(dialect, &body, None).unwrap_err().0, "parameter_not_allowed", "{dialect} {name}");
        }
    }
}

/// Members of a body, by their JSON text.
fn member() -> impl Strategy<Value = (String, String)> {
    let names = [
        "model",
        "max_tokens",
        "max_output_tokens",
        "generationConfig",
        "generation_config",
        "options",
        "tags",
        "cache",
        "litellm_a",
        "input",
        "messages",
        "contents",
        "x",
        "\\u0078y",
        "num_predict",
    ];
    let values = prop_oneof![
        Just("null".to_owned()),
        any::<u32>().prop_map(|number| number.to_string()),
        Just(r#"{"maxOutputTokens":7,"max_output_tokens":null, "num_predict" : 3}"#.to_owned()),
        Just("{ }".to_owned()),
        Just(r#"[{"model":"m"}, "a\"}"]"#.to_owned()),
    ];
    (prop::sample::select(names.to_vec()).prop_map(str::to_owned), values)
}

proptest! {
    #[test]
    fn whatever_is_sent_is_the_clients_json_with_the_changes_alone(
        members in prop::collection::vec(member(), 0..7), limit in prop::option::of(1..100_u64),
    ) {
        let body = members.iter().map(|(name, value)| format!(" \"{name}\" :{value}")).collect::<Vec<_>>().join(",");
        let body = format!("{{{body}}}");
        for dialect in ALL {
            let Ok(sent) = sent(dialect.name(), &body, limit) else { continue };
            let places = dialect.places();
            let before: serde_json::Value = serde_json::from_str(&body).unwrap();
            let after: serde_json::Value = serde_json::from_str(&sent).unwrap();
            prop_assert_eq!(after.get("model").is_some(), places.model_in_body);
            if places.model_in_body {
                prop_assert_eq!(&after["model"], "upstream-model");
            }
            if let Some(limit) = limit {
                let pointer = format!("/{}", places.output_limit.join("/"));
                let spelled = format!("/{}", places.output_limit.iter().map(|name| places.other_spelling(name)).collect::<Vec<_>>().join("/"));
                let told = [after.pointer(&pointer), after.pointer(&spelled)].into_iter().flatten().collect::<Vec<_>>();
                // At least in one spelling of each name, and never another number.
                prop_assert!(told.iter().all(|told| **told == limit));
                let text = after.to_string();
                prop_assert!(text.contains(&format!(":{limit}")), "{}", text);
            }
            for name in ["x", "xy", "input", "messages", "contents"] {
                prop_assert_eq!(before.get(name), after.get(name));
            }
            for name in ["tags", "cache", "litellm_a"] {
                prop_assert!(after.get(name).is_none());
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for dialect in ALL {
            let change = Change { model: "m", output_limit: Some(1), earlier: None };
            let _sent = request(dialect, &Bytes::from(body.clone()), &change);
        }
    }
}
