use super::{CHOICES_MAX, OUTPUT_TOKENS_MAX, Operation, Request, RequestError};
use crate::dialect::json::Fault;
use crate::dialect::metering::InputBound;
use crate::dialect::openai_chat::{LimitField, OutputLimit, Rewrite};
use bytes::Bytes;
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

fn chat(body: &str) -> Result<Request, RequestError> {
    Request::parse(Operation::Chat, Bytes::copy_from_slice(body.as_bytes()), None)
}

/// A chat with one message and these further members.
fn with(members: &str) -> Result<Request, RequestError> {
    chat(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{members}}}"#))
}

fn with_content(content: &str) -> InputBound {
    *chat(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#)).unwrap().input()
}

/// Compares with `golden/openai_chat/request/<name>.{in,out}.json`, byte for byte.
fn golden(name: &str, request: &Request, rewrite: &Rewrite<'_>, expected: &[u8]) {
    let rewritten = request.rewrite(rewrite);
    assert_eq!(String::from_utf8_lossy(&rewritten), String::from_utf8_lossy(expected), "{name}");
}

macro_rules! golden {
    ($name:literal, $operation:expr, $path_model:expr, $rewrite:expr) => {
        let body =
            Bytes::from_static(include_bytes!(concat!("../../../../golden/openai_chat/request/", $name, ".in.json")));
        let expected = include_bytes!(concat!("../../../../golden/openai_chat/request/", $name, ".out.json"));
        let request = Request::parse($operation, body, $path_model).unwrap();
        golden($name, &request, &$rewrite, expected);
    };
}

#[test]
fn only_the_spans_that_must_change_are_rewritten() {
    let metered = Rewrite { model: "gpt-5", meter_stream: true, output_limit: None };
    let limit = OutputLimit { tokens: 256, field: LimitField::MaxCompletionTokens };
    let limited = Rewrite { output_limit: Some(limit), ..metered };
    golden!("renamed", Operation::Chat, None, Rewrite { model: "gpt-5-2026-01-01", ..metered });
    golden!(
        "unchanged",
        Operation::Chat,
        None,
        Rewrite { output_limit: Some(OutputLimit { tokens: 100, ..limit }), ..metered }
    );
    golden!("metered", Operation::Chat, None, limited);
    golden!("options_without_usage", Operation::Chat, None, limited);
    golden!("options_empty", Operation::Chat, None, metered);
    golden!("options_refused_usage", Operation::Chat, None, limited);
    golden!("options_null", Operation::Chat, None, metered);
    golden!("kept_back", Operation::Chat, None, metered);
    golden!("kept_back_last", Operation::Chat, None, metered);
    golden!("model_in_path", Operation::Chat, Some("m"), metered);
    golden!("embeddings", Operation::Embeddings, None, Rewrite { model: "text-embedding-3-small", ..metered });
}

#[test]
fn a_body_that_needs_no_change_is_not_copied() {
    let body = Bytes::from_static(br#"{"model":"m","messages":[{}]}"#);
    let request = Request::parse(Operation::Chat, body.clone(), None).unwrap();
    let rewritten = request.rewrite(&Rewrite { model: "m", meter_stream: true, output_limit: None });
    assert_eq!(rewritten.as_ptr(), body.as_ptr());
}

#[test]
fn what_the_client_asks_for_is_read() {
    let request = with(r#","stream":true,"stream_options":{"include_usage":true},"n":3,"max_tokens":10,"user":"a\"b","service_tier":"flex","metadata":{"tags":[1]}"#).unwrap();
    assert_eq!(request.model().as_str(), "m");
    assert!(request.streams() && request.asks_for_usage());
    assert_eq!((request.choices(), request.output_limit(), request.output_bound(10)), (3, Some(10), 30));
    assert_eq!(request.string_field("user").as_deref(), Some("a\"b"));
    assert_eq!(request.string_field("service_tier").as_deref(), Some("flex"));
    assert_eq!(request.field("metadata"), Some(r#"{"tags":[1]}"#));
    assert!(request.string_field("metadata").is_none() && request.field("absent").is_none());
    let plain = with(r#","stream":null,"n":null,"max_tokens":null,"user":null"#).unwrap();
    assert_eq!((plain.streams(), plain.choices(), plain.output_limit()), (false, 1, None));
}

#[test]
fn a_body_that_two_readers_could_read_differently_is_refused() {
    for (members, error) in [
        (r#","model":"m""#, RequestError::Duplicate(Some("model"))),
        (r#","mod\u0065l":"other""#, RequestError::Duplicate(Some("model"))),
        (r#","Model":"other""#, RequestError::Duplicate(Some("model"))),
        (r#","ſtream":true"#, RequestError::Misspelled("stream")),
        (r#","STREAM":true"#, RequestError::Misspelled("stream")),
        (r#","stream":true,"stream":false"#, RequestError::Duplicate(Some("stream"))),
        (r#","top_k":1,"top_k":2"#, RequestError::Duplicate(None)),
        (r#","top_k":1,"Top_K":2"#, RequestError::Duplicate(None)),
        (
            r#","stream_options":{"include_usage":true,"include_usage":false}"#,
            RequestError::Duplicate(Some("stream_options.include_usage")),
        ),
        (r#","stream_options":{"Include_usage":true}"#, RequestError::Misspelled("stream_options.include_usage")),
    ] {
        assert_eq!(with(members).unwrap_err(), error, "{members}");
    }
}

#[test]
fn fields_that_choose_upstream_key_or_price_are_refused() {
    for name in [
        "api_base",
        "base_url",
        "api_key",
        "API_Key",
        "api_\u{212A}ey",
        "custom_llm_provider",
        "extra_headers",
        "models",
        "input_cost_per_token",
    ] {
        let error = with(&format!(r#","{name}":"x""#)).unwrap_err();
        assert!(matches!(error, RequestError::NotAllowed(Some(_))), "{name}: {error}");
        assert_eq!(error.code(), "parameter_not_allowed");
    }
    for name in ["aws_access_key_id", "vertex_project", "azure_ad_token"] {
        assert_eq!(with(&format!(r#","{name}":"x""#)).unwrap_err(), RequestError::NotAllowed(None), "{name}");
    }
}

#[test]
fn a_limit_of_output_is_a_whole_number_of_tokens() {
    for field in ["max_tokens", "max_completion_tokens"] {
        for value in [
            "0",
            "-1",
            "18446744073709551616",
            "18446744073709551615",
            "1.5",
            "1.0",
            "1e2",
            "\"10\"",
            "true",
            "[]",
            "{}",
            "100000001",
            "-0",
        ] {
            let error = with(&format!(r#","{field}":{value}"#)).unwrap_err();
            assert!(matches!(error, RequestError::OutputLimit(param) if param == field), "{field} {value}: {error}");
            assert_eq!(error.param(), Some(field));
        }
        let limit = with(&format!(r#","{field}":{OUTPUT_TOKENS_MAX}"#)).unwrap().output_limit();
        assert_eq!(limit, Some(OUTPUT_TOKENS_MAX));
    }
    assert_eq!(with(r#","max_tokens":1,"max_completion_tokens":1"#).unwrap_err(), RequestError::TwoOutputLimits);
    assert_eq!(with(r#","max_tokens":null,"max_completion_tokens":7"#).unwrap().output_limit(), Some(7));
}

#[test]
fn the_number_of_answers_has_a_limit() {
    for value in ["0", "-1", "129", "1000", "1.0", "\"1\"", "99999999999999999999"] {
        assert_eq!(with(&format!(r#","n":{value}"#)).unwrap_err(), RequestError::Choices, "{value}");
    }
    assert_eq!(with(&format!(r#","n":{CHOICES_MAX}"#)).unwrap().choices(), CHOICES_MAX);
}

#[test]
fn types_are_checked() {
    for (members, param) in [
        (r#","stream":1"#, "stream"),
        (r#","stream":"true""#, "stream"),
        (r#","stream_options":[]"#, "stream_options"),
        (r#","stream_options":{"include_usage":1}"#, "stream_options.include_usage"),
        (r#","user":5"#, "user"),
        (r#","store":"yes""#, "store"),
    ] {
        let error = with(members).unwrap_err();
        assert_eq!((error.code(), error.param()), ("invalid_type", Some(param)), "{members}");
    }
    for body in [
        r#"{"model":"m","messages":[]}"#,
        r#"{"model":"m","messages":[ ]}"#,
        r#"{"model":"m","messages":"hi"}"#,
        r#"{"model":"m","messages":{}}"#,
    ] {
        assert_eq!(chat(body).unwrap_err().param(), Some("messages"), "{body}");
    }
    for body in [r#"{"model":"m"}"#, r#"{"model":"m","messages":null}"#] {
        assert_eq!(chat(body).unwrap_err(), RequestError::Missing("messages"), "{body}");
    }
}

#[test]
fn a_model_is_named_once() {
    let parse = |body: &str, path| Request::parse(Operation::Chat, Bytes::copy_from_slice(body.as_bytes()), path);
    let (named, unnamed) = (r#"{"model":"m","messages":[{}]}"#, r#"{"messages":[{}]}"#);
    assert_eq!(parse(named, Some("m")).unwrap().model().as_str(), "m");
    assert_eq!(parse(unnamed, Some("m")).unwrap().model().as_str(), "m");
    assert_eq!(parse(named, Some("other")).unwrap_err(), RequestError::ModelMismatch);
    assert_eq!(parse(unnamed, None).unwrap_err(), RequestError::Missing("model"));
    assert_eq!(parse(r#"{"model":null,"messages":[{}]}"#, None).unwrap_err(), RequestError::Missing("model"));
    for model in ["5", "[\"m\"]", "{}"] {
        assert_eq!(
            parse(&format!(r#"{{"model":{model},"messages":[{{}}]}}"#), None).unwrap_err().code(),
            "invalid_type",
            "{model}"
        );
    }
    for model in ["", " m", "m\\n", "m\u{200B}", "m\u{FEFF}"] {
        assert!(
            matches!(parse(&format!(r#"{{"model":"{model}","messages":[{{}}]}}"#), None), Err(RequestError::Model(_))),
            "{model:?}"
        );
    }
}

#[test]
fn hostile_bodies_are_refused_in_time() {
    let nested = format!(r#","x":{}1{}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(with(&nested), Err(RequestError::Json(Fault::Depth { .. }))));
    let wide = (0..1_000_000).map(|index| format!(r#""k{index}":1"#)).collect::<Vec<_>>().join(",");
    assert!(with(&format!(r#","x":{{{wide}}}"#)).is_ok());
    assert!(matches!(with(&format!(",{wide}")), Err(RequestError::Json(Fault::Members))));
    assert!(matches!(with(r#","x":1e400"#), Err(RequestError::Json(Fault::Number { .. }))));
    assert!(matches!(with(r#","x":"\ud800""#), Err(RequestError::Json(Fault::Surrogate { .. }))));
    assert!(matches!(with(r#","x":"\u0000""#), Err(RequestError::Json(Fault::Nul { .. }))));
    let bytes = |bytes: &'static [u8]| Request::parse(Operation::Chat, Bytes::from_static(bytes), None).unwrap_err();
    assert_eq!(bytes(b"\xEF\xBB\xBF{}"), RequestError::Json(Fault::ByteOrderMark));
    assert_eq!(bytes(b"{\"a\":\"\xC3\x28\"}"), RequestError::Json(Fault::Utf8 { at: 6 }));
    assert_eq!(bytes(b"[]"), RequestError::Json(Fault::NotAnObject));
    assert_eq!(bytes(b""), RequestError::Json(Fault::Syntax { at: 0, expected: "a value" }));
    assert_eq!(with("").unwrap_err_or_long(), None);
}

trait LongText {
    fn unwrap_err_or_long(self) -> Option<RequestError>;
}

impl LongText for Result<Request, RequestError> {
    /// The same request with a text of 10 MB must be as good.
    fn unwrap_err_or_long(self) -> Option<RequestError> {
        self.and_then(|_| with(&format!(r#","x":"{}""#, "é".repeat(5_000_000)))).err()
    }
}

#[test]
fn an_error_repeats_nothing_of_the_prompt() {
    for members in [
        r#","canary":1,"canary":2"#,
        r#","user":["canary"]"#,
        r#","max_tokens":"canary""#,
        r#","canary":tru"#,
        r#","x":"canary\ud800""#,
    ] {
        let error = with(members).unwrap_err();
        let printed = format!("{error} {error:?}");
        assert!(!printed.contains("canary"), "{printed}");
    }
    let request = with(r#","user":"canary""#).unwrap();
    assert!(!format!("{request:?}").contains("canary"));
}

#[test]
fn media_are_bounded_by_what_they_are_and_text_by_its_bytes() {
    let text = with_content(r#""hello""#);
    assert_eq!((text.images, text.audio_bytes, text.opaque_parts), (0, 0, 0));
    let url = format!("data:image/png;base64,{}", "A".repeat(10_000));
    let image = with_content(&format!(
        r#"[{{"type":"text","text":"hello"}},{{"type":"image_url","image_url":{{"url":"{url}"}}}}]"#
    ));
    assert_eq!((image.images, image.opaque_parts), (1, 0));
    assert!(image.text_bytes < 200, "{image:?}");
    let link = with_content(r#"[{"type":"image_url","image_\u0075rl":{"url":"https://x.example/a.png"}}]"#);
    assert_eq!(link.images, 1, "a name with escapes is the same name");
    let audio = with_content(&format!(
        r#"[{{"type":"input_audio","input_audio":{{"data":"{}","format":"wav"}}}}]"#,
        "A".repeat(1_600)
    ));
    assert!((1_600..1_700).contains(&audio.audio_bytes) && audio.text_bytes < 200, "{audio:?}");
}

#[test]
fn a_part_that_nobody_can_measure_is_opaque() {
    for content in [
        r#"[{"type":"file","file":{"file_id":"f"}}]"#,
        r#"[{"type":"video_url","video_url":{"url":"https://x.example"}}]"#,
        r#"[{"type":"new_thing","new_thing":1}]"#,
        r#"{"image_url":{"url":"https://x.example/a.png"}}"#,
    ] {
        assert_ne!(with_content(content).opaque_parts, 0, "{content}");
    }
    assert_eq!(with(r#","web_search_options":{}"#).unwrap().input().opaque_parts, 1);
    let spoken = chat(r#"{"model":"m","messages":[{"role":"assistant","audio":{"id":"a"}}]}"#).unwrap();
    assert_eq!(spoken.input().opaque_parts, 1);
}

#[test]
fn what_only_looks_like_media_is_text() {
    let blob = "A".repeat(5_000);
    for members in [
        format!(r#","tools":[[[{{"image_url":"{blob}"}}]]]"#),
        format!(r#","x":[{{"content":[{{"image_url":"{blob}"}}]}}]"#),
        format!(r#","x":{{"messages":[{{"content":[{{"image_url":"{blob}"}}]}}]}}"#),
    ] {
        let request = with(&members).unwrap();
        assert!(request.input().images == 0 && request.input().text_bytes > 5_000, "{members:.40}");
    }
    let call = format!(
        r#"{{"model":"m","messages":[{{"role":"assistant","tool_calls":[{{"id":"c","type":"function","function":{{"name":"f","arguments":"{blob}"}}}}]}}]}}"#
    );
    let request = chat(&call).unwrap();
    assert!(request.input().opaque_parts == 0 && request.input().text_bytes > 5_000);
}

#[test]
fn a_prediction_may_be_billed_as_output() {
    let prediction = format!(r#","prediction":{{"type":"content","content":"{}"}},"n":2"#, "x".repeat(1_000));
    assert!(with(&prediction).unwrap().output_bound(10) >= 2 * 1_010);
}

#[test]
fn embeddings_take_text_and_tokens() {
    let parse = |input: &str| {
        let body = format!(r#"{{"model":"m","input":{input}}}"#);
        Request::parse(Operation::Embeddings, Bytes::from(body), None)
    };
    for input in [r#""a""#, r#"["a","b"]"#, "[1,2,3]", "[[1],[2]]"] {
        let request = parse(input).unwrap();
        assert_eq!(request.output_bound(1_000), 0);
        assert!(request.input().tokens(0, None).unwrap() > input.len() as u64);
    }
    for input in ["[]", "\"\"", "5", "{}"] {
        assert_eq!(parse(input).unwrap_err().param(), Some("input"), "{input}");
    }
    assert_eq!(parse("null").unwrap_err(), RequestError::Missing("input"));
}

proptest! {
    /// Whatever the fields and their order: the rewritten body is JSON, says what was asked for, and holds every
    /// forwarded field as it was.
    #[test]
    fn a_rewritten_body_says_what_was_asked_for(
        order in any::<prop::sample::Selector>(),
        chosen in prop::collection::vec(any::<bool>(), 10),
        meter in any::<bool>(),
        limit in prop::option::of(1_u64..1_000),
    ) {
        let optional = [
            r#""tags":["a"]"#, r#""num_retries":2"#, r#""stream":true"#, r#""stream_options":{"x":[1]}"#, r#""max_tokens":500"#, r#""temperature":0.10"#,
            r#""metadata":{"a":"b"}"#, r#""store":true"#, r#""litellm_trace_id":"t""#, r#""user":"u""#,
        ];
        let mut fields: Vec<&str> = optional.into_iter().zip(&chosen).filter(|(_, chosen)| **chosen).map(|(field, _)| field).collect();
        fields.push(r#""model":"m""#);
        fields.push(r#""messages":[{"role":"user","content":"a, \"b\": {}"}]"#);
        // A shuffle that shrinks.
        let mut shuffled = Vec::new();
        while !fields.is_empty() {
            let field = *order.select(&fields);
            fields.retain(|other| *other != field);
            shuffled.push(field);
        }
        let body = format!("{{ {} }}", shuffled.join(" ,\n "));
        let request = chat(&body).unwrap();
        let output_limit = limit.map(|tokens| OutputLimit { tokens, field: LimitField::MaxTokens });
        let rewritten = request.rewrite(&Rewrite { model: "up/\"stream\"", meter_stream: meter, output_limit });
        let mut expected: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&body).unwrap();
        for kept_back in ["tags", "num_retries", "litellm_trace_id"] {
            expected.remove(kept_back);
        }
        if !chosen[7] {
            expected.remove("metadata");
        }
        expected.insert("model".to_owned(), "up/\"stream\"".into());
        if let Some(tokens) = limit {
            expected.insert("max_tokens".to_owned(), tokens.into());
        }
        if meter && chosen[2] {
            let options = expected.entry("stream_options").or_insert_with(|| serde_json::json!({}));
            options["include_usage"] = true.into();
        }
        prop_assert_eq!(serde_json::from_slice::<serde_json::Map<_, _>>(&rewritten).unwrap(), expected);
        // An upstream reads the same body as strictly.
        prop_assert_eq!(Request::parse(Operation::Chat, rewritten, None).unwrap().streams(), chosen[2]);
    }
}
