use super::{DEPTH_MAX, Fault, Ignore, MEMBERS_MAX, object, text};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

fn read(json: &str) -> Result<Vec<(String, String)>, Fault> {
    let object = object(json, &mut Ignore)?;
    Ok(object
        .members
        .iter()
        .map(|member| (member.name(json).to_owned(), json[member.value.clone()].to_owned()))
        .collect())
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn members_are_found_with_their_places() {
    assert_eq!(
        read(" { \"a\" : [ 1 , {} ] ,\n\"b\":\"x\\\"y\",\"mod\\u0065l\":-1.5e3 , \"a\":null}\n"),
        Ok(vec![pair("a", "[ 1 , {} ]"), pair("b", "\"x\\\"y\""), pair("model", "-1.5e3"), pair("a", "null")])
    );
    assert_eq!(read("{}"), Ok(vec![]));
}

#[test]
fn what_is_no_json_is_refused() {
    for json in [
        "",
        " ",
        "{",
        "}",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1}x",
        "{}{}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":tru}",
        "{\"a\":True}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":0x1}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u+123\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\0\"}",
        "{\"a\":\"x}",
        "{\"a\":1}/**/",
        "{\"a\":1}//",
        "{\"a\":\u{a0}1}",
    ] {
        assert!(matches!(read(json), Err(Fault::Syntax { .. })), "{json:?}: {:?}", read(json));
    }
    for json in ["[]", "1", "\"a\"", "null"] {
        assert_eq!(read(json), Err(Fault::NotAnObject), "{json}");
    }
}

#[test]
fn what_readers_disagree_on_is_refused() {
    for json in
        [r#"{"a":"\ud800"}"#, r#"{"a":"\udc00"}"#, r#"{"a":"\ud800\ud800"}"#, r#"{"a":"\ud800x"}"#, r#"{"\udfff":1}"#]
    {
        assert!(matches!(read(json), Err(Fault::Surrogate { .. })), "{json}");
    }
    assert!(read(r#"{"a":"\ud83d\ude00"}"#).is_ok());
    assert_eq!(read(r#"{"a":"\u0000"}"#), Err(Fault::Nul { at: 6 }));
    for json in ["{\"a\":1e309}".to_owned(), "{\"a\":-1E400}".to_owned(), format!("{{\"a\":{}}}", "9".repeat(400))] {
        assert_eq!(read(&json), Err(Fault::Number { at: 5 }), "{json}");
    }
    assert!(read("{\"a\":1e-400,\"b\":1e308}").is_ok());
    assert_eq!(text(b"\xEF\xBB\xBF{}"), Err(Fault::ByteOrderMark));
    assert_eq!(text(b"{\"a\xFF\":1}"), Err(Fault::Utf8 { at: 3 }));
}

#[test]
fn depth_and_members_have_limits() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let limit = DEPTH_MAX as usize;
    assert!(read(&nested(limit)).is_ok());
    assert!(matches!(read(&nested(limit + 1)), Err(Fault::Depth { .. })));
    assert!(matches!(read(&nested(100_000)), Err(Fault::Depth { .. })));
    let wide = |members: usize| format!("{{{}}}", vec!["\"a\":1"; members].join(","));
    assert!(read(&wide(MEMBERS_MAX)).is_ok());
    assert_eq!(read(&wide(MEMBERS_MAX + 1)), Err(Fault::Members));
    let inner = format!("{{\"a\":{}}}", wide(100_000));
    assert!(read(&inner).is_ok(), "a limit for the top level alone");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(json) = text(&bytes) {
            let _ = read(json);
        }
    }

    /// Fragments make far more objects that are nearly right than bytes do.
    #[test]
    fn what_it_takes_the_standard_parser_takes_too(
        parts in prop::collection::vec(
            prop::sample::select(vec!["{", "}", "[", "]", ",", ":", "\"a\"", "\"b\\n\"", "1", "-0", "0.5e1", "true", "null", " ", "\"\\ud83d\\ude00\"", "\\", "\"", "01"]),
            0..24,
        ),
    ) {
        let json = format!("{{{}}}", parts.concat());
        let standard = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&json);
        match read(&json) {
            Ok(members) => {
                let standard = standard.unwrap();
                for (name, value) in &members {
                    prop_assert!(standard.contains_key(name));
                    prop_assert!(serde_json::from_str::<serde_json::Value>(value).is_ok());
                }
                prop_assert_eq!(members.is_empty(), standard.is_empty());
            }
            Err(_) => prop_assert!(standard.is_err(), "{}", json),
        }
    }
}
