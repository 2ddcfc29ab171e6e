//! What the simulated model answers: it calls the tools that it is offered, then says what they said; else it counts
//! images, gives JSON of the form that was asked for, or says what the user said.

use serde_json::{Map, Value, json};

use super::seen::{Choice, Seen, Shape, Tool};

/// The text of its reasoning.
pub const REASONING: &str = "Let me think about it.";
/// What proves that reasoning or a call is its own. Base64, as the vendors' are.
pub(super) const SIGNATURE: &str = "c2lnbmVkIGJ5IHRoZSBzaW11bGF0ZWQgcHJvdmlkZXI=";

/// The tokens that an answer reports, each class a number of its own so that a test can tell them apart. Negative ones
/// are for tests of what a gateway makes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// Input that came from no cache and was written to none.
    pub fresh: i64,
    /// Input that came from a cache, where the format can say so.
    pub cached: i64,
    /// Input that was written to a cache, where the format can say so.
    pub written: i64,
    /// Output without reasoning.
    pub text: i64,
    /// Reasoning; not reported of an answer without it.
    pub reasoning: i64,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { fresh: 31, cached: 17, written: 5, text: 13, reasoning: 7 }
    }
}

impl Tokens {
    /// All input of a format that does not tell apart what was written to a cache.
    pub(super) const fn input(&self) -> i64 {
        self.fresh.saturating_add(self.cached)
    }

    pub(super) const fn output(&self) -> i64 {
        self.text.saturating_add(self.reasoning)
    }

    pub(super) const fn total(&self) -> i64 {
        self.input().saturating_add(self.output())
    }
}

/// An answer, before a format writes it.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// The number of the request, for ids that are the same each time.
    pub(super) number: usize,
    pub(super) reasoning: Option<&'static str>,
    pub(super) text: String,
    pub(super) calls: Vec<Call>,
    pub(super) finish: Finish,
    /// None: the answer reports no usage.
    pub(super) tokens: Option<Tokens>,
}

/// A call of a tool.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: Value,
}

/// Why an answer ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finish {
    Stop,
    StopAt(String),
    Length,
    Calls,
}

impl Answer {
    /// What the model answers to the request of this number.
    pub(super) fn to(seen: &Seen, number: usize, tokens: Option<Tokens>) -> Self {
        let reasoning = seen.reasons.then_some(REASONING);
        let tokens = tokens.map(|tokens| if reasoning.is_some() { tokens } else { Tokens { reasoning: 0, ..tokens } });
        let calls = calls(seen, number);
        if !calls.is_empty() {
            return Self { number, reasoning, text: String::new(), calls, finish: Finish::Calls, tokens };
        }
        let (text, finish) = limited(text(seen), seen);
        Self { number, reasoning, text, calls, finish, tokens }
    }

    /// The text in the pieces that a stream sends.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &str> {
        self.text.split_inclusive(' ')
    }
}

impl Call {
    /// The arguments as text in two pieces; a call without arguments has none, as with the vendors.
    pub(super) fn argument_pieces(&self) -> Vec<String> {
        if self.arguments.as_object().is_some_and(Map::is_empty) {
            return Vec::new();
        }
        let text = self.arguments.to_string();
        let (first, rest) = text.split_at(text.char_indices().nth(3).map_or(text.len(), |(at, _)| at));
        vec![first.to_owned(), rest.to_owned()]
    }
}

/// The calls of the tools that are offered, once for each thing that the user says: two at once where that is allowed.
fn calls(seen: &Seen, number: usize) -> Vec<Call> {
    if seen.choice == Choice::Never || !seen.results.is_empty() {
        return Vec::new();
    }
    let named = |tool: &&Tool| !matches!(&seen.choice, Choice::One(name) if *name != tool.name);
    let tools: Vec<&Tool> = seen.tools.iter().filter(named).collect();
    let twice = seen.parallel && !matches!(seen.choice, Choice::One(_));
    let chosen: Vec<&Tool> = tools.iter().copied().cycle().take(if twice { 2 } else { 1 }).collect();
    let call = |(index, tool): (usize, &&Tool)| {
        let arguments = example(&tool.schema, &tool.schema, ["Paris", "Rome"][index % 2]);
        let arguments = if arguments.is_object() { arguments } else { json!({}) };
        Call { id: format!("call_{number}_{index}"), name: tool.name.clone(), arguments }
    };
    chosen.iter().enumerate().map(call).collect()
}

fn text(seen: &Seen) -> String {
    let told = if seen.system.is_empty() { String::new() } else { format!(" I was told: {}", seen.system.join(" ")) };
    match &seen.shape {
        _ if !seen.results.is_empty() => format!("The tools said: {}.{told}", seen.results.join(" and ")),
        Some(Shape::Json) => json!({"answer": "Paris"}).to_string(),
        Some(Shape::Schema(schema)) => example(schema, schema, "Paris").to_string(),
        None if seen.images > 0 => format!("I see {} images.{told}", seen.images),
        None => format!("You said: {}{told}", seen.text),
    }
}

/// The text up to where a stop sequence or the limit ends it.
fn limited(mut text: String, seen: &Seen) -> (String, Finish) {
    let mut finish = Finish::Stop;
    let found = |stop: &String| text.find(stop.as_str()).map(|at| (at, stop.clone()));
    if let Some((at, stop)) = seen.stops.iter().filter_map(found).min() {
        text.truncate(at);
        finish = Finish::StopAt(stop);
    }
    let limit = seen.output_max.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    if text.split_inclusive(' ').count() > limit {
        text = text.split_inclusive(' ').take(limit).collect();
        finish = Finish::Length;
    }
    (text, finish)
}

/// A value of a JSON schema, or of the part of OpenAPI's that Google takes. Texts are the word.
fn example(schema: &Value, root: &Value, word: &str) -> Value {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(Value::Null, |target| example(target, root, word));
    }
    if let Some(value) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
        return value.clone();
    }
    if let Some(one) = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| schema.get(*name)?.get(0)) {
        return example(one, root, word);
    }
    let kind = schema.get("type").and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
    match kind.map(str::to_lowercase).as_deref() {
        Some("string") => json!(word),
        Some("integer") => json!(21),
        Some("number") => json!(21.5),
        Some("boolean") => json!(true),
        Some("array") => json!([example(schema.get("items").unwrap_or(&Value::Null), root, word)]),
        Some("object") | None if schema.is_object() => {
            let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            Value::Object(fields.map(|(name, field)| (name.clone(), example(field, root, word))).collect())
        }
        _ => Value::Null,
    }
}
