use super::{Form, Request, TEXTS_MAX, Written};
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::wire::PathSays;
use bytes::Bytes;
use tallygate_core::port::provider::failure::Kind;

const PATH: PathSays<'static> = PathSays { model: Some("public"), streams: None };
const ANSWER: &[u8] =
    br#"{"object":"list","model":"up","data":[{"index":1,"embedding":[1.50,2]},{"index":0,"embedding":[0.5,-1e-3]}],
    "usage":{"prompt_tokens":8,"total_tokens":8}}"#;

fn read(form: Form, body: &str) -> Result<Request, Rejection> {
    let path = if matches!(form, Form::Content | Form::Contents) { PATH } else { PathSays::default() };
    Request::read(form, Bytes::copy_from_slice(body.as_bytes()), &path)
}

fn through(form: Form, body: &str) -> (String, String) {
    let written = read(form, body).unwrap().write_through("up").unwrap();
    (written.path.into_owned(), String::from_utf8(written.body.to_vec()).unwrap())
}

fn translated(form: Form, body: &str, may_drop: bool) -> Result<Written, Rejection> {
    read(form, body)?.write_translated("up", "/embeddings".into(), |_| may_drop)
}

fn sent(form: Form, body: &str) -> String {
    String::from_utf8(translated(form, body, false).unwrap().body.to_vec()).unwrap()
}

#[test]
fn the_clients_bytes_go_to_its_own_dialect_but_for_the_name_of_the_model() {
    let body = r#"{"requests": [{"model":"models/public", "content":{"parts":[{"text":"a"}]},"taskType":"X"}, {"content":{"parts":[{"text":"b"}]}}]}"#;
    let (path, written) = through(Form::Contents, body);
    assert_eq!(path, "/models/up:batchEmbedContents");
    assert_eq!(written, body.replace("models/public", "models/up"));
    let (path, written) = through(Form::Content, r#"{"content": {"parts":[{"text":"a"}]}, "outputDimensionality": 3}"#);
    assert_eq!(path, "/models/up:embedContent");
    assert_eq!(written, r#"{"content": {"parts":[{"text":"a"}]}, "outputDimensionality": 3}"#);
    let (path, written) = through(Form::Input, r#"{"model":"public", "input":"a", "keep_alive":0}"#);
    assert_eq!((path.as_str(), written.as_str()), ("/api/embed", r#"{"model":"up", "input":"a", "keep_alive":0}"#));
    assert_eq!(through(Form::Prompt, r#"{"model":"public","prompt":"a"}"#).0, "/api/embeddings");
}

#[test]
fn elsewhere_texts_are_asked_for_in_the_usual_form() {
    let two = r#"{"requests":[{"model":"public","content":{"parts":[{"text":"a"},{"text":"b"}]},"output_dimensionality":3},
        {"content":{"parts":{"text":"c"}},"outputDimensionality":3}]}"#;
    assert_eq!(sent(Form::Contents, two), r#"{"model":"up","input":["ab","c"],"dimensions":3}"#);
    let one = r#"{"model":"models/public","content":{"parts":[{"text":"a"}]}}"#;
    assert_eq!(sent(Form::Content, one), r#"{"model":"up","input":["a"]}"#);
    let input = r#"{"model":"m","input":["a","b"],"truncate":true,"keep_alive":"5m","options":{},"dimensions":2}"#;
    assert_eq!(sent(Form::Input, input), r#"{"model":"up","input":["a","b"],"dimensions":2}"#);
    assert_eq!(sent(Form::Prompt, r#"{"model":"m","prompt":"a"}"#), r#"{"model":"up","input":["a"]}"#);
}

#[test]
fn what_the_usual_form_has_not_is_refused_by_name_or_left_out() {
    for (form, body, param) in [
        (Form::Content, r#"{"content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY"}"#, "taskType"),
        (Form::Input, r#"{"model":"m","input":"a","options":{"num_ctx":9}}"#, "options"),
    ] {
        let refused = translated(form, body, false).unwrap_err();
        assert_eq!((refused.param.as_str(), &refused.reason), (param, &Reason::Unsupported));
        assert_eq!(translated(form, body, true).unwrap().dropped, [param]);
    }
    let image = r#"{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}}"#;
    assert_eq!(translated(Form::Content, image, true).unwrap_err().param, "content.parts[0]");
    assert_eq!(read(Form::Content, image).unwrap().input().tokens(0, None), None, "nothing tells what an image costs");
    read(Form::Content, image).unwrap().write_through("up").unwrap();
}

#[test]
fn a_request_is_refused_by_its_field() {
    let many = format!(r#"{{"model":"m","input":[{}"a"]}}"#, r#""a","#.repeat(TEXTS_MAX));
    for (form, body, param) in [
        (Form::Contents, r#"{"requests":[]}"#, "requests"),
        (Form::Contents, r#"{"requests":[{"content":{}}]}"#, "requests[0].content.parts"),
        (
            Form::Contents,
            r#"{"requests":[{"model":"models/other","content":{"parts":[{"text":"a"}]}}]}"#,
            "requests[0].model",
        ),
        (Form::Content, r#"{"model":"other","content":{"parts":[{"text":"a"}]}}"#, "model"),
        (Form::Content, r#"{"content":{"parts":[{"text":"a"}]},"api_base":"x"}"#, "api_base"),
        (Form::Input, r#"{"model":"m"}"#, "input"),
        (Form::Input, r#"{"model":"m","input":[]}"#, "input"),
        (Form::Input, r#"{"model":"m","input":[1]}"#, "input[0]"),
        (Form::Input, &many, "input"),
        (Form::Input, r#"{"input":"a"}"#, "model"),
        (Form::Prompt, r#"{"model":"m","input":"a"}"#, "prompt"),
    ] {
        assert_eq!(read(form, body).unwrap_err().param, param, "{body:.80}");
    }
}

#[test]
fn vectors_come_back_in_their_order_and_digit_for_digit() {
    let answer = |form: Form, body: &str, answer: &[u8]| {
        let back = translated(form, body, false).unwrap().back;
        back.answer(200, &Bytes::copy_from_slice(answer))
    };
    let two = r#"{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]}}]}"#;
    let (body, metered) = answer(Form::Contents, two, ANSWER).unwrap();
    assert_eq!(body, r#"{"embeddings":[{"values":[0.5,-1e-3]},{"values":[1.50,2]}]}"#);
    assert_eq!((metered.usage.input_tokens, metered.estimated), (8, false));
    let (body, _) = answer(Form::Input, r#"{"model":"m","input":["a","b"]}"#, ANSWER).unwrap();
    assert_eq!(
        body,
        r#"{"model":"up","embeddings":[[0.5,-1e-3],[1.50,2]],"total_duration":0,"load_duration":0,"prompt_eval_count":8}"#
    );
    let one = br#"{"data":[{"index":0,"embedding":[1]}]}"#;
    let (body, metered) = answer(Form::Prompt, r#"{"model":"m","prompt":"a"}"#, one).unwrap();
    assert_eq!((body.as_ref(), metered.estimated), (br#"{"embedding":[1]}"#.as_slice(), true));
    let (body, _) = answer(Form::Content, r#"{"content":{"parts":[{"text":"a"}]}}"#, one).unwrap();
    assert_eq!(body, r#"{"embedding":{"values":[1]}}"#);
    for garbage in [
        br#"{"data":[{"index":0,"embedding":"AAAA"}]}"#.as_slice(),
        br#"{"data":[]}"#,
        br#"{"data":[{"index":7,"embedding":[1]}]}"#,
        br#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}"#,
        b"[]",
        b"<html>",
    ] {
        let failure = answer(Form::Prompt, r#"{"model":"m","prompt":"a"}"#, garbage).unwrap_err();
        assert_eq!(failure.kind, Kind::Protocol);
    }
    assert!(answer(Form::Prompt, r#"{"model":"m","prompt":"a"}"#, br#"{"error":{"message":"no"}}"#).is_err());
}

#[test]
fn an_answer_of_the_clients_own_dialect_tells_its_usage() {
    let told = |form: Form, body: &str, answer: &'static [u8]| {
        let back = read(form, body).unwrap().write_through("up").unwrap().back;
        back.answer(200, &Bytes::from_static(answer))
            .map(|(_, metered)| (metered.usage.input_tokens, metered.estimated))
    };
    let input = r#"{"model":"m","input":"a"}"#;
    assert_eq!(told(Form::Input, input, br#"{"embeddings":[[1]],"prompt_eval_count":4}"#).unwrap(), (4, false));
    assert_eq!(told(Form::Input, input, br#"{"embeddings":[[1]]}"#).unwrap(), (7, true));
    let content = r#"{"content":{"parts":[{"text":"a"}]}}"#;
    let told_by_google = br#"{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":2}}"#;
    assert_eq!(told(Form::Content, content, told_by_google).unwrap(), (2, false));
    assert_eq!(told(Form::Input, input, b"{}").unwrap_err().kind, Kind::Protocol);
    assert!(told(Form::Input, input, br#"{"error":"no such model"}"#).is_err());
}
