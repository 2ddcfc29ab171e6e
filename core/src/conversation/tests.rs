use super::{
    Cause, Choice, Content, Delta, Finish, Gather, Message, Problem, Raw, Response, Role, Seal, SealForm, Text,
    Thought, ToolCall, Used, deltas,
};
use crate::usage::Usage;

fn call(id: &str, arguments: &str) -> Content {
    Content::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: arguments.into(),
        is_free: false,
        seal: None,
    })
}

fn answer() -> Response {
    let seal = |form, data: &str| Some(Seal { form, data: data.into() });
    let contents = [
        Content::Thought(Thought { text: "hm".into(), seal: seal(SealForm::Signature, "s") }),
        Content::Thought(Thought { text: Text::default(), seal: seal(SealForm::Redacted, "r") }),
        Content::Text("Hello".into()),
        call("a", "{}"),
        call("b", r#"{"x":1}"#),
    ];
    let choice = |contents: Vec<Content>, finish: Finish| Choice {
        parts: contents.into_iter().map(Into::into).collect(),
        ending: finish.into(),
        logprobs: None,
    };
    Response {
        id: Some("1".to_owned()),
        model: Some("m".to_owned()),
        choices: vec![
            choice(contents.into(), Finish::ToolCalls),
            choice(vec![Content::Refusal("no".into())], Finish::Filtered),
        ],
        used: Some(Used { usage: Usage { input_tokens: 1, ..Usage::default() }, is_final: true }),
        service_tier: None,
    }
}

#[test]
fn a_whole_answer_that_is_streamed_and_gathered_is_the_same() {
    let mut gather = Gather::new(10_000);
    deltas(answer()).into_iter().for_each(|delta| gather.push(delta).unwrap());
    assert_eq!(gather.finish(), answer());
}

#[test]
fn pieces_are_put_together_even_where_calls_interleave() {
    let text = |text: &str| Delta::Text { choice: 0, text: text.into(), logprobs: None };
    let start = |call: u32, id: &str| Delta::CallStart {
        choice: 0,
        call,
        id: id.to_owned(),
        name: "f".to_owned(),
        is_free: false,
        seal: None,
    };
    let more = |call, text: &str| Delta::CallArguments { choice: 0, call, text: text.into() };
    let mut gather = Gather::new(10_000);
    let stream = [
        text("He"),
        text("llo"),
        start(0, "a"),
        more(0, "{"),
        start(1, "b"),
        more(1, r#"{"x""#),
        more(0, "}"),
        more(1, ":1}"),
    ];
    stream.into_iter().for_each(|delta| gather.push(delta).unwrap());
    let parts = gather.finish().choices.remove(0).parts;
    let expected = [Content::Text("Hello".into()), call("a", "{}"), call("b", r#"{"x":1}"#)];
    assert_eq!(parts, Message::new(Role::Assistant, expected).parts);
}

#[test]
fn no_more_is_gathered_than_the_limit() {
    let mut gather = Gather::new(1_000);
    let piece = || Delta::Text { choice: 0, text: "0123456789".into(), logprobs: None };
    let taken = (0..1_000).take_while(|_| gather.push(piece()).is_ok()).count();
    assert_eq!(taken, 1_000 / 74);
    let mut gather = Gather::new(1_000);
    gather.push(Delta::Finish { choice: u32::MAX, ending: Finish::Stop.into() }).unwrap();
    assert_eq!(gather.finish().choices.len(), super::LIMITS.choices);
}

#[test]
fn nothing_that_was_said_is_printed() {
    let secret = "s3cret";
    let message = Message::new(
        Role::User,
        [
            Content::Text(secret.into()),
            call("a", secret),
            Content::Other { dialect: "d", kind: "k".to_owned(), raw: Raw::text(secret) },
        ],
    );
    let problem = Problem::new(Cause::InvalidRequest, secret);
    assert!(!format!("{message:?} {problem:?}").contains(secret));
}
